# The scrapes of a cluster as the role prometheus sets them up, on a real Prometheus, with the rights of the guide.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hollow kubelets speak plain HTTP and ask nobody for a right. Before each stands what a kubelet does itself: TLS, and
the questions to the API server whose token came and whether it may read the metrics of this node. kube-state-metrics is
a page of its kind, reached through the proxy of the API server as the guide says.
"""

from __future__ import annotations

import http.server
import re
import socket
import ssl
import threading
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from certificates import make_authority, make_certificate

from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.tests.kubernetes.cluster import ADMIN, WORKERS, Cluster, free_ports
from ansible_collections.aidc.ops.tests.kubernetes.rights import account_token
from ansible_collections.aidc.ops.tests.prometheus.test_scale_out import active_targets, server

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst" / "guide_monitoring_scale.rst"
SPACE, ACCOUNT = "kube-system", "aidc-prometheus"
STATE = 'kube_node_info{node="gpu2"} 1\nkube_deployment_spec_replicas{namespace="vision",deployment="tagger"} 2\n'


class Pages:
    """A web server at one address; ``answer`` gets path and token, and gives status and text."""

    def __init__(
        self, address: tuple[str, int], answer: t.Callable[[str, str], tuple[int, bytes]], certificate: Path | None
    ) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answer(self.path, self.headers.get("Authorization", "").removeprefix("Bearer "))
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(address, Handler)
        self.port = int(self._server.server_address[1])
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Door:
    """What a kubelet asks the API server before it shows its metrics."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._api = KubeApi(str(cluster.kubeconfig(f"door-{node}", ADMIN)), None, 10)
        self._lock = threading.Lock()
        self._node = node
        port = next(word for word in cluster._commands[node] if word.startswith("--kubelet-read-only-port="))
        self._behind = f"http://127.0.0.1:{port.partition('=')[2]}"

    def __call__(self, path: str, token: str) -> tuple[int, bytes]:
        with self._lock:
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
            who = self._api.post("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
            if not who.get("authenticated"):
                return 401, b""
            attributes = {"verb": "get", "resource": "nodes", "subresource": "metrics", "name": self._node}
            spec = {"user": who["user"]["username"], "groups": who["user"]["groups"], "resourceAttributes": attributes}
            access = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
            if not self._api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", access)["status"]["allowed"]:
                return 403, b""
        with urllib.request.urlopen(self._behind + path, timeout=10) as answer:
            return int(answer.status), answer.read()


def own_address() -> str:
    """Address of this machine that is not loopback: an endpoint of Kubernetes may not be."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def role_of_the_guide() -> dict[str, t.Any]:
    text = GUIDE.read_text("utf-8").partition("The token needs these rights")[2]
    block = re.search(r"\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)", text)
    assert block is not None
    return dict(yaml.safe_load(re.sub(r"(?m)^   ", "", block.group(1))))


@pytest.fixture(scope="module")
def token(cluster: Cluster) -> str:
    """Of an account that has what the guide gives, and nothing else."""
    role = role_of_the_guide()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": SPACE}}
    cluster.create(account)
    cluster.create(role)
    cluster.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role["metadata"]["name"],
            },
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SPACE}],
        }
    )
    return account_token(cluster, SPACE, ACCOUNT)


@pytest.fixture(scope="module")
def state_url(cluster: Cluster) -> t.Iterator[str]:
    """kube-state-metrics behind a service, as its address in the API."""
    address = own_address()
    page = Pages((address, 0), lambda path, _token: (200, STATE.encode()) if path == "/metrics" else (404, b""), None)
    meta = {"name": "kube-state-metrics", "namespace": SPACE}
    ports = [{"name": "http-metrics", "port": page.port}]
    cluster.admin.post(
        f"/api/v1/namespaces/{SPACE}/services",
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}},
    )
    # The proxy goes to addresses of pods only. This pod is nobody's: no scheduler binds it, no kubelet says its status.
    pods = f"/api/v1/namespaces/{SPACE}/pods"
    spec = {"schedulerName": "nobody", "containers": [{"name": "main", "image": "example"}]}
    cluster.admin.post(pods, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    cluster.admin.patch(f"{pods}/{meta['name']}/status", {"status": status})
    target = {"kind": "Pod", "namespace": SPACE, "name": meta["name"]}
    subsets = [{"addresses": [{"ip": address, "targetRef": target}], "ports": ports}]
    cluster.admin.post(
        f"/api/v1/namespaces/{SPACE}/endpoints",
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets},
    )
    yield f"{cluster.url}/api/v1/namespaces/{SPACE}/services/kube-state-metrics:http-metrics/proxy/metrics"
    page.close()
    cluster.delete("Pod", meta["name"], SPACE)


class Scraped:
    """A Prometheus with one entry of ``prometheus_kubernetes``."""

    def __init__(self, cluster: Cluster, folder: Path, state_url: str, token: str) -> None:
        make_authority(folder / "pki")
        make_certificate(folder / "pki", "kubelet")
        addresses = {name: f"127.0.0.{number}" for number, name in enumerate(WORKERS, 1)}
        (port,) = free_ports(1)
        self._doors = [
            Pages((addresses[name], port), Door(cluster, name), folder / "pki" / "kubelet.crt") for name in WORKERS
        ]
        entry = {
            "name": "k1",
            "hosts": [{"name": name, "address": address} for name, address in addresses.items()],
            "port": port,
            "secret": token,
            "tls_config": {"ca_file": str(folder / "pki" / "ca.crt"), "server_name": "127.0.0.1"},
            "state_metrics_url": state_url,
            "state_metrics_tls_config": {"ca_file": str(cluster.folder / "certificates" / "apiserver.crt")},
            "labels": {"cluster": "k1"},
        }
        kubelets = [{key: entry[key] for key in ("name", "hosts", "port")}]
        self.prometheus = server(folder / "prometheus", prometheus_kubernetes=[entry], kubelets=kubelets)

    def __enter__(self) -> Scraped:
        self.prometheus.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.prometheus.stop()
        for door in self._doors:
            door.close()

    def targets(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Job and instance -> health and last error, when each was asked."""
        give_up_at = time.monotonic() + 60
        while True:
            found = [one for one in active_targets(self.prometheus) if one["labels"]["job"] != "prometheus"]
            if found and all(one["health"] != "unknown" for one in found):
                return {
                    (one["labels"]["job"], one["labels"]["instance"]): (one["health"], one["lastError"])
                    for one in found
                }
            assert time.monotonic() < give_up_at, found
            time.sleep(0.3)

    def labels(self, expression: str) -> list[dict[str, str]]:
        return [dict(one.labels) for one in PrometheusClient(self.prometheus.url, timeout=30).samples(expression)]


EXPECTED = {(job, name) for job in ("kubelet", "cadvisor") for name in WORKERS} | {("kube-state-metrics", "k1")}


def test_every_target_of_the_cluster_is_up(cluster: Cluster, token: str, state_url: str, tmp_path: Path) -> None:
    with Scraped(cluster, tmp_path, state_url, token) as scraped:
        assert scraped.targets() == dict.fromkeys(EXPECTED, ("up", ""))
        nodes = {one["instance"] for one in scraped.labels('{job="kubelet",__name__=~"kubelet_.*|process_.*"}')}
        assert nodes == set(WORKERS)
        assert all(one["node"] == one["instance"] for one in scraped.labels('up{job=~"kubelet|cadvisor"}'))
        (info,) = scraped.labels("kube_node_info")
        wanted = {"job": "kube-state-metrics", "instance": "gpu2", "node": "gpu2", "cluster": "k1"}
        assert {name: info[name] for name in wanted} == wanted
        (replicas,) = scraped.labels("kube_deployment_spec_replicas")
        assert (replicas["instance"], replicas["namespace"]) == ("k1", "vision")


def test_a_token_without_the_rights_of_the_guide_is_refused(cluster: Cluster, state_url: str, tmp_path: Path) -> None:
    cluster.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "aidc-nothing", "namespace": SPACE}}
    )
    with Scraped(cluster, tmp_path, state_url, account_token(cluster, SPACE, "aidc-nothing")) as scraped:
        found = scraped.targets()
        assert set(found) == EXPECTED
        assert {health for health, _error in found.values()} == {"down"}
        assert all("403" in error for _health, error in found.values()), found


def test_the_rights_of_the_guide_are_no_more_than_that(cluster: Cluster, token: str) -> None:
    context = ssl.create_default_context(cafile=str(cluster.folder / "certificates" / "apiserver.crt"))
    for path in ("nodes", "pods", f"namespaces/{SPACE}/secrets", "nodes/gpu1/proxy/metrics"):
        request = urllib.request.Request(f"{cluster.url}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10, context=context)
        assert caught.value.code == 403, path

# Tests of more than one real Prometheus: agents that send, servers that take or federate, and targets from elsewhere.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import contextlib
import http.server
import json
import shlex
import ssl
import subprocess
import threading
import time
import typing as t
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from certificates import make_authority, make_certificate
from prometheus_server import PrometheusServer, program
from render import render

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.tests.prometheus.stack import Exporter

TOKEN = "a token"
NODES = [f"gpu{number}" for number in range(1, 7)]


class Pages:
    """A web server, with TLS if there is a certificate, that shows pages only to whoever has the token."""

    def __init__(self, pages: Mapping[str, str], certificate: tuple[str, str] | None = None) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                body = pages.get(self.path, "").encode()
                self.send_response(200 if known and body else 401)
                self.send_header("Content-Type", "application/json" if body[:1] == b"[" else "text/plain")
                self.send_header("Content-Length", str(len(body) if known else 0))
                self.end_headers()
                # A scrape that took too long has gone.
                with contextlib.suppress(OSError):
                    self.wfile.write(body if known else b"")

            def log_message(self, *_args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def server(folder: Path, **variables: t.Any) -> PrometheusServer:
    """A server with the configuration, the secrets, the targets and the arguments that the role writes."""
    names = {
        "prometheus_scrape_interval": "2s",
        "prometheus_scrape_timeout": "2s",
        "__prometheus_targets_dir": str(folder / "targets"),
        "__prometheus_secrets_dir": str(folder / "secrets"),
        "__prometheus_rules_dir": str(folder / "rules"),
        # What TLS does is a test of its own.
        **dict.fromkeys(
            ("prometheus_scrape_tls_ca", "prometheus_scrape_tls_certificate", "prometheus_tls_certificate"), ""
        ),
        **variables,
    }
    for name in ("targets", "secrets"):
        (folder / name).mkdir(parents=True)
    lists = t.cast("list[dict[str, t.Any]]", variables.get("prometheus_targets", []) + variables.get("kubelets", []))
    for job in lists:
        text = render("prometheus", "targets.json.j2", __prometheus_item=job)
        (folder / "targets" / f"{job['name']}.json").write_text(text, encoding="utf-8")
    for key in ("prometheus_remote_write", "prometheus_http_sd", "prometheus_kubernetes", "prometheus_federation"):
        for entry in variables.get(key, []):
            if "secret" in entry:
                (folder / "secrets" / entry["name"]).write_text(entry["secret"], encoding="utf-8")
    line = render("prometheus", "default.j2", **names).splitlines()[-1]
    flags = shlex.split(line.removeprefix("ARGS="))[0].split()
    flags = [flag for flag in flags if not flag.startswith(("--web.listen-address", "--web.config", "--storage."))]
    return PrometheusServer(folder, flags, render("prometheus", "prometheus.yml.j2", **names))


def wait_for_series(one: PrometheusServer, expression: str, seconds: float = 120) -> list[dict[str, str]]:
    """The labels of the series of an expression, as soon as there are any."""
    client = PrometheusClient(one.url, timeout=30)
    give_up_at = time.monotonic() + seconds
    while not (found := client.samples(expression)):
        assert time.monotonic() < give_up_at, f"no {expression}; {one.log.read_text()[-2000:]}"
        time.sleep(0.3)
    return [dict(sample.labels) for sample in found]


def active_targets(one: PrometheusServer) -> list[dict[str, t.Any]]:
    with urllib.request.urlopen(f"{one.url}/api/v1/targets?state=active", timeout=30) as answer:
        return list(json.load(answer)["data"]["activeTargets"])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, PrometheusServer]]:
    """An agent that sends to a server, and a second server that takes some of it from there."""
    folder = tmp_path_factory.mktemp("scale")
    make_authority(folder / "pki")
    make_certificate(folder / "pki", "kubelet")
    exporter = Exporter("aidc_test_metric 42\naidc_other_metric 1\n")
    port = exporter.address.split(":")[1]
    kubelet = Pages(
        {"/metrics": "kubelet_running_pods 3\n", "/metrics/cadvisor": 'container_cpu_usage_seconds_total{pod="p"} 7\n'},
        (str(folder / "pki" / "kubelet.crt"), str(folder / "pki" / "kubelet.key")),
    )
    state = Exporter('kube_node_info{node="gpu1"} 1\nkube_deployment_spec_replicas{deployment="d"} 2\n')
    found = [{"targets": [exporter.address], "labels": {"instance": "found1", "rack": "r9"}}]
    lists = Pages({"/targets": json.dumps(found)})
    hosts = [{"name": "gpu1", "address": "127.0.0.1", "labels": {"rack": "r1"}}]
    central = server(folder / "central", prometheus_remote_write_receiver=True)
    cluster = {
        "name": "k1",
        "hosts": hosts,
        "port": kubelet.port,
        "secret": TOKEN,
        "tls_config": {"ca_file": str(folder / "pki" / "ca.crt")},
        "state_metrics_url": f"http://{state.address}/metrics",
        "labels": {"cluster": "k$1"},
    }
    agent = server(
        folder / "agent",
        prometheus_agent=True,
        prometheus_external_labels={"site": "s1"},
        prometheus_targets=[{"name": "node_exporter", "port": port, "hosts": hosts}],
        prometheus_http_sd=[{"name": "inventory", "urls": [f"http://127.0.0.1:{lists.port}/targets"], "secret": TOKEN}],
        prometheus_kubernetes=[cluster],
        kubelets=[{key: cluster[key] for key in ("name", "hosts", "port")}],
        prometheus_remote_write=[
            {"name": "central", "url": f"{central.url}/api/v1/write", "queue_config": {"batch_send_deadline": "1s"}}
        ],
    )
    top = server(
        folder / "top",
        prometheus_federation=[
            {
                "name": "site",
                "servers": [central.url.removeprefix("http://")],
                "match": ['{__name__="aidc_test_metric"}'],
            }
        ],
    )
    started = {"central": central, "agent": agent, "top": top}
    try:
        for one in started.values():
            one.start()
        yield started
    finally:
        for one in started.values():
            one.stop()
        for closing in (exporter, state, kubelet, lists):
            closing.close()


def test_an_agent_sends_what_it_scrapes_and_answers_no_query(servers: dict[str, PrometheusServer]) -> None:
    (labels,) = wait_for_series(servers["central"], 'aidc_test_metric{job="node_exporter"}')
    assert {name: labels[name] for name in ("instance", "rack", "site")} == {
        "instance": "gpu1",
        "rack": "r1",
        "site": "s1",
    }
    with pytest.raises(Exception, match="unavailable with Prometheus Agent"):
        PrometheusClient(servers["agent"].url, timeout=30).samples("up")


def test_a_web_server_names_targets_to_whoever_has_the_token(servers: dict[str, PrometheusServer]) -> None:
    (labels,) = wait_for_series(servers["central"], 'aidc_test_metric{job="inventory"}')
    assert (labels["instance"], labels["rack"]) == ("found1", "r9")


def test_kubernetes_names_its_nodes_as_the_rules_and_the_dashboards_want(servers: dict[str, PrometheusServer]) -> None:
    for job, name in (("kubelet", "kubelet_running_pods"), ("cadvisor", "container_cpu_usage_seconds_total")):
        (labels,) = wait_for_series(servers["central"], name)
        wanted = {"job": job, "instance": "gpu1", "node": "gpu1", "rack": "r1", "cluster": "k$1"}
        assert {key: labels[key] for key in wanted} == wanted
    (labels,) = wait_for_series(servers["central"], "kube_node_info")
    assert (labels["job"], labels["node"], labels["instance"]) == ("kube-state-metrics", "gpu1", "gpu1")
    (labels,) = wait_for_series(servers["central"], "kube_deployment_spec_replicas")
    assert labels["instance"] == "k1"


def test_federation_takes_what_matches_with_its_labels(servers: dict[str, PrometheusServer]) -> None:
    found = wait_for_series(servers["top"], 'aidc_test_metric{instance="gpu1"}')
    assert [(labels["job"], labels["site"]) for labels in found] == [("node_exporter", "s1")]
    assert PrometheusClient(servers["top"].url, timeout=30).samples("aidc_other_metric") == []


def test_each_node_is_in_one_shard_with_all_its_exporters(tmp_path: Path) -> None:
    hosts = [{"name": name, "address": "127.0.0.1"} for name in NODES]
    targets = [
        {"name": name, "port": port, "hosts": hosts} for name, port in (("node_exporter", 9), ("gpu_exporter", 19))
    ]
    seen: list[set[tuple[str, str]]] = []
    for index in range(2):
        shard = server(
            tmp_path / str(index),
            prometheus_agent=True,
            prometheus_shard={"index": index, "of": 2},
            prometheus_targets=targets,
            prometheus_remote_write=[{"name": "nowhere", "url": "http://127.0.0.1:9/api/v1/write"}],
        )
        with shard.start():
            give_up_at = time.monotonic() + 60
            while len(found := active_targets(shard)) < 3 and time.monotonic() < give_up_at:
                time.sleep(0.3)
        seen.append({(one["labels"]["job"], one["labels"]["instance"]) for one in found} - {("prometheus", "node1")})
    assert seen[0] | seen[1] == {(job["name"], name) for job in targets for name in NODES}
    assert seen[0] & seen[1] == set()
    for shard_seen in seen:
        nodes = {name for _job, name in shard_seen}
        assert nodes, "six nodes in two shards leave none empty"
        assert shard_seen == {(job["name"], name) for job in targets for name in nodes}


@pytest.mark.parametrize("agent", [True, False], ids=["agent", "server"])
def test_promtool_agrees_with_everything_at_once(tmp_path: Path, agent: bool) -> None:
    access = {"username": "u", "secret": "p"}
    probe = {"name": "bmc", "exporter": "127.0.0.1:9290", "module": "remote", "hosts": [{"name": "a", "address": "b"}]}
    made = server(
        tmp_path,
        prometheus_agent=agent,
        prometheus_shard={"index": 1, "of": 3} if agent else {},
        prometheus_targets=[{"name": "node_exporter", "port": 9100, "hosts": [{"name": "a", "address": "b"}]}],
        prometheus_probes=[probe],
        prometheus_federation=[
            {"name": "up", "servers": ["a:9090"], "match": ['{job="x"}'], "tls_config": {}, **access}
        ],
        prometheus_http_sd=[
            {
                "name": "list",
                "urls": ["https://a.example.com/1", "https://a.example.com/2"],
                "tls_config": {"insecure_skip_verify": True},
                "list_tls_config": {"server_name": "b"},
                "relabel_configs": [{"action": "labeldrop", "regex": "x"}],
                **access,
            }
        ],
        prometheus_remote_write=[
            {
                "name": "far",
                "url": "https://a.example.com/push",
                "queue_config": {"max_shards": 10, "capacity": 5000},
                "headers": {"X-Scope-OrgID": "site"},
                "remote_timeout": "10s",
                "write_relabel_configs": [{"action": "labeldrop", "regex": "x"}],
                "tls_config": {"server_name": "b"},
                **access,
            }
        ],
        prometheus_remote_read=[] if agent else [{"name": "read", "url": "https://a.example.com/read"}],
    )
    command = [str(program("promtool")), "check", "config", *(["--agent"] if agent else []), str(made.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    config = yaml.safe_load(made.config.read_text())
    assert ("rule_files" in config, "alerting" in config) == (not agent, not agent)
    assert config["remote_write"][0]["basic_auth"]["password_file"] == str(tmp_path / "secrets" / "far")
    assert "secret" not in made.config.read_text().replace(str(tmp_path / "secrets"), "")

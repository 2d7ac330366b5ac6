# A real Kubernetes on loopback: etcd, API server, controllers, scheduler and hollow kubelets, all below one folder.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import yaml

from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import ApiRefused, KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

WORKERS = ("gpu1", "gpu2", "gpu3")
ADMIN, STRANGER = "admin-token", "stranger-token"
SERVICES = "10.96.0.0/16"
START_SECONDS = 120
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{space}/serviceaccounts",
    "Pod": "/api/v1/namespaces/{space}/pods",
    "Node": "/api/v1/nodes",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Deployment": "/apis/apps/v1/namespaces/{space}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{space}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{space}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{space}/jobs",
    "PodDisruptionBudget": "/apis/policy/v1beta1/namespaces/{space}/poddisruptionbudgets",
}


class ClusterError(Exception):
    """A part of the cluster does not start; the message holds the end of its log."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on, all different."""
    sockets = [socket.socket() for _number in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Cluster:
    """Start it with ``with``. Every process is ended by its own id, the last one started first."""

    def __init__(self, folder: Path, programs: Path, workers: t.Sequence[str]) -> None:
        self.folder = folder
        self.workers = tuple(workers)
        self._programs = programs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        (folder / "tmp").mkdir(parents=True)
        ports = free_ports(5)
        self.etcd, peers, self.port, controllers, scheduler = ports
        self._prepare(peers, controllers, scheduler)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Cluster:
        try:
            self.start("etcd")
            self.start("kube-apiserver")
            self.wait(self._ready, "the API server answers")
            for name in ("kube-controller-manager", "kube-scheduler", *self.workers):
                self.start(name)
            self.admin = KubeApi(str(self.kubeconfig("admin", ADMIN)), None, 10)
            self.wait(lambda: all(self.is_ready(name) for name in self.workers), "the nodes are ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)

    def start(self, name: str) -> None:
        """Start a part, or start it again."""
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                cwd=self.folder,
                env={**os.environ, "TMPDIR": str(self.folder / "tmp"), "ETCD_UNSUPPORTED_ARCH": "arm64"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self, name: str) -> None:
        """End a part as if its machine lost power. The API server would wait for all that watch it to leave."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def wait(self, holds: t.Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
        """Wait until something holds. Fails at once when a part has ended by itself."""
        give_up_at = time.monotonic() + seconds
        while not holds():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise ClusterError(f"{name} ended while waiting until {what}: {self._tail(name)}")
            if time.monotonic() > give_up_at:
                logs = "\n".join(f"--- {name}: {self._tail(name)}" for name in self._running)
                raise ClusterError(f"not within {seconds:.0f} s: {what}\n{logs}")
            time.sleep(0.2)

    def wait_for_server(self) -> None:
        """Wait until the API server answers."""
        self.wait(self._ready, "the API server answers")

    def kubeconfig(self, name: str, token: str) -> Path:
        """A kubeconfig file for a token, with a context of its own name."""
        path = self.folder / f"{name}.kubeconfig"
        authority = base64.b64encode((self.folder / "certificates" / "apiserver.crt").read_bytes()).decode()
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {"name": "lab", "cluster": {"server": self.url, "certificate-authority-data": authority}}
                    ],
                    "users": [{"name": name, "user": {"token": token}}],
                    "contexts": [{"name": name, "context": {"cluster": "lab", "user": name}}],
                    "current-context": name,
                }
            ),
            encoding="utf-8",
        )
        return path

    def create(self, thing: dict[str, t.Any], space: str = "default") -> dict[str, t.Any]:
        """Create an object; its kind says where."""
        space = thing["metadata"].get("namespace", space)
        return self.admin.post(PATHS[thing["kind"]].format(space=space), thing)

    def apply(self, text: str) -> None:
        """Create every object of a list."""
        for thing in yaml.safe_load(text)["items"]:
            self.create(thing)

    def delete(self, kind: str, name: str, space: str = "default") -> None:
        """Delete an object and what it made, at once; nothing happens if it is gone."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "gracePeriodSeconds": 0}
        try:
            self.admin.delete(f"{PATHS[kind].format(space=space)}/{name}", body)
        except ApiRefused as error:
            if error.status != 404:
                raise

    def node(self, name: str) -> dict[str, t.Any]:
        return self.admin.get(f"/api/v1/nodes/{name}")

    def is_ready(self, name: str) -> bool:
        """Whether the node's kubelet is well, and the node takes pods as far as the controllers know."""
        try:
            node = self.node(name)
        except EngineError:
            return False
        conditions = {entry["type"]: entry["status"] for entry in node.get("status", {}).get("conditions", ())}
        blocked = [taint for taint in node["spec"].get("taints", ()) if taint["key"].startswith("node.kubernetes.io/")]
        return conditions.get("Ready") == "True" and not blocked

    def all_pods(self, space: str = "default", **labels: str) -> list[dict[str, t.Any]]:
        """The pods of a namespace with these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return self.admin.items(f"/api/v1/namespaces/{space}/pods", labelSelector=selector)

    def pods(self, space: str = "default", **labels: str) -> list[dict[str, t.Any]]:
        """Those of them that nobody has asked to end."""
        return [pod for pod in self.all_pods(space, **labels) if "deletionTimestamp" not in pod["metadata"]]

    def running(self, count: int, space: str = "default", **labels: str) -> list[dict[str, t.Any]]:
        """Wait until so many such pods run; these pods."""

        def enough() -> bool:
            return [pod["status"].get("phase") for pod in self.pods(space, **labels)] == ["Running"] * count

        self.wait(enough, f"{count} pods {labels} run", 60)
        return self.pods(space, **labels)

    def _ready(self) -> bool:
        if not (self.folder / "certificates" / "apiserver.crt").exists():
            return False
        try:
            KubeApi(str(self.kubeconfig("probe", ADMIN)), None, 2).get("/api/v1/namespaces/default")
        except EngineError:
            return False
        return True

    def _prepare(self, peers: int, controllers: int, scheduler: int) -> None:
        folder = self.folder
        key = folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text(
            f'{ADMIN},admin,1,"system:masters"\n{STRANGER},stranger,2,""\n', encoding="utf-8"
        )
        admin = folder / "insecure.kubeconfig"
        # The parts of the cluster start before the server has made its certificate.
        admin.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "lab", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
                    "users": [{"name": "admin", "user": {"token": ADMIN}}],
                    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
                    "current-context": "lab",
                }
            ),
            encoding="utf-8",
        )
        etcd = f"http://127.0.0.1:{self.etcd}"
        self._commands = {
            "etcd": [
                str(self._programs / "etcd"),
                f"--data-dir={folder / 'etcd'}",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls=http://127.0.0.1:{peers}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
                f"--initial-cluster=default=http://127.0.0.1:{peers}",
                "--unsafe-no-fsync",
            ],
            "kube-apiserver": [
                str(self._programs / "kube-apiserver"),
                f"--etcd-servers={etcd}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--cert-dir={folder / 'certificates'}",
                f"--token-auth-file={folder / 'tokens.csv'}",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--authorization-mode=RBAC",
                f"--service-cluster-ip-range={SERVICES}",
                "--endpoint-reconciler-type=none",
                "--disable-admission-plugins=ServiceAccount",
            ],
            "kube-controller-manager": [
                str(self._programs / "kube-controller-manager"),
                f"--kubeconfig={admin}",
                f"--service-account-private-key-file={key}",
                f"--cert-dir={folder / 'certificates-controllers'}",
                "--bind-address=127.0.0.1",
                "--port=0",
                f"--secure-port={controllers}",
                "--leader-elect=false",
                "--node-monitor-period=1s",
                "--node-monitor-grace-period=15s",
            ],
            "kube-scheduler": [
                str(self._programs / "kube-scheduler"),
                f"--kubeconfig={admin}",
                f"--cert-dir={folder / 'certificates-scheduler'}",
                "--bind-address=127.0.0.1",
                "--port=0",
                f"--secure-port={scheduler}",
                "--leader-elect=false",
            ],
        }
        for name in self.workers:
            port, read_only = free_ports(2)
            self._commands[name] = [
                str(self._programs / "kubemark"),
                "--morph=kubelet",
                f"--name={name}",
                f"--kubeconfig={admin}",
                f"--kubelet-port={port}",
                f"--kubelet-read-only-port={read_only}",
                "--node-labels=aidc-ops-test=hollow",
            ]

    def _tail(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")[-1500:]

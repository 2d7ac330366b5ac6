# Tests of a cluster of real Alertmanagers on loopback, with the configuration and the arguments that the role writes.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import http.server
import json
import threading
import time
import typing as t
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alertmanager_server import AlertmanagerServer
from certificates import make_authority, make_certificate
from prometheus_server import PrometheusServer
from render import render

# How long an Alertmanager waits for the one before it to say that it has notified: the default of 15 s, made shorter.
TURN_SECONDS = 6
QUICK = [f"--cluster.peer-timeout={TURN_SECONDS}s", "--cluster.gossip-interval=100ms", "--cluster.settle-timeout=5s"]
RULES = """\
groups:
  - name: test
    rules:
      - {alert: Broken, expr: vector(1), labels: {severity: critical, instance: gpu1}}
"""


class Hook:
    """Receives notifications and keeps them."""

    def __init__(self) -> None:
        self.received: list[dict[str, t.Any]] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def tls_flag(folder: Path, certificates: Path, name: str) -> str:
    """The argument for gossip over TLS, with the file that the role writes."""
    (folder / "tls").mkdir(parents=True)
    for source, target in (("ca.crt", "ca.crt"), (f"{name}.crt", "cluster.crt"), (f"{name}.key", "cluster.key")):
        (folder / "tls" / target).write_bytes((certificates / source).read_bytes())
    path = folder / "tls" / "tls.yml"
    text = render("alertmanager", "cluster.yml.j2", __alertmanager_cluster_dir=str(folder / "tls"))
    path.write_text(text, encoding="utf-8")
    return f"--cluster.tls-config={path}"


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.2)


def members(server: AlertmanagerServer) -> int:
    return len(server.get("status")["cluster"].get("peers", []))


@pytest.fixture(params=["plain", "tls"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Hook, list[AlertmanagerServer]]]:
    hook = Hook()
    contact = {"name": "people", "type": "webhook", "url": hook.url, "hears": ["critical"]}
    config = render(
        "alertmanager", "alertmanager.yml.j2", alertmanager_contacts=[contact], alertmanager_group_wait="1s"
    )
    flags = {name: list(QUICK) for name in ("a", "b", "c")}
    if request.param == "tls":
        make_authority(tmp_path / "pki")
        for name in flags:
            make_certificate(tmp_path / "pki", name)
            flags[name].append(tls_flag(tmp_path / name, tmp_path / "pki", name))
    servers = [AlertmanagerServer(tmp_path / name, config, flags[name]) for name in flags]
    for server in servers:
        server.peers = [other.gossip for other in servers if other is not server]
    try:
        for server in servers:
            server.start()
        wait_for(lambda: all(members(server) == 3 for server in servers), "three members in each view of the cluster")
        yield hook, servers
    finally:
        for server in servers:
            server.stop()
        hook.close()


def test_a_cluster_agrees(cluster: tuple[Hook, list[AlertmanagerServer]], tmp_path: Path) -> None:
    hook, servers = cluster
    (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(tmp_path / "rules.yml")],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{server.port}" for server in servers]}]}]
        },
    }
    # The first alert leaves before the Alertmanagers are known; the next one would follow after a minute.
    flags = ["--rules.alert.resend-delay=1s"]
    with PrometheusServer(tmp_path / "prometheus", flags, json.dumps(config)).start():
        wait_for(lambda: all(len(server.get("alerts")) == 1 for server in servers), "the alert in all of them")
        wait_for(lambda: bool(hook.received), "a notification")
        # By then the turn of the last one has come, too.
        time.sleep(3 * TURN_SECONDS + 1)
    assert [alert["labels"]["alertname"] for note in hook.received for alert in note["alerts"]] == ["Broken"]

    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "instance", "value": "gpu1", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "maintenance",
    }
    made = servers[0].post("silences", silence)["silenceID"]
    shown = "alerts?active=true&silenced=false&inhibited=false"
    wait_for(lambda: all([s["id"] for s in one.get("silences")] == [made] for one in servers), "the silence everywhere")
    wait_for(lambda: all(one.get(shown) == [] for one in servers), "the alert silenced everywhere")


def test_who_has_no_certificate_of_the_authority_stays_outside(
    cluster: tuple[Hook, list[AlertmanagerServer]], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    _hook, servers = cluster
    flags = list(QUICK)
    protected = (tmp_path / "pki").exists()
    if protected:
        make_authority(tmp_path / "other")
        make_certificate(tmp_path / "other", "intruder")
        flags.append(tls_flag(tmp_path / "intruder", tmp_path / "other", "intruder"))
    stranger = AlertmanagerServer(tmp_path / "stranger", servers[0].config.read_text(), flags)
    stranger.peers = [server.gossip for server in servers]
    with stranger.start():
        if not protected:
            wait_for(lambda: all(members(server) == 4 for server in servers), "a fourth member without TLS")
            return
        time.sleep(3)
        assert members(stranger) <= 1
        assert [members(server) for server in servers] == [3, 3, 3]

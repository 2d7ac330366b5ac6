# The real Prometheus, Alertmanager and node exporter with the certificates and settings of our roles.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything listens on the loopback address only; nothing is installed."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_server import PrometheusServer, program
from render import render

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.plugins.plugin_utils._alertmanager import (
    AlertmanagerError,
    fetch_alerts,
    fetch_start_time,
    post_alerts,
)
from ansible_collections.aidc.ops.plugins.plugin_utils._http import Access
from ansible_collections.aidc.ops.tests.callbacks.programs import command as program_of
from ansible_collections.aidc.ops.tests.fakes.certificates import Authority
from ansible_collections.aidc.ops.tests.prometheus.test_exporters import binary, checked, free_port, get, running

# bcrypt of the password "monitor me", cost 4.
HASH = "$2b$04$1zrkfbXlZp7dxwYe0riZEuD5f/eHg5AAjVUBJGjwCAo4JYVbwnlHu"


class Site:
    """What the roles place on a monitoring node, below one folder, and the three programs that run with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.friend = self.authority.client(self.authority.issue("friend"))
        self.ports = {name: free_port() for name in ("alertmanager", "node_exporter")}
        self.server: PrometheusServer

    def web(self, role: str, **options: t.Any) -> Path:
        """The settings of a web server as the role has them written, with its certificates beside them."""
        place = self.folder / role
        place.mkdir()
        certificate, key = self.authority.issue(role)
        for name, source in (("tls.crt", certificate), ("tls.key", key), ("ca.crt", str(self.authority.ca))):
            (place / name).write_bytes(Path(source).read_bytes())
        told = {
            "role": role,
            "title": role,
            "directory": str(place),
            "group": "prometheus",
            "tls_certificate": certificate,
            "tls_key": key,
            "tls_client_ca": str(self.authority.ca),
            "handler": "Restart",
        }
        (place / "web.yml").write_text(render("exporter", "web.yml.j2", exporter_web=told | options))
        return place / "web.yml"

    def prometheus(self, **variables: t.Any) -> PrometheusServer:
        """A server that scrapes itself and the node exporter and tells the Alertmanager, not yet started."""
        web = self.web("prometheus", **variables.pop("web", {}))
        assert checked([str(program("promtool")), "check", "web-config", str(web)]).returncode == 0
        self.server = PrometheusServer(self.folder / "server", [f"--web.config.file={web}"], scheme="https")
        hosts = [{"name": "n1", "address": "127.0.0.1"}]
        target = {"name": "node_exporter", "port": self.ports["node_exporter"], "hosts": hosts}
        (self.folder / "targets").mkdir()
        text = render("prometheus", "targets.json.j2", __prometheus_item=target)
        (self.folder / "targets/node_exporter.json").write_text(text)
        config = render(
            "prometheus",
            "prometheus.yml.j2",
            prometheus_targets=[target],
            prometheus_alertmanagers=[f"127.0.0.1:{self.ports['alertmanager']}"],
            prometheus_listen_port=self.server.port,
            prometheus_scrape_interval="1s",
            prometheus_scrape_timeout="1s",
            __prometheus_targets_dir=str(self.folder / "targets"),
            __prometheus_rules_dir=str(self.folder / "rules"),
            # What Prometheus shows is the certificate it serves with, as it is by default.
            __prometheus_scrape_dir=str(self.folder / "prometheus"),
            **variables,
        )
        self.server.config.write_text(config)
        done = checked([str(program("promtool")), "check", "config", str(self.server.config)])
        assert done.returncode == 0, done.stderr
        return self.server

    def start(self, stack: ExitStack, **alertmanager: t.Any) -> None:
        """Run the three until the end of the stack."""
        (self.folder / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
        command = [
            *program_of("prometheus-alertmanager"),
            "--config.file=am.yml",
            "--storage.path=am",
            "--cluster.listen-address=",
        ]
        command += [f"--web.config.file={self.web('alertmanager', **alertmanager)}"]
        port = self.ports["alertmanager"]
        stack.enter_context(running([*command, f"--web.listen-address=127.0.0.1:{port}"], port, self.folder))
        command = [str(binary("node-exporter")), f"--web.config.file={self.web('node_exporter')}"]
        port = self.ports["node_exporter"]
        stack.enter_context(running([*command, f"--web.listen-address=127.0.0.1:{port}"], port, self.folder))
        stack.enter_context(self.server.start())

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.server.port if name == 'prometheus' else self.ports[name]}"


def until(question: t.Callable[[], bool], log: Path) -> None:
    give_up_at = time.monotonic() + 60
    while not question():
        assert time.monotonic() < give_up_at, log.read_text()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("tls"))
    made.prometheus()
    with ExitStack() as stack:
        made.start(stack)
        yield made


def access(site: Site) -> Access:
    return Access(**site.authority.options())


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "node_exporter"])
def test_only_clients_with_a_certificate_are_let_in(site: Site, name: str, tmp_path: Path) -> None:
    address = site.address(name)
    assert "go_info" in get(f"https://{address}/metrics", context=site.friend)
    stranger = Authority(tmp_path, "somebody else").issue("stranger")
    for context in (site.authority.client(), site.authority.client(stranger)):
        with pytest.raises((urllib.error.URLError, OSError)):
            get(f"https://{address}/metrics", context=context)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(f"http://{address}/metrics")


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "node_exporter"])
def test_curl_without_a_certificate_gets_nothing(site: Site, name: str) -> None:
    """The scenarios ask with curl: this is what they expect of it."""
    command = ["curl", "-s", "--insecure", "--max-time", "10", f"https://{site.address(name)}/metrics"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode in (0, 7, 28), done.stdout) == (False, "")


def test_prometheus_reaches_itself_the_exporter_and_the_alertmanager(site: Site) -> None:
    options = site.authority.options()
    client = PrometheusClient(
        site.server.url, options["ca_file"], options["client_cert"], options["client_key"], timeout=10
    )
    until(lambda: len(client.samples("up == 1")) == 2, site.server.log)
    assert {target.labels["job"] for target in client.targets()} == {"prometheus", "node_exporter"}

    def alertmanagers() -> list[str]:
        found = json.loads(get(f"{site.server.url}/api/v1/alertmanagers", context=site.friend))
        return [one["url"] for one in found["data"]["activeAlertmanagers"]]

    until(lambda: alertmanagers() == [f"https://{site.address('alertmanager')}/api/v2/alerts"], site.server.log)


def test_the_loop_reaches_the_alertmanager_with_a_certificate_only(site: Site) -> None:
    url, mine = f"https://{site.address('alertmanager')}", access(site)
    post_alerts(url, [{"labels": {"alertname": "Demo", "instance": "n1"}}], 10, mine)
    assert [alert["labels"]["alertname"] for alert in fetch_alerts(url, 10, (), mine)] == ["Demo"]
    assert fetch_start_time(url, 10, mine) > 0
    with pytest.raises(AlertmanagerError):
        fetch_alerts(url, 10, (), Access(ca_file=mine.ca_file))


def test_a_renewed_certificate_is_served_without_a_restart(site: Site) -> None:
    def shown() -> str:
        command = ["openssl", "s_client", "-connect", site.address("node_exporter")]
        done = subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=30)
        found = re.search(r"-----BEGIN CERTIFICATE-----[^-]+", done.stdout)
        assert found is not None, done.stdout
        return found[0]

    before = shown()
    certificate, key = site.authority.issue("renewed")
    for name, source in (("tls.crt", certificate), ("tls.key", key)):
        (site.folder / "node_exporter" / name).write_bytes(Path(source).read_bytes())
    assert shown() != before


def test_people_may_log_in_with_a_password_where_no_certificate_is_asked_for(tmp_path: Path) -> None:
    site = Site(tmp_path)
    login = {"username": "monitor", "password": "monitor me"}
    web = {"basic_auth_users": {"monitor": HASH}, "tls_client_ca": ""}
    site.prometheus(web=web, prometheus_login=login, prometheus_alertmanager_login=login)
    basic = "Basic " + base64.b64encode(b"monitor:monitor me").decode()
    with ExitStack() as stack:
        site.start(stack, **web)
        for name in ("prometheus", "alertmanager"):
            url = f"https://{site.address(name)}/metrics"
            with pytest.raises(urllib.error.HTTPError, match="401"):
                get(url, context=site.authority.client())
            asked = urllib.request.Request(url, headers={"Authorization": basic})
            with urllib.request.urlopen(asked, timeout=30, context=site.authority.client()) as answer:
                assert answer.status == 200
        client = PrometheusClient(site.server.url, str(site.authority.ca), timeout=10, **login)
        until(lambda: len(client.samples("up == 1")) == 2, site.server.log)
        password = tmp_path / "password"
        password.write_text("monitor me\n")
        mine = Access(ca_file=str(site.authority.ca), username="monitor", password_file=str(password))
        assert fetch_alerts(f"https://{site.address('alertmanager')}", 10, (), mine) == []

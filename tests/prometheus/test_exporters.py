# The real exporters with what our roles write: they take it, serve with it, and Prometheus reaches others through them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything listens on the loopback address only; nothing is installed."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from debian_package import library_path, unpacked
from exporter_rendered import PROGRAM
from prometheus_client.parser import text_string_to_metric_families
from prometheus_server import PrometheusServer, program
from render import render

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient

SNMPD = """agentaddress udp:127.0.0.1:{port}
rocommunity public 127.0.0.1
createUser monitor SHA "first: #1" AES "second{{2}}"
rouser monitor priv
override .1.3.6.1.2.1.47.1.1.1.1.7.1 octet_str "Inlet power"
override .1.3.6.1.2.1.99.1.1.1.1.1 integer 6
override .1.3.6.1.2.1.99.1.1.1.2.1 integer 9
override .1.3.6.1.2.1.99.1.1.1.3.1 integer 1
override .1.3.6.1.2.1.99.1.1.1.4.1 integer 23051
override .1.3.6.1.2.1.99.1.1.1.5.1 integer 1
"""
AUTHS = [
    {"name": "pdu", "username": "monitor", "password": "first: #1", "priv_password": "second{2}"},
    {"name": "switch", "version": 2, "community": "public"},
]


def binary(name: str) -> Path:
    return unpacked(f"prometheus-{name}") / "usr" / "bin" / f"prometheus-{name}"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, folder: Path, **environment: str) -> t.Iterator[None]:
    """The program until the end of the block; raises AssertionError with its log if it does not listen."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def get(url: str, data: bytes | None = None, context: ssl.SSLContext | None = None) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=30, context=context) as answer:
        return str(answer.read().decode())


def checked(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate and its key that are server, client and authority in one."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=monitor", "-addext", "subjectAltName=DNS:monitor,IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return str(folder / "crt"), str(folder / "key")


def web_config(folder: Path, certificate: tuple[str, str], clients: bool) -> Path:
    """What the role exporter writes for the web server, with the certificates beside it."""
    for name, source in (("tls.crt", 0), ("tls.key", 1), ("client_ca.crt", 0)):
        (folder / name).write_text(Path(certificate[source]).read_text())
    told = PROGRAM | {"tls_certificate": "x", "tls_key": "x", "tls_client_ca": "x" if clients else ""}
    path = folder / "web.yml"
    path.write_text(render("exporter", "web.yml.j2", exporter_program=told, __exporter_web_dir=str(folder)))
    return path


def test_blackbox_exporter_takes_the_modules_and_refuses_nonsense(tmp_path: Path) -> None:
    config = tmp_path / "blackbox.yml"
    config.write_text(render("blackbox_exporter", "blackbox.yml.j2"))
    line = [str(binary("blackbox-exporter")), "--config.check", f"--config.file={config}"]
    assert checked(line).returncode == 0
    wrong = {"odd": {"prober": "http", "http": {"colour": "red"}}}
    config.write_text(render("blackbox_exporter", "blackbox.yml.j2", blackbox_exporter_extra_modules=wrong))
    done = checked(line)
    assert done.returncode != 0
    assert "colour" in done.stderr


@pytest.mark.parametrize("name", ["blackbox-exporter", "pushgateway", "snmp-exporter", "ipmi-exporter"])
def test_only_clients_with_a_certificate_are_let_in(name: str, certificate: tuple[str, str], tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "config.yml"
    config.write_text("modules: {}\n" if name != "snmp-exporter" else "{}\n")
    command = [str(binary(name)), f"--web.listen-address=127.0.0.1:{port}"]
    command += [f"--web.config.file={web_config(tmp_path, certificate, clients=True)}"]
    if name == "pushgateway":
        command += [f"--persistence.file={tmp_path / 'data'}"]
    else:
        command += [f"--config.file={config}"]
    with running(command, port, tmp_path):
        stranger = ssl.create_default_context(cafile=certificate[0])
        with pytest.raises((urllib.error.URLError, OSError)):
            get(f"https://127.0.0.1:{port}/metrics", context=stranger)
        with pytest.raises((urllib.error.URLError, OSError)):
            get(f"http://127.0.0.1:{port}/metrics")
        friend = ssl.create_default_context(cafile=certificate[0])
        friend.load_cert_chain(*certificate)
        assert "go_info" in get(f"https://127.0.0.1:{port}/metrics", context=friend)


def test_without_a_certificate_it_is_plain(tmp_path: Path) -> None:
    port = free_port()
    web = tmp_path / "web.yml"
    web.write_text(render("exporter", "web.yml.j2", exporter_program=PROGRAM))
    command = [str(binary("pushgateway")), f"--web.config.file={web}", f"--web.listen-address=127.0.0.1:{port}"]
    with running([*command, f"--persistence.file={tmp_path / 'data'}"], port, tmp_path):
        assert "go_info" in get(f"http://127.0.0.1:{port}/metrics")


def test_prometheus_probes_a_node_through_an_exporter_with_tls(certificate: tuple[str, str], tmp_path: Path) -> None:
    port = free_port()
    blackbox = tmp_path / "blackbox.yml"
    blackbox.write_text(render("blackbox_exporter", "blackbox.yml.j2"))
    probe = {
        "name": "blackbox_ports",
        "job": "blackbox",
        "exporter": f"127.0.0.1:{port}",
        "module": "tcp_connect",
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "tls_config": {"ca_file": certificate[0], "cert_file": certificate[0], "key_file": certificate[1]},
        "hosts": [
            {"name": "n1", "address": f"127.0.0.1:{port}", "labels": {"rack": "r1"}},
            {"name": "n2", "address": f"127.0.0.1:{free_port()}"},
        ],
    }
    (tmp_path / "blackbox_ports.json").write_text(render("prometheus", "targets.json.j2", __prometheus_item=probe))
    config = render(
        "prometheus",
        "prometheus.yml.j2",
        prometheus_probes=[probe],
        __prometheus_targets_dir=str(tmp_path),
        __prometheus_rules_dir=str(tmp_path / "rules"),
    )
    (tmp_path / "prometheus.yml").write_text(config)
    done = checked([str(program("promtool")), "check", "config", str(tmp_path / "prometheus.yml")])
    assert done.returncode == 0, done.stderr

    command = [str(binary("blackbox-exporter")), f"--config.file={blackbox}", f"--web.listen-address=127.0.0.1:{port}"]
    command += [f"--web.config.file={web_config(tmp_path, certificate, clients=True)}"]
    server = PrometheusServer(tmp_path / "server", config=config)
    with running(command, port, tmp_path), server.start():
        client = PrometheusClient(server.url)
        deadline = time.monotonic() + 60
        found: dict[str, float] = {}
        while len(found) < 2:
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.2)
            answer = json.loads(get(f"{client.url}/api/v1/query?query=probe_success"))["data"]["result"]
            found = {one["metric"]["instance"]: float(one["value"][1]) for one in answer}
        assert found == {"n1": 1, "n2": 0}
        (labels,) = [one["metric"] for one in answer if one["metric"]["instance"] == "n1"]
        assert labels == {
            "__name__": "probe_success",
            "instance": "n1",
            "job": "blackbox",
            "module": "tcp_connect",
            "rack": "r1",
        }


def test_pushed_metrics_survive_a_restart(tmp_path: Path) -> None:
    port = free_port()
    command = [
        str(binary("pushgateway")),
        f"--persistence.file={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, port, tmp_path):
        get(f"http://127.0.0.1:{port}/metrics/job/backup/instance/n1", data=b"backup_bytes 17\n")
    with running(command, port, tmp_path):
        assert 'backup_bytes{instance="n1",job="backup"} 17' in get(f"http://127.0.0.1:{port}/metrics")


def test_snmp_exporter_refuses_nonsense(tmp_path: Path) -> None:
    config = tmp_path / "snmp.yml"
    line = [str(binary("snmp-exporter")), "--dry-run", f"--config.file={config}"]
    config.write_text(render("snmp_exporter", "snmp.yml.j2", snmp_exporter_auths=AUTHS))
    assert checked(line).returncode == 0
    own = {"pdu": {"walk": ["1.3.6.1.4.1.99999.1"], "metrics": [{"name": "x", "colour": "red"}]}}
    config.write_text(render("snmp_exporter", "snmp.yml.j2", snmp_exporter_auths=AUTHS, snmp_exporter_modules=own))
    done = checked(line)
    assert done.returncode != 0
    assert "colour" in done.stderr


def test_snmp_exporter_reads_a_pdu_and_ports(tmp_path: Path) -> None:
    """The real snmpd, with the sensor of a PDU written into it, is the device."""
    device, port = free_port(socket.SOCK_DGRAM), free_port()
    files = unpacked("snmpd", "libwrap0")
    (tmp_path / "snmpd.conf").write_text(SNMPD.format(port=device))
    (tmp_path / "snmp.yml").write_text(render("snmp_exporter", "snmp.yml.j2", snmp_exporter_auths=AUTHS))
    agent = subprocess.Popen(
        [str(files / "usr" / "sbin" / "snmpd"), "-f", "-Lf", "agent.log", "-C", "-c", "snmpd.conf"],
        cwd=tmp_path,
        env={
            **os.environ,
            "LD_LIBRARY_PATH": library_path(files),
            "MIBS": "",
            "SNMPCONFPATH": str(tmp_path),
            "SNMP_PERSISTENT_DIR": str(tmp_path / "persistent"),
        },
        stdin=subprocess.DEVNULL,
    )

    def ask(module: str) -> dict[str, float]:
        text = get(f"http://127.0.0.1:{port}/snmp?module={module}&target=127.0.0.1:{device}")
        return {
            f"{sample.name}|{sample.labels.get('ifName') or sample.labels.get('entPhysicalName', '')}": sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        } | {"type": float("entPhySensorType=" in text)}

    def answered(module: str) -> dict[str, float]:
        try:
            return ask(module)
        except urllib.error.HTTPError:
            return {}

    line = [str(binary("snmp-exporter")), "--config.file=snmp.yml", f"--web.listen-address=127.0.0.1:{port}"]
    try:
        with running(line, port, tmp_path):
            # The agent needs a moment, on a busy machine more than the exporter's own retries give it.
            give_up_at = time.monotonic() + 60
            while not (found := answered("entity_sensor_pdu")):
                assert agent.poll() is None and time.monotonic() < give_up_at, (tmp_path / "agent.log").read_text()
                time.sleep(0.5)
            scale, places = found["entPhySensorScale|Inlet power"], found["entPhySensorPrecision|Inlet power"]
            watts = found["entPhySensorValue|Inlet power"] * 10 ** (3 * (scale - 9)) / 10**places
            assert watts == pytest.approx(2305.1)
            assert found["entPhySensorOperStatus|Inlet power"] == 1
            assert found["type"] == 1
            ports = ask("if_mib_switch")
            assert ports["ifOperStatus|lo"] == 1
            assert ports["ifHCInOctets_total|lo"] > 0
    finally:
        agent.terminate()
        agent.wait(10)

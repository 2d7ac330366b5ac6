# Runs the task file that subscribes BMCs, with the real ansible-playbook, against a small stand-in for a BMC.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
DESTINATION = "https://ctl.example.org:5055/redfish"
COLLECTION = "/redfish/v1/EventService/Subscriptions"


class Bmc:
    """A BMC's event service over TLS."""

    def __init__(self, root: Path) -> None:
        self.subscriptions: dict[str, dict[str, t.Any]] = {}
        self.requests: list[str] = []
        self.certificate = root / "bmc.crt"
        _write_certificate(self.certificate, root / "bmc.key")
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, root / "bmc.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def add(self, **values: t.Any) -> None:
        self.subscriptions[f"{COLLECTION}/{len(self.requests)}-{len(self.subscriptions)}"] = values

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _write_certificate(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _handler(bmc: Bmc) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            bmc.requests.append(f"GET {self.path}")
            if self.path == COLLECTION:
                self._answer(200, {"Members": [{"@odata.id": name} for name in bmc.subscriptions]})
            else:
                self._answer(200, bmc.subscriptions[self.path])

        def do_POST(self) -> None:
            bmc.requests.append(f"POST {self.path}")
            bmc.add(**json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(201, {})

        def do_DELETE(self) -> None:
            bmc.requests.append(f"DELETE {self.path}")
            del bmc.subscriptions[self.path]
            self._answer(204, None)

        def _answer(self, status: int, value: t.Any) -> None:
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: t.Any) -> None:
            pass

    return Handler


@pytest.fixture
def bmc(tmp_path: Path) -> t.Iterator[Bmc]:
    server = Bmc(tmp_path)
    yield server
    server.close()


def subscribe(root: Path, bmc: Bmc, *arguments: str) -> str:
    """Run the task file for the nodes gpu1 (with a BMC), gpu2 (without) and gpu3 (not in the inventory)."""
    command = root / "aidc-cases"
    command.write_text('#!/bin/sh\n[ "$1" = bmc-context ] && echo "$2:proof"\n')
    command.chmod(0o755)
    play = [
        {
            "hosts": "ctl",
            "gather_facts": False,
            "vars": {
                "__remediation_controller_command": str(command),
                "__remediation_controller_unit": {"stat": {"exists": True}},
                "remediation_controller_nodes": {"gpu1": {}, "gpu2": {}, "gpu3": {}},
                "remediation_controller_bmc_destination": DESTINATION,
                "remediation_controller_bmc_subscription": {"Protocol": "Redfish"},
            },
            "tasks": [
                {
                    "ansible.builtin.include_tasks": str(
                        ROOT / "roles" / "remediation_controller" / "tasks" / "subscribe_bmc.yml"
                    )
                }
            ],
        }
    ]
    hosts = {
        "ctl": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        "gpu1": {
            "aidc_ops_bmc_address": "127.0.0.1",
            "aidc_ops_bmc_port": bmc.port,
            "aidc_ops_bmc_username": "admin",
            "aidc_ops_bmc_password": "hunter2hunter2",
            "aidc_ops_bmc_ca_path": str(bmc.certificate),
        },
        "gpu2": {},
    }
    (root / "play.yml").write_text(json.dumps(play))
    (root / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("--inventory", str(root / "hosts.yml"), *arguments, str(root / "play.yml")),
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(root / "home")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hunter2" not in done.stdout and "proof" not in done.stdout
    return done.stdout


def test_a_bmc_is_subscribed_once_and_again_when_the_token_changed(tmp_path: Path, bmc: Bmc) -> None:
    bmc.add(Destination="https://elsewhere.example.org/", Context="theirs")
    assert "changed=0" in subscribe(tmp_path, bmc, "--check")
    assert len(bmc.subscriptions) == 1
    assert "changed=1" in subscribe(tmp_path, bmc)
    ours = {"Destination": DESTINATION, "Context": "gpu1:proof", "Protocol": "Redfish"}
    assert ours in bmc.subscriptions.values() and len(bmc.subscriptions) == 2
    assert "changed=0" in subscribe(tmp_path, bmc)
    for values in bmc.subscriptions.values():
        values["Context"] = "made with another token" if values["Destination"] == DESTINATION else "theirs"
    assert "changed=2" in subscribe(tmp_path, bmc)
    assert sorted(values["Context"] for values in bmc.subscriptions.values()) == ["gpu1:proof", "theirs"]

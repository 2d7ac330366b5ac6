# Where the BMC tests have their servers, and how they ask them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bmcsim.model import Bmc
from bmcsim.server import Place, Simulator

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import PARTS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_reader import Request, read_bmc
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

ROOT = Path(__file__).resolve().parents[2]

# Addresses of this machine itself on Linux; nobody else uses these.
ADDRESSES = [f"127.83.0.{number}" for number in range(1, 31)]

SUSHY_SYSTEM = "1d1e9b4b-2b9f-4d0c-9d4a-6a3c2d9f0e11"
SUSHY_SETTINGS = """
SUSHY_EMULATOR_LISTEN_IP = {host!r}
SUSHY_EMULATOR_LISTEN_PORT = {port}
SUSHY_EMULATOR_SSL_CERT = {certificate!r}
SUSHY_EMULATOR_SSL_KEY = {key!r}
SUSHY_EMULATOR_AUTH_FILE = {users!r}
SUSHY_EMULATOR_STATE_DIR = {state!r}
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_FAKE_SYSTEMS = [
    {{
        "uuid": {system!r},
        "name": "gpu1",
        "power_state": "On",
        "external_notifier": False,
        "nics": [{{"mac": "00:5c:52:31:3a:9c", "ip": "192.0.2.20"}}],
    }}
]
"""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Site:
    """Starts simulated BMCs and asks them as the module does."""

    def __init__(self, certificate: tuple[str, str], stack: ExitStack) -> None:
        self.certificate = certificate
        self.port = 0
        self._stack = stack

    def start(self, *bmcs: Bmc, control: tuple[str, int] | None = None) -> Simulator:
        """Serve these BMCs, each at its own address and all at one port."""
        self.port = free_port(host=ADDRESSES[0])
        places = [Place(bmc, address, self.port) for bmc, address in zip(bmcs, ADDRESSES, strict=False)]
        return self._stack.enter_context(Simulator(places, *self.certificate, control=control))

    def request(self, **more: Any) -> Request:
        values = {
            "parts": PARTS,
            "protocol": "redfish",
            "address": ADDRESSES[0],
            "port": self.port,
            "username": "admin",
            "password": "secret",
            "ca_path": self.certificate[0],
            "timeout": 15,
        }
        return Request(**{**values, **more})

    def read(self, **more: Any) -> dict[str, Any]:
        return read_bmc(self.request(**more), run)


def wait_for(host: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))

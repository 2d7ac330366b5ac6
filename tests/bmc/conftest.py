# Real servers for the BMC tests: our Redfish simulator, sushy-tools' emulator, ipmi_sim.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import init_plugin_loader

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parents[1] / "molecule" / "shared", HERE.parents[1] / "tools"):
    sys.path.insert(0, str(folder))
init_plugin_loader([str(HERE.parents[1] / ".ansible" / "collections")])

from bmcsim.certificates import make_certificate
from bmcsim.ipmi import IpmiBmc
from sites import ADDRESSES, SUSHY_SETTINGS, SUSHY_SYSTEM, Site, free_port, wait_for


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AIDC_OPS_", "ANSIBLE_", "IPMI")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Certificate and key for all addresses."""
    one, other = make_certificate(tmp_path_factory.mktemp("tls"), ADDRESSES)
    return str(one), str(other)


@pytest.fixture
def site(certificate: tuple[str, str]) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(certificate, stack)


@pytest.fixture(scope="module")
def sushy_emulator(certificate: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The emulator of sushy-tools with one server, TLS and a user; what a Request needs to reach it."""
    import bcrypt

    folder = tmp_path_factory.mktemp("sushy")
    users = folder / "users"
    users.write_text(f"admin:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4, prefix=b'2b')).decode()}\n")
    host, port = ADDRESSES[20], free_port(host=ADDRESSES[20])
    settings = folder / "emulator.conf"
    settings.write_text(
        SUSHY_SETTINGS.format(
            host=host,
            port=port,
            certificate=certificate[0],
            key=certificate[1],
            users=str(users),
            state=str(folder),
            system=SUSHY_SYSTEM,
        )
    )
    log = (folder / "log").open("wb")
    command = [str(Path(sys.executable).parent / "sushy-emulator"), "--fake", "--config", str(settings)]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(host, port, process, folder / "log")
        yield {"address": host, "port": port, "ca_path": certificate[0], "username": "admin", "password": "secret"}
    finally:
        process.terminate()
        process.wait(10)
        log.close()


@pytest.fixture(scope="module")
def ipmi_bmc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpmiBmc]:
    """A BMC with IPMI and two users, one of whom may only read."""
    users = [("admin", "secret", "admin"), ("viewer", "look", "user")]
    with IpmiBmc(tmp_path_factory.mktemp("ipmi"), free_port(socket.SOCK_DGRAM), users) as bmc:
        yield bmc

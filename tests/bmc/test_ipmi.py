# The reader of bmc_info against a real IPMI BMC: ipmi_sim, asked by ipmitool.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from bmcsim.ipmi import RAW, IpmiBmc
from sites import free_port

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import Silent
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import PARTS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_reader import Request, read_bmc
from ansible_collections.aidc.ops.plugins.module_utils._runner import run


def read(bmc: IpmiBmc, **more: Any) -> dict[str, Any]:
    values = {"parts": PARTS, "protocol": "ipmi", "address": bmc.host, "ipmi_port": bmc.port, "timeout": 30}
    return read_bmc(Request(**{**values, "username": "admin", "password": "secret", **more}), run)


def test_every_part(ipmi_bmc: IpmiBmc) -> None:
    answer = read(ipmi_bmc)
    assert answer["problems"] == []
    assert answer["protocol"] == "ipmi"
    assert answer["system"]["node_id"] == "dmi:SN0042"
    assert answer["system"]["power_state"] == "on"
    assert [(one["name"], one["input_watts"], one["state"]) for one in answer["power_supplies"]] == [
        ("PS1", 800.0, "ok"),
        ("PS2", None, "absent"),
    ]
    assert [one["rpm"] for one in answer["fans"]] == [3000]
    assert [one["celsius"] for one in answer["temperatures"]] == [45.0, 60.0]
    assert answer["bmc"]["firmware"] == "9.08"
    assert answer["events"]


def test_a_user_who_may_only_read(ipmi_bmc: IpmiBmc) -> None:
    answer = read(ipmi_bmc, username="viewer", password="look", ipmi_privilege="user")
    assert answer["system"]["serial"] == "SN0042"


def test_a_wrong_password(ipmi_bmc: IpmiBmc) -> None:
    began = time.monotonic()
    with pytest.raises(Silent, match="a wrong user name or password"):
        read(ipmi_bmc, password="wrong")
    assert time.monotonic() - began < 5


def test_the_password_is_in_no_argument(ipmi_bmc: IpmiBmc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every user of the machine could see is looked at by a program in front of ipmitool."""
    spy = tmp_path / "ipmitool"
    seen = tmp_path / "seen"
    spy.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/self/cmdline >> {seen}\nexec /usr/bin/ipmitool "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert read(ipmi_bmc, parts=["bmc"])["bmc"]["firmware"] == "9.08"
    text = seen.read_text()
    assert "-U admin" in text or "ipmitool" in text
    assert "secret" not in text


def test_a_gpu_that_gets_too_hot_is_an_event(ipmi_bmc: IpmiBmc) -> None:
    before = len(read(ipmi_bmc, parts=["events"])["events"])
    try:
        ipmi_bmc.set_raw(6, 95)
        deadline = time.monotonic() + 10
        while len(read(ipmi_bmc, parts=["events"])["events"]) == before:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        answer = read(ipmi_bmc, parts=["thermal", "events"])
        assert [one["state"] for one in answer["temperatures"]] == ["ok", "critical"]
        assert (answer["events"][-1]["severity"], answer["events"][-1]["sensor"]) == (
            "critical",
            "Temperature GPU 1 Temp",
        )
    finally:
        ipmi_bmc.set_raw(6, RAW[6])


def test_the_power_state_is_that_of_the_server(ipmi_bmc: IpmiBmc) -> None:
    arguments = [
        "ipmitool",
        "-I",
        "lanplus",
        "-C",
        "3",
        "-H",
        ipmi_bmc.host,
        "-p",
        str(ipmi_bmc.port),
        "-U",
        "admin",
        "-E",
    ]
    environment = {**os.environ, "IPMI_PASSWORD": "secret"}
    subprocess.run([*arguments, "power", "off"], env=environment, check=True, capture_output=True, timeout=30)
    try:
        assert not ipmi_bmc.power
        assert read(ipmi_bmc, parts=["system"])["system"]["power_state"] == "off"
    finally:
        subprocess.run([*arguments, "power", "on"], env=environment, check=True, capture_output=True, timeout=30)


def test_nobody_there_costs_less_than_its_time() -> None:
    began = time.monotonic()
    values = {"parts": PARTS, "protocol": "ipmi", "address": "127.0.0.1", "ipmi_port": free_port(socket.SOCK_DGRAM)}
    with pytest.raises(Silent, match="no answer through IPMI"):
        read_bmc(Request(**values, username="admin", password="secret", timeout=6), run)
    assert time.monotonic() - began < 6


def test_auto_falls_back_to_ipmi_and_says_so(ipmi_bmc: IpmiBmc) -> None:
    answer = read(ipmi_bmc, protocol="auto", port=free_port())
    assert answer["protocol"] == "ipmi"
    assert "Redfish failed" in answer["problems"][0]["message"]
    assert answer["system"]["serial"] == "SN0042"


def test_without_an_ipmi_device_the_machine_itself_has_no_bmc() -> None:
    if any(Path(name).exists() for name in ("/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0")):
        pytest.fail("this machine has a BMC of its own; run the test where none is")
    with pytest.raises(Silent, match="the BMC of this machine: no answer through IPMI: Could not open device"):
        read_bmc(Request(parts=PARTS, timeout=10), run)

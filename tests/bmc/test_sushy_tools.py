# The reader of bmc_info against the emulator of sushy-tools, which is not ours.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from typing import Any

import pytest
import sushy
from sites import SUSHY_SYSTEM

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import Refused
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import PARTS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_reader import Request, read_bmc
from ansible_collections.aidc.ops.plugins.module_utils._runner import run


def read(access: dict[str, Any], **more: Any) -> dict[str, Any]:
    return read_bmc(Request(**{"parts": PARTS, "protocol": "redfish", "timeout": 30, **access, **more}), run)


def test_what_the_emulator_has_is_read(sushy_emulator: dict[str, Any]) -> None:
    answer = read(sushy_emulator)
    system = answer["system"]
    assert (system["uuid"], system["power_state"], system["health"]) == (SUSHY_SYSTEM, "on", "ok")
    assert [one["serial"] for one in answer["chassis"]] == ["437XR1138R2"]
    assert [one["rpm"] for one in answer["fans"]] == [2100, 2050]
    assert [(one["celsius"], one["upper_critical_celsius"]) for one in answer["temperatures"]] == [(41, 45), (25, 40)]
    assert (answer["bmc"]["protocol"], answer["bmc"]["firmware"]) == ("redfish", "1.00")


def test_what_the_emulator_has_not_is_unknown_and_a_problem_where_it_was_announced(
    sushy_emulator: dict[str, Any],
) -> None:
    answer = read(sushy_emulator)
    assert (answer["system"]["gpus"], answer["power_supplies"], answer["events"]) == (None, None, None)
    assert answer["firmware"] is None
    assert [one["device"] for one in answer["problems"]] == ["/redfish/v1/UpdateService/FirmwareInventory"]


def test_a_wrong_password_is_refused(sushy_emulator: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="access denied for user admin"):
        read(sushy_emulator, password="wrong")


def test_the_power_state_follows_a_reset(sushy_emulator: dict[str, Any]) -> None:
    url = f"https://{sushy_emulator['address']}:{sushy_emulator['port']}"
    auth = sushy.auth.BasicAuth("admin", "secret")
    connector = sushy.connector.Connector(url, verify=sushy_emulator["ca_path"])
    connector.set_http_basic_auth("admin", "secret")
    root = sushy.Sushy(url, auth=auth, connector=connector)
    root.get_system(f"/redfish/v1/Systems/{SUSHY_SYSTEM}").reset_system(sushy.ResetType.FORCE_OFF)
    # The emulator takes its time, as a real server does.
    deadline = time.monotonic() + 60
    while read(sushy_emulator, parts=["system"])["system"]["power_state"] != "off":
        assert time.monotonic() < deadline
        time.sleep(0.3)

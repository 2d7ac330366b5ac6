# Tests of power supplies out of Redfish.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_power

OK = {"State": "Enabled", "Health": "OK"}


def test_the_old_resource() -> None:
    supply = {
        "MemberId": "0",
        "Name": "PS1",
        "Model": "PSU-3300",
        "SerialNumber": "P1",
        "FirmwareVersion": "0.3",
        "PowerCapacityWatts": 3300,
        "PowerInputWatts": 1210.52,
        "PowerOutputWatts": 1130,
        "Status": OK,
    }
    assert redfish_power.from_power({"PowerSupplies": [supply]}) == [
        {
            "name": "PS1",
            "model": "PSU-3300",
            "serial": "P1",
            "firmware": "0.3",
            "capacity_watts": 3300.0,
            "input_watts": 1210.5,
            "output_watts": 1130.0,
            "state": "ok",
        }
    ]


def test_supplies_that_all_have_one_name_are_told_apart() -> None:
    # HPE calls each of them HpeServerPowerSupply, and writes the output under its older name.
    docs = [{"MemberId": str(n), "Name": "HpeServerPowerSupply", "LastPowerOutputWatts": 100 + n} for n in range(2)]
    found = redfish_power.from_power({"PowerSupplies": docs})
    assert [(one["name"], one["output_watts"]) for one in found] == [
        ("HpeServerPowerSupply (0)", 100.0),
        ("HpeServerPowerSupply (1)", 101.0),
    ]


def test_a_supply_that_gives_nothing_gives_zero_watts_and_not_the_last_ones() -> None:
    found = redfish_power.from_power({"PowerSupplies": [{"PowerOutputWatts": 0, "LastPowerOutputWatts": 300}]})
    assert found[0]["output_watts"] == 0.0


def test_the_subsystem_with_metrics_of_one_supply() -> None:
    supplies = [
        {"Id": "PSU1", "Name": "PSU1", "Status": OK},
        {"Id": "PSU2", "Name": "PSU2", "Status": {"State": "Absent"}},
    ]
    metrics = [{"InputPowerWatts": {"Reading": 937.4}, "OutputPowerWatts": {"Reading": None}}, None]
    found = redfish_power.from_subsystem(supplies, metrics)
    assert [(one["name"], one["input_watts"], one["output_watts"], one["state"]) for one in found] == [
        ("PSU1", 937.4, None, "ok"),
        ("PSU2", None, None, "absent"),
    ]


@pytest.mark.parametrize("broken", [None, {}, "x", [None, 5, "x"], 7])
def test_what_is_no_list_of_supplies_is_an_empty_one(broken: Any) -> None:
    assert redfish_power.from_power({"PowerSupplies": broken}) == []


def test_values_of_wrong_types_are_unknown() -> None:
    supply = {"Name": ["x"], "PowerCapacityWatts": "big", "PowerInputWatts": {}, "Status": [], "SerialNumber": 17}
    found = redfish_power.from_power({"PowerSupplies": [supply]})[0]
    assert (found["capacity_watts"], found["input_watts"], found["state"], found["serial"]) == (None, None, None, "17")
    assert found["name"] == "0"

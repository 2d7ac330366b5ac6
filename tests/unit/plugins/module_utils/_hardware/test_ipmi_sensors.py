# Tests of the sensors that ipmitool prints.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import ipmi_sensors

RECORDED = (Path(__file__).parents[3] / "fixtures" / "bmc" / "sdr_elist.txt").read_text(encoding="utf-8")


def supply(*lines: str) -> list[dict[str, object]]:
    return ipmi_sensors.power_supplies(ipmi_sensors.parse_sensors("\n".join(lines)), {})


def test_the_recorded_fans_and_temperatures() -> None:
    sensors = ipmi_sensors.parse_sensors(RECORDED)
    assert ipmi_sensors.fans(sensors) == [{"name": "FAN 1", "rpm": 300, "percent": None, "state": "critical"}]
    assert [(one["name"], one["celsius"], one["state"]) for one in ipmi_sensors.temperatures(sensors)] == [
        ("CPU1 Temp", 45.0, "ok"),
        ("GPU 1 Temp", 60.0, "ok"),
    ]


def test_the_recorded_power_supplies() -> None:
    found = ipmi_sensors.power_supplies(ipmi_sensors.parse_sensors(RECORDED), {})
    assert [(one["name"], one["input_watts"], one["output_watts"], one["state"]) for one in found] == [
        ("PS1", 800.0, None, "ok"),
        ("PS2", None, None, "absent"),
    ]


def test_fru_data_completes_a_supply_and_adds_one_without_sensors() -> None:
    frus = {
        1: {"Product Name": "PSU-3300", "Product Serial": "P1", "Product Version": "0.3"},
        3: {"Product Serial": "P3"},
    }
    found = ipmi_sensors.power_supplies(ipmi_sensors.parse_sensors(RECORDED), frus)
    assert [(one["name"], one["model"], one["serial"], one["state"]) for one in found] == [
        ("PS1", "PSU-3300", "P1", "ok"),
        ("PS2", None, None, "absent"),
        ("PSU 3", None, "P3", None),
    ]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Presence detected", "ok"),
        ("Presence detected, Failure detected", "critical"),
        ("Presence detected, Power Supply AC lost", "critical"),
        ("Presence detected, AC out-of-range, but present", "critical"),
        ("Presence detected, Predictive failure", "warning"),
        ("", "absent"),
    ],
)
def test_states_of_a_supply(text: str, state: str) -> None:
    assert supply(f"PS1 Status | C8h | ok | 10.1 | {text}")[0]["state"] == state


def test_a_supply_that_cannot_be_read_has_no_state() -> None:
    assert supply("PS1 Status | C8h | ns | 10.1 | No Reading")[0]["state"] is None
    assert supply("PS1 Input Power | C9h | ok | 10.1 | 200 Watts")[0]["state"] is None


def test_input_and_output_of_a_supply() -> None:
    found = supply("PSU1_PIN | 01h | ok | 10.1 | 210 Watts", "PSU1_POUT | 02h | ok | 10.1 | 195 Watts")[0]
    assert (found["name"], found["input_watts"], found["output_watts"]) == ("PSU1", 210.0, 195.0)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("ok", "ok"),
        ("nc", "warning"),
        ("unc", "warning"),
        ("lnc", "warning"),
        ("cr", "critical"),
        ("ucr", "critical"),
        ("unr", "critical"),
        ("nr", "critical"),
        ("ns", None),
        ("xx", None),
    ],
)
def test_statuses(status: str, state: str | None) -> None:
    sensors = ipmi_sensors.parse_sensors(f"T1 | 01h | {status} | 7.1 | 40 degrees C")
    assert ipmi_sensors.temperatures(sensors)[0]["state"] == state


def test_a_fan_without_a_reading_and_one_in_percent() -> None:
    text = "FAN2 | 42h | ns | 29.2 | No Reading\nFAN3 | 43h | ok | 29.3 | 40 percent\nFAN4 | 44h | ns | 29.4 | \n"
    found = ipmi_sensors.fans(ipmi_sensors.parse_sensors(text))
    assert [(one["name"], one["rpm"], one["percent"], one["state"]) for one in found] == [
        ("FAN2", None, None, None),
        ("FAN3", None, 40.0, "ok"),
        ("FAN4", None, None, None),
    ]


def test_sensors_of_one_name_are_told_apart() -> None:
    sensors = ipmi_sensors.parse_sensors("Temp | 0Eh | ok | 3.1 | 40 degrees C\nTemp | 0Fh | ok | 3.2 | 41 degrees C\n")
    assert [one["name"] for one in ipmi_sensors.temperatures(sensors)] == ["Temp (0E)", "Temp (0F)"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Error: Unable to establish IPMI v2 / RMCP+ session",
        "a|b|c",
        "|" * 1000,
        "T | 01h | ok | 7.x | 4\n",
        "\xff\x00",
    ],
)
def test_broken_lines_are_no_sensors(text: str) -> None:
    assert ipmi_sensors.parse_sensors(text) == []


def test_a_flood_of_lines_is_bounded() -> None:
    assert len(ipmi_sensors.parse_sensors("T | 01h | ok | 7.1 | 4 degrees C\n" * 50000)) == 20000

# Tests of what ipmitool prints about a BMC and its server.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import ipmi_inventory

FIXTURES = Path(__file__).parents[3] / "fixtures" / "bmc"

SUPPLIES = """\
FRU Device Description : Builtin FRU Device (ID 0)
 Product Manufacturer  : Example Systems
 Product Serial        : SN: 42
 Product Extra         : first
 Product Extra         : second

FRU Device Description : PSU1_FRU (ID 3)
 Product Name          : PSU-3300
 Product Serial        : P1

FRU Device Description : PWR_SUPPLY 2 (ID 4)
 Device not present (Requested sensor, data, or record not found)

FRU Device Description : NVMe_BP (ID 5)
 Board Product         : Backplane
"""


def read(name: str) -> str:
    return (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")


def test_the_recorded_server() -> None:
    system = ipmi_inventory.parse_system(ipmi_inventory.fru_devices(read("fru_print")), read("chassis_status"))
    known = {key: value for key, value in system.items() if value is not None}
    assert known == {
        "node_id": "dmi:SN0042",
        "node_id_source": "dmi",
        "manufacturer": "Example Systems",
        "product": "GPU Server 8",
        "serial": "SN0042",
        "part_number": "GS8",
        "asset_tag": "AT-7",
        "power_state": "on",
        "health": "ok",
    }


def test_the_recorded_chassis_and_board() -> None:
    devices = ipmi_inventory.fru_devices(read("fru_print"))
    chassis = ipmi_inventory.parse_chassis(devices)
    assert [(one["serial"], one["part_number"], one["type"]) for one in chassis] == [
        ("CSN0042", "CH-1000", "Rack Mount Chassis")
    ]
    assert ipmi_inventory.board_serial(devices) == "BRD0042"


def test_the_recorded_bmc() -> None:
    assert ipmi_inventory.parse_bmc(read("mc_info"), read("lan_print"), "192.0.2.10") == {
        "address": "192.0.2.10",
        "mac": None,
        "manufacturer": "MontaVista Software, Inc.",
        "model": None,
        "firmware": "9.08",
        "protocol": "ipmi",
    }


def test_in_band_the_address_is_what_the_bmc_says() -> None:
    lan = "IP Address Source : DHCP Address\nIP Address : 192.0.2.7\nMAC Address : aa:bb:CC:00:11:22\n"
    found = ipmi_inventory.parse_bmc("", lan, None)
    assert (found["address"], found["mac"], found["firmware"]) == ("192.0.2.7", "aa:bb:cc:00:11:22", None)
    assert ipmi_inventory.parse_bmc("", read("lan_print"), None)["address"] is None


def test_values_may_hold_colons_and_the_first_of_equal_keys_counts() -> None:
    devices = ipmi_inventory.fru_devices(SUPPLIES)
    assert devices[0]["fields"]["Product Serial"] == "SN: 42"
    assert devices[0]["fields"]["Product Extra"] == "first"
    # A serial number with a blank in it names no node.
    assert ipmi_inventory.parse_system(devices, "")["node_id"] is None


def test_power_supplies_are_found_among_the_devices() -> None:
    found = ipmi_inventory.supply_frus(ipmi_inventory.fru_devices(SUPPLIES))
    assert {number: fields.get("Product Serial") for number, fields in found.items()} == {1: "P1"}


@pytest.mark.parametrize(
    ("line", "health"),
    [("Drive Fault          : true", "critical"), ("Drive Fault          : false", "ok"), ("System Power : on", None)],
)
def test_faults_of_the_chassis(line: str, health: str | None) -> None:
    assert ipmi_inventory.parse_system([], line)["health"] == health


@pytest.mark.parametrize(
    "text", ["", "\x00\xff", "no colon here", ": no key", "FRU Device Description\n" * 3, "x: y\n" * 50000]
)
def test_broken_texts_tell_nothing(text: str) -> None:
    devices = ipmi_inventory.fru_devices(text)
    assert ipmi_inventory.parse_system(devices, text)["serial"] is None
    assert ipmi_inventory.parse_chassis(devices) == []
    assert ipmi_inventory.supply_frus(devices) == {}
    assert ipmi_inventory.parse_bmc(text, text, None)["mac"] is None

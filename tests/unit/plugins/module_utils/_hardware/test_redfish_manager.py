# Tests of what a BMC says about itself in Redfish.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_manager

USB = {"MACAddress": "02:00:5E:00:00:01", "IPv4Addresses": [{"Address": "169.254.3.1"}]}
LAN = {"MACAddress": "AA-BB-CC-00-11-22", "IPv4Addresses": [{"Address": "192.0.2.10"}]}
SIX = {"MACAddress": "aabbcc001133", "IPv6Addresses": [{"Address": "fe80::1"}, {"Address": "2001:db8::7"}]}
MANAGER = {"Id": "BMC", "Model": "AST2600", "FirmwareVersion": "24.10"}


@pytest.mark.parametrize(
    ("address", "interfaces", "mac"),
    [
        ("192.0.2.10", [USB, LAN, SIX], "aa:bb:cc:00:11:22"),
        ("2001:db8::7", [USB, LAN, SIX], "aa:bb:cc:00:11:33"),
        ("bmc-gpu1.example.com", [USB, LAN, SIX], "aa:bb:cc:00:11:22"),
        ("bmc-gpu1.example.com", [USB], None),
        ("169.254.3.1", [LAN, USB], "02:00:5e:00:00:01"),
        ("192.0.2.10", [], None),
        ("192.0.2.10", None, None),
    ],
)
def test_the_mac_is_that_of_the_address_asked_and_never_of_the_internal_network(
    address: str, interfaces: Any, mac: str | None
) -> None:
    found = redfish_manager.parse_bmc(MANAGER, interfaces, address, "Example")
    assert (found["address"], found["mac"]) == (address, mac)


def test_the_manufacturer_is_that_of_the_server_where_the_bmc_has_none() -> None:
    assert redfish_manager.parse_bmc(MANAGER, None, "a", "Example")["manufacturer"] == "Example"
    named = {**MANAGER, "Manufacturer": "Maker"}
    assert redfish_manager.parse_bmc(named, None, "a", "Example")["manufacturer"] == "Maker"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("AA:BB:CC:DD:EE:FF", "aa:bb:cc:dd:ee:ff"),
        ("aabb.ccdd.eeff", None),
        ("00:00:00:00:00:00", None),
        ("AA:BB:CC:DD:EE", None),
        (None, None),
        (5, None),
    ],
)
def test_mac_addresses(value: Any, expected: str | None) -> None:
    assert redfish_manager.mac_address(value) == expected


def test_the_bmc_is_chosen_among_managers() -> None:
    assert redfish_manager.choose([{"ManagerType": "EnclosureManager"}, {"ManagerType": "BMC"}]) == 1
    assert redfish_manager.choose([{"ManagerType": "EnclosureManager"}]) == 0
    assert redfish_manager.choose([]) is None


def test_firmware_is_named_by_id_and_sorted() -> None:
    docs = [
        {"Id": "GPU_1", "Name": "Software Inventory", "Version": "96.00", "Updateable": True},
        {"Id": "BIOS", "Name": "Software Inventory", "Version": "", "Updateable": "yes"},
    ]
    assert redfish_manager.parse_firmware(docs) == [
        {"name": "BIOS", "version": None, "updateable": None},
        {"name": "GPU_1", "version": "96.00", "updateable": True},
    ]

# Parses what ipmitool prints about a BMC and its server: fru print, mc info, lan print, chassis status.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ipmitool prints "Key : Value" lines. Values may hold colons too, so the first colon parts them."""

from __future__ import annotations

import re
import typing as t

from .redfish_manager import mac_address
from .redfish_system import SYSTEM_KEYS, power_state, system_serial_identity
from .redfish_values import clean, known

_DEVICE = re.compile(r"^FRU Device Description\s*:\s*(.*?)\s*(?:\(ID ([0-9]+)\))?\s*\Z")
_SUPPLY = re.compile(r"^(?:psu?|pwr[ _-]*supply|power[ _-]*supply)[ _-]*([0-9]+)", re.I)
_UNKNOWN_ID = re.compile(r"^Unknown \(")

MAX_LINES = 20000
"""A BMC prints a few hundred lines; more than this is not looked at."""


def fields(text: str) -> dict[str, str]:
    """Return the "Key : Value" lines of a text; the first one of equal keys counts, empty values are left out."""
    found: dict[str, str] = {}
    for line in text.splitlines()[:MAX_LINES]:
        key, colon, value = line.partition(":")
        if colon and key.strip() and value.strip():
            found.setdefault(key.strip(), value.strip())
    return found


def fru_devices(text: str) -> list[dict[str, t.Any]]:
    """Return C(name), C(id) and C(fields) of every device in the answer of C(ipmitool fru print)."""
    devices: list[dict[str, t.Any]] = []
    lines: list[str] = []
    for line in text.splitlines()[:MAX_LINES]:
        found = _DEVICE.match(line.strip())
        if found:
            lines = []
            devices.append({"name": clean(found.group(1)), "id": found.group(2), "lines": lines})
        else:
            lines.append(line)
    return [
        {"name": device["name"], "id": device["id"], "fields": fields("\n".join(device["lines"]))} for device in devices
    ]


def parse_system(devices: t.Sequence[t.Mapping[str, t.Any]], chassis_status: str) -> dict[str, t.Any]:
    """Return the server from its FRU data (device 0) and the chassis status; IPMI knows nothing of CPUs and GPUs."""
    own = _own(devices)
    serial = known(own.get("Product Serial"))
    node_id, source = system_serial_identity(serial)
    status = fields(chassis_status)
    system: dict[str, t.Any] = dict.fromkeys(SYSTEM_KEYS)
    system.update(
        node_id=node_id,
        node_id_source=source,
        manufacturer=known(own.get("Product Manufacturer")),
        product=known(own.get("Product Name")),
        serial=serial,
        part_number=known(own.get("Product Part Number")),
        asset_tag=known(own.get("Product Asset Tag")),
        power_state=power_state(status.get("System Power")),
        health=_chassis_health(status),
    )
    return system


def parse_chassis(devices: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return the chassis of the server, if its FRU data has one."""
    own = _own(devices)
    chassis = {
        "id": "0",
        "type": known(own.get("Chassis Type")),
        "manufacturer": None,
        "model": None,
        "serial": known(own.get("Chassis Serial")),
        "part_number": known(own.get("Chassis Part Number")),
        "asset_tag": None,
        "state": None,
    }
    return [chassis] if chassis["serial"] or chassis["part_number"] or chassis["type"] else []


def board_serial(devices: t.Sequence[t.Mapping[str, t.Any]]) -> str | None:
    """Return the serial number of the main board."""
    return known(_own(devices).get("Board Serial"))


def supply_frus(devices: t.Sequence[t.Mapping[str, t.Any]]) -> dict[int, t.Mapping[str, str]]:
    """Return the FRU fields of each power supply under its number."""
    found: dict[int, t.Mapping[str, str]] = {}
    for device in devices:
        named = _SUPPLY.match(device["name"] or "")
        if named and device["fields"]:
            found.setdefault(int(named.group(1)), device["fields"])
    return found


def parse_bmc(mc_info: str, lan_print: str, address: str | None) -> dict[str, t.Any]:
    """Return the BMC; C(address) is the one that it was asked at, None in band."""
    controller, lan = fields(mc_info), fields(lan_print)
    ip = known(lan.get("IP Address"))
    return {
        "address": address or (None if ip == "0.0.0.0" else ip),  # noqa: S104 - compared, never bound
        "mac": mac_address(lan.get("MAC Address")),
        "manufacturer": _name(controller.get("Manufacturer Name")),
        "model": _name(controller.get("Product Name")),
        "firmware": known(controller.get("Firmware Revision")),
        "protocol": "ipmi",
    }


def _own(devices: t.Sequence[t.Mapping[str, t.Any]]) -> t.Mapping[str, str]:
    """Return the fields of device 0, which describes the server itself."""
    for device in devices:
        if device["id"] == "0":
            return dict(device["fields"])
    return {}


def _name(value: str | None) -> str | None:
    """Return a name; ipmitool writes "Unknown (0x...)" for a number that it has no name for."""
    found = known(value)
    return None if found is None or _UNKNOWN_ID.match(found) else found


def _chassis_health(status: t.Mapping[str, str]) -> str | None:
    """Return C(critical) for a fault of power, drives or cooling, C(ok) without one, None if nothing is said."""
    faults = [
        status[key]
        for key in ("Power Overload", "Main Power Fault", "Power Control Fault", "Drive Fault", "Cooling/Fan Fault")
        if key in status
    ]
    if not faults:
        return None
    return "critical" if "true" in faults else "ok"

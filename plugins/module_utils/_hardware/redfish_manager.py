# Reads what a BMC says about itself: Manager, its network interfaces, and the firmware inventory.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from .redfish_values import Doc, identity, known, objects

_MAC = re.compile("^" + "[:-]?".join(["([0-9a-f]{2})"] * 6) + r"\Z")
# Addresses of the connection between BMC and its own host, not of the management network.
_INTERNAL = ("169.254.", "0.0.0.0", "127.", "fe80:", "::")  # noqa: S104 - compared, never bound


def mac_address(value: t.Any) -> str | None:
    """Return a MAC address as six lower-case pairs; None for none and for all zeros."""
    found = _MAC.match((known(value) or "").lower())
    mac = ":".join(found.groups()) if found else None
    return None if mac == "00:00:00:00:00:00" else mac


def choose(managers: t.Sequence[Doc]) -> int | None:
    """Return the position of the manager that is the BMC; a chassis may also have one for its enclosure or a switch."""
    for position, manager in enumerate(managers):
        if manager.get("ManagerType") == "BMC":
            return position
    return 0 if managers else None


def parse_bmc(
    manager: Doc, interfaces: t.Sequence[Doc] | None, address: str | None, manufacturer: str | None
) -> dict[str, t.Any]:
    """Return the BMC; C(address) is the one that it was asked at, C(manufacturer) that of its server.

    The interface that has this address tells the MAC; behind a forwarded port it is the first one with an address.
    """
    found = [(ip, mac_address(doc.get("MACAddress"))) for doc in interfaces or () for ip in _addresses(doc)]
    asked = [(ip, mac) for ip, mac in found if ip == address]
    outer = [(ip, mac) for ip, mac in found if not ip.lower().startswith(_INTERNAL)]
    nothing: tuple[str | None, str | None] = (None, None)
    ip, mac = next(iter(asked or outer), nothing)
    return {
        "address": address or ip,
        "mac": mac,
        "manufacturer": known(manager.get("Manufacturer")) or manufacturer,
        "model": known(manager.get("Model")),
        "firmware": known(manager.get("FirmwareVersion")),
        "protocol": "redfish",
    }


def parse_firmware(docs: t.Sequence[Doc]) -> list[dict[str, t.Any]]:
    """Return the firmware inventory, sorted by name."""
    found = []
    for doc in docs:
        updateable = doc.get("Updateable")
        found.append(
            {
                # Names are often the same for all ("Software Inventory"); the id is what tells the parts apart.
                "name": identity(doc) or known(doc.get("Name")),
                "version": known(doc.get("Version")),
                "updateable": updateable if isinstance(updateable, bool) else None,
            }
        )
    return sorted(found, key=lambda item: str(item["name"]))


def _addresses(interface: Doc) -> list[str]:
    both = objects(interface.get("IPv4Addresses")) + objects(interface.get("IPv6Addresses"))
    texts = [known(item.get("Address")) for item in both]
    return [text for text in texts if text]

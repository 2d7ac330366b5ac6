# The PCI devices as the kernel shows them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import typing as t

from .sysfs import Report, below, devices, link_name, read_number, read_text

PCI_ADDRESS = re.compile(r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\Z")
_HOST_BRIDGE = re.compile(r"^pci[0-9a-f]{4,8}:[0-9a-f]{2}\Z")
_ID = re.compile(r"^0x[0-9a-f]{4,6}\Z")
_SPEED = re.compile(r"^([0-9]+(?:\.[0-9]+)?) GT/s")
_PCI = "bus/pci/devices"
_BRIDGE_CLASS = "0x0604"
# What a device inside the processor shows, which has no link. A file that is not there: no PCI Express.
_NO_LINK = (None, "0", "255")
# A link of a device that fell off the bus reads as 63 lanes.
_WIDTHS = frozenset((1, 2, 4, 8, 12, 16, 32))


def pci_addresses(root: str) -> list[str]:
    """Return the addresses of all PCI devices, in the order of their (hexadecimal) numbers, as NVML has its GPUs."""
    return sorted(name for name in devices(root, _PCI) if PCI_ADDRESS.match(name))


def _id(path: str) -> str | None:
    text = (read_text(path) or "").lower()
    return text if _ID.match(text) else None


def pci_facts(root: str, address: str | None) -> dict[str, t.Any]:
    """Return vendor, device, driver and NUMA node of a device; all of them None without an address."""
    if address is None:
        return dict.fromkeys(("vendor_id", "device_id", "driver", "numa_node"))
    folder = below(root, "sys", _PCI, address)
    return {
        "vendor_id": _id(os.path.join(folder, "vendor")),
        "device_id": _id(os.path.join(folder, "device")),
        "driver": link_name(os.path.join(folder, "driver")),
        "numa_node": read_number(os.path.join(folder, "numa_node")),
    }


def pci_class(root: str, address: str) -> str | None:
    """Return the class of a device, as C(0x030200)."""
    return _id(below(root, "sys", _PCI, address, "class"))


def address_on_path(path: str) -> str | None:
    """Return the PCI device that a device of another kind hangs on: the last address in its real path."""
    found = [part for part in os.path.realpath(path).split("/") if PCI_ADDRESS.match(part)]
    return found[-1] if found else None


def _is_uplink(root: str, address: str) -> bool:
    """Tell whether a bridge is the lower end of a link, the port of a switch that points to the processor.

    Upper and lower ends alternate on the way down, and both ends of a link say the same: one of them is enough.
    """
    depth = 0
    for part in os.path.realpath(below(root, "sys", _PCI, address)).split("/"):
        if _HOST_BRIDGE.match(part):
            depth = 0
        elif PCI_ADDRESS.match(part):
            depth += 1
    return depth > 0 and depth % 2 == 0


def _width(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and int(text) in _WIDTHS else None


def parse_speed(text: str | None) -> float | None:
    """Return GT/s from C(32.0 GT/s PCIe) or C(8 GT/s); None for C(Unknown)."""
    match = _SPEED.match(text or "")
    return float(match.group(1)) if match else None


def read_pcie_links(root: str, report: Report) -> list[dict[str, t.Any]]:
    """Return the links, each once, by the device at its lower end. A virtual function has no link of its own."""
    links = []
    for address in pci_addresses(root):
        folder = below(root, "sys", _PCI, address)
        max_width = read_text(os.path.join(folder, "max_link_width"))
        if max_width in _NO_LINK or os.path.lexists(os.path.join(folder, "physfn")):
            continue
        class_id = pci_class(root, address)
        if (class_id or "").startswith(_BRIDGE_CLASS) and not _is_uplink(root, address):
            continue
        facts = pci_facts(root, address)
        links.append(
            {
                "pci_address": address,
                "class_id": class_id,
                **facts,
                "width": _width(read_text(os.path.join(folder, "current_link_width"))),
                "max_width": _width(max_width),
                "speed_gtps": parse_speed(read_text(os.path.join(folder, "current_link_speed"))),
                "max_speed_gtps": parse_speed(read_text(os.path.join(folder, "max_link_speed"))),
            }
        )
    return links

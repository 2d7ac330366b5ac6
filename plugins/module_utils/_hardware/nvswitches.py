# The NVSwitches of the node.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from .pcie import pci_addresses, pci_class, pci_facts
from .sysfs import Report, below, read_text

_CLASS = "0x068000"
_NVIDIA = "0x10de"
_DRIVER = "nvidia-nvswitch"
_VERSION = re.compile(r"^BIOS Version: ([0-9A-Fa-f.]+)\Z")


def _firmware(root: str, address: str) -> str | None:
    """Return the version that the driver shows, C(N/A) being none."""
    match = _VERSION.match(read_text(below(root, "proc/driver/nvidia-nvswitch/devices", address, "information")) or "")
    return match.group(1) if match else None


def read_nvswitches(root: str, report: Report) -> list[dict[str, t.Any]]:
    """Return the NVSwitches. One without a driver is shown: it is there, and it does not work."""
    switches = []
    for address in pci_addresses(root):
        if pci_class(root, address) != _CLASS:
            continue
        facts = pci_facts(root, address)
        # Old NVIDIA chipsets have bridges of the same class, with drivers of their own.
        if facts["vendor_id"] != _NVIDIA or facts["driver"] not in (None, _DRIVER):
            continue
        if facts["driver"] is None:
            report(address, f"the NVSwitch is not bound to the driver {_DRIVER}")
        switches.append(
            {
                "pci_address": address,
                "device_id": facts["device_id"],
                "driver": facts["driver"],
                "firmware": _firmware(root, address),
            }
        )
    return switches

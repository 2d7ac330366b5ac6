# What the driver's /proc tree still says about a GPU that NVML can no longer reach.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(/proc/driver/nvidia/gpus/<address>/information): one C(Key: value) line per fact.

It outlives a GPU that fell off the bus.
"""

from __future__ import annotations

import os
import typing as t


def parse_information(text: str) -> dict[str, t.Any]:
    """Return C({"model", "uuid", "minor_number"}) from an information file; what it does not say is None."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            facts[key.strip()] = value.strip()
    uuid = facts.get("GPU UUID", "")
    minor = facts.get("Device Minor", "")
    return {
        "model": facts.get("Model") or None,
        # A GPU that was never opened shows question marks here.
        "uuid": uuid if uuid.startswith("GPU-") and "?" not in uuid else None,
        "minor_number": int(minor) if minor.isdigit() else None,
    }


def read_proc_gpus(root: str) -> dict[str, dict[str, t.Any]]:
    """Return PCI address (kernel spelling) -> facts for each GPU the driver was bound to.

    Empty if the tree is absent.
    """
    base = os.path.join(root, "proc/driver/nvidia/gpus")
    try:
        addresses = sorted(os.listdir(base))
    except OSError:
        return {}
    found = {}
    for address in addresses:
        try:
            with open(os.path.join(base, address, "information"), errors="replace") as handle:
                found[address] = parse_information(handle.read())
        except OSError:
            found[address] = parse_information("")
    return found

# One spelling for PCI addresses and for the device identity made from them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVML writes C(00000000:1B:00.0), the kernel C(0000:1b:00.0); our device identity is C(gpu:0000:1b:00)."""

from __future__ import annotations

import re

_ADDRESS = re.compile(
    r"^(?P<domain>[0-9a-f]{4,8}):(?P<bus>[0-9a-f]{2}):(?P<device>[0-9a-f]{2})(\.[0-7])?\Z", re.IGNORECASE
)
_DEVICE = re.compile(r"^gpu:(?P<domain>[0-9a-f]{4,8}):(?P<bus>[0-9a-f]{2}):(?P<device>[0-9a-f]{2})\Z")


def device_from_address(address: str) -> str:
    """Return C(gpu:0000:1b:00) for any spelling of a GPU's PCI address; raise ValueError for anything else."""
    match = _ADDRESS.match(address)
    if match is None:
        raise ValueError(f"not a PCI address: {address!r}")
    domain, bus, device = (int(match.group(part), 16) for part in ("domain", "bus", "device"))
    return f"gpu:{domain:04x}:{bus:02x}:{device:02x}"


def kernel_address(address: str) -> str:
    """Return C(0000:1b:00.0) for any spelling of a PCI address; raise ValueError for anything else."""
    match = _ADDRESS.match(address)
    if match is None:
        raise ValueError(f"not a PCI address: {address!r}")
    domain, bus, device = (int(match.group(part), 16) for part in ("domain", "bus", "device"))
    return "{:04x}:{:02x}:{:02x}{}".format(domain, bus, device, match.group(4) or ".0")


def nvml_address_from_device(device: str) -> str:
    """Return NVML's spelling (C(00000000:1B:00.0)) of a device identity; raise ValueError for anything else."""
    match = _DEVICE.match(device)
    if match is None:
        raise ValueError(f"not a GPU device identity (expected the form gpu:0000:1b:00): {device!r}")
    domain, bus, slot = (int(match.group(part), 16) for part in ("domain", "bus", "device"))
    return f"{domain:08X}:{bus:02X}:{slot:02X}.0"

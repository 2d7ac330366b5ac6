# Names of devices, as signals give them and as the rest of the collection writes them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._faults.model import WHOLE_NODE

_PCI = re.compile(
    r"(?:PCI:)?(?:(?P<domain>[0-9a-fA-F]{4,8}):)?(?P<bus>[0-9a-fA-F]{2}):(?P<slot>[0-9a-fA-F]{2})"
    r"(?:\.(?P<function>[0-7]))?"
)
# The labels of an alert that name a device of each kind, in order; the first is required, the others are added.
ALERT_LABELS: Mapping[str, tuple[str, ...]] = {
    "gpu": ("pci_bus_id",),
    "nvswitch": ("pci_bus_id",),
    "nic": ("device", "port"),
    "disk": ("device",),
    "filesystem": ("mountpoint",),
    "unit": ("name",),
    "psu": ("sensor",),
    "fan": ("sensor",),
    "memory": ("sensor",),
}
# A device name goes into commands' arguments, tickets and metrics: no control character, nothing endless.
_NAME = re.compile(r"[^\x00-\x20\x7f-\x9f\u2028\u2029][^\x00-\x1f\x7f-\x9f\u2028\u2029]{0,254}")


# What a mount names as its source: "server:/path", the server in square brackets if it is an IPv6 address.
_SOURCE = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[0-9A-Za-z._-]{1,253}))(?:@[0-9a-z]{1,12})?:/.{0,1000}"
)


def pci_device(kind: str, found: re.Match[str]) -> str:
    """The device name from a match with the groups domain, bus and slot (and function, which tells the ports of a
    network card apart)."""
    groups = found.groupdict()
    domain = int(groups.get("domain") or "0", 16)
    name = f"{kind}:{domain:04x}:{groups['bus'].lower()}:{groups['slot'].lower()}"
    if kind == "nic" and groups.get("function"):
        name += f".{groups['function']}"
    return name


def device_of_pci(pci: str, kind: str = "gpu") -> str | None:
    """The device name for a PCI id in any usual writing ("00000000:1B:00.0", "PCI:0000:1b:00"); None if it is none."""
    found = _PCI.fullmatch(pci)
    return pci_device(kind, found) if found and found.group("domain") else None


def alert_device(kind: str, labels: Mapping[str, Any]) -> str | None:
    """The device that an alert's labels name: the node where they name none, None where they name no such thing."""
    if not kind:
        return WHOLE_NODE
    first, *more = ALERT_LABELS[kind]
    name = labels.get(first)
    if name is None or name == "":
        return WHOLE_NODE
    if not isinstance(name, str):
        return None
    if first == "pci_bus_id":
        return device_of_pci(name, kind)
    # Exporters name a disk with or without the folder of devices.
    if kind == "disk" and name.startswith("/dev/"):
        name = name[5:]
    parts = [name] + [str(labels[label]) for label in more if labels.get(label)]
    text = "/".join(parts)
    return f"{kind}:{text}" if _NAME.fullmatch(text) else None


def alert_server(labels: Mapping[str, Any]) -> str:
    """The server of a remote file system: the label server, or the one that the label device names; "" if none does."""
    server = labels.get("server")
    if isinstance(server, str) and _NAME.fullmatch(server):
        return server
    device = labels.get("device")
    found = _SOURCE.fullmatch(device) if isinstance(device, str) else None
    return (found.group("ipv6") or found.group("name")) if found else ""

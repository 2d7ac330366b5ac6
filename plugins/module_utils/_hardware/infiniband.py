# The ports of InfiniBand and RoCE adapters.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two steps: what the kernel knows by itself, and what it has to ask the adapter for, which can hang."""

from __future__ import annotations

import os
import re
import typing as t

from .firmware_text import known
from .pcie import address_on_path, pci_facts
from .sysfs import Report, below, devices, names, read_number, read_text

PORT_KEYS = (
    "device",
    "port",
    "node_guid",
    "port_guid",
    "link_layer",
    "state",
    "physical_state",
    "rate_gbps",
    "lid",
    "firmware",
    "board_id",
    "pci_address",
    "numa_node",
    "netdevs",
)

_INFINIBAND = "class/infiniband"
_RATE = re.compile(r"^([0-9]+(?:\.[0-9]+)?) Gb/sec")
_GUID = re.compile(r"^[0-9a-f]{4}(:[0-9a-f]{4}){3}\Z")
_NO_LIDS = (0, 0xFFFF)


def _guid(text: str | None) -> str | None:
    guid = (text or "").lower()
    return guid if _GUID.match(guid) and guid.strip("0:") else None


def _after_number(text: str | None) -> str | None:
    """Return the word of C(4: ACTIVE)."""
    return (text or "").partition(":")[2].strip() or None


def parse_rate(text: str | None) -> float | None:
    """Return Gbit/s from C(400 Gb/sec (4X NDR))."""
    match = _RATE.match(text or "")
    return float(match.group(1)) if match else None


def _netdevs(folder: str, port: int, ports: int) -> list[str]:
    """Return the network interfaces of a port. Those of an adapter with several ports say which one they are on."""
    interfaces = os.path.join(folder, "device/net")
    return [
        name
        for name in names(interfaces)
        if ports == 1 or read_number(os.path.join(interfaces, name, "dev_port")) == port - 1
    ]


def read_ports(root: str, report: Report) -> list[dict[str, t.Any]]:
    """Return the ports of all adapters; virtual functions belong to the adapter that made them."""
    found = []
    for device in devices(root, _INFINIBAND):
        folder = below(root, "sys", _INFINIBAND, device)
        if os.path.lexists(os.path.join(folder, "device/physfn")):
            continue
        address = address_on_path(os.path.join(folder, "device"))
        ports = [int(name) for name in names(os.path.join(folder, "ports")) if name.isdigit()]
        for port in ports:
            entry: dict[str, t.Any] = dict.fromkeys(PORT_KEYS)
            entry.update(
                device=device,
                port=port,
                node_guid=_guid(read_text(os.path.join(folder, "node_guid"))),
                link_layer=read_text(os.path.join(folder, "ports", str(port), "link_layer")),
                firmware=known(read_text(os.path.join(folder, "fw_ver"))),
                board_id=known(read_text(os.path.join(folder, "board_id"))),
                pci_address=address,
                numa_node=pci_facts(root, address)["numa_node"],
                netdevs=_netdevs(folder, port, len(ports)),
            )
            found.append(entry)
    return found


def ask_port(root: str, device: str, port: int) -> dict[str, t.Any]:
    """Return what the adapter has to be asked for. A port without a link has no rate, whatever it shows."""
    folder = below(root, "sys", _INFINIBAND, device, "ports", str(port))
    state = _after_number(read_text(os.path.join(folder, "state")))
    answer: dict[str, t.Any] = {
        "state": state,
        "physical_state": _after_number(read_text(os.path.join(folder, "phys_state"))),
        "rate_gbps": None if state == "DOWN" else parse_rate(read_text(os.path.join(folder, "rate"))),
        "port_guid": None,
        "lid": None,
    }
    # On Ethernet there is no LID, and the first GID comes from the MAC address.
    if read_text(os.path.join(folder, "link_layer")) != "Ethernet":
        lid = read_number(os.path.join(folder, "lid"))
        answer["lid"] = None if lid in _NO_LIDS else lid
        gid = read_text(os.path.join(folder, "gids/0")) or ""
        answer["port_guid"] = _guid(":".join(gid.split(":")[4:]))
    return answer

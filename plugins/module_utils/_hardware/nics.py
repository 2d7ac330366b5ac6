# The network interfaces that have hardware.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two steps: what the kernel knows by itself, and what it has to ask the adapter for, which can hang."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import typing as t

from .firmware_text import known
from .pcie import PCI_ADDRESS, pci_facts
from .sysfs import Report, below, clean, devices, link_name, read_number, read_text

NIC_KEYS = (
    "name",
    "mac",
    "pci_address",
    "numa_node",
    "vendor_id",
    "device_id",
    "driver",
    "firmware",
    "state",
    "speed_mbps",
    "mtu",
    "duplex",
)

_NET = "class/net"

# From linux/sockios.h and linux/ethtool.h.
_SIOCETHTOOL = 0x8946
_GET_DRIVER_INFO = 0x00000003
_DRIVER_INFO_BYTES = 196
_FIRMWARE = slice(68, 100)
_REQUEST_BYTES = 40
# What drivers write for a speed that they do not know.
_NO_SPEEDS = (0, 0xFFFF, 0xFFFFFFFF)


def _pci_address(folder: str) -> str | None:
    """Return the PCI device that the interface is; None for one on USB, whose PCI device is only the USB port."""
    path = os.path.realpath(os.path.join(folder, "device")).split("/")
    if path[-1].startswith("virtio"):
        path.pop()
    return path[-1] if PCI_ADDRESS.match(path[-1]) else None


def _mac(folder: str) -> str | None:
    """Return the address that the adapter was made with: in a bond all interfaces show the bond's."""
    return read_text(os.path.join(folder, "bonding_slave/perm_hwaddr")) or read_text(os.path.join(folder, "address"))


def read_nics(root: str, report: Report) -> list[dict[str, t.Any]]:
    """Return the interfaces with hardware; virtual functions belong to the adapter that made them."""
    nics = []
    for name in devices(root, _NET):
        folder = below(root, "sys", _NET, name)
        device = os.path.join(folder, "device")
        if not os.path.exists(device) or os.path.lexists(os.path.join(device, "physfn")):
            continue
        address = _pci_address(folder)
        nic: dict[str, t.Any] = dict.fromkeys(NIC_KEYS)
        nic.update(pci_facts(root, address))
        nic.update(
            name=name,
            mac=_mac(folder),
            pci_address=address,
            driver=link_name(os.path.join(device, "driver")),
            state=read_text(os.path.join(folder, "operstate")),
            mtu=read_number(os.path.join(folder, "mtu")),
        )
        nics.append(nic)
    return nics


def firmware_version(name: str) -> str | None:
    """Ask the driver of an interface for the version of its firmware (what C(ethtool -i) shows)."""
    answer = ctypes.create_string_buffer(struct.pack("=I", _GET_DRIVER_INFO), _DRIVER_INFO_BYTES)
    request = struct.pack("16sP", name.encode(), ctypes.addressof(answer)).ljust(_REQUEST_BYTES, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, _SIOCETHTOOL, request)
        except OSError:
            return None
    return known(clean(answer.raw[_FIRMWARE].partition(b"\0")[0]))


def ask_nic(root: str, name: str) -> dict[str, t.Any]:
    """Return what the adapter has to be asked for. Only the running system's own adapters can be asked for firmware."""
    folder = below(root, "sys", _NET, name)
    speed = read_number(os.path.join(folder, "speed"))
    duplex = read_text(os.path.join(folder, "duplex"))
    return {
        "speed_mbps": None if speed in _NO_SPEEDS else speed,
        "duplex": duplex if duplex in ("full", "half") else None,
        "firmware": firmware_version(name) if root == "/" else None,
    }

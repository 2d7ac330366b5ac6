# The disks of the node: NVMe namespaces, SCSI, SATA and virtual ones.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import typing as t

from .firmware_text import known
from .pcie import address_on_path, pci_facts
from .sysfs import Report, below, clean, devices, names, read_bytes, read_number, read_text

DISK_KEYS = (
    "name",
    "model",
    "serial",
    "firmware",
    "size_bytes",
    "transport",
    "rotational",
    "pci_address",
    "numa_node",
    "wear_percent",
    "state",
)

_BLOCK = "block"
_SECTOR_BYTES = 512
_NVME_CONTROLLER = re.compile(r"^nvme[0-9]+\Z")
_CD_ROM = 5
# What stands in the path of a disk -> how it is attached; the first that fits wins.
_TRANSPORTS = (
    ("/ata", "sata"),
    ("/usb", "usb"),
    ("/session", "iscsi"),
    ("/rport-", "fc"),
    ("/end_device-", "sas"),
    ("/virtio", "virtio"),
    ("/mmc", "mmc"),
)


def nvme_controller(folder: str) -> str | None:
    """Return the folder of the controller of an NVMe namespace.

    With native multipath the namespace belongs to a subsystem, and that has the controllers below it.
    """
    device = os.path.join(folder, "device")
    if _NVME_CONTROLLER.match(os.path.basename(os.path.realpath(device))):
        return device
    for name in names(device):
        if _NVME_CONTROLLER.match(name):
            return os.path.join(device, name)
    return None


def _nvme(folder: str) -> dict[str, t.Any]:
    controller = nvme_controller(folder)
    if controller is None:
        return {"transport": "nvme"}
    transport = read_text(os.path.join(controller, "transport"))
    return {
        "model": known(read_text(os.path.join(controller, "model"))),
        "serial": known(read_text(os.path.join(controller, "serial"))),
        "firmware": known(read_text(os.path.join(controller, "firmware_rev"))),
        "transport": "nvme" if transport in (None, "pcie") else f"nvme-{transport}",
        "state": read_text(os.path.join(controller, "state")),
        "pci_address": address_on_path(controller),
    }


def _scsi_serial(device: str) -> str | None:
    """Return the serial number of the page that SCSI calls 80h: a header of four bytes, then the number."""
    page = read_bytes(os.path.join(device, "vpd_pg80"))
    return None if page is None else known(clean(page[4:]))


def _transport(folder: str, vendor: str | None) -> str:
    # A SATA disk behind a SAS adapter calls itself ATA.
    if vendor == "ATA":
        return "sata"
    path = os.path.realpath(folder)
    return next((name for part, name in _TRANSPORTS if part in path), "scsi")


def _other(folder: str) -> dict[str, t.Any]:
    device = os.path.join(folder, "device")
    return {
        "model": known(read_text(os.path.join(device, "model"))),
        "serial": _scsi_serial(device) or known(read_text(os.path.join(folder, "serial"))),
        "firmware": known(read_text(os.path.join(device, "rev"))),
        "transport": _transport(folder, read_text(os.path.join(device, "vendor"))),
        "state": read_text(os.path.join(device, "state")),
        "pci_address": address_on_path(folder),
    }


def _is_disk(folder: str) -> bool:
    """Leave out what has no hardware of its own (loop, RAID, LVM), hidden NVMe paths, optical drives, empty slots."""
    if not os.path.exists(os.path.join(folder, "device")) or read_number(os.path.join(folder, "hidden")) == 1:
        return False
    if read_number(os.path.join(folder, "device/type")) == _CD_ROM:
        return False
    return not (read_number(os.path.join(folder, "removable")) == 1 and read_number(os.path.join(folder, "size")) == 0)


def read_disks(root: str, report: Report) -> list[dict[str, t.Any]]:
    """Return the disks; how worn an NVMe drive is has to be asked of the drive itself."""
    disks = []
    for name in devices(root, _BLOCK):
        folder = below(root, "sys", _BLOCK, name)
        if not _is_disk(folder):
            continue
        disk: dict[str, t.Any] = dict.fromkeys(DISK_KEYS)
        disk.update(_nvme(folder) if name.startswith("nvme") else _other(folder))
        sectors = read_number(os.path.join(folder, "size"))
        rotational = read_number(os.path.join(folder, "queue/rotational"))
        disk.update(
            name=name,
            size_bytes=sectors * _SECTOR_BYTES if sectors else None,
            rotational=None if rotational is None else bool(rotational),
            numa_node=pci_facts(root, disk["pci_address"])["numa_node"],
        )
        disks.append(disk)
    return disks

# Who the node is: the DMI files of the kernel, and the machine id of the system.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from .firmware_text import known
from .identity import node_identity
from .sysfs import Report, below, clean, read_text

# Field of the record -> file of the kernel. Only root may read the serial numbers.
_FILES = {
    "manufacturer": "sys_vendor",
    "product": "product_name",
    "serial": "product_serial",
    "uuid": "product_uuid",
    "board_serial": "board_serial",
    "chassis_serial": "chassis_serial",
    "bios_version": "bios_version",
    "bios_date": "bios_date",
}
NODE_KEYS = ("id", "id_source", "hostname", *_FILES)


def read_node(root: str, report: Report, system: str = "/") -> dict[str, t.Any]:
    """Return the identity of the node. Name and machine id are those of the running system, whatever the root is."""
    node: dict[str, t.Any] = dict.fromkeys(NODE_KEYS)
    node["hostname"] = os.uname().nodename
    folder = below(root, "sys/class/dmi/id")
    serial = None
    denied = []
    for field, name in _FILES.items():
        try:
            with open(os.path.join(folder, name), "rb") as handle:
                raw = handle.read(4096)
        except PermissionError:
            denied.append(name)
            continue
        except OSError:
            continue
        node[field] = known(clean(raw))
        if field == "serial":
            # As the firmware gives it: node_identity_info and the faults know the node by the same identity.
            serial = raw.decode("utf-8", "replace")
    if denied:
        report(None, f"no permission to read {', '.join(denied)} in {folder}: run this task as root (become)")
    if node["uuid"] is not None:
        node["uuid"] = node["uuid"].lower()
    try:
        node["id"], node["id_source"] = node_identity(serial, read_text(below(system, "etc/machine-id")))
    except ValueError as exc:
        report(None, f"the node has no stable identity: {exc}")
    return node

# What the firmware of a node says: DMI files and the raw SMBIOS table. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable

from hardware.files import Tree
from hardware.machine import Machine


def _structure(kind: int, handle: int, fields: bytes, texts: Iterable[str] = ()) -> bytes:
    strings = b"".join(text.encode() + b"\0" for text in texts)
    return struct.pack("<BBH", kind, len(fields) + 4, handle) + fields + (strings or b"\0") + b"\0"


def smbios_table(machine: Machine) -> bytes:
    """The raw table of the firmware: BIOS, system, processors, memory modules."""
    serial, identity = machine.serial, uuid.uuid5(uuid.NAMESPACE_DNS, machine.serial)
    table = _structure(0, 0, struct.pack("<BBHBBQ", 1, 2, 0xF000, 3, 0xFF, 0), ("Simulated", "1.0.0", "01/15/2026"))
    table += _structure(1, 1, struct.pack("<BBBB16sBBB", 1, 2, 3, 4, identity.bytes_le, 6, 0, 0),
                        ("Simulated", machine.product, "1.0", serial))  # fmt: skip
    for socket in range(2):
        fields = bytearray(0x30 - 4)
        fields[0x04 - 4], fields[0x05 - 4], fields[0x07 - 4], fields[0x10 - 4] = 1, 3, 2, 3
        fields[0x18 - 4] = 0x41  # populated and enabled
        table += _structure(4, 0x10 + socket, bytes(fields), (f"CPU{socket}", "Simulated", machine.cpu))
    for index in range(machine.dimms):
        fields = bytearray(0x5C - 4)
        # An extended size counts in MiB; the small field says that it is used.
        struct.pack_into("<H", fields, 0x0C - 4, 0x7FFF)
        struct.pack_into("<I", fields, 0x1C - 4, machine.dimm_gib * 1024)
        fields[0x10 - 4], fields[0x11 - 4], fields[0x12 - 4] = 1, 2, 0x22  # DDR5
        struct.pack_into("<H", fields, 0x15 - 4, 4800)
        struct.pack_into("<H", fields, 0x20 - 4, 4800)
        fields[0x17 - 4], fields[0x18 - 4], fields[0x1A - 4] = 3, 4, 5
        socket, channel = divmod(index, machine.dimms // 2)
        slot = f"CPU{socket}_DIMM_{chr(ord('A') + channel)}1"
        number = machine.stable("dimm", index)[:8].upper()
        texts = (slot, f"NODE {socket}", "Simulated", number, f"SIM-DDR5-{machine.dimm_gib}G-4800")
        table += _structure(17, 0x40 + index, bytes(fields), texts)
    return table + _structure(127, 0xFEFF, b"")


def firmware_files(machine: Machine) -> Tree:
    """DMI files and the raw table."""
    serial = machine.serial
    texts = {
        "sys_vendor": "Simulated",
        "product_name": machine.product,
        "product_version": "1.0",
        "product_serial": serial,
        "product_uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, serial)),
        "board_vendor": "Simulated",
        "board_name": "Simulated baseboard",
        "board_serial": serial + "-B",
        "chassis_vendor": "Simulated",
        "chassis_type": "23",
        "chassis_serial": serial + "-C",
        "bios_vendor": "Simulated",
        "bios_version": "1.0.0",
        "bios_date": "01/15/2026",
    }
    tree: Tree = {f"sys/class/dmi/id/{name}": f"{text}\n" for name, text in texts.items()}
    table = smbios_table(machine)
    tree["sys/firmware/dmi/tables/DMI"] = table
    point = bytearray(struct.pack("<5sBBBBBBBIQ", b"_SM3_", 0, 24, 3, 7, 0, 1, 0, len(table), 0))
    point[5] = -sum(point) & 0xFF
    tree["sys/firmware/dmi/tables/smbios_entry_point"] = bytes(point)
    return tree

# The SMBIOS table of the firmware: its structures, the memory modules and the names of the processors in it. Pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A structure is a header (type, length, handle), that many bytes of fields, and texts that the fields count from 1.

Firmware cuts structures short and fills fields with nonsense, so every field may be absent. A table that is cut itself
is an error: the modules behind the cut would be missing from the answer.
"""

from __future__ import annotations

import struct
import typing as t

from .firmware_text import known
from .sysfs import clean

PROCESSOR = 4
MEMORY_DEVICE = 17
_END_OF_TABLE = 127

# Memory types of SMBIOS 3.7, section 7.18.2.
_MEMORY_TYPES = {
    0x03: "DRAM",
    0x0F: "SDRAM",
    0x12: "DDR",
    0x13: "DDR2",
    0x14: "DDR2 FB-DIMM",
    0x18: "DDR3",
    0x1A: "DDR4",
    0x1B: "LPDDR",
    0x1C: "LPDDR2",
    0x1D: "LPDDR3",
    0x1E: "LPDDR4",
    0x1F: "NVDIMM",
    0x20: "HBM",
    0x21: "HBM2",
    0x22: "DDR5",
    0x23: "LPDDR5",
    0x24: "HBM3",
}
# What some firmware lists among the memory although it is none: ROM, flash and their kin.
_NO_MEMORY = frozenset(range(0x08, 0x0E))


class Structure(t.NamedTuple):
    """One structure of the table."""

    kind: int
    handle: int
    fields: bytes
    texts: list[bytes]

    def number(self, offset: int, size: int) -> int | None:
        """Return the unsigned number at an offset (counted from the header), None if the structure is shorter."""
        if offset + size > len(self.fields):
            return None
        return int.from_bytes(self.fields[offset : offset + size], "little")

    def text(self, offset: int) -> str | None:
        """Return the text whose number stands at an offset, None if there is none or nobody set it."""
        number = self.number(offset, 1)
        if not number or number > len(self.texts):
            return None
        return known(clean(self.texts[number - 1]))


class TableCut(ValueError):
    """The table ends, or stops making sense, in the middle of a structure."""


def structures(table: bytes) -> t.Iterator[Structure]:
    """Yield the structures up to the end mark, or to the end of a table without one; raise TableCut."""
    offset = 0
    while offset < len(table):
        kind, length, handle = struct.unpack_from("<BBH", table.ljust(offset + 4, b"\0"), offset)
        end = table.find(b"\0\0", offset + length)
        if length < 4 or end < 0:
            if not table[offset:].strip(b"\0"):
                return
            raise TableCut(f"the firmware's table is cut or damaged after {offset} bytes")
        texts = table[offset + length : end]
        yield Structure(kind, handle, table[offset : offset + length], texts.split(b"\0") if texts else [])
        if kind == _END_OF_TABLE:
            return
        offset = end + 2


def _size_bytes(device: Structure) -> int | None:
    """Return the size of a module: 0 if the slot is empty, None if unknown."""
    size = device.number(0x0C, 2)
    if size is None or size == 0xFFFF:
        return None
    if size == 0x7FFF:
        extended = device.number(0x1C, 4)
        return None if extended is None else (extended & 0x7FFFFFFF) << 20
    return (size & 0x7FFF) << 10 if size & 0x8000 else size << 20


def _speed(device: Structure, offset: int, extended_offset: int) -> int | None:
    speed = device.number(offset, 2)
    if speed == 0xFFFF:
        speed = device.number(extended_offset, 4)
    return speed or None


def _dimm(device: Structure) -> dict[str, t.Any]:
    return {
        "slot": device.text(0x10),
        "size_bytes": _size_bytes(device),
        "type": _MEMORY_TYPES.get(device.number(0x12, 1) or 0),
        # What the memory runs at; old firmware only says what the module is rated for.
        "speed_mtps": _speed(device, 0x20, 0x58) or _speed(device, 0x15, 0x54),
        "manufacturer": device.text(0x17),
        "part_number": device.text(0x1A),
        "serial": device.text(0x18),
    }


def dimms(table: bytes) -> list[dict[str, t.Any]]:
    """Return the memory modules; raise TableCut. An empty slot is no module."""
    devices = [
        device
        for device in structures(table)
        if device.kind == MEMORY_DEVICE and device.number(0x12, 1) not in _NO_MEMORY and _size_bytes(device) != 0
    ]
    modules = [_dimm(device) for device in devices]
    slots = [module["slot"] for module in modules]
    for device, module in zip(devices, modules):
        bank = device.text(0x11)
        # Some boards call every slot "DIMM 0" and only the bank tells them apart.
        if bank is not None and slots.count(module["slot"]) > 1:
            module["slot"] = bank if module["slot"] is None else f"{bank} {module['slot']}"
    return modules


def processor_names(table: bytes) -> list[str | None]:
    """Return what the firmware calls each processor that is there, in the order of the sockets; raise TableCut."""
    return [
        device.text(0x10)
        for device in structures(table)
        # Bit 6 of the status: the socket is populated.
        if device.kind == PROCESSOR and (device.number(0x18, 1) or 0) & 0x40
    ]

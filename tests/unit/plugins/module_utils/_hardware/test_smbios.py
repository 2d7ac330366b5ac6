# Tests of reading the firmware's SMBIOS table.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import struct
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import smbios

END = struct.pack("<BBH", 127, 4, 0xFEFF) + b"\0\0"


def structure(kind: int, length: int, fields: dict[int, bytes], *texts: bytes) -> bytes:
    """Build a structure; the fields stand at their offsets from the header."""
    body = bytearray(length)
    struct.pack_into("<BBH", body, 0, kind, length, 0x1100)
    for offset, value in fields.items():
        body[offset : offset + len(value)] = value
    return bytes(body) + (b"".join(text + b"\0" for text in texts) or b"\0") + b"\0"


def word(number: int) -> bytes:
    return struct.pack("<H", number)


def dimm(*texts: bytes, length: int = 0x54, size: int = 16384, kind: int = 0x22, **more: Any) -> bytes:
    fields = {0x0C: word(size), 0x10: b"\1\2", 0x12: bytes([kind]), 0x15: word(4800), 0x17: b"\3\4\0\5"}
    fields.update({0x20: word(4400), **more.get("fields", {})})
    return structure(17, length, {at: value for at, value in fields.items() if at + len(value) <= length}, *texts)


GOOD = dimm(b"CPU1_DIMM_A1", b"NODE 0", b"Samsung", b"80CE01A1", b"M321R4GA3BB6-CQKVG   ")


def test_module() -> None:
    assert smbios.dimms(GOOD + END) == [
        {
            "slot": "CPU1_DIMM_A1",
            "size_bytes": 16 << 30,
            "type": "DDR5",
            "speed_mtps": 4400,
            "manufacturer": "Samsung",
            "part_number": "M321R4GA3BB6-CQKVG",
            "serial": "80CE01A1",
        }
    ]


@pytest.mark.parametrize(
    ("size", "extended", "size_bytes"),
    [(0x7FFF, 65536, 64 << 30), (0x7FFF, 0x80010000, 64 << 30), (0x8200, 0, 512 << 10), (0xFFFF, 0, None)],
)
def test_sizes(size: int, extended: int, size_bytes: int | None) -> None:
    table = dimm(b"A", size=size, fields={0x1C: struct.pack("<I", extended)})
    assert smbios.dimms(table + END)[0]["size_bytes"] == size_bytes


def test_empty_slots_and_flash_are_no_modules() -> None:
    empty = dimm(b"A2", b" ", b"NO DIMM", b"NO DIMM", b"NO DIMM", size=0, kind=2)
    assert smbios.dimms(empty + dimm(b"BIOS flash", kind=0x09) + END) == []


def test_speed_of_old_firmware_is_the_rated_one() -> None:
    """Before SMBIOS 2.7 there was no configured speed; SMBIOS 2.1 knew no speed at all."""
    old = smbios.dimms(dimm(b"A1", length=0x1C) + dimm(b"A2", length=0x15) + END)
    assert [(module["slot"], module["speed_mtps"], module["manufacturer"]) for module in old] == [
        ("A1", 4800, None),
        ("A2", None, None),
    ]


def test_speed_beyond_the_small_field() -> None:
    fields = {0x15: word(0xFFFF), 0x20: word(0xFFFF), 0x54: struct.pack("<II", 70000, 68000)}
    assert smbios.dimms(dimm(b"A1", length=0x5C, fields=fields) + END)[0]["speed_mtps"] == 68000


def test_texts_that_nobody_set_or_that_are_no_text_are_unknown() -> None:
    (module,) = smbios.dimms(dimm(b"A1", b" ", b"Not Specified", b"\xff\xff\xff\xff") + END)
    assert (module["manufacturer"], module["serial"], module["part_number"]) == (None, None, None)


def test_equal_slot_names_are_told_apart_by_their_bank() -> None:
    banks = [dimm(b"DIMM 0", b"P0 CHANNEL " + bank) for bank in (b"A", b"B")]
    assert [module["slot"] for module in smbios.dimms(b"".join(banks) + GOOD + END)] == [
        "P0 CHANNEL A DIMM 0",
        "P0 CHANNEL B DIMM 0",
        "CPU1_DIMM_A1",
    ]


def test_processors_that_are_there() -> None:
    def processor(status: int, name: bytes) -> bytes:
        return structure(4, 0x30, {0x10: b"\1", 0x18: bytes([status])}, name)

    table = processor(0x41, b"Grace A02") + processor(0x00, b"Unknown") + processor(0x41, b"Grace A02") + END
    assert smbios.processor_names(table) == ["Grace A02", "Grace A02"]


@pytest.mark.parametrize("zeros", [0, 1, 100])
def test_table_without_end_mark(zeros: int) -> None:
    assert len(smbios.dimms(GOOD * 3 + bytes(zeros))) == 3


def test_nothing_counts_behind_the_end_mark() -> None:
    assert len(smbios.dimms(GOOD + END + GOOD + b"rubbish")) == 1


@pytest.mark.parametrize("missing", [1, 2, 10, len(GOOD) - 5, len(GOOD) - 3])
def test_cut_table_is_an_error_and_not_fewer_modules(missing: int) -> None:
    with pytest.raises(smbios.TableCut, match=f"after {2 * len(GOOD)} bytes"):
        smbios.dimms((GOOD * 3)[:-missing])


def test_structure_of_no_length_is_an_error() -> None:
    """As a Hyper-V machine has it: the length byte of a memory controller is zero."""
    with pytest.raises(smbios.TableCut, match="damaged"):
        smbios.dimms(GOOD + struct.pack("<BBH", 5, 0, 6) + bytes(300) + END)


def test_rubbish_ends() -> None:
    source = random.Random(3)
    for _round in range(300):
        rubbish = bytearray(GOOD * 4 + END)
        for _change in range(8):
            rubbish[source.randrange(len(rubbish))] = source.randrange(256)
        try:
            assert len(smbios.dimms(bytes(rubbish))) <= len(rubbish)
        except smbios.TableCut:
            pass


@pytest.mark.slow
def test_huge_table_is_read_fast() -> None:
    assert len(smbios.dimms(GOOD * 8000 + END)) == 8000

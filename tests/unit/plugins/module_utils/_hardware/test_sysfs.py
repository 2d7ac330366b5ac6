# Tests of reading small kernel files.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import sysfs


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"mlx5_core\n", "mlx5_core"),
        (b"", None),
        (b"\n", None),
        (b" \0\0 \n", None),
        (b"SN42\0\0\0", "SN42"),
        (b"a\x1b[31mb\r\nc", "a [31mb c"),
        (b"S\xff\xfe1", "S\ufffd\ufffd1"),
        ("Zoë\n".encode(), "Zoë"),
        (b"{{ 7 * 7 }}\n", "{{ 7 * 7 }}"),
    ],
)
def test_text_is_one_printable_line(raw: bytes, text: str | None) -> None:
    assert sysfs.clean(raw) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("42\n", 42), ("0x1f\n", 31), ("-1\n", None), ("", None), ("Unknown\n", None), ("9" * 5000, None), ("1.5", None)],
)
def test_number(tmp_path: Path, text: str, number: int | None) -> None:
    (tmp_path / "n").write_text(text)
    assert sysfs.read_number(str(tmp_path / "n")) == number


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("missing", "file/below", ".", "nul\0"):
        assert sysfs.read_text(str(tmp_path / name)) is None
    assert sysfs.read_lines(str(tmp_path / "missing"), 10) is None
    assert sysfs.link_name(str(tmp_path / "file")) is None
    assert sysfs.names(str(tmp_path / "file")) == []


def test_a_huge_file_is_read_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "huge").write_bytes(b"x" * 200_000)
    assert len(sysfs.read_text(str(tmp_path / "huge")) or "") == 65536
    assert sysfs.read_lines(str(tmp_path / "huge"), 10) == ["x" * 10]


def test_names_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("eth10", "eth9", "lo", "10", "²", "é2"):
        (tmp_path / name).touch()
    assert sysfs.names(str(tmp_path)) == ["10", "eth9", "eth10", "lo", "²", "é2"]


def test_without_a_tree_nobody_can_ask(tmp_path: Path) -> None:
    with pytest.raises(sysfs.Unreadable, match="sys/class"):
        sysfs.devices(str(tmp_path), "class/net")
    os.makedirs(tmp_path / "sys/class")
    assert sysfs.devices(str(tmp_path), "class/net") == []

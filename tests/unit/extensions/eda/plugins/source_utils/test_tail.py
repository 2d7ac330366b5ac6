# Tests of the tail that follows the spool.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import tail
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.tail import Position, read_chunk


class Reader:
    """Reads like the source does; every position goes through its text form, as over a restart."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.text: str | None = None
        self.oversize = 0

    def read(self) -> bytes:
        data = b""
        while True:
            chunk = read_chunk(self.path, Position.from_text(self.text) if self.text else None)
            if chunk is None:
                return data
            data += chunk.data
            self.oversize += chunk.oversize
            self.text = chunk.position.to_text()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "kernel.jsonl"
    path.touch()
    return path


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def rotate(path: Path) -> None:
    """What logrotate does, keeping two files."""
    for number in (1, 0):
        old = path.with_name(f"{path.name}.{number}") if number else path
        if old.exists():
            old.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.touch()


def test_every_line_once(spool: Path) -> None:
    reader = Reader(spool)
    assert reader.read() == b""
    append(spool, b"one\ntwo\n")
    assert reader.read() == b"one\ntwo\n"
    assert reader.read() == b""
    append(spool, b"three\n")
    assert reader.read() == b"three\n"


def test_a_half_written_line_waits_for_its_end(spool: Path) -> None:
    reader = Reader(spool)
    append(spool, b"one\ntw")
    assert reader.read() == b"one\n"
    assert reader.read() == b""
    append(spool, b"o\n")
    assert reader.read() == b"two\n"


def test_rotation_loses_nothing(spool: Path) -> None:
    reader = Reader(spool)
    append(spool, b"one\n")
    assert reader.read() == b"one\n"
    append(spool, b"two\n")
    rotate(spool)
    append(spool, b"three\n")
    rotate(spool)
    append(spool, b"four\n")
    assert reader.read() == b"two\nthree\nfour\n"


def test_a_rotated_file_that_still_grows(spool: Path) -> None:
    reader = Reader(spool)
    append(spool, b"one\n")
    reader.read()
    rotate(spool)
    # The writer has not yet been told to open the new file.
    assert reader.read() == b""
    append(spool.with_name("kernel.jsonl.1"), b"two\n")
    assert reader.read() == b"two\n"
    append(spool, b"three\n")
    assert reader.read() == b"three\n"


def test_truncation_starts_again(spool: Path) -> None:
    reader = Reader(spool)
    append(spool, b"one\ntwo\n")
    reader.read()
    os.truncate(spool, 0)
    append(spool, b"3\n")
    assert reader.read() == b"3\n"


def test_an_inode_used_again_is_another_file(spool: Path) -> None:
    reader = Reader(spool)
    append(spool, b"one\n")
    reader.read()
    # The same inode with other and more content: only the checksum tells.
    spool.write_bytes(b"uno\ndue\n")
    assert reader.read() == b"uno\ndue\n"


def test_a_vanished_position_starts_with_the_oldest_file(spool: Path) -> None:
    reader = Reader(spool)
    append(spool, b"one\n")
    reader.read()
    append(spool, b"two\n")
    rotate(spool)
    append(spool, b"three\n")
    rotate(spool)
    append(spool, b"four\n")
    spool.with_name("kernel.jsonl.2").unlink()
    assert reader.read() == b"three\nfour\n"


def test_an_oversize_line_is_given_up_once(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "CHUNK_BYTES", 64)
    reader = Reader(spool)
    append(spool, b"one\n" + b"x" * 300)
    assert reader.read() == b"one\n"
    append(spool, b"x" * 50 + b"\ntwo\n")
    assert reader.read() == b"two\n"
    assert reader.oversize == 1


def test_long_input_comes_in_pieces_of_whole_lines(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "CHUNK_BYTES", 64)
    lines = b"".join(b"line %d\n" % number for number in range(100))
    append(spool, lines)
    first = read_chunk(str(spool), None)
    assert first is not None and first.data.endswith(b"\n") and len(first.data) <= 64
    assert Reader(spool).read() == lines


def test_compressed_and_foreign_files_are_left_alone(spool: Path) -> None:
    spool.with_name("kernel.jsonl.2.gz").write_bytes(b"not ours\n")
    spool.with_name("kernel.jsonl.bak").write_bytes(b"not ours\n")
    spool.with_name("other.1").write_bytes(b"not ours\n")
    append(spool, b"one\n")
    assert Reader(spool).read() == b"one\n"


def test_a_missing_spool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_chunk(str(tmp_path / "none.jsonl"), None)


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"inode": "x"}', "null"])
def test_an_unreadable_position_is_none(text: str) -> None:
    assert Position.from_text(text) is None

# Reads a growing JSON-lines spool by inode and offset, through rotation, truncation and restarts.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tail that loses no line: its position is a small text that the caller keeps where it keeps what it read."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t
import zlib

CHUNK_BYTES = 1024 * 1024
"""Read at once at most; also the length at which a line without an end is given up as oversize."""

HEAD_BYTES = 256
"""A file is recognised by its inode and a checksum of its first bytes, for inodes are used again."""


@dataclasses.dataclass(frozen=True)
class Position:
    """Where the next line begins: in which file (*inode*, checksum *head* of its first *head_bytes*), at which byte.

    *skipping* says that the bytes up to the next line end belong to an oversize line that was given up.
    """

    inode: int
    offset: int
    head: int
    head_bytes: int
    skipping: bool = False

    def to_text(self) -> str:
        """Return the form that is kept."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Position | None:
        """Return the kept position, or None when the text is not one (the tail then starts with the oldest line)."""
        try:
            value = json.loads(text)
            return cls(
                inode=int(value["inode"]),
                offset=int(value["offset"]),
                head=int(value["head"]),
                head_bytes=int(value["head_bytes"]),
                skipping=bool(value["skipping"]),
            )
        except (ValueError, KeyError, TypeError):
            return None


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Complete lines (*data* ends with a line end or is empty), the position behind them, oversize lines given up."""

    data: bytes
    position: Position
    oversize: int = 0


def read_chunk(path: str, position: Position | None) -> Chunk | None:
    """Return the next complete lines of the spool *path* and its rotated files, or None when there is nothing new.

    Rotated files are ``path.1`` (youngest), ``path.2`` …; compressed ones are not read. Raises OSError, also when the
    spool does not exist: somebody has to see that.
    """
    current = os.stat(path)
    if position is not None and (current.st_ino, current.st_size) == (position.inode, position.offset):
        return None
    files = _oldest_first(path)
    start = _index_of(files, position)
    for index in range(start, len(files)):
        name = files[index]
        with open(name, "rb") as stream:
            begin = position if position is not None and index == start and _is_file_of(stream, position) else None
            chunk = _read(stream, begin)
        if chunk is not None:
            return chunk
        if index < len(files) - 1:
            # This file is read to its end and will not grow: go on with the beginning of the next one.
            position = None
    return None


def _oldest_first(path: str) -> list[str]:
    folder, base = os.path.split(path)
    numbered = []
    for entry in os.listdir(folder or "."):
        suffix = entry[len(base) + 1 :]
        if entry.startswith(f"{base}.") and suffix.isdigit():
            numbered.append((int(suffix), os.path.join(folder, entry)))
    return [name for _number, name in sorted(numbered, reverse=True)] + [path]


def _index_of(files: t.Sequence[str], position: Position | None) -> int:
    """Return which file *position* lies in; without a position, or when its file is gone, the oldest."""
    if position is not None:
        for index, name in enumerate(files):
            try:
                with open(name, "rb") as stream:
                    if _is_file_of(stream, position):
                        return index
            except FileNotFoundError:
                continue
    return 0


def _is_file_of(stream: t.BinaryIO, position: Position) -> bool:
    """Say whether the open file is the one that *position* was taken in, and still holds what was read then."""
    status = os.fstat(stream.fileno())
    if status.st_ino != position.inode or status.st_size < position.offset:
        return False
    return zlib.crc32(os.pread(stream.fileno(), position.head_bytes, 0)) == position.head


def _read(stream: t.BinaryIO, begin: Position | None) -> Chunk | None:
    """Return the complete lines after *begin*, or None when there are none yet."""
    inode = os.fstat(stream.fileno()).st_ino
    offset = begin.offset if begin else 0
    skipping = begin.skipping if begin else False
    data = os.pread(stream.fileno(), CHUNK_BYTES, offset)
    if not data:
        return None
    if skipping:
        end = data.find(b"\n")
        skipped = len(data) if end < 0 else end + 1
        offset += skipped
        data = data[skipped:]
        skipping = end < 0
    complete = data[: data.rfind(b"\n") + 1]
    oversize = 0
    if not complete and len(data) == CHUNK_BYTES:
        offset += len(data)
        skipping = True
        oversize = 1
    offset += len(complete)
    if begin is not None and (offset, skipping) == (begin.offset, begin.skipping):
        return None
    if begin is None and offset == 0:
        return None
    head_bytes = min(HEAD_BYTES, offset)
    head = zlib.crc32(os.pread(stream.fileno(), head_bytes, 0))
    return Chunk(complete, Position(inode, offset, head, head_bytes, skipping), oversize)

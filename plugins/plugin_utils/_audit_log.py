# An append-only file of JSON lines that several processes write to, and the proof that nobody has changed it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One write a line, so that the lines of two processes never mix. Each line carries the SHA-256 of an earlier one."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import typing as t

MAX_LINE_BYTES = 16 * 1024
_TAIL_BYTES = 64 * 1024
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_LONG_FIELDS = ("arguments", "diff", "items", "command", "message", "hosts", "extra_vars")
"""What a line that is too long loses, in this order."""


class AuditLog:
    """The file at *path*, opened when first written to, and again when it was moved away (rotated) meanwhile.

    ``lost`` counts the lines that could not be written.
    """

    def __init__(self, path: str, chain: bool) -> None:
        self.lost = 0
        self._path = path
        self._chain = chain
        self._handle: int | None = None
        self._sequence = 0
        self._previous: str | None = None
        self._torn = False

    def write(self, fields: t.Mapping[str, t.Any]) -> None:
        """Append a line. Raises OSError, and the next line may be tried all the same."""
        try:
            handle = self._open()
            line = self._line(fields)
            # A line that was cut off must not swallow the next one.
            data = b"\n" + line if self._torn else line
            written = os.write(handle, data)
            self._torn = 0 < written < len(data)
            if written != len(data):
                raise OSError("the disk is full: a line was cut off")
        except OSError:
            self.lost += 1
            raise
        self._sequence += 1
        self._previous = digest(line)

    def flush(self) -> None:
        """Wait until what was written is on the disk. Raises OSError."""
        if self._handle is not None:
            os.fsync(self._handle)

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        if self._handle is not None:
            mine = os.fstat(self._handle)
            try:
                there = os.stat(self._path)
                same = (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
            except FileNotFoundError:
                same = False
            if same:
                return self._handle
            self.close()
        # Not through a link, and a pipe without a reader is an error: neither holds what is written.
        self._handle = os.open(self._path, _FLAGS, 0o600)
        if self._chain and self._previous is None:
            self._previous = _last_digest(self._path)
        return self._handle

    def _line(self, fields: t.Mapping[str, t.Any]) -> bytes:
        kept = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
        if self._chain:
            kept.update(sequence=self._sequence, previous=self._previous)
        line = _dump(kept)
        for name in _LONG_FIELDS:
            if len(line) <= MAX_LINE_BYTES:
                break
            if kept.pop(name, None) is not None:
                kept["shortened"] = True
                line = _dump(kept)
        return line


def _dump(fields: t.Mapping[str, t.Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), default=str).encode() + b"\n"


def digest(line: bytes) -> str:
    """Return the SHA-256 of a line, with or without its end."""
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def _last_digest(path: str) -> str | None:
    """Return the digest of the last whole line of the file, if there is one that may be read."""
    try:
        with open(path, "rb") as file:
            # A device can be read for ever.
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).split(b"\n")
    except OSError:
        return None
    # What follows the last end of a line is the beginning of another one.
    whole = [line for line in lines[:-1] if line]
    return digest(whole[-1]) if whole else None


def verify(lines: t.Iterable[bytes]) -> t.Iterator[str]:
    """Say what is wrong with an audit log; nothing if each line is as it was written and none is missing.

    The first lines may lead to ones that are not there: these are in the file that was rotated away before.
    """
    seen: set[str] = set()
    next_of: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            run, sequence, previous = str(fields["run"]), int(fields["sequence"]), fields["previous"]
        except (ValueError, KeyError, TypeError):
            yield f"line {number}: not a line of the audit log, or one without a chain"
            seen.add(digest(line))
            continue
        if run in next_of:
            if sequence != next_of[run]:
                yield f"line {number}: {sequence - next_of[run]} lines of run {run} are missing before it"
            elif previous not in seen:
                yield f"line {number}: the line before it of run {run} was changed"
        elif next_of and sequence:
            yield f"line {number}: run {run} has no beginning, unless that is in an older file"
        elif previous not in seen and seen and sequence == 0:
            yield f"line {number}: run {run} began after a line that was changed or removed"
        next_of[run] = sequence + 1
        seen.add(digest(line))


def main(paths: t.Sequence[str]) -> int:
    """Verify files, oldest first, as one log, and print what is wrong. Return 0 if nothing is."""

    def lines() -> t.Iterator[bytes]:
        for path in paths:
            with open(path, "rb") as file:
                yield from file

    problems = 0
    for problem in verify(lines()):
        problems += 1
        print(problem)
    print(f"{problems} problems" if problems else "the audit log is whole")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

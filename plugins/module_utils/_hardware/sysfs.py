# Reads the small text files of /sys and /proc, below a root directory.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be read is None: a file that is not there, that the driver does not support, or that holds nothing.

Where it matters why, as for files that only root may read, the readers open the file themselves.
"""

from __future__ import annotations

import os
import re
import typing as t

# A device or None, and what is wrong with it.
Report = t.Callable[[t.Optional[str], str], None]

_MAX_BYTES = 65536
_NUMBERS = re.compile(r"([0-9]+)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Unreadable(Exception):
    """A part of the hardware cannot be read; the message says why."""


def below(root: str, *parts: str) -> str:
    """Return the path of a file below the root; the parts are relative."""
    return os.path.join(root, *parts)


def clean(raw: bytes) -> str | None:
    """Return bytes as one line of printable text, None if nothing is left of them.

    Firmware fills texts with zeros, blanks and bytes of no encoding.
    """
    return _UNPRINTABLE.sub(" ", raw.decode("utf-8", "replace")).strip() or None


def read_bytes(path: str, limit: int = _MAX_BYTES) -> bytes | None:
    """Return the beginning of a file, None if it cannot be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read(limit)
    except (OSError, ValueError):
        return None


def read_text(path: str) -> str | None:
    """Return the text of a one-line file."""
    raw = read_bytes(path)
    return None if raw is None else clean(raw)


def read_lines(path: str, limit: int) -> list[str] | None:
    """Return the lines of a file of at most C(limit) bytes."""
    raw = read_bytes(path, limit)
    return None if raw is None else raw.decode("utf-8", "replace").splitlines()


def read_number(path: str) -> int | None:
    """Return the number in a file, decimal or C(0x…); None for a negative one, which says "unknown" in sysfs."""
    try:
        number = int(read_text(path) or "", 0)
    except ValueError:
        return None
    return number if number >= 0 else None


def natural(name: str) -> list[t.Any]:
    """Return a sorting key that puts C(eth10) behind C(eth9)."""
    return [int(part) if index % 2 else part for index, part in enumerate(_NUMBERS.split(name))]


def names(path: str) -> list[str]:
    """Return the entries of a directory in natural order; none if there is no such directory."""
    try:
        return sorted(os.listdir(path), key=natural)
    except (FileNotFoundError, NotADirectoryError):
        return []


def devices(root: str, kind: str) -> list[str]:
    """Return the devices below C(/sys/<kind>), an empty list if the kernel has no such kind.

    Raises Unreadable without a C(/sys) at all, where nobody could ask.
    """
    if not os.path.isdir(below(root, "sys", kind.partition("/")[0])):
        raise Unreadable("there is no {} to read".format(below(root, "sys", kind.partition("/")[0])))
    return names(below(root, "sys", kind))


def link_name(path: str) -> str | None:
    """Return the name of what a symbolic link points to."""
    try:
        return os.path.basename(os.readlink(path).rstrip("/")) or None
    except OSError:
        return None

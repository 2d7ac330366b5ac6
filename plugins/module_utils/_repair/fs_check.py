# Which program checks a filesystem, what its exit status means, and which mount points should be writable.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure."""

from __future__ import annotations

import re
import typing as t

KINDS = ("ext2", "ext3", "ext4", "xfs", "btrfs")

_ESCAPE = re.compile(r"\\([0-7]{3})")
_CORRECTED, _LEFT = 1, 4


class Check(t.NamedTuple):
    """A way to check one kind of filesystem; C(repairs) says whether it may write."""

    program: str
    arguments: tuple[str, ...]
    repairs: bool


class Verdict(t.NamedTuple):
    """What a check found. None: it came to no answer."""

    clean: bool | None
    corrected: bool = False
    reason: str | None = None


def check_of(kind: str, read_only: bool) -> Check:
    """Return how a filesystem is checked; ValueError for a kind that is not known.

    Only ext filesystems are corrected, and only where that loses nothing (C(-p)). For xfs and btrfs the repair is a
    person's decision, so they are looked at only.
    """
    if kind in ("ext2", "ext3", "ext4"):
        return Check("e2fsck", ("-f", "-n" if read_only else "-p"), not read_only)
    if kind == "xfs":
        return Check("xfs_repair", ("-n",), False)
    if kind == "btrfs":
        return Check("btrfs", ("check", "--readonly"), False)
    raise ValueError(f"filesystems of the kind {kind or 'unknown'} are not checked, only {', '.join(KINDS)}")


def verdict(check: Check, rc: int) -> Verdict:
    """Return what an exit status means."""
    if check.program == "e2fsck":
        if rc < 0 or rc >= 8:
            return Verdict(None, False, f"e2fsck could not do its work (exit status {rc})")
        if rc & _LEFT:
            return Verdict(False, bool(rc & _CORRECTED), "errors are left that a person has to decide about")
        return Verdict(True, rc != 0)
    if check.program == "xfs_repair":
        if rc == 2:
            return Verdict(None, False, "the log holds changes that were not written: mount it once, or ask a person")
        if rc in (0, 1):
            return Verdict(rc == 0, False, "xfs_repair found errors" if rc else None)
        return Verdict(None, False, f"xfs_repair could not do its work (exit status {rc})")
    return Verdict(rc == 0, False, f"btrfs check found errors (exit status {rc})" if rc else None)


def fstab_options(text: str, point: str) -> list[str] | None:
    """Return the options that /etc/fstab gives a mount point, None if it is not in there."""
    found = None
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and not words[0].startswith("#") and _plain(words[1]) == point:
            found = words[3].split(",")
    return found


def _plain(field: str) -> str:
    """Return a path without the escapes of fstab, and without a slash at its end."""
    path = _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), field)
    return path.rstrip("/") or "/"

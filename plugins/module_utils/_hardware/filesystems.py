# The mounted filesystems, and how full they are.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what is backed by a disk or a server.

A server that is gone makes whoever asks wait for ever, so the questions are apart from the list.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t

from .sysfs import Report, Unreadable

# What the kernel makes up, what shows another filesystem again, and images.
_NOT_REAL = frozenset((
    "autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset", "debugfs", "devpts",
    "devtmpfs", "efivarfs", "erofs", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "fuse.snapfuse", "fusectl",
    "hugetlbfs", "iso9660", "mqueue", "nfsd", "nsfs", "overlay", "pipefs", "proc", "pstore", "ramfs", "resctrl",
    "rootfs", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sockfs", "squashfs", "sysfs", "tmpfs", "tracefs",
    "udf",
))  # fmt: skip
_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mount(t.NamedTuple):
    """One line of mountinfo. Texts keep bytes that are no UTF-8, since they are the way to the directory."""

    device: str
    root: str
    point: str
    kind: str
    source: str
    options: list[str]


def _unescape(field: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match.group(1), 8) & 0xFF]), field))


def _text(path: str) -> str:
    """Return a path as it can be printed."""
    return os.fsencode(path).decode("utf-8", "replace")


def _options(mount: bytes, filesystem: bytes) -> list[str]:
    """Return the options of mount and filesystem together; it is read-only if one of both is."""
    found = (mount + b"," + filesystem).decode("utf-8", "replace").split(",")
    access = "ro" if "ro" in found else "rw"
    rest = [option for option in found if option not in ("ro", "rw", "")]
    return [access, *dict.fromkeys(rest)]


def parse_mountinfo(raw: bytes) -> list[Mount]:
    """Return all mounts; a line that is none is skipped."""
    mounts = []
    for line in raw.split(b"\n"):
        fields = line.split(b" ")
        if b"-" not in fields[6:]:
            continue
        tail = fields[fields.index(b"-", 6) + 1 :]
        if len(tail) < 3:
            continue
        mounts.append(
            Mount(
                device=os.fsdecode(fields[2]),
                root=_unescape(fields[3]),
                point=_unescape(fields[4]),
                kind=os.fsdecode(tail[0]),
                source=_unescape(tail[1]),
                options=_options(fields[5], tail[2]),
            )
        )
    return mounts


def real_mounts(mounts: t.Sequence[Mount]) -> list[Mount]:
    """Return the mounts to report, in the order in which they were made.

    Left out: what is not real, what a later mount at the same place hides, and a folder of a filesystem that is shown
    again elsewhere (a bind mount).
    """
    visible = {mount.point: mount for mount in mounts}
    real = [mount for mount in mounts if mount.kind not in _NOT_REAL and visible[mount.point] is mount]
    whole = {mount.device for mount in real if mount.root == "/"}
    return [mount for mount in real if mount.root == "/" or mount.device not in whole]


def read_mounts(root: str, report: Report, system: str = "/") -> list[Mount]:
    """Return the real mounts. They are those of the running system, whatever the root of the hardware tree is."""
    path = os.path.join(system, "proc/self/mountinfo")
    try:
        with open(path, "rb") as handle:
            return real_mounts(parse_mountinfo(handle.read()))
    except OSError as exc:
        raise Unreadable(f"cannot read {path}: {exc.strerror}") from exc


def entry(mount: Mount) -> dict[str, t.Any]:
    """Return what the record says of a mount before its filesystem was asked."""
    return {
        "mount": _text(mount.point),
        "source": _text(mount.source),
        "type": _text(mount.kind),
        "options": mount.options,
        "size_bytes": None,
        "available_bytes": None,
        "error": None,
    }


def ask(points: t.Iterable[str], statvfs: t.Callable[[str], t.Any] = os.statvfs) -> list[dict[str, t.Any] | None]:
    """Return size and space of each mount; None for a single file that is mounted over another, as containers do."""
    answers: list[dict[str, t.Any] | None] = []
    for point in points:
        try:
            if not stat.S_ISDIR(os.stat(point).st_mode):
                answers.append(None)
                continue
            found = statvfs(point)
        except OSError as exc:
            answers.append({"error": exc.strerror or str(exc)})
            continue
        answers.append(
            {
                "size_bytes": found.f_blocks * found.f_frsize or None,
                "available_bytes": found.f_bavail * found.f_frsize if found.f_blocks else None,
            }
        )
    return answers

# Says where nothing is ever removed, whatever a site allows.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure. A path is absolute and normalised here."""

from __future__ import annotations

import os
import typing as t

TREES = (
    "/bin",
    "/boot",
    "/dev",
    "/efi",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/lost+found",
    "/nix",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/snap",
    "/sys",
    "/usr",
    "/var/lib/aidc_ops",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/munge",
    "/var/lib/pgsql",
    "/var/lib/postgresql",
    "/var/lib/private",
    "/var/lib/rpm",
    "/var/lib/slurm",
    "/var/lib/slurmctld",
    "/var/lib/systemd",
    "/var/run",
    "/var/spool/cron",
    "/var/spool/slurm",
    "/var/spool/slurmctld",
    "/var/spool/slurmd",
)
"""Nothing in them is ever removed."""

ONLY_BELOW = (
    "/",
    "/data",
    "/media",
    "/mnt",
    "/opt",
    "/srv",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
)
"""They hold everybody's things; only a directory in them can be cleaned."""


def inside(path: str, root: str) -> bool:
    """Whether a path is a directory or in it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def denial(path: str) -> str | None:
    """Return why nothing may be removed in a path, None if it may."""
    for tree in TREES:
        if inside(path, tree):
            return f"{path} is in {tree}, where nothing is ever removed"
    if path in ONLY_BELOW:
        return f"{path} holds everybody's things; name a directory in it"
    return None


def check_place(path: str, allowed: t.Sequence[str]) -> tuple[str | None, str]:
    """Return (None, the real path) if files may be removed there, else (why not, "").

    Links are resolved first, so that an allowed name cannot lead out of what is allowed.
    """
    if not os.path.isabs(path) or "\0" in path:
        return f"not an absolute path: {path!r}", ""
    real = os.path.realpath(path)
    for place in (os.path.normpath(path), real):
        reason = denial("/" + place.lstrip("/"))
        if reason is not None:
            return reason, ""
    roots = []
    for root in allowed:
        if not os.path.isabs(root) or "\0" in root:
            return f"not an absolute path: {root!r}", ""
        roots.append(os.path.realpath(root))
        # A root that holds what is denied is a mistake, even if this path is not there.
        if roots[-1] == "/":
            return f"{root} cannot be allowed as a whole", ""
    if not any(inside(real, root) for root in roots):
        return f"{path} (really {real}) is in none of the allowed directories", ""
    return None, real

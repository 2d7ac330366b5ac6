# Tells which processes hold the GPUs of a node open, also those that no GPU tool lists.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nvidia-smi lists processes that compute. A reset is refused for every open device file: those of the persistence
daemon, of DCGM and of exporters, too."""

from __future__ import annotations

import os
import typing as t

_MAX_SHOWN = 64


def gpu_holders(root: str = "/") -> list[dict[str, t.Any]]:
    """Return C({"pid", "name", "unit"}) of the processes with an open NVIDIA device file, by process number.

    C(unit) is the systemd unit that the process belongs to; None if it belongs to none. A process that ends meanwhile,
    or that we may not look at, is left out.
    """
    proc = os.path.join(root, "proc")
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    except OSError:
        return []
    own = os.getpid()
    return [
        {"pid": pid, "name": _name(proc, pid), "unit": _unit(proc, pid)}
        for pid in pids
        if pid != own and _holds(os.path.join(proc, str(pid), "fd"))
    ]


def holders_text(holders: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Return the holders for a message."""
    shown = [f"{holder['name']} ({holder['pid']})" for holder in holders[:_MAX_SHOWN]]
    more = len(holders) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _holds(folder: str) -> bool:
    try:
        for name in os.listdir(folder):
            try:
                if os.readlink(os.path.join(folder, name)).startswith("/dev/nvidia"):
                    return True
            except OSError:
                continue
    except OSError:
        pass
    return False


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as handle:
            return handle.read(4096)
    except OSError:
        return ""


def _name(proc: str, pid: int) -> str:
    return _read(os.path.join(proc, str(pid), "comm")).strip() or "?"


def _unit(proc: str, pid: int) -> str | None:
    for line in _read(os.path.join(proc, str(pid), "cgroup")).splitlines():
        for part in reversed(line.split("/")):
            if part.endswith((".service", ".scope")):
                return part
    return None

# Who a node is, and which of its boots this is: pure parsing of what the kernel and the firmware say.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable node identity and boot identity.

The boot identity is C(<kernel boot id>:<start time of PID 1 in clock ticks>). The kernel boot id alone does not do:
containers share the host's, while PID 1 of a container starts anew at each of its boots.
"""

from __future__ import annotations

import re
import typing as t

BOOT_IDENTITY = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9]+\Z")

_BOOT_ID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_MACHINE_ID = re.compile(r"^[0-9a-f]{32}\Z")
_SERIAL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/+-]{0,63}\Z")

# What firmware says when nobody set a serial number; such a text would give many nodes the same identity.
_PLACEHOLDER_SERIALS = frozenset(
    (
        "0",
        "0123456789",
        "123456789",
        "1234567890",
        "default",
        "empty",
        "invalid",
        "n/a",
        "na",
        "none",
        "null",
        "oem",
        "unknown",
        "unspecified",
    )
)


def node_identity(product_serial: str | None, machine_id: str | None) -> tuple[str, str]:
    """Return (identity, source) with source C(dmi) or C(machine-id); raise ValueError if neither text is usable.

    The serial number comes first because it survives a reinstallation.
    """
    serial = (product_serial or "").strip()
    if _SERIAL.match(serial) and serial.lower() not in _PLACEHOLDER_SERIALS and len(set(serial)) > 1:
        return "dmi:" + serial, "dmi"
    machine = (machine_id or "").strip()
    if _MACHINE_ID.match(machine) and len(set(machine)) > 1:
        return "machine-id:" + machine, "machine-id"
    raise ValueError(f"neither a usable DMI product serial number ({serial!r}) nor a machine id ({machine!r})")


def start_ticks(stat: str) -> int:
    """Return the start time in clock ticks: field 22 of a C(/proc/<pid>/stat) line.

    Raise ValueError if it is no such line.
    """
    # The command name (field 2) may hold spaces and brackets, so count from behind its last closing bracket.
    _name, bracket, rest = stat.rpartition(")")
    fields = rest.split()
    if not bracket or len(fields) < 20 or not fields[19].isdigit():
        raise ValueError(f"not a /proc/<pid>/stat line: {stat[:200]!r}")
    return int(fields[19])


def boot_identity(boot_id: str, pid1_stat: str) -> str:
    """Return the boot identity from the texts of C(/proc/sys/kernel/random/boot_id) and C(/proc/1/stat).

    ValueError if malformed.
    """
    kernel = boot_id.strip().lower()
    if not _BOOT_ID.match(kernel):
        raise ValueError(f"not a kernel boot id: {boot_id[:200]!r}")
    return f"{kernel}:{start_ticks(pid1_stat)}"


def current_boot_identity(read: t.Callable[[str], str]) -> str:
    """Return the identity of the running boot; C(read) maps a path to its text (so that tests need no /proc)."""
    return boot_identity(read("/proc/sys/kernel/random/boot_id"), read("/proc/1/stat"))

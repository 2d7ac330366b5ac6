# Memory: its size, its modules and the errors that its controllers counted.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import typing as t

from .smbios import TableCut, dimms
from .sysfs import Report, Unreadable, below, names, read_lines, read_number

MEMORY_KEYS = ("total_bytes", "dimms", "edac")

_TOTAL = re.compile(r"^MemTotal:\s+([0-9]+) kB")
_CONTROLLER = re.compile(r"^mc[0-9]+\Z")
# The table of a large server has some tens of kilobytes.
_MAX_TABLE = 1 << 20


def smbios_table(root: str) -> bytes | None:
    """Return the firmware's table, None if the machine has none; raise Unreadable without the permission."""
    path = below(root, "sys/firmware/dmi/tables/DMI")
    try:
        with open(path, "rb") as handle:
            return handle.read(_MAX_TABLE)
    except PermissionError:
        raise Unreadable(f"no permission to read {path}: run this task as root (become)") from None
    except OSError:
        return None


def _total(lines: t.Iterable[str] | None) -> int | None:
    for line in lines or ():
        match = _TOTAL.match(line)
        if match:
            return int(match.group(1)) * 1024
    return None


def _edac(root: str) -> list[dict[str, t.Any]] | None:
    """Return the counters of the controllers; None without an EDAC driver, where nobody counts."""
    folder = below(root, "sys/devices/system/edac/mc")
    found = [
        {
            "controller": name,
            "corrected_errors": read_number(os.path.join(folder, name, "ce_count")),
            "uncorrected_errors": read_number(os.path.join(folder, name, "ue_count")),
        }
        for name in names(folder)
        if _CONTROLLER.match(name)
    ]
    return found or None


def read_memory(root: str, report: Report) -> dict[str, t.Any]:
    """Return size, modules and error counters."""
    memory: dict[str, t.Any] = dict.fromkeys(MEMORY_KEYS)
    path = below(root, "proc/meminfo")
    memory["total_bytes"] = _total(read_lines(path, 65536))
    if memory["total_bytes"] is None:
        report(None, f"{path} does not say how much memory there is")
    try:
        table = smbios_table(root)
        # A table without a single module is that of a virtual machine: nobody knows the modules.
        memory["dimms"] = (dimms(table) or None) if table else None
    except (Unreadable, TableCut) as exc:
        report("dimms", str(exc))
    memory["edac"] = _edac(root)
    return memory

# The NUMA nodes: their CPUs, memory and distances.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import typing as t

from .cpu_list import parse_cpu_list
from .sysfs import Report, below, devices, read_bytes, read_lines

_NODE = re.compile(r"^node([0-9]+)\Z")
_MEM_TOTAL = re.compile(r"^Node [0-9]+ MemTotal:\s+([0-9]+) kB")


def _memory_bytes(lines: t.Iterable[str] | None) -> int | None:
    for line in lines or ():
        match = _MEM_TOTAL.match(line)
        if match:
            return int(match.group(1)) * 1024
    return None


def _distances(raw: bytes | None) -> list[int] | None:
    words = (raw or b"").split()
    return [int(word) for word in words] if words and all(word.isdigit() for word in words) else None


def _cpus(raw: bytes | None) -> str | None:
    """Return the list as the kernel writes it. An empty one is an answer: memory without CPUs, as that of a GPU."""
    if raw is None:
        return None
    text = raw.decode("ascii", "replace").strip()
    try:
        parse_cpu_list(text)
    except ValueError:
        return None
    return text


def read_numa_nodes(root: str, report: Report) -> list[dict[str, t.Any]]:
    """Return the NUMA nodes in the order of their numbers; none on a kernel without NUMA."""
    nodes = []
    for name in devices(root, "devices/system/node"):
        match = _NODE.match(name)
        if match is None:
            continue
        folder = below(root, "sys/devices/system/node", name)
        nodes.append(
            {
                "id": int(match.group(1)),
                "cpus": _cpus(read_bytes(os.path.join(folder, "cpulist"))),
                "memory_total_bytes": _memory_bytes(read_lines(os.path.join(folder, "meminfo"), 65536)),
                "distances": _distances(read_bytes(os.path.join(folder, "distance"))),
            }
        )
    return nodes

# The processors, socket by socket.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from .cpu_list import parse_cpu_list
from .firmware_text import known
from .memory import smbios_table
from .numa import read_numa_nodes
from .smbios import TableCut, processor_names
from .sysfs import Report, Unreadable, below, read_lines, read_number, read_text

# 8192 threads with all their flags.
_MAX_CPUINFO = 32 << 20
_CPUS = "sys/devices/system/cpu"


def parse_cpuinfo(lines: t.Iterable[str]) -> dict[int, dict[str, str]]:
    """Return the number of each thread -> its facts. A block without a number is skipped."""
    found: dict[int, dict[str, str]] = {}
    block: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        key = key.strip()
        if key == "processor" and colon:
            block = {}
            number = value.strip()
            if number.isdigit():
                found[int(number)] = block
        elif colon:
            block.setdefault(key, value.strip())
    return found


def _siblings(root: str, thread: int, *names: str) -> set[int]:
    """Return the threads that share a core or a socket with this one; at least itself."""
    for name in names:
        text = read_text(below(root, _CPUS, f"cpu{thread}", "topology", name))
        if text is not None:
            try:
                return parse_cpu_list(text) | {thread}
            except ValueError:
                continue
    return {thread}


def _sockets_of_sysfs(root: str, threads: t.Iterable[int]) -> dict[int, tuple[set[int], int]]:
    """Return socket -> (its threads, number of its cores). Newer kernels have the first name of each pair."""
    left = set(threads)
    sockets: dict[int, tuple[set[int], int]] = {}
    while left:
        thread = min(left)
        # An unknown socket reads -1 on some ARM machines: they have one.
        socket = read_number(below(root, _CPUS, f"cpu{thread}", "topology/physical_package_id")) or 0
        members = _siblings(root, thread, "package_cpus_list", "core_siblings_list") & left
        left -= members
        cores = 0
        rest = set(members)
        while rest:
            rest -= _siblings(root, min(rest), "core_cpus_list", "thread_siblings_list")
            cores += 1
        known_members, known_cores = sockets.get(socket, (set(), 0))
        sockets[socket] = (known_members | members, known_cores + cores)
    return sockets


def _sockets_of_cpuinfo(found: t.Mapping[int, t.Mapping[str, str]]) -> dict[int, tuple[set[int], int | None]]:
    threads: dict[int, set[int]] = {}
    cores: dict[int, set[str | None]] = {}
    for number, facts in found.items():
        text = facts.get("physical id", "")
        socket = int(text) if text.isdigit() else 0
        threads.setdefault(socket, set()).add(number)
        cores.setdefault(socket, set()).add(facts.get("core id"))
    return {
        socket: (members, None if None in cores[socket] else len(cores[socket])) for socket, members in threads.items()
    }


def _firmware_name(root: str) -> str | None:
    """Return what the firmware calls the processors if it says the same of all: ARM kernels have no name for them."""
    try:
        found = {name for name in processor_names(smbios_table(root) or b"") if name is not None}
    except (Unreadable, TableCut):
        return None
    return found.pop() if len(found) == 1 else None


def read_cpus(root: str, report: Report) -> list[dict[str, t.Any]]:
    """Return one entry for each socket with its threads that are online."""
    path = below(root, "proc/cpuinfo")
    lines = read_lines(path, _MAX_CPUINFO)
    found = parse_cpuinfo(lines or ())
    if not found:
        raise Unreadable(f"{path} names no processor")
    sockets: t.Mapping[int, tuple[set[int], int | None]]
    if os.path.isdir(below(root, _CPUS, f"cpu{min(found)}", "topology")):
        sockets = _sockets_of_sysfs(root, found)
    else:
        sockets = _sockets_of_cpuinfo(found)
    try:
        numa = {node["id"]: parse_cpu_list(node["cpus"] or "") for node in read_numa_nodes(root, report)}
    except Unreadable:
        numa = {}
    cpus = []
    for socket in sorted(sockets):
        members, cores = sockets[socket]
        first = found[min(members)]
        khz = read_number(below(root, _CPUS, f"cpu{min(members)}", "cpufreq/cpuinfo_max_freq"))
        cpus.append(
            {
                "socket": socket,
                "model": known(first.get("model name")) or _firmware_name(root),
                "cores": cores,
                "threads": len(members),
                "max_mhz": None if khz is None else khz / 1000.0,
                "microcode": first.get("microcode"),
                "numa_nodes": sorted(node for node, threads in numa.items() if threads & members) or None,
            }
        )
    return cpus

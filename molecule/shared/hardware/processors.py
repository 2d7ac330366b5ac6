# Processors, memory and clock of a node. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hardware.files import Tree
from hardware.machine import Machine

GIB = 1 << 30


def _ranges(cores: int, socket: int) -> tuple[range, range]:
    """The threads of a socket: the first threads of all cores are counted before the second ones."""
    return range(socket * cores, (socket + 1) * cores), range((2 + socket) * cores, (3 + socket) * cores)


def _list(*ranges: range) -> str:
    return ",".join(f"{part[0]}-{part[-1]}" for part in ranges)


def processor_files(machine: Machine) -> Tree:
    """cpuinfo, topology and clocks of two sockets with two threads on each core."""
    cores = machine.cores
    blocks: list[str] = [""] * (4 * cores)
    tree: Tree = {"sys/devices/system/cpu/online": f"0-{4 * cores - 1}\n"}
    for socket in range(2):
        first, second = _ranges(cores, socket)
        for core in range(cores):
            siblings = f"{first[core]},{second[core]}\n"
            for thread in (first[core], second[core]):
                folder = f"sys/devices/system/cpu/cpu{thread}"
                tree[f"{folder}/topology/physical_package_id"] = f"{socket}\n"
                tree[f"{folder}/topology/core_id"] = f"{core}\n"
                tree[f"{folder}/topology/core_cpus_list"] = siblings
                tree[f"{folder}/topology/package_cpus_list"] = _list(first, second) + "\n"
                tree[f"{folder}/cpufreq/cpuinfo_max_freq"] = "3800000\n"
                facts = {"processor": thread, "vendor_id": "Simulated", "model name": machine.cpu,
                         "microcode": "0x2b000571", "cpu MHz": "2000.000", "physical id": socket,
                         "siblings": 2 * cores, "core id": core, "cpu cores": cores,
                         "flags": "fpu tsc msr sse2 avx512f"}  # fmt: skip
                blocks[thread] = "".join(f"{key}\t: {value}\n" for key, value in facts.items())
    tree["proc/cpuinfo"] = "\n".join(blocks) + "\n"
    return tree


def memory_files(machine: Machine) -> Tree:
    """meminfo, NUMA nodes (one for each socket) and memory controllers."""
    # A part is the kernel's own.
    total_kib = machine.dimms * machine.dimm_gib * GIB // 1024 * 63 // 64
    tree: Tree = {
        "proc/meminfo": f"MemTotal:       {total_kib} kB\nMemFree:        {total_kib // 2} kB\n",
        "sys/devices/system/node/online": "0-1\n",
    }
    for node in range(2):
        folder = f"sys/devices/system/node/node{node}"
        tree[f"{folder}/cpulist"] = _list(*_ranges(machine.cores, node)) + "\n"
        tree[f"{folder}/meminfo"] = f"Node {node} MemTotal:       {total_kib // 2} kB\n"
        tree[f"{folder}/distance"] = "10 21\n" if node == 0 else "21 10\n"
    for controller in range(8):
        for counter in ("ce_count", "ue_count"):
            tree[f"sys/devices/system/edac/mc/mc{controller}/{counter}"] = "0\n"
    source = "sys/devices/system/clocksource/clocksource0"
    tree[f"{source}/current_clocksource"] = "tsc\n"
    tree[f"{source}/available_clocksource"] = "tsc hpet acpi_pm\n"
    return tree

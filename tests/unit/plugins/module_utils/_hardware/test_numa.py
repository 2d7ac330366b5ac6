# Tests of NUMA nodes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._hardware import numa

NODE = "sys/devices/system/node"
Lay = Callable[[Mapping[str, Any]], str]


def test_recorded_machine(recorded: Callable[[str], str], reports: Any) -> None:
    assert numa.read_numa_nodes(recorded("virtual_machine"), reports) == [
        {"id": 0, "cpus": "0-1", "memory_total_bytes": 9005268 * 1024, "distances": [10]}
    ]


def test_memory_of_a_gpu_is_a_node_without_cpus(lay: Lay, reports: Any) -> None:
    files = {f"{NODE}/node{n}/cpulist": "0-71\n" if n == 0 else "\n" for n in (0, 1, 10, 2)}
    nodes = numa.read_numa_nodes(lay(files), reports)
    assert [(node["id"], node["cpus"]) for node in nodes] == [(0, "0-71"), (1, ""), (2, ""), (10, "")]


def test_broken_files_are_unknown(lay: Lay, reports: Any) -> None:
    files = {f"{NODE}/node0/cpulist": b"\xff", f"{NODE}/node0/meminfo": "Node 0 MemTotal: many kB\n"}
    files[f"{NODE}/node0/distance"] = "10 x\n"
    (node,) = numa.read_numa_nodes(lay({**files, f"{NODE}/nodes": "", f"{NODE}/has_cpu": "0\n"}), reports)
    assert node == {"id": 0, "cpus": None, "memory_total_bytes": None, "distances": None}


def test_kernel_without_numa(lay: Lay, reports: Any) -> None:
    assert numa.read_numa_nodes(lay({"sys/devices/system/cpu/online": "0\n"}), reports) == []

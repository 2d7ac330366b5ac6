# Tests of the benchmark's model of power, worked out by hand, and of its spread.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.benchmarks import energy
from ansible_collections.aidc.ops.plugins.module_utils._capacity.board import Board
from ansible_collections.aidc.ops.plugins.module_utils._capacity.greedy import fill
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Node, Problem, Workload
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import prepare
from ansible_collections.aidc.ops.plugins.module_utils._capacity.score import spent
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import arrival


def test_power_of_a_node() -> None:
    """Two T4 and 64 threads: idle 2 x 10 + 2 x 15 W; a GPU adds 60 W, a thread 105 / 32 W."""
    node = energy.powered(Node("n", 64000, 1000, gpus=2, gpu_model="T4"), "all", 1.0)
    assert (node.idle_watts, node.gpu_watts, node.core_watts) == (50, 60, 3.28125)
    work = Workload("w", cpu_milli=32000, gpus=1)
    problem = Problem((node,), (work,))
    case = prepare(problem)
    board = Board(case)
    fill(board, arrival(case), energy.spread)
    assert spent(case, board.placements, "energy") == pytest.approx((50 + 60 + 105) / 1000)
    cooled = energy.powered(node, "idle", 1.2)
    assert (cooled.idle_watts, cooled.gpu_watts) == (60, 60), "only the idle power is set"


def test_spread_takes_the_emptiest_node() -> None:
    nodes = tuple(Node(name, 8000, 8000) for name in ("a", "b", "c"))
    works = tuple(Workload(f"w{number}", cpu_milli=1000, memory_mib=1000) for number in range(6))
    board = Board(prepare(Problem(nodes, works)))
    fill(board, arrival(board.case), energy.spread)
    assert sorted(one.node for one in board.placements) == ["a", "a", "b", "b", "c", "c"]


def test_a_model_without_power_is_named(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("sn,cpu_milli,memory_mib,gpu,model\nn1,1000,1000,1,X9\n")
    options = argparse.Namespace(nodes=tmp_path / "n.csv", draw="all", pue=1.0)
    with pytest.raises(SystemExit, match="no power is known of the GPU models X9"):
        energy.problem_of(options)

#!/usr/bin/env python3
# Power, energy and CO2 of our plan beside those of common placements, on the data of a real GPU cluster.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/energy.py NODES.csv PODS.csv [--ratio 0.5] [--draw all|idle] [--slowdown PERCENT]
[--co2-grams GRAMS] [--json]

Draws pods of the openb trace as benchmarks/openb.py does until they ask for RATIO times the GPUs there are, and places
them on all nodes: spread (the emptiest node first, which is what the Kubernetes scheduler prefers), first fit and best
fit in the order of arrival, and our plan for the least power. The as-is is spread with every node left on.

Power is modelled, not measured. A node that is on draws the idle power of its GPUs and processors, and its load adds
what is asked of them, up to their full power. Idle and full watts are those of the file pkg/utils/const.go of
github.com/Fr4nz83/PWR-plugin-kubernetes, the code of "Power- and Fragmentation-aware Online Scheduling for GPU
Datacenters" (arXiv 2412.17484), which took the full power from data sheets. The trace hides what G2 and G3 are; that
file, and so we, give them 25 and 250 W as a stand-in. Fans, disks, memory, network and cooling are left out; --pue
multiplies.

The trace does not say how fast a pod is on each model of GPU, so with --draw all a plan may save by taking GPUs that
draw less and may be slower. --draw idle leaves the power of the load out: what is left is saved by switching off alone.

With --slowdown every second pod with GPUs is taken for training (class C(vision_training); the trace does not say what
it is), which may be so much slower, and has the power limit of the shipped curves on V100 and P100. The nodes have the
limits that their pods let them have, in every row.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.aidc.ops.benchmarks import openb
from ansible_collections.aidc.ops.plugins.module_utils._capacity.board import Board
from ansible_collections.aidc.ops.plugins.module_utils._capacity.greedy import fill
from ansible_collections.aidc.ops.plugins.module_utils._capacity.limits import PowerLimits, choose, limited
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Node, Policy, Problem, Workload
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import gap_percent, make_plan, prepare
from ansible_collections.aidc.ops.plugins.module_utils._capacity.score import spent
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import arrival
from ansible_collections.aidc.ops.plugins.module_utils._energy.curves import shipped
from ansible_collections.aidc.ops.plugins.module_utils._energy.report import carbon_kg, kilowatt_hours

if TYPE_CHECKING:
    from numpy.typing import NDArray

# (idle, full) watts; the source is above.
GPU_WATTS = {
    "A10": (30, 150),
    "G2": (25, 250),
    "G3": (25, 250),
    "P100": (25, 250),
    "T4": (10, 70),
    "V100M16": (30, 300),
    "V100M32": (30, 300),
}
# Models of the trace that a curve is of.
CURVE_OF = {"V100M16": "V100", "V100M32": "V100", "P100": "P100"}
TRAINING = "vision_training"
# A processor of 16 cores and 32 threads; the trace counts threads.
CPU_IDLE, CPU_FULL, CPU_THREADS = 15, 120, 32
DAY_HOURS = 24.0
POLICIES = ("spread", "first_fit", "best_fit", "optimal")
COLUMNS = (
    "policy",
    "nodes_on",
    "kilowatts",
    "kilowatts_all_on",
    "kwh_per_day",
    "co2_kg_per_day",
    "saved_pct",
    "gap_pct",
    "unplaced",
    "seconds",
)


def powered(node: Node, draw: str, pue: float) -> Node:
    """The node with its idle power and, unless ``draw`` is ``idle``, what its load adds."""
    idle, full = GPU_WATTS.get(node.gpu_model, (0, 0))
    threads = node.cpu_milli / 1000
    node = replace(
        node, idle_watts=pue * (node.gpus * idle + threads * CPU_IDLE / CPU_THREADS), gpu_idle_watts=pue * idle
    )
    if draw == "idle":
        return node
    return replace(node, gpu_watts=pue * (full - idle), core_watts=pue * (CPU_FULL - CPU_IDLE) / CPU_THREADS)


def problem_of(options: argparse.Namespace) -> Problem:
    """All nodes, and pods for RATIO times their GPUs."""
    nodes = [powered(node, options.draw, options.pue) for node in openb.read_nodes(options.nodes, gpu_only=False)]
    unknown = sorted({node.gpu_model for node in nodes if node.gpus} - set(GPU_WATTS))
    if unknown:
        raise SystemExit(f"{options.nodes}: no power is known of the GPU models {', '.join(unknown)}")
    gpu_milli = sum(node.gpus for node in nodes) * 1000
    pods = openb.drawn(openb.read_pods(options.pods), gpu_milli, options.ratio, options.seed)
    works = [Workload(f"pod-{number:06}", **pod) for number, pod in enumerate(pods)]
    if options.slowdown is not None:
        works = slowed(works, nodes, options)
    return Problem(tuple(nodes), tuple(works), policy=Policy(objectives=("allocation", "energy")))


def slowed(works: list[Workload], nodes: list[Node], options: argparse.Namespace) -> list[Workload]:
    """The pods with the power limits that half of those with GPUs may have."""
    gpus = [number for number, work in enumerate(works) if work.gpus]
    for number in gpus[::2]:
        works[number] = replace(works[number], workload_class=TRAINING)
    curves = [
        one._replace(
            model=model,
            points=tuple(point._replace(limit_watts=options.pue * point.limit_watts) for point in one.points),
        )
        for model, of in CURVE_OF.items()
        for one in shipped()
        if one.model == of
    ]
    choices = choose(PowerLimits(slowdown_percent=options.slowdown), curves, nodes, works)
    return [limited(work, choices) for work in works]


def spread(board: Board, number: int, nodes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The node of which the largest part of CPU and memory stays free, and of its GPUs where one is asked for."""
    work = board.case.kinds[number].work
    left = (board.cpu[nodes] - work.cpu_milli) / board.size[0][nodes]
    left = left + (board.memory[nodes] - work.memory_mib) / board.size[1][nodes]
    if work.gpus:
        left = left + (board.gpu[nodes].clip(min=0).sum(1) - work.gpu_milli) / board.size[3][nodes]
    return -left, nodes * 0 - 1


def measure(options: argparse.Namespace, policy: str, pipe: Any) -> None:
    """One row, in a process of its own."""
    problem = problem_of(options)
    began = time.monotonic()
    gap = None
    if policy == "spread":
        board = Board(prepare(problem))
        fill(board, arrival(board.case), spread)
        placements = board.placements
    else:
        plan = make_plan(problem, policy, options.seconds)
        placements = plan.placements
        gap = round(gap_percent(plan.stages[-1]), 3) if plan.stages else None
    seconds = time.monotonic() - began
    used = {one.node for one in placements}
    kilowatts = spent(prepare(problem), placements, "energy")
    left_on = sum(node.idle_watts for node in problem.nodes if node.name not in used) / 1000
    energy = kilowatt_hours(kilowatts, DAY_HOURS)
    carbon = None if options.co2_grams is None else round(carbon_kg(energy, options.co2_grams), 1)
    pipe.send(
        {
            "policy": policy,
            "nodes_on": len(used),
            "kilowatts": round(kilowatts, 1),
            "kilowatts_all_on": round(kilowatts + left_on, 1),
            "kwh_per_day": round(energy, 1),
            "co2_kg_per_day": carbon,
            "gap_pct": gap,
            "unplaced": len(problem.workloads) - len(placements),
            "seconds": round(seconds, 1),
        }
    )


def main(arguments: list[str]) -> int:
    """Entry point; see the text at the top."""
    parser = argparse.ArgumentParser(description="Power of placements on the openb trace.")
    parser.add_argument("nodes", type=Path, metavar="NODES.csv")
    parser.add_argument("pods", type=Path, metavar="PODS.csv")
    parser.add_argument("--ratio", type=float, default=0.5, help="GPUs asked for by GPUs there are")
    parser.add_argument("--draw", choices=("all", "idle"), default="all", help="idle: leave the power of the load out")
    parser.add_argument("--slowdown", type=float, help="percent by which training may be slower under power limits")
    parser.add_argument("--co2-grams", type=float, help="grams of CO2 for a kWh where you are")
    parser.add_argument("--pue", type=float, default=1.0, help="power of the site by that of its nodes")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--seconds", type=float, default=120.0, help="time limit of our plan")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args(arguments)
    if not options.json:
        print("".join(f"{name:>17}" if place else f"{name:12}" for place, name in enumerate(COLUMNS)), flush=True)
    as_is, failed = None, False
    for row in openb.measured(measure, options, POLICIES):
        if row is None:
            failed = True
            continue
        as_is = row["kilowatts_all_on"] if row["policy"] == "spread" else as_is
        row["saved_pct"] = None if not as_is else round(100 * (1 - row["kilowatts"] / as_is), 1)
        if options.json:
            print(json.dumps(row), flush=True)
        else:
            cells = ["-" if row[name] is None else str(row[name]) for name in COLUMNS]
            print("".join(f"{cell:>17}" if place else f"{cell:12}" for place, cell in enumerate(cells)), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

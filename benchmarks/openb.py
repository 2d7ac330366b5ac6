#!/usr/bin/env python3
# How much of a real GPU cluster each placement strategy fills, beside the bound that no plan exceeds.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/openb.py NODES.csv PODS.csv [--ratio 1.3] [--mode gpu|nodes|power] [--policies ...] [--json]

Reads the node list and a pod list of the openb trace (hkust-adsl/kubernetes-scheduler-simulator, the data of "Beware of
Fragmentation", USENIX ATC 2023), draws pods with replacement until they ask for RATIO times the GPUs there are, and
plans them with each strategy in a process of its own. RATIO 0 takes the list as it is.

gpu    fill the nodes that have GPUs; the strategies called online see the pods in their order of arrival
nodes  place everything on all nodes with the fewest nodes in use (take --ratio 0.5)
power  the same with the least power; the trace has none, so a GPU draws 35 % of its board power and a core 2.5 W on
       every node in use, which is an assumption

The gap is that of the objective of the mode. Times are of the wall clock: other work on the machine counts in them.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Node, Policy, Problem, Workload
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import gap_percent, make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import STRATEGIES

BOARD_WATTS = {"A10": 150, "G2": 300, "G3": 400, "P100": 250, "T4": 70, "V100M16": 300, "V100M32": 300}
OBJECTIVES = {"gpu": ("allocation",), "nodes": ("allocation", "cost"), "power": ("allocation", "energy")}
COLUMNS = (
    "policy",
    "allocated_pct",
    "bound_pct",
    "gap_pct",
    "nodes_used",
    "kilowatts",
    "unplaced",
    "seconds",
    "peak_mib",
)


def read_nodes(path: Path, gpu_only: bool) -> list[Node]:
    """The nodes of the trace; a price of one each, so that cost counts nodes."""
    found = []
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            gpus = int(row["gpu"])
            if gpu_only and not gpus:
                continue
            idle = BOARD_WATTS.get(row["model"], 0) * 0.35 * gpus + 2.5 * int(row["cpu_milli"]) / 1000
            found.append(
                Node(
                    row["sn"],
                    int(row["cpu_milli"]),
                    int(row["memory_mib"]),
                    gpus=gpus,
                    gpu_model=row["model"],
                    idle_watts=idle,
                    price_per_hour=1.0,
                )
            )
    return found


def read_pods(path: Path) -> list[dict[str, Any]]:
    """What each pod of the list needs."""
    with path.open(encoding="utf-8", newline="") as stream:
        found = []
        for row in csv.DictReader(stream):
            gpus = int(row["num_gpu"])
            found.append(
                {
                    "cpu_milli": int(row["cpu_milli"]),
                    "memory_mib": int(row["memory_mib"]),
                    "gpus": gpus,
                    "gpu_share_milli": int(row["gpu_milli"]) if gpus == 1 else 1000,
                    "gpu_models": tuple(sorted((row.get("gpu_spec") or "").split("|"))) if row.get("gpu_spec") else (),
                }
            )
    return found


def drawn(pods: list[dict[str, Any]], gpu_milli: int, ratio: float, seed: int) -> list[dict[str, Any]]:
    """Pods that together ask for RATIO times the GPUs, in a random order of arrival."""
    if not ratio:
        return pods
    draw = random.Random(seed)
    target = ratio * gpu_milli
    chosen, total = [], 0
    pool = draw.sample(pods, len(pods))
    while True:
        pod = pool.pop() if pool else draw.choice(pods)
        asked = pod["gpus"] * pod["gpu_share_milli"]
        if total + asked > target:
            break
        chosen.append(pod)
        total += asked
    draw.shuffle(chosen)
    return chosen


def problem_of(options: argparse.Namespace) -> Problem:
    """The planning problem of the mode; nodes and pods are repeated --scale times."""
    nodes = read_nodes(options.nodes, options.mode == "gpu")
    if options.scale > 1:
        nodes = [
            Node(**{**vars(node), "name": f"{node.name}-{copy}"}) for copy in range(options.scale) for node in nodes
        ]
    gpu_milli = sum(node.gpus for node in nodes) * 1000
    pods = drawn(read_pods(options.pods), gpu_milli, options.ratio, options.seed)
    works = [Workload(f"pod-{number:06}", **pod) for number, pod in enumerate(pods)]
    return Problem(tuple(nodes), tuple(works), policy=Policy(objectives=OBJECTIVES[options.mode]))


def measure(options: argparse.Namespace, policy: str, pipe: Any) -> None:
    """One row, in a process of its own."""
    problem = problem_of(options)
    log = None if options.json else (lambda text: print(f"  {text}", file=sys.stderr, flush=True))
    began = time.monotonic()
    cpu = time.process_time()
    plan = make_plan(problem, policy, options.seconds, log=log)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    works = {work.name: work for work in problem.workloads}
    gpus = sum(node.gpus for node in problem.nodes)
    allocated = sum(works[one.workload].gpu_milli for one in plan.placements) / 1000
    row: dict[str, Any] = {
        "policy": policy,
        "allocated_pct": round(100 * allocated / gpus, 3),
        "bound_pct": None,
        "gap_pct": None,
        "nodes_used": len({one.node for one in plan.placements}),
        "kilowatts": round(plan.as_dict()["kilowatts"], 1),
        "unplaced": sum(one.missing for one in plan.refused),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if plan.stages:
        allocation = plan.stages[0]
        bound = min(100 * allocation.bound / gpus, 100.0)
        row["bound_pct"] = round(bound, 3)
        row["gap_pct"] = round(100 * (bound - 100 * allocated / gpus) / bound, 3) if options.mode == "gpu" else None
        if options.mode != "gpu":
            row["gap_pct"] = round(gap_percent(plan.stages[-1]), 3)
            row["bound"] = round(-plan.stages[-1].bound, 1)
        row["note"] = plan.note
    pipe.send(row)


def measured(
    measure: Callable[[argparse.Namespace, str, Any], None], options: argparse.Namespace, policies: Sequence[str]
) -> Iterator[dict[str, Any] | None]:
    """The row of each policy, each in a process of its own so that none has the memory of another; None if it died."""
    context = multiprocessing.get_context("spawn")
    for policy in policies:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=measure, args=(options, policy, theirs))
        child.start()
        theirs.close()
        try:
            yield ours.recv()
        except EOFError:
            print(f"{policy}: no result", file=sys.stderr)
            yield None
        finally:
            child.join()


def shown(rows: Iterator[dict[str, Any] | None], columns: Sequence[str], as_json: bool) -> int:
    """Print the rows as they come; the exit status, which is 1 where one is missing."""
    if not as_json:
        print("".join(f"{name:>16}" if place else f"{name:32}" for place, name in enumerate(columns)), flush=True)
    status = 0
    for row in rows:
        if row is None:
            status = 1
        elif as_json:
            print(json.dumps(row), flush=True)
        else:
            cells = ["-" if row[name] is None else str(row[name]) for name in columns]
            print("".join(f"{cell:>16}" if place else f"{cell:32}" for place, cell in enumerate(cells)), flush=True)
    return status


def main(arguments: list[str]) -> int:
    """Entry point; see the text at the top."""
    parser = argparse.ArgumentParser(description="GPUs that each placement strategy allocates on the openb trace.")
    parser.add_argument("nodes", type=Path, metavar="NODES.csv")
    parser.add_argument("pods", type=Path, metavar="PODS.csv")
    parser.add_argument(
        "--ratio", type=float, default=1.3, help="GPUs asked for by GPUs there are; 0: the list as it is"
    )
    parser.add_argument("--mode", choices=sorted(OBJECTIVES), default="gpu")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--scale", type=int, default=1, help="repeat nodes and pods that often")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of each policy")
    parser.add_argument("--policies", nargs="+", default=list(STRATEGIES[::-1]), choices=STRATEGIES, metavar="POLICY")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args(arguments)
    return shown(measured(measure, options, options.policies), COLUMNS, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

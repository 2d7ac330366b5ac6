#!/usr/bin/env python3
# How much of a fleet that MIG may cut each placement strategy fills, beside the bound that no plan exceeds.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/mig.py [--nodes 100] [--ratio 1.3] [--seed 1] [--policies ...] [--json]

Nodes with eight H100 of 80 GB and 96 or 128 cores, and services of 1 to 8 copies that take a MIG instance of a profile
or, one in eight, a whole GPU, each with 1 to 16 cores, until they ask for RATIO times the GPUs there are. The mix is
made up; no public trace has MIG. Each strategy runs in a process of its own. Times are of the wall clock.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from typing import Any

from openb import measured, shown

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import STRATEGIES

GPUS = 8
# Profile -> how often, of a hundred; none is a whole GPU.
MIX = {"1g.10gb": 30, "1g.20gb": 10, "2g.20gb": 20, "3g.40gb": 18, "4g.40gb": 8, "7g.80gb": 2, "": 12}
COLUMNS = ("policy", "allocated_pct", "bound_pct", "gap_pct", "unplaced", "seconds", "peak_mib")


def problem_of(options: argparse.Namespace) -> Problem:
    """The same problem for the same options."""
    draw = random.Random(options.seed)
    kind = {"gpus": GPUS, "gpu_model": "h100", "gpu_memory_mib": 81559, "mig_slices": 7, "memory_mib": 1_000_000}
    nodes = [
        {"name": f"n{number}", "cpu_milli": draw.choice([96_000, 128_000]), **kind} for number in range(options.nodes)
    ]
    works: list[dict[str, Any]] = []
    slices = 0
    while slices < options.ratio * options.nodes * GPUS * 7:
        (profile,) = draw.choices(list(MIX), weights=list(MIX.values()))
        cores = draw.choice([1, 2, 4, 8] if profile else [8, 12, 16])
        work = {"name": f"w{len(works)}", "gpus": 1, "mig_profile": profile, "copies": draw.randint(1, 8)}
        works.append({**work, "cpu_milli": 1000 * cores, "memory_mib": 1024 * draw.choice([4, 8, 16, 32])})
        slices += works[-1]["copies"] * int(profile[:1] or 7)
    return read_problem({"schema_version": 1, "nodes": nodes, "workloads": works})


def measure(options: argparse.Namespace, policy: str, pipe: Any) -> None:
    """One row, in a process of its own."""
    problem = problem_of(options)
    began = time.monotonic()
    plan = make_plan(problem, policy, options.seconds)
    percent = 100 / (options.nodes * GPUS)
    bound = min(100.0, plan.stages[0].bound * percent) if plan.stages else None
    allocated = dict(plan.values)["allocation"] * percent
    pipe.send(
        {
            "policy": policy,
            "allocated_pct": round(allocated, 3),
            "bound_pct": None if bound is None else round(bound, 3),
            "gap_pct": None if bound is None else round(100 * (bound - allocated) / bound, 3),
            "unplaced": sum(one.missing for one in plan.refused),
            "seconds": round(time.monotonic() - began, 1),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    )


def main(arguments: list[str]) -> int:
    """Entry point; see the text at the top."""
    parser = argparse.ArgumentParser(description="GPUs that each placement strategy allocates where MIG cuts them.")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--ratio", type=float, default=1.3, help="GPUs asked for by GPUs there are")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of each policy")
    parser.add_argument("--policies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES, metavar="POLICY")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args(arguments)
    return shown(measured(measure, options, options.policies), COLUMNS, options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

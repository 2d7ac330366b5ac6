#!/usr/bin/env python3
# Response times of a recorded workload in the order of arrival and in that of deadlines, beside the bound.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/schedule.py PODS.csv NODES.csv [--gpus 40] [--slack 0] [--compress 1] [--json]

Reads a pod list with times and the node list of the openb trace (hkust-adsl/kubernetes-scheduler-simulator, the data of
"Beware of Fragmentation", USENIX ATC 2023), and schedules the pods that ran on a part of the nodes.

- Arrival is the time of creation; duration is deletion less the time at which the pod was placed. Pods that were never
  placed have no duration and are left out. One that still ran at the end of the trace has the duration seen until then.
- The whole fleet was never full in the trace. --gpus N draws nodes with GPUs, by a fixed seed, until there are N of
  them; 0 takes all nodes. --compress N divides the times between arrivals, and leaves the durations as they are.
- The trace has no deadlines. --slack N gives each pod of the class LS (latency sensitive) one: N times its duration,
  and at least ten minutes, after its arrival. That is an assumption.
- Durations are taken as known when a pod arrives, which flatters every order but that of arrival.

Both orders backfill, so what is compared is the order alone. The gap is to a bound that no schedule beats. Times are of
the wall clock: other work on the machine counts in them.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Node, Problem, Workload
from ansible_collections.aidc.ops.plugins.module_utils._schedule.figures import figures
from ansible_collections.aidc.ops.plugins.module_utils._schedule.model import timed
from ansible_collections.aidc.ops.plugins.module_utils._schedule.order import ORDERS
from ansible_collections.aidc.ops.plugins.module_utils._schedule.schedule import checked

LEAST_SLACK = 600
COLUMNS: tuple[str, ...] = ("order", "gpus", "jobs", "mean_response_hours", "bound_hours", "gap_pct", "mean_wait_hours")
COLUMNS += ("longest_wait_hours", "missed", "deadlines", "refused", "seconds", "cpu_seconds", "peak_mib")


def read_nodes(path: Path, gpus: int, seed: int) -> list[Node]:
    """All nodes, or drawn ones with so many GPUs together."""
    with path.open(encoding="utf-8", newline="") as stream:
        found = [
            Node(row["sn"], int(row["cpu_milli"]), int(row["memory_mib"]), gpus=int(row["gpu"]), gpu_model=row["model"])
            for row in csv.DictReader(stream)
        ]
    if not gpus:
        return found
    drawn: list[Node] = []
    for node in random.Random(seed).sample(found, len(found)):
        if node.gpus and sum(one.gpus for one in drawn) < gpus:
            drawn.append(node)
    return drawn


def read_pods(path: Path, slack: float, compress: float) -> tuple[list[Workload], dict[str, float]]:
    """Pods that ran, and their arrivals in seconds from the begin of the trace."""
    works, arrivals = [], {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if not row.get("scheduled_time") or not row.get("deletion_time"):
                continue
            seconds = float(row["deletion_time"]) - float(row["scheduled_time"])
            if seconds <= 0:
                continue
            arrival, gpus = float(row["creation_time"]) / compress, int(row["num_gpu"])
            due = arrival + max(LEAST_SLACK, slack * seconds) if slack and row["qos"] == "LS" else 0.0
            works.append(
                Workload(
                    row["name"],
                    cpu_milli=int(row["cpu_milli"]),
                    memory_mib=int(row["memory_mib"]),
                    gpus=gpus,
                    gpu_share_milli=int(row["gpu_milli"]) if gpus == 1 else 1000,
                    gpu_models=tuple(sorted(row["gpu_spec"].split("|"))) if row.get("gpu_spec") else (),
                    duration_hours=seconds / 3600,
                    deadline_hours=due / 3600,
                )
            )
            arrivals[row["name"]] = arrival
    return works, arrivals


def measure(options: argparse.Namespace, order: str) -> dict[str, Any]:
    """One row."""
    nodes = read_nodes(options.nodes, options.gpus, options.seed)
    works, arrivals = read_pods(options.pods, options.slack, options.compress)
    began, cpu = time.monotonic(), time.process_time()
    setting = timed(Problem(tuple(nodes), tuple(works)), arrivals, [], 0.0)
    outcome = checked(setting, order)
    found = figures(setting, outcome.runs)
    return {
        "order": order,
        "gpus": sum(node.gpus for node in nodes),
        "jobs": len(works),
        "mean_response_hours": round(found["mean_response_hours"], 3),
        "bound_hours": round(found["mean_response_bound_hours"], 3),
        "gap_pct": round(found["mean_response_gap_percent"], 2),
        "mean_wait_hours": round(found["mean_wait_hours"], 3),
        "longest_wait_hours": round(found["longest_wait_hours"], 1),
        "missed": found["missed_deadlines"],
        "deadlines": sum(1 for work in works if work.deadline_hours),
        "refused": len(outcome.refused),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main(arguments: list[str]) -> int:
    """Entry point; see the text at the top."""
    parser = argparse.ArgumentParser(description="Response times of a recorded workload, by order of the queue.")
    parser.add_argument("pods", type=Path, metavar="PODS.csv")
    parser.add_argument("nodes", type=Path, metavar="NODES.csv")
    parser.add_argument("--gpus", type=int, default=40, help="draw nodes with so many GPUs; 0: all nodes")
    parser.add_argument("--slack", type=float, default=0.0, help="deadline of LS pods by their duration; 0: none")
    parser.add_argument("--compress", type=float, default=1.0, help="divide the times between arrivals by that")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args(arguments)
    if options.compress <= 0:
        parser.error("--compress has to be above 0")
    if not options.json:
        print("".join(f"{name:>20}" for name in COLUMNS), flush=True)
    for order in ORDERS:
        row = measure(options, order)
        print(json.dumps(row) if options.json else "".join(f"{row[name]!s:>20}" for name in COLUMNS), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

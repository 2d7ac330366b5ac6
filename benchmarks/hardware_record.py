#!/usr/bin/env python3
# What one hardware record costs, beside the tasks that a play would gather the same with.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure ``hardware_record`` against ``setup``, ``nvidia-smi -q -x``, ``lspci`` and ``lsblk`` on the same host.

Both sides are tasks of one play, in turns: in each round first one, then the other, and in the next round the other
way round. A side's time is from the start of its first task to the end of its last one, as Ansible itself says, so that
the start of ``ansible-playbook`` is in neither. A program that the host lacks is still a task (it fails at once, which
is to the advantage of the other side) and the report names it.

Without options it measures this machine over the local connection. For a node of the lab::

    benchmarks/hardware_record.py --inventory inventories/lab --host gpu1 --become \\
        --python /opt/aidc_ops/node/bin/python --root /var/lib/gpusim/root
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OURS = "hardware_record"
OTHERS: dict[str, dict[str, Any]] = {
    "setup": {"ansible.builtin.setup": {}},
    "nvidia-smi -q -x": {"ansible.builtin.command": "nvidia-smi -q -x"},
    "lspci": {"ansible.builtin.command": "lspci -vvnnD"},
    "lsblk": {"ansible.builtin.command": "lsblk --json --bytes --output-all"},
}
GOAL = 0.5


class BenchmarkError(Exception):
    """The play did not do what the benchmark needs; the message says what."""


def play(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The play: as many rounds as wanted, and one more in front that warms both sides up."""
    record = {f"aidc.ops.{OURS}": {"root": arguments.root}}
    ours = [{"name": OURS, **record}]
    others = [{"name": name, "changed_when": False, "failed_when": False, **task} for name, task in OTHERS.items()]
    tasks: list[dict[str, Any]] = []
    for number in range(arguments.rounds + 1):
        tasks += ours + others if number % 2 else others + ours
    return [{"hosts": arguments.host, "gather_facts": False, "become": arguments.become, "tasks": tasks}]


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Every task of the play in order, with its duration and its result on the host."""
    with tempfile.TemporaryDirectory(prefix="aidc-benchmark-") as folder:
        path = Path(folder, "play.yml")
        path.write_text(json.dumps(play(arguments)), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(path)]
        command += ["--inventory", arguments.inventory]
        if arguments.inventory.endswith(","):
            command += ["--connection", "local"]
        command += ["--extra-vars", json.dumps({"ansible_python_interpreter": arguments.python})]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_PIPELINING": str(arguments.pipelining),
        }
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    try:
        (answer,) = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
    except ValueError:
        raise BenchmarkError(f"ansible-playbook failed: {(done.stderr or done.stdout).strip()[-800:]}") from None
    tasks = []
    for task in answer["tasks"]:
        (result,) = task["hosts"].values()
        if task["task"]["name"] == OURS and "record" not in result:
            raise BenchmarkError(f"hardware_record failed: {result.get('msg')}")
        duration = task["task"]["duration"]
        start, end = (datetime.fromisoformat(duration[name]) for name in ("start", "end"))
        tasks.append({"name": task["task"]["name"], "start": start, "end": end, "result": result})
    return tasks


def seconds(tasks: list[dict[str, Any]]) -> float:
    """From the start of the first task to the end of the last."""
    return float((tasks[-1]["end"] - tasks[0]["start"]).total_seconds())


def rounds(tasks: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Seconds of each side and of each task, round by round, without the first."""
    size = len(OTHERS) + 1
    found = []
    for at in range(size, len(tasks), size):
        chunk = tasks[at : at + size]
        others = [task for task in chunk if task["name"] != OURS]
        row = {task["name"]: seconds([task]) for task in chunk}
        found.append({**row, "all four": seconds(others)})
    return found


def missing(tasks: list[dict[str, Any]]) -> list[str]:
    """The programs that the host does not have."""
    gone = {task["name"] for task in tasks if task["name"] in OTHERS and task["result"].get("rc", 0) == 2}
    return [name for name in OTHERS if name in gone and name != "setup"]


def report(found: list[dict[str, float]], gone: list[str], as_json: bool) -> float:
    """Print the figures; the ratio of the medians."""
    middle = {name: statistics.median(row[name] for row in found) for name in found[0]}
    ratio = middle[OURS] / middle["all four"]
    if not as_json:
        print("| what | n | p50 s | min s | max s | p50 / all four |")
        print("| --- | --- | --- | --- | --- | --- |")
    for name in (OURS, "all four", *OTHERS):
        values = [row[name] for row in found]
        row = {
            "what": name + (" (not installed)" if name in gone else ""),
            "n": len(values),
            "p50_s": round(middle[name], 3),
            "min_s": round(min(values), 3),
            "max_s": round(max(values), 3),
            "ratio": round(middle[name] / middle["all four"], 2),
        }
        print(json.dumps(row) if as_json else "| " + " | ".join(str(value) for value in row.values()) + " |")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--inventory", default="localhost,", help="default: this machine")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--become", action="store_true", help="run the tasks as root")
    parser.add_argument("--python", default=sys.executable, help="interpreter on the host")
    parser.add_argument("--root", default="/", help="root of the hardware tree on the host")
    parser.add_argument("--pipelining", action="store_true", help="with Ansible's pipelining, for both sides")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    arguments = parser.parse_args()
    try:
        tasks = run(arguments)
    except BenchmarkError as error:
        print(f"hardware_record: {error}", file=sys.stderr)
        return 1
    ratio = report(rounds(tasks), missing(tasks), arguments.json)
    print(f"ratio {ratio:.2f}, goal {GOAL}: {'met' if ratio <= GOAL else 'missed'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

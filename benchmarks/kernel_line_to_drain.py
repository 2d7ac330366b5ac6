#!/usr/bin/env python3
# How long a node stays in scheduling after the kernel named its fault, measured in the running lab.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the kernel-log lane of the running lab (``make demo`` starts it).

One injection: a kernel line with XID 79 and a PCI address that no other injection used is appended to the log input
of one node. Three moments are taken from the same clock (containers share the host's):

* the append itself, on the node;
* the drain accepted: ``scontrol`` answered 0, as the ledger recorded it;
* the playbook's first step begun, as the ledger recorded it.

The case is cancelled and the node resumed before the next injection; every fifth time (``--first-step-every``) only
after the playbook has come to the reboot, which waits for an approval that never comes. With ``--compare`` the same is
measured with ``containment: playbook`` (the cordon is a playbook step as in a controller that cannot reach the
scheduler), and the table shows the ratio.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from typing import Any

CONFIG = "/etc/aidc_ops/controller.json"
UNIT = "aidc-ops-rulebook.service"
APPEND = """
import sys, time
with open(sys.argv[1], "a") as log:
    at = time.time()
    log.write(sys.argv[2] + "\\n")
print(repr(at))
"""


class BenchmarkError(Exception):
    """The lab did not do what the benchmark needs; the message says what."""


def on(container: str, *command: str) -> str:
    """Output of a command inside a container of the lab."""
    done = subprocess.run(
        ["podman", "exec", container, *command], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"{container}: {' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def cases(ctl: str) -> list[dict[str, Any]]:
    """Every case of the ledger, oldest first."""
    return list(json.loads(on(ctl, "aidc-cases", "list", "--json")))


def wait_for(what: str, seconds: float, probe: Any) -> Any:
    """The first truthy answer of ``probe``, asked every 0.1 s."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = probe()
        if answer:
            return answer
        time.sleep(0.1)
    raise BenchmarkError(f"{what} did not happen within {seconds:g} s")


def configure(ctl: str, settings: dict[str, Any]) -> None:
    """Puts the settings in place and restarts the loop."""
    write = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    on(ctl, "python3", "-c", write, CONFIG, json.dumps(settings, indent=1))
    on(ctl, "systemctl", "restart", UNIT)
    on(ctl, "systemctl", "is-active", UNIT)
    # The rule engine takes seconds to start; the first injection would measure that.
    time.sleep(8)


def inject(prefix: str, node: str, log: str, number: int, whole: bool) -> tuple[float, float | None]:
    """Seconds from the appended line to the accepted drain, and (``whole``) to the first step of the playbook."""
    ctl, target = f"{prefix}ctl", f"{prefix}{node}"
    before = {case["case_id"] for case in cases(ctl)}
    line = f"NVRM: Xid (PCI:{number:04x}:1b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
    start = float(on(target, "python3", "-c", APPEND, log, line))

    def opened() -> Any:
        return next((case for case in cases(ctl) if case["case_id"] not in before), None)

    case = wait_for("a case", 30, opened)["case_id"]

    def at(step: str, kind: str) -> Any:
        events = json.loads(on(ctl, "aidc-cases", "timeline", str(case), "--json"))
        return next((event["at"] for event in events if event["step"] == step and event["kind"] == kind), None)

    drained = wait_for("the accepted drain", 30, lambda: at("cordon", "finished"))
    first = None
    if whole:
        first = wait_for("the playbook's first step", 60, lambda: at("evidence", "begun"))
        wait_for("the wait for approval", 120, lambda: _state(ctl, case) == "held")
    on(ctl, "aidc-cases", "cancel", str(case))
    on(ctl, "scontrol", "update", f"nodename={node}", "state=resume")
    return drained - start, first - start if first is not None else None


def _state(ctl: str, case: int) -> str:
    return next(str(item["state"]) for item in cases(ctl) if item["case_id"] == case)


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that at least ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measure(arguments: argparse.Namespace, containment: str, first_number: int) -> dict[str, list[float]]:
    """Drain and first-step times (seconds) of every injection under one containment mode."""
    ctl = f"{arguments.prefix}ctl"
    original = json.loads(on(ctl, "cat", CONFIG))
    changed = json.loads(json.dumps(original))
    changed["containment"] = containment
    changed["gate"]["modes"]["reboot"] = "approve"
    configure(ctl, changed)
    times: dict[str, list[float]] = {"drain": [], "first step": []}
    try:
        for number in range(arguments.injections):
            whole = number % arguments.first_step_every == 0
            drain, first = inject(arguments.prefix, arguments.node, arguments.log, first_number + number, whole)
            times["drain"].append(drain)
            progress = f"{containment} {number + 1}/{arguments.injections}: drain {drain:.3f} s"
            if first is not None:
                times["first step"].append(first)
                progress += f", first step {first:.3f} s"
            print(progress, file=sys.stderr)
    finally:
        configure(ctl, original)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--injections", type=int, default=50)
    parser.add_argument("--first-step-every", type=int, default=5, metavar="N")
    parser.add_argument("--node", default="gpu2")
    parser.add_argument("--prefix", default="aidc-lab-", help="what the containers' names begin with")
    parser.add_argument("--log", default="/var/lib/gpusim/kernel.log", help="the node's kernel log input")
    parser.add_argument("--compare", action="store_true", help="measure containment by playbook as well")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    arguments = parser.parse_args()
    # PCI domains are 16 bits wide; a start from the clock keeps one run's addresses apart from the last run's.
    first = int(time.time()) % 0xF000
    try:
        results = {"in_process": measure(arguments, "in_process", first)}
        if arguments.compare:
            results["playbook"] = measure(arguments, "playbook", first + arguments.injections)
    except BenchmarkError as error:
        print(f"kernel_line_to_drain: {error}", file=sys.stderr)
        return 1
    report(results, as_json=arguments.json)
    return 0


def report(results: dict[str, dict[str, list[float]]], as_json: bool) -> None:
    """Prints the figures, and each containment's median beside that of in_process."""
    if not as_json:
        print("| containment | moment | n | p50 s | p90 s | p99 s | max s | p50 / in process |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for containment, moments in results.items():
        for moment, values in moments.items():
            middle = statistics.median(values)
            row = {
                "containment": containment,
                "moment": moment,
                "n": len(values),
                "p50_s": round(middle, 3),
                "p90_s": round(percentile(values, 0.90), 3),
                "p99_s": round(percentile(values, 0.99), 3),
                "max_s": round(max(values), 3),
                "ratio": round(middle / statistics.median(results["in_process"][moment]), 2),
            }
            print(json.dumps(row) if as_json else "| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    sys.exit(main())

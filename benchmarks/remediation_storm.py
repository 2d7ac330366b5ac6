#!/usr/bin/env python3
# A storm of alerts: what the loop loses, how fast it decides, what it costs; beside one playbook per alert.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure 1,000 alerts of 1,000 nodes that arrive within 5 s.

``ours``: the real event source polls a stand-in of Alertmanager every 0.2 s, records in a real ledger on the disk of
``--folder``, asks the real gate, and drains in a pretended scheduler in memory (a real one adds one call for each
batch). The limits are the role's defaults but for the storm breaker, so that the budgets decide: at most 10 percent,
20 nodes, 2 in one rack. Every drain is checked against them by the pretended scheduler itself. A node is decided when
the gate's answer is in the ledger. ``ours, at once``: all alerts are there with the first poll.

``ansible-rulebook``: the same engine without this collection, with one rule that runs one playbook for each alert (a
debug task on the local machine). Its source hands over ``--alerts-rulebook`` events at once; what 1,000 would take is
worked out from the time per alert. Decided is an alert when its playbook's task ran.

Memory is the peak of the process itself (with the Java machine), and for the rulebook that of its playbooks beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".ansible" / "collections"
sys.path.insert(0, str(COLLECTIONS))

NODES_IN_RACK = 8
SECONDS = 5.0

SOURCE = """
import asyncio

async def main(queue, args):
    for number in range(int(args["alerts"])):
        await queue.put({"alert": {"number": number, "instance": f"gpu{number}"}})
    await asyncio.sleep(3600)
"""
RULEBOOK = """
- name: One playbook per alert
  hosts: localhost
  execution_strategy: STRATEGY
  sources:
    - storm: {alerts: ALERTS}
  rules:
    - name: hit
      condition: event.alert.number is defined
      action:
        run_playbook: {name: FOLDER/pb/mark.yml}
"""
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ lookup('ansible.builtin.pipe', 'date +%s.%N >> FOLDER/marks') }}"
"""


class Scheduler:
    """A scheduler in memory that checks every drain against the limits by itself."""

    def __init__(self, names: Sequence[str], racks: Mapping[str, str], gate: Any) -> None:
        from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineNode

        self._make = EngineNode
        self._racks, self._gate = racks, gate
        self.state = {name: self._node(name, "") for name in names}
        self.violations = 0

    def _node(self, name: str, reason: str) -> Any:
        out = bool(reason)
        return self._make(name, ("idle", "drain") if out else ("idle",), reason, out, out, False, ())

    def nodes(self) -> Any:
        return self.state

    def notes(self) -> list[str]:
        return []

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        for name in names:
            self.state[name] = self._node(name, reasons[name])
        out = [name for name, node in self.state.items() if node.out]
        allowed = min(self._gate.out_max, int(len(self.state) * self._gate.out_percent / 100))
        fullest = max(Counter(self._racks[name] for name in out).values())
        self.violations += len(out) > allowed or fullest > self._gate.per_rack
        return True


def ours(folder: Path, alerts: int, seconds: float) -> dict[str, Any]:
    """Runs the source on a storm of so many alerts within so many seconds; in a process of its own."""
    from ansible_collections.aidc.ops.extensions.eda.plugins.event_source import alertmanager
    from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import desk
    from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
    from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import load_settings
    from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager, alert, when

    names = [f"gpu{number}" for number in range(alerts)]
    racks = {name: f"rack{number // NODES_IN_RACK}" for number, name in enumerate(names)}
    with FakeAlertmanager() as server:
        config = folder / "controller.json"
        config.write_text(
            json.dumps(
                {
                    "schema_version": 1,
                    "ledger": str(folder / "ledger.sqlite"),
                    "evidence_dir": "/none",
                    "ticket_dir": "/none",
                    "alertmanager": {"urls": [server.url], "poll_seconds": 0.2, "watchdog_alert": None},
                    "nodes": {name: {"rack": rack} for name, rack in racks.items()},
                    "gate": {"storm_nodes": 10 * alerts, "modes": {"contain": "act"}},
                }
            )
        )
        settings = load_settings(str(config))
        scheduler = Scheduler(names, racks, settings.gate)
        vars(desk)["open_engines"] = lambda _settings: scheduler

        async def live() -> tuple[float, float]:
            queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
            source = asyncio.create_task(alertmanager.main(queue, {"config": str(config)}))
            ledger = Ledger(settings.ledger)
            while not ledger.heartbeats():
                await asyncio.sleep(0.05)
            began = time.time()
            fire = threading.Thread(target=raise_all, args=(server, names, seconds, alert, when))
            fire.start()
            while True:
                await asyncio.sleep(0.1)
                while not queue.empty():
                    queue.get_nowait()
                cases = await asyncio.to_thread(ledger.cases)
                if len(cases) == alerts and all(case.state == "held" or case.step != "cordon" for case in cases):
                    break
            fire.join()
            ended = max(case.updated_at for case in cases)
            first = min(case.opened_at for case in cases)
            source.cancel()
            ledger.close()
            return ended - began, ended - first

        whole, working = asyncio.run(live())
        ledger = Ledger(settings.ledger, read_only=True)
        cases = ledger.cases()
        faults = sum(len(ledger.faults(case.id)) for case in cases)
        return {
            "alerts": alerts,
            "lost": alerts - faults,
            "seconds": whole,
            "decided_per_second": alerts / working,
            "taken_out": sum(1 for node in scheduler.state.values() if node.out),
            "violations": scheduler.violations,
            "peak_mib": peak_mib(os.getpid()),
        }


def raise_all(server: Any, names: Sequence[str], seconds: float, alert: Any, when: Any) -> None:
    """Lets the alerts fire one after the other, evenly over that time."""
    began, fired = time.monotonic(), []
    for number, name in enumerate(names):
        labels = {"instance": name, "fault_class": "gpu_row_remap_failure", "pci_bus_id": "00000000:1B:00.0"}
        fired.append(alert("GpuRowRemapFailure", name, when(time.time()), **labels))
        if seconds:
            server.alerts = list(fired)
            time.sleep(max(0.0, began + (number + 1) * seconds / len(names) - time.monotonic()))
    server.alerts = fired


def rulebook(folder: Path, alerts: int, strategy: str, slots: int) -> dict[str, Any]:
    """Runs ansible-rulebook with one playbook for each of so many alerts."""
    (folder / "pb").mkdir()
    (folder / "sources").mkdir()
    (folder / "sources" / "storm.py").write_text(SOURCE)
    (folder / "pb" / "mark.yml").write_text(PLAYBOOK.replace("FOLDER", str(folder)))
    content = RULEBOOK.replace("FOLDER", str(folder)).replace("ALERTS", str(alerts)).replace("STRATEGY", strategy)
    (folder / "rulebook.yml").write_text(content)
    (folder / "inventory.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")
    marks = folder / "marks"
    marks.touch()
    command = [str(Path(sys.executable).with_name("ansible-rulebook")), "-r", "rulebook.yml", "-i", "inventory.yml"]
    command += ["-S", "sources", "-m", str(slots)]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    children = 0.0
    began = time.time()
    try:
        while len(written := marks.read_text().split()) < alerts:
            if process.poll() is not None or time.time() - began > 600:
                raise SystemExit(
                    f"ansible-rulebook: {len(written)} of {alerts} alerts\n{(folder / 'log').read_text()[-2000:]}"
                )
            children = max(children, sum(rss_mib(child) for child in descendants(process.pid)))
            time.sleep(0.25)
        times = sorted(float(mark) for mark in written)
        peak = peak_mib(process.pid)
    finally:
        process.terminate()
        process.wait(30)
    # The first one waits for the rule engine to start; what follows is the pace.
    first = times[0]
    pace = (times[-1] - first) / (alerts - 1)
    return {"alerts": alerts, "lost": 0, "seconds_per_alert": pace, "peak_mib": peak, "children_mib": children}


def peak_mib(pid: int) -> float:
    """The most memory that the process ever had."""
    return _status(pid, "VmHWM:")


def rss_mib(pid: int) -> float:
    """The memory that the process has now; 0 when it is gone."""
    try:
        return _status(pid, "VmRSS:")
    except OSError:
        return 0.0


def _status(pid: int, key: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return 0.0


def descendants(pid: int) -> list[int]:
    """All processes below that one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                text = (entry / "stat").read_text()
                parents.setdefault(int(text[text.rindex(")") + 2 :].split()[1]), []).append(int(entry.name))
        except OSError:
            continue
    found, todo = [], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def in_process(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One of our measurements, in a process of its own: its memory is nobody else's."""
    command = [sys.executable, __file__, "--only", name, "--alerts", str(arguments.alerts)]
    if arguments.folder:
        command += ["--folder", arguments.folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=1000)
    parser.add_argument("--alerts-rulebook", type=int, default=60)
    parser.add_argument("--folder", help="where to work; a disk")
    parser.add_argument("--only", choices=["storm", "at once"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            seconds = SECONDS if arguments.only == "storm" else 0.0
            print(json.dumps(ours(Path(folder), arguments.alerts, seconds)))
        return 0
    load = os.getloadavg()[0]
    results = {"ours": in_process("storm", arguments), "ours, at once": in_process("at once", arguments)}
    for name, strategy, slots in (
        ("ansible-rulebook, sequential", "sequential", 1),
        ("ansible-rulebook, parallel, 4 slots", "parallel", 4),
    ):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            results[name] = rulebook(Path(folder), arguments.alerts_rulebook, strategy, slots)
    report(results, arguments.alerts, load)
    return 0


def report(results: dict[str, dict[str, Any]], alerts: int, load: float) -> None:
    """Prints the table. The ratio is that of the time for all alerts to the time of ours for the storm."""
    print(f"load average at the start {load:.1f}, {os.cpu_count()} cores\n")
    print("| way | alerts | lost | s for 1,000 | ratio | decided a second | out | over a limit | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    base = results["ours"]["seconds"]
    for name, row in results.items():
        pace = row.get("seconds_per_alert")
        whole, rate = (row["seconds"], row["decided_per_second"]) if pace is None else (pace * alerts, 1 / pace)
        memory = f"{row['peak_mib']:.0f}" + (f" + {row['children_mib']:.0f}" if "children_mib" in row else "")
        cells = [name, row["alerts"], row["lost"], f"{whole:.1f}" + ("" if pace is None else " (worked out)")]
        cells += [f"{whole / base:.1f}", f"{rate:.1f}", row.get("taken_out", "-"), row.get("violations", "no limit")]
        print("| " + " | ".join(map(str, [*cells, memory])) + " |")


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# What our callbacks cost a run, beside the same run without them and with others, and what a dead endpoint costs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure ``ansible-playbook`` without callbacks, with each of ours, and with all three, in turns.

The play is the worst case for the audit log: every task changes something on every host. The hosts are this machine, so
that a task takes a fraction of what it takes over SSH, and the share of the callbacks is larger than on a real site.
Processor time says more than wall time on a machine that does other things too, and of it the least of all rounds: what
disturbs a run only ever adds. The ratio is the one of these minima.

With ``--dead`` one run each against an endpoint that accepts and never answers, of ours and of two callbacks of the
``ansible`` package that report to the network as well.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GOAL = 1.02
NONE, ALL = "none", "all three"
SIDES = {
    NONE: "",
    "alerts": "aidc.ops.alerts",
    "metrics": "aidc.ops.metrics",
    "audit": "aidc.ops.audit",
    ALL: "aidc.ops.alerts,aidc.ops.metrics,aidc.ops.audit",
}


class BenchmarkError(Exception):
    """A run did not do what the benchmark needs; the message says what."""


class Alertmanager(http.server.BaseHTTPRequestHandler):
    """Has no alerts, and takes all."""

    def do_GET(self) -> None:
        self._answer(b"[]")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


class Site:
    """A folder with an inventory, a play, and what the callbacks write."""

    def __init__(self, folder: Path, hosts: int, tasks: int) -> None:
        self.folder = folder
        names = "".join(f"host{number} ansible_connection=local\n" for number in range(hosts))
        (folder / "hosts").write_text(f"{names}[all:vars]\nansible_python_interpreter={sys.executable}\n")
        task = '    - name: Task {}\n      ansible.builtin.command: "true"\n'
        (folder / "play.yml").write_text(
            "- name: Play\n  hosts: all\n  gather_facts: false\n  tasks:\n" + "".join(map(task.format, range(tasks)))
        )
        (folder / "metrics").mkdir()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AIDC_OPS_"))},
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
            "ANSIBLE_INVENTORY": str(folder / "hosts"),
            "ANSIBLE_HOME": str(folder / "home"),
            "AIDC_OPS_RUN_METRICS_DIR": str(folder / "metrics"),
            "AIDC_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
        }

    def run(self, callbacks: str, **environment: str) -> tuple[float, float]:
        """Wall time and processor time of a run, in seconds."""
        everything = {**self._environment, **environment}
        if callbacks:
            everything["ANSIBLE_CALLBACKS_ENABLED"] = callbacks
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml"],
            cwd=self.folder,
            env=everything,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise BenchmarkError(f"ansible-playbook failed: {(done.stderr or done.stdout).strip()[-800:]}")
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(site: Site, rounds: int, url: str) -> dict[str, list[tuple[float, float]]]:
    """Times of each side, round by round; the order turns, and a first round that warms up is not counted."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SIDES}
    names = list(SIDES)
    for number in range(rounds + 1):
        order = names[number % len(names) :] + names[: number % len(names)]
        for name in order:
            times = site.run(SIDES[name], AIDC_OPS_ALERTMANAGER_URLS=url)
            if number:
                found[name].append(times)
    return found


def dead_endpoints(site: Site) -> dict[str, float]:
    """Seconds that a run takes longer with a callback whose endpoint never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        plain = site.run("")[0]
        sides: Mapping[str, dict[str, str]] = {
            "aidc.ops.alerts": {"AIDC_OPS_ALERTMANAGER_URLS": url},
            "aidc.ops.metrics": {"AIDC_OPS_PUSHGATEWAY_URL": url},
            "community.grafana.grafana_annotations": {"GRAFANA_URL": f"{url}/api/annotations", "GRAFANA_API_KEY": "x"},
            "community.general.splunk": {
                "SPLUNK_URL": f"{url}/services/collector/event",
                "SPLUNK_AUTHTOKEN": "00000000-0000-0000-0000-000000000000",
            },
        }
        return {name: site.run(name, **environment)[0] - plain for name, environment in sides.items()}


def report(found: dict[str, list[tuple[float, float]]], as_json: bool) -> float:
    """Print the figures; the ratio of processor time with all three to that with none, each the least of all rounds."""
    least = {name: min(processor for _wall, processor in times) for name, times in found.items()}
    if not as_json:
        print("| callbacks | n | wall p50 s | processor p50 s | processor min s | ratio of min |")
        print("| --- | --- | --- | --- | --- | --- |")
    for name, times in found.items():
        row = {
            "callbacks": name,
            "n": len(times),
            "wall_s": round(statistics.median(wall for wall, _processor in times), 2),
            "processor_s": round(statistics.median(processor for _wall, processor in times), 2),
            "least_processor_s": round(least[name], 2),
            "ratio": round(least[name] / least[NONE], 3),
        }
        print(json.dumps(row) if as_json else "| " + " | ".join(str(value) for value in row.values()) + " |")
    return least[ALL] / least[NONE]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dead", action="store_true", help="measure endpoints that never answer in place of the rest")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    arguments = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alertmanager)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="aidc-benchmark-") as folder:
        try:
            if arguments.dead:
                found = dead_endpoints(Site(Path(folder), 1, 6))
                print("| callback | seconds longer |\n| --- | --- |")
                for name, seconds in found.items():
                    print(f"| {name} | {seconds:.1f} |")
                return 0
            site = Site(Path(folder), arguments.hosts, arguments.tasks)
            figures = measure(site, arguments.rounds, f"http://127.0.0.1:{server.server_address[1]}")
        except BenchmarkError as error:
            print(f"callback_overhead: {error}", file=sys.stderr)
            return 1
    ratio = report(figures, arguments.json)
    print(f"ratio {ratio:.3f}, goal {GOAL}: {'met' if ratio <= GOAL else 'missed'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# How long the inventory plugin aidc.ops.redfish takes for many BMCs, by concurrency and with a dead one among them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure ``ansible-inventory --list`` on simulated BMCs (molecule/shared/bmcsim, a process of its own).

Each BMC is a server with 8 GPUs at an address of its own in 127.0.0.0/8, answers over TLS, and takes ``--latency``
seconds for each answer, as real ones do. One row for each concurrency with all BMCs alive, then one with a BMC that
takes connections and never answers, under ``on_unreachable: warn``. The last row is the same hosts and variables as a
static YAML inventory: what Ansible takes without asking anybody.

Wall time is of the whole command; CPU time is its own, without the simulator's. Every row is the median of ``--repeat``
runs. After each run the simulator is asked whether a session was left open.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "molecule" / "shared"))

from bmcsim.certificates import make_certificate

PORT = 18443
CONTROL = "127.0.0.1:18480"


class BenchmarkError(Exception):
    """A run did not give what it should have; the message says what."""


class Fleet:
    """The simulated BMCs, served by a process of their own."""

    def __init__(self, folder: Path, number: int, latency: float) -> None:
        self.folder = folder
        self.addresses = [f"127.77.{index // 250}.{index % 250 + 1}" for index in range(number)]
        self.certificate, key = make_certificate(folder, self.addresses)
        slow = [{"kind": "slow", "value": latency}] if latency else []
        self.settings: dict[str, Any] = {
            "certificate": str(self.certificate),
            "key": str(key),
            "control": CONTROL,
            "bmcs": [
                {"name": f"gpu{index}", "serial": f"SN{index:05}", "host": address, "port": PORT, "faults": slow}
                for index, address in enumerate(self.addresses)
            ],
        }

    def __enter__(self) -> Fleet:
        path = self.folder / "bmcsim.json"
        path.write_text(json.dumps(self.settings))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bmcsim", str(path)], cwd=ROOT / "molecule/shared", stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise BenchmarkError("the simulator did not start")
        return self

    def __exit__(self, *_unused: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def set_dead(self, dead: bool) -> None:
        faults = [{"kind": "dead"}] if dead else self.settings["bmcs"][0]["faults"]
        self._control("PATCH", "gpu0", {"faults": faults})

    def open_sessions(self) -> int:
        return sum(int(self._control("GET", f"gpu{index}")["sessions"]) for index in range(len(self.addresses)))

    @staticmethod
    def _control(method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{CONTROL}/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))


def configuration(fleet: Fleet, concurrency: int, timeout: int) -> Path:
    """An inventory configuration for all BMCs."""
    path = fleet.folder / "fleet.redfish.yml"
    settings = {
        "plugin": "aidc.ops.redfish",
        "addresses": fleet.addresses,
        "port": PORT,
        "username": "admin",
        "password": "secret",
        "ca_path": str(fleet.certificate),
        "concurrency": concurrency,
        "timeout": timeout,
        "on_unreachable": "warn",
    }
    path.write_text(json.dumps(settings))
    return path


def list_inventory(path: Path) -> tuple[float, float, dict[str, Any]]:
    """Wall seconds, CPU seconds and answer of ``ansible-inventory --list``."""
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "ANSIBLE_INVENTORY_ENABLED": "aidc.ops.redfish,yaml",
    }
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(path), "--list"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(
        command, env=environment, cwd=path.parent, capture_output=True, text=True, timeout=1800, check=False
    )
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise BenchmarkError(done.stderr.strip())
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(done.stdout)


def measure(label: dict[str, Any], path: Path, hosts: int, repeat: int, floor: float | None = None) -> dict[str, Any]:
    """One row: medians of the runs, after a look at their answers."""
    walls, cpus = [], []
    for number in range(repeat):
        wall, cpu, answer = list_inventory(path)
        found = len(answer["_meta"]["hostvars"])
        if found != hosts:
            raise BenchmarkError(f"{label}: {found} hosts instead of {hosts}")
        walls.append(wall)
        cpus.append(cpu)
        print(f"{label} run {number + 1}/{repeat}: {wall:.2f} s", file=sys.stderr)
    wall = statistics.median(walls)
    return {
        **label,
        "hosts": hosts,
        "wall_s": round(wall, 2),
        "max_s": round(max(walls), 2),
        "cpu_s": round(statistics.median(cpus), 2),
        "hosts_per_s": round(hosts / wall, 1),
        "beyond_alive_s": "" if floor is None else round(wall - floor, 2),
    }


def static_copy(fleet: Fleet, path: Path) -> Path:
    """The hosts of an inventory as a static YAML inventory."""
    hosts = list_inventory(path)[2]["_meta"]["hostvars"]
    copy = fleet.folder / "static.yml"
    plain = {name: {key: _plain(value) for key, value in variables.items()} for name, variables in hosts.items()}
    copy.write_text(json.dumps({"all": {"hosts": plain}}, indent=1))
    return copy


def _plain(value: Any) -> Any:
    return value["__ansible_unsafe"] if isinstance(value, dict) and "__ansible_unsafe" in value else value


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as name, Fleet(Path(name), arguments.bmcs, arguments.latency) as fleet:
        alive: dict[int, float] = {}
        for concurrency in arguments.concurrency:
            path = configuration(fleet, concurrency, arguments.timeout)
            row = measure(
                {"source": "redfish", "concurrency": concurrency, "dead": 0}, path, arguments.bmcs, arguments.repeat
            )
            alive[concurrency] = row["wall_s"]
            rows.append(row)
        static = static_copy(fleet, path)
        fleet.set_dead(True)
        for concurrency in arguments.concurrency[-2:]:
            path = configuration(fleet, concurrency, arguments.timeout)
            label = {"source": "redfish", "concurrency": concurrency, "dead": 1}
            rows.append(measure(label, path, arguments.bmcs - 1, arguments.repeat, alive[concurrency]))
        fleet.set_dead(False)
        rows.append(
            measure({"source": "static", "concurrency": "", "dead": ""}, static, arguments.bmcs, arguments.repeat)
        )
        left = fleet.open_sessions()
    if left:
        raise BenchmarkError(f"{left} sessions were left open")
    return rows


def report(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bmcs", type=int, default=200)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16, 64, 200], metavar="N")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that a BMC takes for each answer")
    parser.add_argument("--timeout", type=int, default=15, help="the plugin's option; a request gets a third of it")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    arguments = parser.parse_args()
    try:
        rows = run(arguments)
    except BenchmarkError as error:
        print(f"redfish_inventory: {error}", file=sys.stderr)
        return 1
    report(rows, arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

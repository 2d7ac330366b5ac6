#!/usr/bin/env python3
# How long ansible-inventory --list takes with aidc.ops.prometheus, against the same fleet as a static YAML inventory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the inventory plugin against Ansible's own floor.

For each size of fleet a real Prometheus on loopback is filled through its own tools with what the exporters of such a
fleet give: two targets and eight GPUs for each node, seven series of each GPU, the hardware record, an alert on one
node of a hundred. Four ways to list the same hosts, with the same variables and the same groups (model and rack), run
in turn, so that all of them see the same state of the machine:

* ``yaml``: a static inventory, which is what Ansible itself needs for so many hosts;
* ``ask``: the plugin without a cache;
* ``cold``: the plugin with an empty cache, which it fills;
* ``warm``: the plugin with that cache.

Before anything is measured, the outputs of the ways are compared. Times and peak memory are those of the whole process
as the operating system accounts for them. The wall time includes waiting for the server; what the server itself needs
is in no other column. ``--profile`` prints where the time of one run goes instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import yaml
from prometheus_server import PrometheusServer, PrometheusServerError

GPUS = 8
MODELS = ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "NVIDIA H200", "NVIDIA L40S")
NODES_IN_RACK = 8
GPU_SERIES = {
    "DCGM_FI_DEV_GPU_TEMP": 41,
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": 0,
    "DCGM_FI_DEV_ROW_REMAP_PENDING": 0,
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 0,
    "aidc_gpu_recovery_action": 0,
    "aidc_gpu_lost": 0,
    "aidc_gpu_stale": 0,
}
GROUPS = [{"key": "aidc_ops_gpu_model", "prefix": "gpu"}, {"key": "aidc_ops_rack", "prefix": "rack"}]
WAYS = ("yaml", "ask", "cold", "warm")


def node_labels(number: int) -> str:
    rack = number // NODES_IN_RACK
    return f'instance="node-{number:05d}",rack="rack{rack:04d}",leaf="leaf{rack // 4:03d}",site="site1"'


def openmetrics(hosts: int, moment: float) -> Iterator[str]:
    """The samples of the fleet, one metric after the other as the format wants it."""
    labels = [node_labels(number) for number in range(hosts)]
    for job in ("gpu_exporter", "node_exporter"):
        for number, node in enumerate(labels):
            # One node of a thousand does not answer.
            yield f'up{{job="{job}",{node}}} {int(number % 1000 != 7)} {moment}\n'
    for name, value in GPU_SERIES.items():
        for number, node in enumerate(labels):
            model = MODELS[number % len(MODELS)]
            for gpu in range(GPUS):
                own = f'gpu="{gpu}",UUID="GPU-{number:05d}-{gpu}",device="nvidia{gpu}",modelName="{model}"'
                # One GPU of one node of two hundred has a problem.
                shown = 1 if name == "DCGM_FI_DEV_ROW_REMAP_PENDING" and not gpu and number % 200 == 3 else value
                yield f'{name}{{job="gpu_exporter",{own},{node}}} {shown} {moment}\n'
    for node in labels:
        yield f'aidc_gpu_count{{job="gpu_exporter",{node}}} {GPUS} {moment}\n'
    for number, node in enumerate(labels):
        yield f'aidc_ops_hardware_info{{job="node_exporter",node_id="dmi:S{number:07d}",{node}}} 1 {moment}\n'
    for number, node in enumerate(labels):
        model = MODELS[number % len(MODELS)]
        yield f'aidc_ops_hardware_gpus{{job="node_exporter",vendor="nvidia",model="{model}",{node}}} {GPUS} {moment}\n'
    for number, node in enumerate(labels):
        if number % 100 == 0:
            alert = 'alertname="GpuRowRemapPending",severity="medium",fault_class="gpu_row_remap_pending"'
            yield f'ALERTS{{alertstate="firing",{alert},{node}}} 1 {moment}\n'
    yield "# EOF\n"


class Fleet:
    """A server with the fleet, and the four inventories of it."""

    def __init__(self, folder: Path, hosts: int) -> None:
        self.folder = folder
        self.hosts = hosts
        # A fleet that was scraped a minute ago, and a server to which that is not too long ago for the whole run.
        flags = ["--query.lookback-delta=24h", "--query.max-samples=200000000", "--query.timeout=10m"]
        self.server = PrometheusServer(folder / "prometheus", flags)
        self.cache = folder / "cache"

    def fill(self) -> None:
        source = self.folder / "fleet.om"
        with source.open("w", encoding="utf-8") as target:
            target.writelines(openmetrics(self.hosts, time.time() - 60))
        self.server.fill(source)
        source.unlink()

    def write(self) -> None:
        """The configurations, and the static inventory from what the plugin finds."""
        options: dict[str, Any] = {
            "plugin": "aidc.ops.prometheus",
            "url": self.server.url,
            "keyed_groups": GROUPS,
            "timeout": 300,
        }
        cached = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(self.cache)}
        for way, more in (("ask", {}), ("cold", cached), ("warm", cached)):
            self.path(way).parent.mkdir(parents=True, exist_ok=True)
            self.path(way).write_text(yaml.safe_dump({**options, **more}), encoding="utf-8")
        self.path("yaml").parent.mkdir(exist_ok=True)
        with self.path("yaml").open("w", encoding="utf-8") as target:
            yaml.dump(static_inventory(self.listed("ask")), target, Dumper=yaml.CSafeDumper, sort_keys=False)

    def path(self, way: str) -> Path:
        # The cache is for one file, so both ways with a cache have to share theirs.
        folder = "cached" if way in ("cold", "warm") else way
        return self.folder / folder / ("hosts.yml" if way == "yaml" else "site.prometheus.yml")

    def command(self, way: str) -> list[str]:
        return [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(self.path(way)), "--list"]

    def environment(self) -> dict[str, str]:
        """No settings of whoever measures."""
        config = self.folder / "ansible.cfg"
        config.write_text("[inventory]\nany_unparsed_is_failed = true\n", encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        collections = str(ROOT / ".ansible" / "collections")
        return {**kept, "ANSIBLE_CONFIG": str(config), "ANSIBLE_COLLECTIONS_PATH": collections, "LC_ALL": "C.UTF-8"}

    def prepare(self, way: str) -> None:
        if way == "cold":
            shutil.rmtree(self.cache, ignore_errors=True)

    def listed(self, way: str) -> dict[str, Any]:
        self.prepare(way)
        done = subprocess.run(self.command(way), capture_output=True, env=self.environment(), check=False)
        if done.returncode:
            raise SystemExit(f"{way}: {done.stderr.decode(errors='replace')[-3000:]}")
        # Text that is no template is written in a mapping of its own.
        return dict(json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item)))

    def measure(self, way: str) -> tuple[float, float, float]:
        """Wall seconds, processor seconds and peak MiB of one run."""
        self.prepare(way)
        began = time.monotonic()
        process = subprocess.Popen(self.command(way), stdout=subprocess.DEVNULL, env=self.environment())
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{way}: ansible-inventory ended with {process.returncode}")
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def static_inventory(listed: dict[str, Any]) -> dict[str, Any]:
    """The same hosts, variables and groups as a person would write them down."""
    variables = listed["_meta"]["hostvars"]
    written: set[str] = set()
    children: dict[str, Any] = {}
    for group in sorted(set(listed) - {"_meta", "all", "ungrouped"}):
        names = listed[group]["hosts"]
        children[group] = {"hosts": {name: None if name in written else variables[name] for name in names}}
        written.update(names)
    return {"all": {"children": children}}


def compare(fleet: Fleet) -> None:
    """Stop if the ways do not list the same."""
    wanted = normal(fleet.listed("yaml"))
    if len(wanted["_meta"]["hostvars"]) != fleet.hosts:
        raise SystemExit(f"{len(wanted['_meta']['hostvars'])} hosts instead of {fleet.hosts}")
    for way in ("ask", "cold", "warm"):
        if normal(fleet.listed(way)) != wanted:
            raise SystemExit(f"{way} does not list what the static inventory does")


def normal(listed: dict[str, Any]) -> dict[str, Any]:
    groups = {
        name: sorted(group.get("hosts", group.get("children"))) for name, group in listed.items() if name != "_meta"
    }
    return {**groups, "_meta": {"hostvars": listed["_meta"]["hostvars"]}}


def measure(fleet: Fleet, runs: int) -> list[list[str]]:
    """The rows of the table for one fleet."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    work: dict[str, list[float]] = {way: [] for way in WAYS}
    memory: dict[str, list[float]] = {way: [] for way in WAYS}
    for run in range(runs):
        for way in WAYS:
            taken, worked, peak = fleet.measure(way)
            seconds[way].append(taken)
            work[way].append(worked)
            memory[way].append(peak)
        print(f"  {fleet.hosts} hosts, run {run + 1} of {runs}", file=sys.stderr, flush=True)
    rows = []
    for way in WAYS:
        # Pair by pair: what slows the machine down slows down both.
        ratio = statistics.median(mine / floor for mine, floor in zip(seconds[way], seconds["yaml"], strict=True))
        rows.append(
            [str(fleet.hosts), way, f"{min(seconds[way]):.2f}", f"{statistics.median(seconds[way]):.2f}"]
            + [f"{ratio:.2f}", f"{statistics.median(work[way]):.2f}", f"{statistics.median(memory[way]):.0f}"]
        )
    return rows


def profile(fleet: Fleet, way: str) -> None:
    fleet.prepare(way)
    line = [sys.executable, "-m", "cProfile", "-s", "tottime", *fleet.command(way), "--output", os.devnull]
    done = subprocess.run(line, capture_output=True, text=True, env=fleet.environment(), check=False)
    print("\n".join(done.stdout.splitlines()[:60]))


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure aidc.ops.prometheus against a static YAML inventory.")
    parser.add_argument("--hosts", default="1000,10000,50000", help="sizes of the fleet (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each way (default: %(default)s)")
    parser.add_argument("--profile", choices=WAYS, help="profile one run of this way instead")
    options = parser.parse_args()
    # Whoever stops it is not left with a server and gigabytes of its data.
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))
    table = [["hosts", "way", "min s", "median s", "ratio to yaml", "processor s", "peak MiB"]]
    table.append(["---"] * len(table[0]))
    for hosts in (int(text) for text in options.hosts.split(",")):
        with tempfile.TemporaryDirectory(prefix="aidc-ops-bench-") as name:
            fleet = Fleet(Path(name), hosts)
            print(f"filling a Prometheus with {hosts} hosts", file=sys.stderr, flush=True)
            try:
                fleet.fill()
                with fleet.server.start(300):
                    fleet.write()
                    if options.profile:
                        fleet.listed(options.profile)
                        profile(fleet, options.profile)
                        continue
                    compare(fleet)
                    table += measure(fleet, options.runs)
            except PrometheusServerError as exc:
                print(f"prometheus_inventory: {exc}", file=sys.stderr)
                return 1
    if not options.profile:
        print("\n".join("| " + " | ".join(row) + " |" for row in table))
    return 0


if __name__ == "__main__":
    sys.exit(main())

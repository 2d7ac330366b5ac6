#!/usr/bin/env python3
# What the rules of the role prometheus and the scrapes of a large fleet cost a real Prometheus.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/rule_scale.py [--nodes 1000] [--minutes 20] [--memory-mib 4096]

A small web server plays the exporters of a fleet: for each node one of the operating system and one of eight GPUs, for
the whole fleet one of Slurm and one BMC target for each node. A real Prometheus on loopback scrapes them as the role
sets it up, with all its rule files as the role writes them. Half of the nodes work for jobs of eight nodes each. After
the time given it prints three tables: what each group of rules took when it was evaluated last, what the server needed,
and which metrics have the most series.

The server is told to collect its garbage so that it stays below the memory given, and the run ends with an error when
it does not: other programs of the machine keep what is theirs. Then take fewer nodes, or give more.

Samples of the last minutes are all there are: rules that look back over days have less to read than on a site, which
the output says. What the web server itself needs is in no figure.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("tools", "tests/unit/roles", ".ansible/collections")]

from prometheus_rendered import RULE_FILES
from prometheus_server import PrometheusServer, PrometheusServerError
from render import render

GPUS = 8
CORES = 64
NODES_OF_JOB = 8
NODES_IN_RACK = 8
MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
JOBS = ("node_exporter", "gpu_exporter", "bmc_exporter", "slurm_exporter")
# Value of a GPU that works, and of one that does not.
GPU_GAUGES = {
    "DCGM_FI_DEV_GPU_TEMP": (62, 35),
    "DCGM_FI_DEV_MEMORY_TEMP": (70, 40),
    "DCGM_FI_DEV_POWER_USAGE": (640, 75),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": (700, 700),
    "DCGM_FI_DEV_SM_CLOCK": (1755, 345),
    "DCGM_FI_DEV_MEM_CLOCK": (2619, 2619),
    "DCGM_FI_DEV_GPU_UTIL": (99, 0),
    "DCGM_FI_DEV_MEM_COPY_UTIL": (60, 0),
    "DCGM_FI_DEV_FB_USED": (70000, 0),
    "DCGM_FI_DEV_FB_FREE": (10000, 80000),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": (0.5, 0),
    "DCGM_FI_PROF_PCIE_TX_BYTES": (3e9, 0),
    "DCGM_FI_PROF_PCIE_RX_BYTES": (2e9, 0),
    **dict.fromkeys(
        (
            "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
            "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
            "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
            "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
            "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
            "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
            "DCGM_FI_DEV_ROW_REMAP_PENDING",
            "DCGM_FI_DEV_ROW_REMAP_FAILURE",
            "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
            "DCGM_FI_DEV_XID_ERRORS",
            "aidc_gpu_lost",
            "aidc_gpu_stale",
            "aidc_gpu_thermal_slowdown",
            "aidc_gpu_recovery_action",
        ),
        (0, 0),
    ),
    "aidc_gpu_nvlinks_active": (18, 18),
}
# What a node shows once, and what grows with every second.
NODE_GAUGES = {
    "node_memory_MemTotal_bytes": 2e12,
    "node_memory_MemAvailable_bytes": 1e12,
    "node_timex_offset_seconds": 0.0001,
    "node_timex_sync_status": 1,
    "node_textfile_scrape_error": 0,
    "node_boot_time_seconds": 1.7e9,
    "aidc_ops_hardware_gpus": GPUS,
}


def name_of(node: int) -> str:
    return f"node-{node:05d}"


def works(node: int) -> bool:
    return (node // NODES_OF_JOB) % 2 == 0


@functools.cache
def gpu_exporter(node: int) -> str:
    lines = [f"aidc_nvml_up 1\naidc_gpu_count {GPUS}\naidc_gpu_exporter_stale 0\n"]
    for metric, values in GPU_GAUGES.items():
        value = values[0 if works(node) else 1]
        for gpu in range(GPUS):
            labels = f'gpu="{gpu}",UUID="GPU-{node}-{gpu}",pci_bus_id="00000000:{gpu}B:00.0",device="nvidia{gpu}"'
            # No two GPUs are quite alike.
            shown = value * (1 + (node * 7 + gpu * 3) % 20 / 2000)
            lines.append(f'{metric}{{{labels},modelName="NVIDIA H100 80GB HBM3"}} {shown:g}\n')
    return "".join(lines)


def node_exporter(node: int) -> str:
    # All nodes count alike, and a scrape finds the figures of the last ten seconds.
    return counters(works(node), int(time.time()) // 10 * 10)


@functools.lru_cache(4)
def counters(busy: bool, now: int) -> str:
    lines = [f"{metric} {value:g}\n" for metric, value in NODE_GAUGES.items()]
    for core in range(CORES):
        lines += [f'node_cpu_seconds_total{{cpu="{core}",mode="{mode}"}} {now / len(MODES):.2f}\n' for mode in MODES]
    for device in [f"mlx5_{port}" for port in range(GPUS)]:
        for metric in ("port_data_received_bytes_total", "port_data_transmitted_bytes_total"):
            lines.append(f'node_infiniband_{metric}{{device="{device}",port="1"}} {now * 1e9 * busy:.0f}\n')
        for metric in ("link_downed", "symbol_error", "port_errors_received", "link_error_recovery"):
            lines.append(f'node_infiniband_{metric}_total{{device="{device}",port="1"}} 0\n')
        lines.append(f'node_infiniband_state_id{{device="{device}",port="1"}} 4\n')
        lines.append(f'node_infiniband_physical_state_id{{device="{device}",port="1"}} 5\n')
    for device in ("eth0", "eth1"):
        for direction in ("receive", "transmit"):
            lines.append(f'node_network_{direction}_bytes_total{{device="{device}"}} {now * 1e6:.0f}\n')
    for device in [f"nvme{drive}n1" for drive in range(8)]:
        for direction in ("read", "written"):
            lines.append(f'node_disk_{direction}_bytes_total{{device="{device}"}} {now * 1e6:.0f}\n')
    for point in ("/", "/boot", "/scratch", "/home"):
        labels = f'device="/dev{point}",mountpoint="{point}",fstype="ext4"'
        lines += [f"node_filesystem_{what}{{{labels}}} {size}\n" for what, size in FILESYSTEM.items()]
    # The role's node_exporter shows only the units that a site names.
    for unit in range(10):
        lines += [
            f'node_systemd_unit_state{{name="unit{unit}.service",state="{state}"}} {int(state == "active")}\n'
            for state in ("active", "activating", "deactivating", "failed", "inactive")
        ]
    return "".join(lines)


FILESYSTEM = {"avail_bytes": "5e11", "size_bytes": "1e12", "files": "1e8", "files_free": "5e7", "readonly": "0"}


def bmc_exporter(node: int) -> str:
    return f"ipmi_up 1\nipmi_dcmi_power_consumption_watts {8500 if works(node) else 2400}\n"


@functools.cache
def slurm_exporter(nodes: int) -> str:
    lines = [
        "slurm_up 1\n",
        'slurm_pending_gpus{partition="p"} 64\n',
        'slurm_pending_oldest_seconds{partition="p"} 60\n',
    ]
    for node in range(nodes):
        name, held = name_of(node), GPUS if works(node) else 0
        lines.append(f'slurm_node_state{{node="{name}",state="{"allocated" if held else "idle"}"}} 1\n')
        lines.append(f'slurm_node_gpus{{node="{name}"}} {GPUS}\nslurm_node_gpus_allocated{{node="{name}"}} {held}\n')
        if held:
            labels = f'job_id="{node // NODES_OF_JOB}",user="u",account="a{node % 5}",partition="p",node="{name}"'
            lines.append(f"slurm_job_gpus{{{labels}}} {held}\n")
    return "".join(lines)


EXPORTERS: dict[str, Callable[[int], str]] = {
    "node_exporter": node_exporter,
    "gpu_exporter": gpu_exporter,
    "bmc_exporter": bmc_exporter,
    "slurm_exporter": slurm_exporter,
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /JOB/NUMBER."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        job, number = self.path.strip("/").split("/")
        body = EXPORTERS[job](int(number)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


class Exporters(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """A scrape that gave up, or the end of the server: what was missed is in the table as a target that is down."""


def serve(server: http.server.ThreadingHTTPServer) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server.serve_forever()


def config(nodes: int, port: int, rules: Path) -> str:
    jobs = []
    for job in JOBS:
        targets = [
            {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {
                    "__metrics_path__": f"/{job}/{nodes if job == 'slurm_exporter' else node}",
                    "instance": "controller" if job == "slurm_exporter" else name_of(node),
                    "rack": f"r{node // NODES_IN_RACK}",
                    "leaf": f"l{node // (4 * NODES_IN_RACK)}",
                },
            }
            for node in range(1 if job == "slurm_exporter" else nodes)
        ]
        jobs.append({"job_name": job, "static_configs": targets})
    times = {"scrape_interval": "10s", "scrape_timeout": "8s", "evaluation_interval": "5s"}
    return json.dumps({"global": times, "rule_files": [f"{rules}/*.yml"], "scrape_configs": jobs})


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=300) as answer:
        return json.load(answer)["data"]


def query(server: PrometheusServer, expression: str) -> list[dict[str, Any]]:
    return list(ask(f"{server.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["result"])


def value(server: PrometheusServer, expression: str) -> float:
    (found,) = query(server, expression)
    return float(found["value"][1])


def own(server: PrometheusServer, metric: str) -> float:
    """A figure of the server about itself."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{metric} "))


def table(titles: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [titles, ["---"] * len(titles), *rows]) + "\n"


def wait(server: PrometheusServer, seconds: float, memory: float) -> float:
    """Wait, and return the most memory in MiB that was seen; PrometheusServerError when it is more than given."""
    most, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, own(server, "process_resident_memory_bytes") / 2**20)
        if most > memory:
            raise PrometheusServerError(f"prometheus took {most:.0f} MiB, more than --memory-mib {memory:.0f}")
        time.sleep(min(5, max(0, end - time.monotonic())))
    return most


def measure(server: PrometheusServer, minutes: float, memory: float) -> None:
    most = wait(server, minutes * 30, memory)
    worked, began = own(server, "process_cpu_seconds_total"), time.monotonic()
    most = max(most, wait(server, minutes * 30, memory))
    cores = (own(server, "process_cpu_seconds_total") - worked) / (time.monotonic() - began)
    groups = ask(f"{server.url}/api/v1/rules")["groups"]
    rows = [
        [group["name"], str(len(group["rules"])), f"{group['interval']:g}", f"{group['evaluationTime']:.3f}"]
        + [f"{group['evaluationTime'] / group['interval'] * 100:.2f}"]
        for group in sorted(groups, key=lambda group: -group["evaluationTime"])
    ]
    total = sum(group["evaluationTime"] for group in groups)
    share = sum(group["evaluationTime"] / group["interval"] for group in groups) * 100
    rows.append(["all", str(sum(len(group["rules"]) for group in groups)), "", f"{total:.3f}", f"{share:.2f}"])
    print(table(["group", "rules", "every s", "took s", "% of one core at most"], rows))
    missed = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] not in ("ok", "unknown")]
    figures = [
        ["targets up", f"{value(server, 'sum(up)'):.0f} of {value(server, 'count(up)'):.0f}"],
        ["series", f"{own(server, 'prometheus_tsdb_head_series'):.0f}"],
        ["samples a scrape round", f"{value(server, 'sum(scrape_samples_scraped)'):.0f}"],
        ["slowest scrape, s", f"{value(server, 'max(scrape_duration_seconds)'):.3f}"],
        ["cores used", f"{cores:.2f}"],
        ["memory at most, MiB", f"{most:.0f} of {memory:.0f}"],
        ["rules that failed", ", ".join(missed) or "none"],
    ]
    print(table(["what", "value"], figures))
    found = query(server, 'topk(25, count by (__name__) ({__name__!=""}))')
    pairs = sorted(((float(row["value"][1]), row["metric"]["__name__"]) for row in found), reverse=True)
    print(table(["metric", "series"], [[name, f"{count:.0f}"] for count, name in pairs]))


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure rules and scrapes of a large fleet.")
    parser.add_argument("--nodes", type=int, default=1000, help="nodes with 8 GPUs each (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=20, help="how long it runs (default: %(default)s)")
    parser.add_argument("--memory-mib", type=float, default=4096, help="for the server (default: %(default)s)")
    options = parser.parse_args()
    # Go keeps the limit if it can; a tenth is left for what is not its heap.
    os.environ["GOMEMLIMIT"] = f"{options.memory_mib * 0.9:.0f}MiB"
    # Whoever stops it is not left with two servers.
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))
    web = Exporters(("127.0.0.1", 0), Handler)
    exporters = multiprocessing.Process(target=serve, args=(web,), daemon=True)
    exporters.start()
    with tempfile.TemporaryDirectory(prefix="aidc-ops-bench-") as name:
        rules = Path(name) / "rules"
        rules.mkdir()
        for file in RULE_FILES:
            (rules / f"{file}.yml").write_text(render("prometheus", f"rules/{file}.yml.j2"), encoding="utf-8")
        text = config(options.nodes, web.server_address[1], rules)
        try:
            with PrometheusServer(Path(name) / "prometheus", config=text).start(300) as server:
                measure(server, options.minutes, options.memory_mib)
        except PrometheusServerError as exc:
            print(f"rule_scale: {exc}", file=sys.stderr)
            return 1
        finally:
            exporters.terminate()
    print(f"{options.nodes} nodes, {options.minutes:g} minutes: rules that look back over days had no more than that.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

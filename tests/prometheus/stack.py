# A real Prometheus that scrapes small exporters, with the rules of our role.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import threading
import time
import typing as t
from pathlib import Path

from prometheus_server import PrometheusServer
from render import render

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient

MODEL = "NVIDIA H100 80GB HBM3"


class Exporter:
    """Answers scrapes with ``text`` until it is closed."""

    def __init__(self, text: str) -> None:
        self.text = text
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: t.Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def gpu_series(name: str, value: float, index: int, model: str = MODEL) -> str:
    """One series of a GPU with the labels of our exporter."""
    labels = {"gpu": str(index), "UUID": f"GPU-{index}", "pci_bus_id": f"00000000:{index:02X}:00.0", "modelName": model}
    inner = ",".join(f"{label}={json.dumps(text)}" for label, text in labels.items())
    return f"{name}{{{inner}}} {value}\n"


def gpus(count: int, model: str = MODEL) -> str:
    """What the exporter of a node with healthy GPUs says."""
    text = f"aidc_gpu_count {count}\naidc_nvml_up 1\naidc_gpu_exporter_stale 0\n"
    for name, value in (("DCGM_FI_DEV_GPU_TEMP", 41), ("aidc_gpu_lost", 0), ("aidc_gpu_stale", 0)):
        text += "".join(gpu_series(name, value, index, model) for index in range(count))
    return text


class Stack:
    """Nodes with exporters, and the server that watches them the way our role sets it up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[tuple[str, str], Exporter] = {}
        self.hostile = "{{ 7 * 7 }}"
        info = 'aidc_ops_hardware_info{node_id="dmi:S-%s",product="x"} 1\n'
        for name in ("gpu1", "gpu2", "dark"):
            self.nodes["node_exporter", name] = Exporter(info % name)
        self.nodes["gpu_exporter", "gpu1"] = Exporter(gpus(8))
        lost = gpus(2) + gpu_series("aidc_gpu_lost", 1, 7).replace(MODEL, self.hostile)
        self.nodes["gpu_exporter", "gpu2"] = Exporter(lost.replace("aidc_gpu_count 2", "aidc_gpu_count 2"))
        self.nodes["gpu_exporter", "empty"] = Exporter(gpus(0))
        amd = 'aidc_ops_hardware_gpus{vendor="amd",model="AMD Instinct MI300X"} 4\n'
        self.nodes["node_exporter", "amd1"] = Exporter(amd)
        rules = folder / "rules"
        rules.mkdir(parents=True)
        text = render("prometheus", "rules/aidc_gpu.yml.j2", prometheus_expected_gpus={"gpu1": 8})
        (rules / "aidc_gpu.yml").write_text(text.replace("for: 10s", "for: 1s"), encoding="utf-8")
        self.server = PrometheusServer(folder, flags=["--query.max-samples=200000"], config=self.config())

    def config(self) -> str:
        jobs = []
        for job in ("node_exporter", "gpu_exporter"):
            targets = [
                {
                    "targets": [exporter.address],
                    "labels": {"instance": name, "rack": "r1" if name == "gpu1" else self.hostile},
                }
                for (found, name), exporter in self.nodes.items()
                if found == job
            ]
            jobs.append({"job_name": job, "static_configs": targets})
        return json.dumps(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(self.folder / "rules" / "*.yml")],
                "scrape_configs": jobs,
            }
        )

    def client(self, **options: t.Any) -> PrometheusClient:
        return PrometheusClient(self.server.url, **{"timeout": 10, **options})

    def wait_for(self, expr: str, count: int, seconds: float = 30) -> None:
        """Wait until an expression gives so many series."""
        give_up_at = time.monotonic() + seconds
        while len(self.client().samples(expr)) != count:
            assert time.monotonic() < give_up_at, f"{expr}: {self.client().samples(expr)}"
            time.sleep(0.3)

# nvitop-exporter, a Prometheus exporter of others, runs on the simulator and reports what the state says.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Node

MIB = 1 << 20
SAMPLE = re.compile(r'^(\w+)\{.*index="(\d+)".*\} (\S+)$', re.MULTILINE)

# metric -> the value that the state holds for it, in the metric's unit
METRICS: dict[str, Callable[[Node, int], float]] = {
    "gpu_utilization_Percentage": lambda node, gpu: node.number("utilization_gpu", gpu),
    "gpu_memory_utilization_Percentage": lambda node, gpu: node.number("utilization_memory", gpu),
    "gpu_memory_total_MiB": lambda node, gpu: node.number("memory_total", gpu) / MIB,
    "gpu_memory_used_MiB": lambda node, gpu: node.number("memory_used", gpu) / MIB,
    "gpu_clock_sm_MHz": lambda node, gpu: node.number("clock_sm", gpu),
    "gpu_clock_memory_MHz": lambda node, gpu: node.number("clock_memory", gpu),
    "gpu_clock_graphics_MHz": lambda node, gpu: node.number("clock_graphics", gpu),
    "gpu_clock_video_MHz": lambda node, gpu: node.number("clock_video", gpu),
    "gpu_power_usage_W": lambda node, gpu: node.number("power_usage", gpu) / 1000,
    "gpu_power_limit_W": lambda node, gpu: node.number("power_limit", gpu) / 1000,
    "gpu_temperature_C": lambda node, gpu: node.number("temperature_gpu", gpu),
}


@contextmanager
def exporter(node: Node, program: Path) -> Iterator[Callable[[], dict[str, dict[int, float]]]]:
    """The running exporter; the function scrapes it: metric -> GPU -> value."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "--bind-address", "127.0.0.1", "--port", str(port), "--interval", "0.25"]
    log = node.folder / "exporter.log"
    with log.open("w") as output:
        running = subprocess.Popen(command, env=node.env, stdout=output, stderr=subprocess.STDOUT)

    def scrape() -> dict[str, dict[int, float]]:
        assert running.poll() is None, log.read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found: dict[str, dict[int, float]] = {}
        for metric, gpu, value in SAMPLE.findall(text):
            found.setdefault(metric, {})[int(gpu)] = float(value)
        return found

    try:
        yield scrape
    finally:
        running.terminate()
        running.wait(timeout=20)


def wait_for(scrape: Callable[[], dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Scrape until the answer is as wanted (or 30 s have passed: the last answer)."""
    deadline, found = time.monotonic() + 30, {}
    while time.monotonic() < deadline:
        try:
            found = scrape()
        except OSError:  # it does not listen yet
            found = {}
        if found and wanted(found):
            break
        time.sleep(0.2)
    return found


def expected(node: Node) -> dict[str, dict[int, Any]]:
    return {
        metric: {gpu: pytest.approx(value(node, gpu), abs=0.01) for gpu in range(3)}
        for metric, value in METRICS.items()
    }


def compared(found: dict[str, Any]) -> dict[str, Any]:
    return {metric: found.get(metric) for metric in METRICS}


def test_values_agree_with_the_state(node: Node, nvitop_exporter: Path) -> None:
    """Each GPU has a thread of its own in the exporter: wait until all have caught up."""
    with exporter(node, nvitop_exporter) as scrape:
        found = wait_for(scrape, lambda found: compared(found) == expected(node))
        assert compared(found) == expected(node)
        assert found["gpu_temperature_C"][1] == 61

        node.gpusim("set", "--gpu", "2", "temperature_gpu=88", "power_usage=400000", f"memory_used={3 << 30}")
        found = wait_for(scrape, lambda found: compared(found) == expected(node))
        assert compared(found) == expected(node), "and they follow the state"
        assert found["gpu_temperature_C"][2] == 88


def test_the_exporter_lives_on_when_a_gpu_falls_off_the_bus(node: Node, nvitop_exporter: Path) -> None:
    with exporter(node, nvitop_exporter) as scrape:
        wait_for(scrape, lambda found: compared(found) == expected(node))
        node.gpusim("inject", "xid79", "--gpu", "1")
        node.gpusim("set", "--gpu", "0", "temperature_gpu=55")
        wanted = "gpu_temperature_C"
        found = wait_for(scrape, lambda found: found[wanted].get(0) == 55 and found[wanted].get(1) != 61)
        assert found[wanted].get(0) == 55
        assert found[wanted].get(1) != 61, "a lost GPU does not go on showing its last temperature"

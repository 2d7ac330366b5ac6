# The exporters of a GPU node seen from another node, as Prometheus sees them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of node_exporter and gpu_exporter on both Debian releases."""

from __future__ import annotations

import re
from typing import Any

import pytest
from waiting import wait_for

# What the scenario has given to the node that asks.
CURL = "curl -sf --cacert /etc/collector/ca.crt --cert /etc/collector/log.crt --key /etc/collector/log.key"


def test_gpu_metrics_of_all_gpus(node: Any, collector: Any) -> None:
    def temperatures() -> list[str]:
        text = collector.run(f"{CURL} https://{node.name}:9400/metrics").stdout
        return re.findall(r'^DCGM_FI_DEV_GPU_TEMP\{[^}]*pci_bus_id="([^"]+)"', text, re.MULTILINE)

    found = wait_for(temperatures, 30, "metrics of the GPU exporter")
    assert len(found) == len(set(found)) == 8


def test_machine_metrics(node: Any, collector: Any) -> None:
    text = wait_for(lambda: collector.run(f"{CURL} https://{node.name}:9100/metrics").stdout, 30, "machine metrics")
    assert re.search(r"^node_boot_time_seconds ", text, re.MULTILINE)


@pytest.mark.parametrize("port", [9100, 9400])
def test_who_has_no_certificate_is_refused(node: Any, collector: Any, port: int) -> None:
    done = collector.run(f"curl -s --insecure --max-time 10 https://{node.name}:{port}/metrics")
    # Neither let in, nor was nobody there (7), nor did nobody answer (28).
    assert (done.rc in (0, 7, 28), done.stdout) == (False, "")
    assert "HELP" not in collector.run(f"curl -s http://{node.name}:{port}/metrics").stdout

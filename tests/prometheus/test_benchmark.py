# The benchmark's fleet, small: a database that promtool filled, and a static inventory that says the same.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.aidc.ops.benchmarks import prometheus_inventory as benchmark


def test_the_plugin_lists_what_a_person_would_write(tmp_path: Path) -> None:
    fleet = benchmark.Fleet(tmp_path, 40)
    fleet.fill()
    with fleet.server.start():
        fleet.write()
        benchmark.compare(fleet)
        listed = fleet.listed("warm")
    variables = listed["_meta"]["hostvars"]
    assert len(variables) == 40
    assert variables["node-00003"]["aidc_ops_gpu_problems"] == {"row_remap_pending": 1}
    assert variables["node-00007"]["aidc_ops_state"] == "down"
    assert (variables["node-00000"]["aidc_ops_gpu_count"], variables["node-00000"]["aidc_ops_rack"]) == (8, "rack0000")
    assert variables["node-00000"]["aidc_ops_alerts"][0]["alertname"] == "GpuRowRemapPending"
    assert sorted(listed["rack_rack0000"]["hosts"]) == [f"node-0000{number}" for number in range(8)]
    assert len(listed["gpu_NVIDIA_H200"]["hosts"]) == 10

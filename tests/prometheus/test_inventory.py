# The inventory plugin against a real Prometheus with our rules: a fleet, a dead exporter, a server that goes away.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.plugin_utils import _prometheus_fleet as fleet
from ansible_collections.aidc.ops.tests.prometheus.stack import MODEL, Stack

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def write(folder: Path, url: str, **options: t.Any) -> Path:
    path = folder / "site.prometheus.yml"
    path.write_text(yaml.safe_dump({"plugin": "aidc.ops.prometheus", "url": url, **options}))
    return path


def ansible_inventory(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "ansible-inventory"), "-i", str(path), *(arguments or ("--list",))],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )


def listed(path: Path) -> dict[str, t.Any]:
    done = ansible_inventory(path)
    assert done.returncode == 0, done.stderr
    # Ansible writes text that is no template this way; so no text of Prometheus may come without it.
    found = json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    return dict(found)


def test_two_lines_give_the_fleet(stack: Stack, tmp_path: Path) -> None:
    stack.wait_for('ALERTS{alertname="GpuFellOffBus",alertstate="firing"}', 1)
    hosts = listed(write(tmp_path, stack.server.url))["_meta"]["hostvars"]
    assert set(hosts) == {"gpu1", "gpu2", "dark", "empty", "amd1"}
    seen = {
        name: tuple(variables[f"aidc_ops_{part}"] for part in ("gpu_count", "gpu_model", "gpu_problems", "node_id"))
        for name, variables in hosts.items()
    }
    assert seen == {
        "gpu1": (8, MODEL, {}, "dmi:S-gpu1"),
        "gpu2": (2, MODEL, {"lost": 1}, "dmi:S-gpu2"),
        "dark": (None, None, None, "dmi:S-dark"),
        "empty": (0, None, {}, None),
        "amd1": (4, "AMD Instinct MI300X", None, None),
    }
    assert {variables["aidc_ops_state"] for variables in hosts.values()} == {"up"}
    assert hosts["gpu1"]["aidc_ops_rack"] == "r1"
    (alert,) = hosts["gpu2"]["aidc_ops_alerts"]
    assert (alert["alertname"], alert["severity"]) == ("GpuFellOffBus", "critical")
    assert hosts["gpu1"]["aidc_ops_alerts"] == []


def test_a_label_with_a_template_stays_text(stack: Stack, tmp_path: Path) -> None:
    path = write(tmp_path, stack.server.url, keyed_groups=[{"key": "aidc_ops_rack", "prefix": "rack"}])
    play = tmp_path / "play.yml"
    task = {"ansible.builtin.debug": {"msg": "rack is {{ aidc_ops_rack }}"}}
    play.write_text(yaml.safe_dump([{"hosts": "gpu2", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(path), str(play)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rack is {{ 7 * 7 }}" in done.stdout
    assert "rack is 49" not in done.stdout
    assert "rack____7___7___" in listed(path)


def test_hosts_from_targets_have_the_address(stack: Stack, tmp_path: Path) -> None:
    hosts = listed(write(tmp_path, stack.server.url, hosts_from=["targets"], jobs=["gpu_exporter"]))["_meta"][
        "hostvars"
    ]
    assert set(hosts) == {"gpu1", "gpu2", "empty"}
    assert {variables["ansible_host"] for variables in hosts.values()} == {"127.0.0.1"}


def test_hosts_from_a_query(stack: Stack, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        stack.server.url,
        hosts_from=["query"],
        hosts_query="aidc_gpu_count > 0",
        series=[{"variable": "temperature", "query": "max by (instance) (DCGM_FI_DEV_GPU_TEMP)"}],
    )
    hosts = listed(path)["_meta"]["hostvars"]
    assert {name: variables["temperature"] for name, variables in hosts.items()} == {"gpu1": 41.0, "gpu2": 41.0}


def test_no_data_is_not_zero(tmp_path: Path) -> None:
    """An exporter that dies takes its series with it; the node is still there."""
    stack = Stack(tmp_path)
    with stack.server.start():
        stack.wait_for("up == 1", len(stack.nodes))
        stack.nodes["gpu_exporter", "gpu1"].close()
        stack.wait_for('up{instance="gpu1"} == 0', 1)
        stack.wait_for('DCGM_FI_DEV_GPU_TEMP{instance="gpu1"}', 0)
        path = write(tmp_path, stack.server.url)
        variables = listed(path)["_meta"]["hostvars"]["gpu1"]
        assert (variables["aidc_ops_state"], variables["aidc_ops_gpu_count"]) == ("partial", None)
        assert variables["aidc_ops_gpu_problems"] is None
    done = ansible_inventory(path)
    assert done.returncode != 0
    assert stack.server.url in done.stderr
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize("job", ["node_exporter", "gpu_exporter"])
def test_the_jobs_are_those_of_the_roles(job: str) -> None:
    text = (ROOT / "roles/prometheus/meta/argument_specs.yml").read_text()
    assert f"V({job})" in text
    assert job in fleet.Question().jobs


def test_the_series_are_those_of_the_exporter() -> None:
    exporter = (ROOT / "roles/gpu_exporter/files/nvml_exporter.py").read_text()
    for query in fleet.PROBLEM_SERIES.values():
        name = query.partition('"')[2].partition("|")[0] if "__name__" in query else query.split()[0]
        assert f'"{name}"' in exporter, name

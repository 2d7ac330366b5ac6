# Runs the playbook apply on nodes with simulated GPUs, which get the power limits of a plan.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.tests.playbooks.console import ROOT, Console

GPUSIM = ROOT / "molecule" / "shared" / "gpusim"
LIMITS: list[dict[str, Any]] = [
    {"node": "gpu1", "limit_watts": 500.0, "performance": 0.95, "reason": "the highest of its work"},
    {"node": "gpu2", "limit_watts": None, "performance": 1.0, "reason": "somebody waits for its answers"},
    {"node": "gpu3", "limit_watts": 450, "performance": 0.93, "reason": "the highest of its work"},
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the simulated libnvidia-ml.so.1."""
    folder = tmp_path_factory.mktemp("library")
    subprocess.run(["make", "-s", "-C", str(GPUSIM), f"BUILD={folder}"], check=True, timeout=300)
    return folder


class Site(Console):
    """Four nodes with two H100 each; somebody has limited those of gpu2 and gpu4 already."""

    def __init__(self, folder: Path, library: Path) -> None:
        super().__init__(folder)
        self.plan = folder / "plan.json"
        self.write({"power_limits": LIMITS})
        inventory = yaml.safe_load((folder / "hosts.yml").read_text())
        for name, about in inventory["all"]["hosts"].items():
            # Each node has GPUs of its own, so its interpreter says where they are.
            python = folder / f"python-{name}"
            where = f"LD_LIBRARY_PATH={library} GPUSIM_STATE={self.state(name)}"
            python.write_text(f'#!/bin/sh\nexec env {where} {sys.executable} "$@"\n')
            python.chmod(0o755)
            about["aidc_ops_node_python"] = str(python)
            self.state(name).parent.mkdir()
            self.gpusim(name, "init", "--model", "NVIDIA H100 80GB HBM3", "--gpus", "2", "--node", name)
        self.gpusim("gpu2", "set", "power_limit=400000")
        self.gpusim("gpu4", "set", "power_limit=400000")
        inventory["all"]["hosts"]["gpu3"]["apply_gpu_settings"] = {"power_limit_watts": 600}
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def state(self, name: str) -> Path:
        return self.folder / name / "state"

    def gpusim(self, name: str, *arguments: str) -> None:
        command = [sys.executable, str(GPUSIM / "bin" / "gpusim"), *arguments]
        environment = {**os.environ, "GPUSIM_STATE": str(self.state(name))}
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)

    def write(self, plan: dict[str, Any]) -> None:
        self.plan.write_text(json.dumps(plan))

    def limits(self) -> dict[str, set[int]]:
        """Watts of the GPUs of each node."""
        found: dict[str, set[int]] = {}
        for name in self.controller.names:
            rows = [line.partition("=") for line in self.state(name).read_text().splitlines()]
            own = {value for key, _is, value in rows if key.startswith("power_limit.")}
            usual = {value for key, _is, value in rows if key == "power_limit"}
            found[name] = {int(value) // 1000 for value in own or usual}
        return found

    def apply(self, *arguments: str, **variables: Any) -> tuple[int, str]:
        common = {"apply_gpu_hosts": "all", "apply_gpu_batch": 2, "apply_plan_path": str(self.plan)}
        return self.run("apply", "--tags=gpus", *arguments, **common, **variables)


@pytest.fixture
def site(tmp_path: Path, library: Path) -> Site:
    return Site(tmp_path, library)


def test_gpus_get_the_limits_of_the_plan(site: Site) -> None:
    before = site.limits()
    assert before == {"gpu1": {700}, "gpu2": {400}, "gpu3": {700}, "gpu4": {400}}
    status, told = site.apply("--check", apply_power=True)
    assert status == 0 and site.limits() == before, told
    assert told.count("changed=1 ") == 3, "each once: two by the plan, one by its settings"
    status, told = site.apply(apply_power=True)
    assert status == 0 and told.count("changed=1 ") == 3, told
    assert "gpu3 keeps the power limit of its apply_gpu_settings (600); the plan has 450 W" in told
    assert site.limits() == {"gpu1": {500}, "gpu2": {700}, "gpu3": {600}, "gpu4": {400}}
    # What gets lower comes before the scheduler, what gets higher after it.
    assert (
        told.index("PLAY [Lower the power limits]")
        < told.index("PLAY [Apply the plan]")
        < told.index("PLAY [Set up the GPUs]")
    )
    lowered, raised = told.split("PLAY [Set up the GPUs]", 1)
    assert "changed: [gpu1]" in lowered and "changed: [gpu2]" not in lowered and "changed: [gpu2]" in raised
    status, told = site.apply(apply_power=True)
    assert status == 0 and told.count("changed=0 ") == 4, told


def test_nothing_is_limited_unasked(site: Site) -> None:
    before = site.limits()
    status, told = site.apply("--limit=gpu1,gpu2,gpu4")
    assert status == 0 and site.limits() == before, told


@pytest.mark.parametrize("plan", [{}, {"power_limits": []}])
def test_a_plan_without_limits_says_so_once(site: Site, plan: dict[str, Any]) -> None:
    site.write(plan)
    before = site.limits()
    status, told = site.apply("--limit=gpu1,gpu2,gpu4", apply_power=True)
    assert status == 0 and site.limits() == before, told
    assert told.count(f"{site.plan} has no power limits, so none is set") == 1


def test_a_limit_that_a_gpu_does_not_take_ends_the_run(site: Site) -> None:
    low = {**LIMITS[0], "limit_watts": 100.0}
    site.write({"power_limits": [low, {**low, "node": "gpu4", "limit_watts": 300}]})
    before = site.limits()
    status, told = site.apply(apply_power=True)
    assert status != 0 and "100 W is out of range; this GPU allows 200 to 700 W" in told, told
    assert site.limits() == before and "PLAY [Set up the GPUs]" not in told

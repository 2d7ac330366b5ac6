# Runs the playbook plan on small problems, among them one that cannot be met, and on a fleet of 96 nodes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.aidc.ops.tests.playbooks import plan_lab
from ansible_collections.aidc.ops.tests.unit.roles.test_report_templates import Page

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "{{ 7 * 7 }}<script>alert(1)</script>"
# Four nodes of 1,000 cores.
NODES = [{"name": f"n{number}", "cpu_milli": 1_000_000, "memory_mib": 64_000} for number in range(1, 5)]
IMPOSSIBLE = {"name": HOSTILE, "cpu_milli": 1_000_000_000, "memory_mib": 1}
POSSIBLE = {"name": "small", "cpu_milli": 500_000, "memory_mib": 1, "copies": 3, "running_on": ["n1", "n2", "n3"]}


def run(folder: Path, *arguments: str, **variables: Any) -> tuple[int, str]:
    """The playbook as a person in *folder* says it; paths are as seen from there."""
    names = {"plan_dir": "plan", "plan_seconds": 20, **variables}
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"),
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "aidc.ops.plan"]
    done = subprocess.run(
        [*command, "-e", json.dumps(names), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_cannot_be_met_is_explained_and_the_rest_is_planned(tmp_path: Path) -> None:
    source, files = tmp_path / "site.yml", tmp_path / "plan"
    source.write_text(yaml.safe_dump({"schema_version": 1, "nodes": NODES, "workloads": [IMPOSSIBLE, POSSIBLE]}))
    status, output = run(tmp_path, "--check", plan_problem_path=source.name)
    assert status == 0 and not files.exists(), output

    status, output = run(tmp_path, plan_problem_path=source.name)
    assert status == 0, output
    assert "1 of 2 workloads does not fit; 1 copy is missing." in output
    assert "1,000,000 cores" in output and HOSTILE in output and "49<script>" not in output
    follows = f"-e apply_problem_path={files}/problem.json -e apply_plan_path={files}/plan.json"
    assert f"ansible-playbook aidc.ops.apply --check --diff {follows}" in output
    plan = json.loads((files / "plan.json").read_text())
    assert [one["workload"] for one in plan["placements"]] == ["small"] * 3
    assert json.loads((files / "problem.json").read_text())["workloads"][0]["name"] == HOSTILE
    page = Page((files / "plan.html").read_text())
    assert HOSTILE in page.text and "script" not in {tag for tag, _attributes in page.elements}
    assert "1,000,000 cores" in page.text and "Copies that run33same" in page.text.replace("\n", "")

    before = {file.name: file.stat().st_mtime_ns for file in files.iterdir()}
    status, output = run(tmp_path, plan_problem_path=source.name)
    assert status == 0 and "changed=0" in output, output
    assert {file.name: file.stat().st_mtime_ns for file in files.iterdir()} == before

    # What is no problem leaves the three files as they are, which belong together.
    source.write_text(yaml.safe_dump({"schema_version": 1, "nodes": [{**NODES[0], "gpus": -1}], "workloads": []}))
    status, output = run(tmp_path, plan_problem_path=source.name)
    assert status != 0 and "nodes[n1].gpus" in output, output
    assert {file.name: file.stat().st_mtime_ns for file in files.iterdir()} == before


def test_a_fleet_with_everything_that_can_be_asked(tmp_path: Path) -> None:
    plan_lab.main(str(tmp_path))
    hour = plan_lab.BEGIN
    status, output = run(
        tmp_path,
        plan_problem_path="problem.json",
        plan_strategy="fragmentation_gradient_by_size",
        plan_fail_nodes=["gpu-a101"],
        plan_scale_projects={"serving": 2},
        plan_buy=True,
        plan_seconds=5,
        plan_grams_per_kwh=350,
        plan_forecast={
            "csv_path": "demand.csv",
            "project_by": "project",
            "value_by": "gpus",
            "horizon": "2d",
            "model": "seasonal_naive",
        },
        plan_windows=[{"node": "gpu-b213", "start": hour, "end": hour + 3600, "summary": "Firmware"}],
    )
    assert status == 0, output
    assert "If gpu-a101 failed and project serving asks for 2 times as much:" in output and "TO BUY" in output
    assert "is no plan to apply" in output and not (tmp_path / "plan" / "plan.json").exists()
    text = (tmp_path / "plan" / "what_if" / "plan.html").read_text()
    page = Page(text)
    links = [str(attributes["href"]) for tag, attributes in page.elements if tag == "a"]
    assert links == ["#summary", "#refused", "#buy", "#fleet", "#projects", "#forecast", "#windows"]
    assert text.count('<article class="rack') == 12, "six racks with the plan, and six as they are now"
    assert sum(attributes.get("class") == "band" for _tag, attributes in page.elements) == 10, "two of each of five"
    assert "There are 552" in page.text, "GPUs in service; the node that is to fail is one of them"
    assert len(text) < 400_000


def test_complaints_before_anything_is_done(tmp_path: Path) -> None:
    for variables, told in (
        ({"plan_problem_path": "none.json"}, f"{tmp_path}/none.json, and there is no such file"),
        ({"plan_problem_path": "x", "plan_source": {}}, "plan_problem_path names the whole problem"),
        ({"plan_demand": {"vision": {"gpus": 8}}}, "plan_demand needs plan_forecast"),
    ):
        status, output = run(tmp_path, **variables)
        assert status != 0 and told in output, output
    assert not (tmp_path / "plan").exists()

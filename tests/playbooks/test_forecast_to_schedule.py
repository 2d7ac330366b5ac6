# Runs the playbook forecast_to_schedule on a small history and a queue whose response times are reckoned by hand.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.aidc.ops.tests.playbooks.console import Console

HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch owned') }}"


def site(folder: Path) -> dict[str, Any]:
    """Two nodes, four GPUs of demand at every hour, three jobs that take a node each, and one that nobody can run."""
    node = {"cpu_milli": 64000, "memory_mib": 512000, "gpus": 4, "gpu_model": "h100"}
    queue = [{"name": name, "gpus": 4, "duration_hours": hours} for name, hours in (("a", 6), ("b", 2), ("c", 1))]
    problem = {
        "schema_version": 1,
        "nodes": [{"name": "n1", **node}, {"name": "n2", **node}],
        "workloads": [*queue, {"name": HOSTILE, "gpus": 9, "duration_hours": 1}],
    }
    (folder / "problem.yml").write_text(yaml.safe_dump(problem))
    rows = [f"{hour * 3600},serving,4\n" for hour in range(240)]
    (folder / "demand.csv").write_text("time,series,gpus\n" + "".join(rows))
    return {
        "forecast_to_schedule_problem": str(folder / "problem.yml"),
        "forecast_to_schedule_csv": str(folder / "demand.csv"),
        "forecast_to_schedule_demand": {"serving": {"gpus": 4}},
        "forecast_to_schedule_options": {"model": "seasonal_naive"},
        "forecast_to_schedule_horizon": "1d",
        "forecast_to_schedule_dest": str(folder / "schedule.json"),
    }


def test_from_a_history_to_a_schedule_in_one_run(tmp_path: Path) -> None:
    console, variables = Console(tmp_path), site(tmp_path)
    dest = Path(variables["forecast_to_schedule_dest"])
    status, output = console.run("forecast_to_schedule", "--check", **variables)
    assert status == 0 and "changed=1 " in output and not dest.exists(), output

    status, output = console.run("forecast_to_schedule", **variables)
    assert status == 0 and "changed=1 " in output, output
    # The forecast keeps one node. On the other one: (6 + 8 + 9) / 3 by arrival, (1 + 3 + 9) / 3 the short ones first.
    rows = {line.strip(' ",')[:32].strip(): line.strip(' ",').split()[-2:] for line in output.splitlines()}
    assert rows["mean response time, hours"] == ["7.67", "4.33"]
    assert rows["everything has ended, hours"] == ["9.00", "9.00"]
    assert "demand: 1 copies foretold, 1 have their nodes" in output
    made = json.loads(dest.read_text())["schedule"]
    assert [row["workload"] for row in made["rows"]] == ["forecast/serving", "c", "b", "a"]
    assert len({row["node"] for row in made["rows"][1:]}) == 1 and made["rows"][0]["end_hours"] is None
    assert "a copy needs 9 GPUs" in output and HOSTILE in output, "what a name holds stays text"
    assert not list(tmp_path.rglob("owned"))

    status, output = console.run("forecast_to_schedule", **variables)
    assert status == 0 and "changed=0 " in output, output


def test_demand_that_does_not_fit_is_told_and_takes_nothing_away(tmp_path: Path) -> None:
    variables = {**site(tmp_path), "forecast_to_schedule_demand": {"serving": {"gpus": 9}}}
    status, output = Console(tmp_path).run("forecast_to_schedule", **variables)
    assert status == 0 and "demand: 1 copies foretold, 0 have their nodes" in output, output
    assert "forecast/serving: " in output


def test_wrong_input_is_explained(tmp_path: Path) -> None:
    console, variables = Console(tmp_path), site(tmp_path)
    status, output = console.run("forecast_to_schedule")
    assert status != 0 and "Set forecast_to_schedule_problem and forecast_to_schedule_demand" in output, output
    status, output = console.run(
        "forecast_to_schedule", **{**variables, "forecast_to_schedule_demand": {"nobody": {"gpus": 4}}}
    )
    assert status != 0 and "nobody" in output, output
    (tmp_path / "demand.csv").write_text("time,series,gpus\n")
    status, output = console.run("forecast_to_schedule", **variables)
    assert status != 0 and "demand.csv" in output, output

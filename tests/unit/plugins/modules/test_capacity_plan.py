# Tests of the module capacity_plan.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.modules import capacity_plan

NODE = {"cpu_milli": 64000, "memory_mib": 512000, "gpus": 8, "gpu_model": "H100", "idle_watts": 1000.0}
PROBLEM = {
    "schema_version": 1,
    "nodes": [{"name": "n1", **NODE}, {"name": "n2", **NODE}],
    "workloads": [
        {"name": "train", "project": "vision", "gang": True, "gpus": 8},
        {"name": "serve", "project": "chat", "copies": 4, "gpus": 1},
    ],
    "offers": [
        {"name": "large", "price": 20.0, "node": {"name": "any", **NODE}},
        {"name": "small", "price": 3.0, "node": {"name": "any", **NODE, "gpus": 2}},
    ],
}


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"problem": PROBLEM, "_ansible_check_mode": check, **arguments}
        given = {name: value for name, value in given.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            capacity_plan.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


Ask = Callable[..., dict[str, Any]]


def test_check_run_run_check(ask: Ask, tmp_path: Path) -> None:
    dest = tmp_path / "plan.json"
    assert ask(check=True, dest=str(dest))["changed"] and not dest.exists()
    first = ask(dest=str(dest))
    assert first["changed"] and "n2 train" in first["diff"]["after"]
    assert json.loads(dest.read_text())["placements"] == first["plan"]["placements"]
    assert not ask(dest=str(dest))["changed"] and not ask(check=True, dest=str(dest))["changed"]


def test_a_place_that_cannot_be_written_is_told_before_anything_is_planned(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity_plan, "make_plan", lambda *_given: pytest.fail("it was planned"))
    told = ask(dest=str(tmp_path / "missing" / "plan.json"))
    assert told["failed"] and "there is no directory" in told["msg"]


def test_the_plan_has_its_proof(ask: Ask) -> None:
    plan = ask()["plan"]
    assert plan["gap_percent"] == 0 and plan["stages"][0]["bound"] == plan["stages"][0]["value"] == 12
    assert plan["refused"] == [] and plan["gpus_allocated"] == 12 and plan["gpus_in_service"] == 16


def test_what_if_a_node_fails_and_what_to_buy(ask: Ask) -> None:
    answer = ask(fail_nodes=["n2"], buy=True)
    assert [one["workload"] for one in answer["plan"]["refused"]] == ["serve"]
    purchase = answer["purchase"]
    assert purchase.pop("gap_percent") == pytest.approx(0, abs=0.01)
    assert purchase == {"nodes": {"small": 2}, "price": 6.0, "still_refused": []}


def test_what_if_a_project_doubles(ask: Ask) -> None:
    plan = ask(scale_projects={"vision": 2})["plan"]
    assert {one["workload"] for one in plan["placements"]} == {"train", "train+1"}
    assert plan["refused"][0]["missing"] == 4 and plan["refused"][0]["lacks"] == {"GPUs": 1}


def test_what_can_be_off_tonight(ask: Ask) -> None:
    few = {**PROBLEM, "workloads": [{"name": f"w{number}", "gpus": 2} for number in range(4)]}
    assert len(ask(problem=few, power_off=True)["plan"]["idle_nodes"]) == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"problem": None}, "one of the following is required: problem, path"),
        ({"problem": None, "path": "/none"}, "/none cannot be read as JSON"),
        ({"problem": {"schema_version": 1}}, "nodes: missing"),
        ({"seconds": 0}, "seconds: 0.0 is too little"),
        ({"fail_nodes": ["n9"]}, "fail_nodes: no node n9"),
        ({"scale_projects": {"x": 2}}, "scale_projects: no workload belongs to project 'x'"),
        ({"scale_projects": {"chat": -1}}, "it has to be from 0 to 100"),
        ({"scale_projects": {"chat": "many"}}, "scale_projects: a factor is no number"),
        ({"problem": {**PROBLEM, "offers": []}, "buy": True}, "the problem has no offers"),
    ],
)
def test_wrong_input_is_explained(ask: Ask, arguments: dict[str, Any], part: str) -> None:
    answer = ask(**arguments)
    assert answer["failed"] and part in answer["msg"]

# Tests of the actions fleet_file and hardware_baseline as Ansible runs them; their stores have tests of their own.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import action_loader

RECORD = json.loads((Path(__file__).parents[2] / "fixtures" / "hardware_record" / "node.json").read_text("utf-8"))


def act(plugin: str, /, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=check, diff=diff, environment=None, action=plugin)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = action_loader.get(
        f"aidc.ops.{plugin}",
        task=task,
        connection=connection,
        play_context=None,
        loader=None,
        templar=None,
        shared_loader_obj=None,
    )
    return dict(action.run(task_vars={}))


def test_a_fleet_in_four_steps(tmp_path: Path) -> None:
    arguments = {"records": [RECORD], "path": str(tmp_path / "f.jsonl"), "latest": str(tmp_path / "latest")}
    steps = [act("fleet_file", check=check, **arguments)["changed"] for check in (True, False, False, True)]
    assert steps == [True, True, False, False]
    assert (tmp_path / "latest").resolve() == tmp_path / "f.jsonl"


def test_the_difference_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    arguments = {"records": [RECORD], "path": str(tmp_path / "f.jsonl")}
    assert "diff" not in act("fleet_file", check=True, **arguments)
    assert "dmi:SN0042 gpu1" in act("fleet_file", check=True, diff=True, **arguments)["diff"]["after"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"records": [], "path": "/f"}, "an empty fleet is never written"),
        ({"records": [{}], "path": "/f"}, "is no hardware record"),
        ({"records": [RECORD], "path": "/f", "mode": "rw"}, "octal number"),
        ({"records": [RECORD], "path": "/proc/nowhere/f"}, "The fleet is not kept"),
    ],
)
def test_what_cannot_be_kept_fails_and_says_why(arguments: dict[str, Any], message: str) -> None:
    answer = act("fleet_file", **arguments)
    assert answer["failed"] and message in answer["msg"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fleet_file", {"path": "/f"}),
        ("fleet_file", {"records": "x", "path": "/f"}),
        ("fleet_file", {"records": [RECORD]}),
        ("fleet_file", {"records": [RECORD], "path": "/f", "if_smaller": "maybe"}),
        ("fleet_file", {"records": [RECORD], "path": "/f", "colour": "red"}),
        ("hardware_baseline", {"record": RECORD, "dir": "/d"}),
        ("hardware_baseline", {"record": RECORD, "dir": "/d", "name": "n", "accept": "maybe"}),
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError):
        act(name, **arguments)


def test_a_baseline_in_four_steps(tmp_path: Path) -> None:
    arguments = {"record": RECORD, "dir": str(tmp_path), "name": "gpu1", "accept": "yes"}
    steps = [act("hardware_baseline", check=check, **arguments)["changed"] for check in (True, False, False, True)]
    assert steps == [True, True, False, False]


def test_what_cannot_be_compared_fails_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "gpu1.json").write_text("{")
    answer = act("hardware_baseline", record=RECORD, dir=str(tmp_path), name="gpu1")
    assert answer["failed"] and "is no JSON" in answer["msg"]

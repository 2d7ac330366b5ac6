# Tests of the module capacity_schedule.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.modules import capacity_schedule

PROBLEM = {
    "schema_version": 1,
    "nodes": [{"name": "n1", "cpu_milli": 8000, "memory_mib": 8000, "gpus": 4, "gpu_model": "h100"}],
    "workloads": [
        {"name": "long", "gpus": 4, "duration_hours": 6},
        {"name": "short", "gpus": 4, "duration_hours": 1},
        {"name": "huge", "gpus": 5},
    ],
}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"problem": PROBLEM, "_ansible_check_mode": check, **arguments}
        given = {name: value for name, value in given.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            capacity_schedule.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_check_run_run_check(ask: Ask, tmp_path: Path) -> None:
    dest = tmp_path / "schedule.json"
    assert ask(check=True, dest=str(dest))["changed"] and not dest.exists()
    first = ask(dest=str(dest))
    assert first["changed"] and first["diff"]["before"] == ""
    assert first["diff"]["after"] == "0.0 1.0 n1 short [0, 1, 2, 3]\n1.0 7.0 n1 long [0, 1, 2, 3]\n"
    assert json.loads(dest.read_text())["schedule"] == first["schedule"]
    # The time went on, and that alone is no change.
    assert not ask(dest=str(dest))["changed"] and not ask(check=True, dest=str(dest))["changed"]
    assert ask(dest=str(dest), order="fifo")["changed"]


def test_before_and_after_stand_beside_each_other(ask: Ask) -> None:
    answer = ask()
    assert answer["before"]["mean_response_hours"] == 6.5 and answer["after"]["mean_response_hours"] == 4.0
    assert answer["after"]["mean_response_bound_hours"] == 4.0 and not answer["changed"]
    (refused,) = answer["schedule"]["refused"]
    assert refused["workload"] == "huge" and "a copy needs 5 GPUs" in refused["reason"]


def test_times_are_read_in_both_forms(ask: Ask) -> None:
    windows = [{"node": "n1", "start": "2026-01-01T00:00:00Z", "end": 1767232800, "summary": "any", "demand": 3.0}]
    answer = ask(now="2026-01-01T00:00:00Z", arrivals={"short": "2026-01-01T01:00:00Z", "long": 0}, windows=windows)
    assert answer["now"] == 1767225600
    # long was promised the end of the window before short was there.
    assert [row["start_hours"] for row in answer["schedule"]["rows"]] == [2.0, 8.0]


def test_a_file_that_is_something_else_is_replaced(ask: Ask, tmp_path: Path) -> None:
    source, dest = tmp_path / "problem.json", tmp_path / "schedule.json"
    source.write_text(json.dumps(PROBLEM))
    dest.write_text("[1]")
    assert ask(problem=None, path=str(source), dest=str(dest))["changed"]
    assert json.loads(dest.read_text())["schedule"]["rows"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"problem": None}, "one of the following is required: problem, path"),
        ({"problem": None, "path": "/none"}, "/none cannot be read as JSON"),
        ({"problem": {"schema_version": 1}}, "nodes: missing"),
        ({"now": "yesterday"}, "now: 'yesterday' is not a time"),
        ({"arrivals": {"short": "soon"}}, "arrivals[short]: 'soon' is not a time"),
        ({"arrivals": {"short": [1]}}, "arrivals[short]: "),
        ({"arrivals": {"nobody": 0}, "now": "0"}, "arrivals: no workload nobody"),
        ({"windows": [{"node": "n1"}]}, "windows[0]: start, end missing"),
        ({"windows": [{"node": "n2", "start": "now", "end": "+1h"}]}, "windows: no node 'n2'"),
        ({"windows": [{"node": "n1", "start": "+1h", "end": "now"}]}, "windows[n1]: it ends before it begins"),
        ({"windows": [{"node": "n1", "start": "x", "end": "now"}]}, "windows[0].start: 'x' is not a time"),
        ({"dest": "/none/schedule.json"}, "there is no directory /none"),
    ],
)
def test_wrong_input_is_explained(ask: Ask, arguments: dict[str, Any], part: str) -> None:
    answer = ask(**arguments)
    assert answer["failed"] and part in answer["msg"]

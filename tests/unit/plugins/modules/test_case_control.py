# Tests of the module case_control.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import case_control

Call = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("arguments", "before"),
    [
        ({"action": "pause"}, None),
        ({"action": "unpause"}, {"action": "pause"}),
        ({"action": "approve", "case_id": 1}, None),
        ({"action": "cancel", "case_id": 1}, None),
        ({"action": "opt_out", "node": "gpu2", "seconds": 600, "reason": "x"}, None),
        ({"action": "opt_out", "fault_class": "gpu_stopped", "seconds": 600, "reason": "x"}, None),
        (
            {"action": "opt_in", "node": "gpu2"},
            {"action": "opt_out", "node": "gpu2", "seconds": 600, "reason": "x"},
        ),
    ],
)
def test_check_run_run_check(call: Call, arguments: dict[str, Any], before: dict[str, Any] | None) -> None:
    if before is not None:
        call(case_control.main, by="kim", **before)
    answers = [call(case_control.main, check=check, by="kim", **arguments) for check in (True, False, False, True)]
    assert [answer["changed"] for answer in answers] == [True, True, False, False]


def test_rearming_what_did_not_trip_changes_nothing(call: Call) -> None:
    assert call(case_control.main, action="rearm", by="kim")["changed"] is False


def test_the_switches_are_in_the_answer(call: Call) -> None:
    assert call(case_control.main, action="pause", by="kim")["controls"]["paused_by"] == "kim"


def test_what_is_left_alone_is_in_the_answer(call: Call) -> None:
    before = time.time()
    asked = {"action": "opt_out", "fault_class": "gpu_stopped", "seconds": 600, "reason": "new driver"}
    (listed,) = call(case_control.main, by="kim", **asked)["opt_outs"]
    assert (listed["kind"], listed["name"], listed["by"], listed["reason"]) == (
        "class",
        "gpu_stopped",
        "kim",
        "new driver",
    )
    assert before + 600 <= listed["until"] <= time.time() + 600
    assert call(case_control.main, by="kim", action="opt_in", fault_class="gpu_stopped")["opt_outs"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": "approve", "by": "kim"}, "case_id"),
        ({"action": "cancel", "by": "kim", "case_id": 99}, "no case 99"),
        ({"action": "pause", "by": " "}, "by must name"),
        ({"action": "pause"}, "by"),
        ({"action": "explode", "by": "kim"}, "explode"),
        ({"action": "opt_out", "by": "kim", "node": "gpu2", "reason": "x"}, "seconds"),
        ({"action": "opt_out", "by": "kim", "node": "gpu2", "seconds": 5}, "reason"),
        ({"action": "opt_out", "by": "kim", "seconds": 5, "reason": "x"}, "node, fault_class"),
        ({"action": "opt_out", "by": "kim", "seconds": 5, "reason": "x", "node": "gpu9"}, "not a node of the settings"),
        ({"action": "opt_out", "by": "kim", "seconds": 5, "reason": "x", "fault_class": "nonsense"}, "not a class"),
        ({"action": "opt_out", "by": "kim", "seconds": -5, "reason": "x", "node": "gpu2"}, "seconds must be above 0"),
        (
            {
                "action": "opt_out",
                "by": "kim",
                "seconds": 5,
                "reason": "x",
                "node": "gpu2",
                "fault_class": "gpu_stopped",
            },
            "mutually exclusive",
        ),
        ({"action": "opt_in", "by": "kim"}, "node, fault_class"),
    ],
)
def test_failures(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = call(case_control.main, **arguments)
    assert answer["failed"] and message in answer["msg"]

# Tests of the module case_control.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": "approve", "by": "kim"}, "case_id"),
        ({"action": "cancel", "by": "kim", "case_id": 99}, "no case 99"),
        ({"action": "pause", "by": " "}, "by must name"),
        ({"action": "pause"}, "by"),
        ({"action": "explode", "by": "kim"}, "explode"),
    ],
)
def test_failures(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = call(case_control.main, **arguments)
    assert answer["failed"] and message in answer["msg"]

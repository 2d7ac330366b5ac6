# Tests of the module case_step.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import case_step
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

Call = Callable[..., dict[str, Any]]
HOLDER = "a:1:1"


def step(call: Call, phase: str, name: str = "cordon", check: bool = False, **arguments: Any) -> dict[str, Any]:
    return call(case_step.main, check=check, case_id=1, step=name, phase=phase, holder=HOLDER, **arguments)


@pytest.fixture(autouse=True)
def leased(controller: Controller) -> None:
    controller.ledger.lease([1], HOLDER, 600)


def test_begin_and_finish(call: Call) -> None:
    assert step(call, "begin", check=True)["proceed"]
    first = step(call, "begin")
    assert (first["changed"], first["proceed"], first["resumed"]) == (True, True, False)
    assert first["context"]["reason"] == "aidc.ops:1 gpu_fell_off_bus"
    again = step(call, "begin")
    assert (again["changed"], again["proceed"], again["resumed"]) == (False, True, True)
    end = step(call, "finish", outcome="done", detail={"text": "out"})
    assert (end["next_step"], end["due_now"], end["state"]) == ("evidence", True, "open")


def test_check_mode_counts_nothing(call: Call, controller: Controller) -> None:
    step(call, "begin", check=True)
    assert [event.kind for event in controller.ledger.timeline(1)] == ["signal", "opened"]


def test_a_refusal_is_an_answer(call: Call) -> None:
    answer = step(call, "begin", "reboot")
    assert (answer["proceed"], answer["reason"], answer["changed"]) == (False, "not_due", False)


def test_waiting(call: Call) -> None:
    step(call, "begin")
    answer = step(call, "finish", outcome="waiting", recheck_seconds=60)
    assert (answer["next_step"], answer["due_now"]) == ("cordon", False)


def test_an_unreadable_scheduler_is_a_refusal(call: Call, controller: Controller) -> None:
    os.unlink(controller.folder / "scontrol")
    answer = step(call, "begin")
    assert (answer["proceed"], answer["reason"]) == (False, "blind")
    assert "could not be read" in answer["text"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"phase": "finish"}, "outcome"),
        ({"phase": "finish", "outcome": "done"}, "was not begun"),
        ({"phase": "begin", "name": "explode"}, "explode"),
    ],
)
def test_failures(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = step(call, **arguments)
    assert answer["failed"] and message in answer["msg"]


def test_another_holder_is_refused(call: Call) -> None:
    answer = call(case_step.main, case_id=1, step="cordon", phase="begin", holder="b:2:2")
    assert answer["failed"] and "not leased to b:2:2" in answer["msg"]

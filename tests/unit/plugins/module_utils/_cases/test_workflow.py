# Tests of the order of steps and of the ladder.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import Next, Plan, Record, next_step
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

REBOOT = Plan(CLASSES["gpu_fell_off_bus"].workflow, True, 2)
RESET = Plan(CLASSES["gpu_row_remap_failure"].workflow, False, 2)
SERVICE = Plan(CLASSES["ansible_run_failed"].workflow, False, 2)


def records(*words: str) -> list[Record]:
    """ "reboot!" failed, "reboot?" was capped, "~reboot" is from before the newest fault; else done."""
    made = []
    for word in words:
        outcome = {"!": "failed", "?": "capped"}.get(word[-1], "done")
        made.append(Record(word.strip("~!?"), outcome, not word.startswith("~")))
    return made


@pytest.mark.parametrize("plan", [REBOOT, RESET, SERVICE])
def test_all_done_in_order(plan: Plan) -> None:
    done: list[Record] = []
    for step in plan.workflow:
        assert next_step(plan, done) == Next(step, "open")
        done.append(Record(step, "done"))
    assert next_step(plan, done) == Next(None, "returned" if "resume" in plan.workflow else "resolved")


OUT = ("cordon", "evidence", "drain")


@pytest.mark.parametrize(
    ("plan", "history", "step", "state"),
    [
        (REBOOT, ("cordon", "evidence!"), "drain", "open"),
        (REBOOT, (*OUT, "reboot!"), "reboot", "open"),
        (REBOOT, (*OUT, "reboot!", "reboot!"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot?"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!"), "reboot", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "reboot"), "validate", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "reboot", "validate!"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "reboot?"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "reboot!"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "reboot", "validate!", "ticket"), None, "quarantined"),
        (RESET, (*OUT, "reset", "validate!"), "ticket", "open"),
        (RESET, (*OUT, "reset", "validate!", "ticket"), None, "quarantined"),
        (RESET, (*OUT, "reset", "validate!", "ticket!"), "ticket", "open"),
        (RESET, (*OUT, "reset", "validate", "resume!"), "resume", "open"),
        (RESET, (*OUT, "reset", "validate", "resume!", "resume!", "resume!"), "resume", "held"),
        (RESET, ("cordon!",) * 5, "cordon", "held"),
        (RESET, ("cordon!", "cordon"), "evidence", "open"),
        # A new fault after the repair: the node is out already, everything else starts again.
        (RESET, ("~cordon", "~evidence", "~drain", "~reset", "~validate"), "evidence", "open"),
        (RESET, ("~cordon", "~evidence", "~drain", "~reset", "evidence"), "reset", "open"),
        # ... and attempts from before count: two resets are enough.
        (RESET, ("~cordon", "~drain", "~reset", "evidence", "reset!"), "ticket", "open"),
        # The node was given back although a new fault had come: out again, and drained again.
        (RESET, ("~cordon", "~evidence", "~drain", "~reset", "~validate", "~resume"), "cordon", "open"),
        (
            RESET,
            ("~cordon", "~evidence", "~drain", "~reset", "~validate", "~resume", "cordon", "evidence"),
            "drain",
            "open",
        ),
        # The fault got stronger: a reset that was done does not stand for the reboot.
        (REBOOT, (*OUT, "reset"), "reboot", "open"),
        (SERVICE, ("evidence", "restart_service", "validate!"), "ticket", "open"),
        (SERVICE, ("evidence", "restart_service!"), "restart_service", "open"),
        (SERVICE, ("evidence", "restart_service", "validate", "await_clear!"), "ticket", "open"),
    ],
)
def test_ladder(plan: Plan, history: tuple[str, ...], step: str | None, state: str) -> None:
    answer = next_step(plan, records(*history))
    assert (answer.step, answer.state) == (step, state)


@pytest.mark.parametrize("plan", [REBOOT, RESET, SERVICE])
def test_every_path_ends_and_no_node_returns_without_validation(plan: Plan) -> None:
    """All sequences of outcomes: each ends within a bounded number of steps and keeps the ladder's limits."""
    for outcomes in itertools.product(("done", "failed"), repeat=9):
        history: list[Record] = []
        for outcome in itertools.chain(outcomes, itertools.cycle(["failed", "done"])):
            answer = next_step(plan, history)
            if answer.step is None or answer.state == "held":
                break
            history.append(Record(answer.step, outcome))
            assert len(history) < 40
        names = [record.step for record in history if record.outcome == "done"]
        if answer.state == "returned":
            after_repair = names[max(at for at, name in enumerate(names) if name in ("reset", "reboot")) :]
            assert after_repair == [after_repair[0], "validate", "resume"]
        for repair in ("reset", "reboot", "restart_service"):
            assert sum(record.step == repair for record in history) <= plan.repair_limit

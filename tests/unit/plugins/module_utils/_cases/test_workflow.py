# Tests of the order of steps and of the ladder.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import (
    Next,
    Plan,
    Record,
    ladder_from,
    next_step,
    plan_for,
    preview,
)
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, REPAIRS

REPAIR = ("cordon", "evidence", "drain", "repair", "validate", "resume")
REBOOT = Plan(REPAIR, ("reboot", "power_cycle"))
RESET = Plan(REPAIR, ("reset", "reboot"))
ONE = Plan(REPAIR, ("reset",))
SERVICE = Plan(("evidence", "repair", "validate", "await_clear"), ("restart_service",))
HANDS = Plan(("cordon", "evidence", "drain", "ticket"), ())
DOMAIN = Plan(("notify", "ticket", "await_clear"), ())
IDLE = Plan(("notify", "await_idle", "cordon", "evidence", "repair", "validate", "resume"), ("reset",))
ADDING = Plan(("scale_out", "failover", "await_clear"), ())
TOLD = Plan(("notify",), ())
PLANS = [REBOOT, RESET, ONE, SERVICE, HANDS, DOMAIN, IDLE, ADDING, TOLD]


def records(*words: str) -> list[Record]:
    """ "reboot!" failed, "reboot?" was capped, "~reboot" is from before the newest fault, "%reset" was of other
    devices; else done."""
    made = []
    for word in words:
        outcome = {"!": "failed", "?": "capped"}.get(word[-1], "done")
        made.append(Record(word.strip("~%!?"), outcome, "~" not in word, "%" not in word))
    return made


@pytest.mark.parametrize(
    ("plan", "end"),
    [
        (REBOOT, "returned"),
        (RESET, "returned"),
        (IDLE, "returned"),
        (SERVICE, "resolved"),
        (HANDS, "quarantined"),
        (DOMAIN, "resolved"),
        (ADDING, "resolved"),
        (TOLD, "resolved"),
        (Plan(("evidence", "ticket"), ()), "quarantined"),
        (Plan(("cordon", "drain", "ticket", "await_clear"), ()), "quarantined"),
        (Plan((*REPAIR, "await_clear"), ("reset",)), "returned"),
    ],
)
def test_all_done_in_order(plan: Plan, end: str) -> None:
    done: list[Record] = []
    for step in [plan.ladder[0] if step == "repair" else step for step in plan.workflow]:
        assert next_step(plan, done) == Next(step, "open")
        done.append(Record(step, "done"))
    assert next_step(plan, done) == Next(None, end)


OUT = ("cordon", "evidence", "drain")


@pytest.mark.parametrize(
    ("plan", "history", "step", "state"),
    [
        (REBOOT, ("cordon", "evidence!"), "drain", "open"),
        (IDLE, ("notify!",), "await_idle", "open"),
        (REBOOT, (*OUT, "reboot!"), "power_cycle", "open"),
        (REBOOT, (*OUT, "reboot!", "power_cycle!"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot?"), "power_cycle", "open"),
        (REBOOT, (*OUT, "reboot?", "power_cycle?"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!"), "power_cycle", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "power_cycle"), "validate", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "power_cycle", "validate"), "resume", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "power_cycle", "validate!"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "power_cycle?"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "power_cycle!"), "ticket", "open"),
        (REBOOT, (*OUT, "reboot", "validate!", "power_cycle!", "ticket"), None, "quarantined"),
        (ONE, (*OUT, "reset", "validate!"), "ticket", "open"),
        (ONE, (*OUT, "reset", "validate!", "ticket"), None, "quarantined"),
        (ONE, (*OUT, "reset", "validate!", "ticket!"), "ticket", "open"),
        (ONE, (*OUT, "reset", "validate", "resume!"), "resume", "open"),
        (ONE, (*OUT, "reset", "validate", "resume!", "resume!", "resume!"), "resume", "held"),
        (ONE, ("cordon!",) * 5, "cordon", "held"),
        (ONE, ("cordon!", "cordon"), "evidence", "open"),
        # A new fault after the repair: the node is out already, everything else starts again, with the next rung.
        (RESET, ("~cordon", "~evidence", "~drain", "~reset", "~validate"), "evidence", "open"),
        (RESET, ("~cordon", "~evidence", "~drain", "~reset", "evidence"), "reboot", "open"),
        (RESET, ("~cordon", "~drain", "~reset", "evidence", "reboot!"), "ticket", "open"),
        (ONE, ("~cordon", "~drain", "~reset", "evidence"), "ticket", "open"),
        # ... but a reset of other devices says nothing about these.
        (ONE, ("~cordon", "~drain", "%~reset", "evidence"), "reset", "open"),
        (ONE, (*OUT, "%reset"), "reset", "open"),
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
        (SERVICE, ("evidence", "restart_service!"), "ticket", "open"),
        (SERVICE, ("evidence", "restart_service", "validate", "await_clear!"), "ticket", "open"),
        (SERVICE, ("evidence", "restart_service!", "ticket"), None, "quarantined"),
        # A ladder may name a rung twice.
        (Plan(SERVICE.workflow, ("restart_service",) * 2), ("evidence", "restart_service!"), "restart_service", "open"),
        (Plan(SERVICE.workflow, ("restart_service",) * 2), ("evidence", *("restart_service!",) * 2), "ticket", "open"),
        # What is not idle in time is a person's matter; a node that is out already needs not wait.
        (IDLE, ("notify", "await_idle!"), "ticket", "open"),
        (IDLE, ("notify", "await_idle!", "ticket"), None, "quarantined"),
        (IDLE, ("~notify", "~await_idle", "~cordon", "notify"), "evidence", "open"),
        (DOMAIN, ("notify", "ticket", "await_clear!"), None, "quarantined"),
        (ADDING, ("scale_out?", "failover?"), "await_clear", "open"),
        (ADDING, ("scale_out!",), "ticket", "open"),
        # A spare takes the place of what stays out, once, whatever comes of that.
        (replace(ONE, spare=True), (*OUT, "reset!", "ticket"), "swap_spare", "open"),
        (replace(ONE, spare=True), (*OUT, "reset!", "ticket", "swap_spare!"), None, "quarantined"),
        (replace(HANDS, spare=True), (*OUT, "ticket"), "swap_spare", "open"),
        (replace(SERVICE, spare=True), ("evidence", "restart_service!", "ticket"), None, "quarantined"),
        # A lemon is not returned.
        (replace(ONE, lemon=True), (*OUT, "reset", "validate"), "ticket", "open"),
        (replace(ONE, lemon=True), (*OUT, "reset", "validate", "ticket"), None, "quarantined"),
        # Nothing of ours helps.
        (Plan(REPAIR, ()), OUT, "ticket", "open"),
    ],
)
def test_ladder(plan: Plan, history: tuple[str, ...], step: str | None, state: str) -> None:
    answer = next_step(plan, records(*history))
    assert (answer.step, answer.state) == (step, state)


@pytest.mark.parametrize("plan", [*PLANS, replace(REBOOT, spare=True), replace(REBOOT, lemon=True)])
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
            after_repair = names[max(at for at, name in enumerate(names) if name in REPAIRS) :]
            assert after_repair == [after_repair[0], "validate", "resume"]
            assert not plan.lemon
        for repair in REPAIRS:
            assert sum(record.step == repair for record in history) <= plan.ladder.count(repair)
        # What is taken out is given back, or waits for a person who was told.
        if answer.state == "resolved":
            assert "cordon" not in names
        if answer.state == "quarantined":
            assert "ticket" in names


@pytest.mark.parametrize(
    ("repairs", "action", "ladder"),
    [
        (("reset", "reboot", "power_cycle"), "", ("reset", "reboot", "power_cycle")),
        (("reset", "reboot", "power_cycle"), "restart_app", ("reset", "reboot", "power_cycle")),
        (("reset", "reboot", "power_cycle"), "reset", ("reset", "reboot", "power_cycle")),
        (("reset", "reboot", "power_cycle"), "reset_group", ("reboot", "power_cycle")),
        (("reset", "reboot", "power_cycle"), "reboot", ("reboot", "power_cycle")),
        (("reset",), "reboot", ("reboot",)),
        (("reset", "reboot"), "support", ()),
        ((), "reset", ()),
    ],
)
def test_the_ladder_starts_at_the_strongest_action(
    repairs: tuple[str, ...], action: str, ladder: tuple[str, ...]
) -> None:
    assert ladder_from(repairs, action) == ladder


@pytest.mark.parametrize("name", CLASSES)
def test_the_preview_is_the_workflow_with_its_first_rung(name: str) -> None:
    fault = CLASSES[name]
    first = fault.repairs[:1]
    assert preview(fault) == [word for step in fault.workflow for word in (first if step == "repair" else (step,))]


@pytest.mark.parametrize("name", [name for name, fault in CLASSES.items() if fault.workflow])
def test_no_class_returns_a_node_without_validation(name: str) -> None:
    steps = preview(CLASSES[name])
    if "resume" in steps:
        assert steps.index("validate") < steps.index("resume")
        assert plan_for(CLASSES[name]).workflow == CLASSES[name].workflow

# What a case does next: a pure function of its fault classes and of what was done so far.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    HELD,
    OPEN,
    QUARANTINED,
    RESOLVED,
    RETURNED,
)

REPAIRS = ("reset", "reboot", "restart_service")

# How often a step that changes nothing for good is tried in a row before a person has to look, and the pause between.
_TRIES = {"cordon": 5, "drain": 3, "resume": 3, "ticket": 5}
_RETRY_DELAY_SECONDS = 15.0


@dataclass(frozen=True)
class Plan:
    """The ruling fault class' part (see _faults.FaultClass): its steps, and whether a failed validation is repaired
    once more. ``repair_limit``: attempts at the repair in this case; the gate's limits over 24 h come on top."""

    workflow: tuple[str, ...]
    retry_after_failed_validation: bool
    repair_limit: int


@dataclass(frozen=True)
class Record:
    """One ended attempt. ``outcome``: done, failed, or capped (the gate's limit "attempts" refused it).

    ``current`` False: it ended before the newest fault of the case appeared, so that a repair or a validation proves
    nothing any more.
    """

    step: str
    outcome: str
    current: bool = True


@dataclass(frozen=True)
class Next:
    """``step`` None: nothing is left to do, and ``state`` says how it ended: returned, resolved or quarantined.

    ``delay``: seconds to wait first. ``state`` held: tried often enough, a person has to look; ``step`` is what failed.
    """

    step: str | None
    state: str
    delay: float = 0.0


def next_step(plan: Plan, history: Sequence[Record]) -> Next:
    """The next step of a case after ``history`` (oldest first).

    The steps are walked in the plan's order and the first one that is not fulfilled is next. A repair that failed, or
    whose validation failed, is repeated while the limits allow, else a person gets a ticket and the node stays out.
    """
    if any(record.step == "ticket" and record.outcome == "done" and record.current for record in history):
        return Next(None, QUARANTINED)
    if "done" in _outcomes("resume", history, current=True):
        # The node was given back, and no fault has appeared since: what took it out before holds no more, and need not.
        return Next(None, RETURNED)
    for step in plan.workflow:
        if step in REPAIRS:
            answer = _repair(plan, step, history)
        elif step == "validate":
            answer = _validate(plan, history)
        elif step == "evidence":
            # Best effort: a node that is gone can give none, and nothing waits for it.
            answer = None if _outcomes(step, history, current=True) else Next(step, OPEN)
        elif step == "await_clear":
            answer = _await_clear(history)
        else:
            answer = _until_done(step, history)
        if answer is not None:
            return answer
    return Next(None, RESOLVED)


def _outcomes(step: str, history: Sequence[Record], current: bool = False) -> list[str]:
    return [record.outcome for record in history if record.step == step and (record.current or not current)]


def _after(history: Sequence[Record], marks: Sequence[bool]) -> Sequence[Record]:
    """The part of the history after the last marked record; all of it if none is marked."""
    return history[max((at + 1 for at, mark in enumerate(marks) if mark), default=0) :]


def _until_done(step: str, history: Sequence[Record]) -> Next | None:
    """cordon and drain hold until the node was given back; resume and ticket count since the newest fault."""
    if step in ("cordon", "drain"):
        returned = [item.step == "resume" and item.outcome == "done" for item in history]
        outcomes = _outcomes(step, _after(history, returned))
    elif step == "resume":
        outcomes = _outcomes(step, _after(history, [item.step == "validate" for item in history]))
    else:
        outcomes = _outcomes(step, history, current=True)
    if outcomes and outcomes[-1] == "done":
        return None
    if not outcomes:
        return Next(step, OPEN)
    return Next(step, OPEN if len(outcomes) < _TRIES[step] else HELD, _RETRY_DELAY_SECONDS)


def _repair(plan: Plan, step: str, history: Sequence[Record]) -> Next | None:
    outcomes = _outcomes(step, history, current=True)
    if not outcomes:
        return Next(step, OPEN)
    if outcomes[-1] == "done":
        return None
    # Attempts before the newest fault count as well: the same node keeps failing.
    tried = len(_outcomes(step, history))
    if outcomes[-1] == "capped" or tried >= plan.repair_limit:
        return _until_done("ticket", history)
    return Next(step, OPEN)


def _validate(plan: Plan, history: Sequence[Record]) -> Next | None:
    repaired = [item.step in REPAIRS and item.outcome == "done" and item.current for item in history]
    outcomes = _outcomes("validate", _after(history, repaired), current=True)
    if not outcomes:
        return Next("validate", OPEN)
    if outcomes[-1] == "done":
        return None
    repair = next((step for step in plan.workflow if step in REPAIRS), None)
    if repair is None or not plan.retry_after_failed_validation:
        return _until_done("ticket", history)
    attempts = _outcomes(repair, history)
    if attempts[-1] == "capped" or len(attempts) >= plan.repair_limit:
        return _until_done("ticket", history)
    return Next(repair, OPEN)


def _await_clear(history: Sequence[Record]) -> Next | None:
    outcomes = _outcomes("await_clear", history, current=True)
    if not outcomes:
        return Next("await_clear", OPEN)
    return None if outcomes[-1] == "done" else _until_done("ticket", history)

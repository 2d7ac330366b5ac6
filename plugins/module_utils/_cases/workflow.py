# What a case does next: a pure function of its fault class and of what was done so far.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    HELD,
    OPEN,
    QUARANTINED,
    RESOLVED,
    RETURNED,
)
from ansible_collections.aidc.ops.plugins.module_utils._faults import REPAIRS, FaultClass

# How often a step that changes nothing for good is tried in a row before a person has to look, and the pause between.
_TRIES = {"cordon": 5, "drain": 3, "resume": 3, "ticket": 5}
_RETRY_DELAY_SECONDS = 15.0
# Good to have, and nothing waits for it: a node that is gone gives no evidence, and a mail server may be down.
_BEST_EFFORT = ("evidence", "notify")
# Checks that a repair has to pass; a failed one leads to the next rung.
_PROOFS = ("validate", "await_clear")


@dataclass(frozen=True)
class Plan:
    """What a case is to go through: the steps of its ruling class, and the rungs that "repair" stands for, weakest
    first (see plan_for). ``spare``: where the node stays out, a spare one may take its place. ``lemon``: the node came
    back too often already and is not returned again."""

    workflow: tuple[str, ...]
    ladder: tuple[str, ...]
    spare: bool = False
    lemon: bool = False


@dataclass(frozen=True)
class Record:
    """One ended attempt. ``outcome``: done, failed, or capped (a limit or a mode did not allow it).

    ``current`` False: it ended before the newest fault of the case appeared, so that a repair or a validation proves
    nothing any more. ``same`` False: it was a repair of other devices than those that need one now.
    """

    step: str
    outcome: str
    current: bool = True
    same: bool = True


@dataclass(frozen=True)
class Next:
    """``step`` None: nothing is left to do, and ``state`` says how it ended: returned, resolved or quarantined.

    ``delay``: seconds to wait first. ``state`` held: tried often enough, a person has to look; ``step`` is what failed.
    """

    step: str | None
    state: str
    delay: float = 0.0


def plan_for(fault: FaultClass, action: str = "", spare: bool = False, lemon: bool = False) -> Plan:
    """The plan of a fault class when ``action`` (see _faults.Recognition) is the strongest one that was asked for."""
    return Plan(fault.workflow, ladder_from(fault.repairs, action), spare, lemon)


def ladder_from(repairs: Sequence[str], action: str) -> tuple[str, ...]:
    """The rungs from the first one on that reaches as deep as ``action``.

    A class without a rung that deep gets the action itself: what the device asks for goes before the table. "support"
    leaves no rung: no repair of ours helps.
    """
    if action not in REPAIRS or not repairs:
        return () if action == "support" else tuple(repairs)
    depth = REPAIRS.index(action)
    return tuple(rung for rung in repairs if REPAIRS.index(rung) >= depth) or (action,)


def preview(fault: FaultClass, action: str = "") -> list[str]:
    """The steps of the way where all goes well."""
    plan = plan_for(fault, action)
    history: list[Record] = []
    following = next_step(plan, history)
    while following.step is not None and following.state == OPEN:
        history.append(Record(following.step, "done"))
        following = next_step(plan, history)
    return [record.step for record in history]


def next_step(plan: Plan, history: Sequence[Record]) -> Next:
    """The next step of a case after ``history`` (oldest first).

    The steps are walked in the plan's order and the first one that is not fulfilled is next. A rung that failed, that a
    limit did not allow, or whose proof failed is followed by the next one; after the last rung a person gets a ticket
    and the node stays out.
    """
    workflow = plan.workflow
    if "done" in _outcomes("resume", history, current=True):
        # The node was given back, and no fault has appeared since: what took it out before holds no more, and need not.
        workflow = workflow[workflow.index("resume") + 1 :] if "resume" in workflow else ()
    for step in workflow:
        answer = _of_step(step, plan, history)
        if answer is not None:
            return answer
    return _end(plan, history)


def _of_step(step: str, plan: Plan, history: Sequence[Record]) -> Next | None:
    """What the step asks for now; None if it is fulfilled."""
    if step == "repair":
        return _repair(plan, history)
    if step == "await_idle":
        return None if _out(history) else _once(step, plan, history, _outcomes(step, history, current=True))
    if step in _PROOFS:
        return _once(step, plan, history, _outcomes(step, _since_repair(history), current=True))
    if step in ("scale_out", "failover"):
        return _once(step, plan, history, _outcomes(step, history, current=True))
    if step in _BEST_EFFORT:
        return None if _outcomes(step, history, current=True) else Next(step, OPEN)
    if step == "resume" and plan.lemon:
        return _escalate(plan, history)
    return _until_done(step, history)


def _outcomes(step: str, history: Sequence[Record], current: bool = False) -> list[str]:
    return [record.outcome for record in history if record.step == step and (record.current or not current)]


def _after(history: Sequence[Record], marks: Sequence[bool]) -> Sequence[Record]:
    """The part of the history after the last marked record; all of it if none is marked."""
    return history[max((at + 1 for at, mark in enumerate(marks) if mark), default=0) :]


def _since_return(history: Sequence[Record]) -> Sequence[Record]:
    return _after(history, [item.step == "resume" and item.outcome == "done" for item in history])


def _since_repair(history: Sequence[Record]) -> Sequence[Record]:
    return _after(history, [item.step in REPAIRS and item.outcome == "done" and item.current for item in history])


def _out(history: Sequence[Record]) -> bool:
    """Whether the case has taken its node out and not given it back."""
    return "done" in _outcomes("cordon", _since_return(history))


def _once(step: str, plan: Plan, history: Sequence[Record], outcomes: Sequence[str]) -> Next | None:
    """A step that is not repeated: when it fails, a person has to know."""
    if not outcomes:
        return Next(step, OPEN)
    return _escalate(plan, history) if outcomes[-1] == "failed" else None


def _until_done(step: str, history: Sequence[Record]) -> Next | None:
    """cordon and drain hold until the node was given back; resume and ticket count since the newest fault."""
    if step in ("cordon", "drain"):
        outcomes = _outcomes(step, _since_return(history))
    elif step == "resume":
        outcomes = _outcomes(step, _after(history, [item.step == "validate" for item in history]))
    else:
        outcomes = _outcomes(step, history, current=True)
    if outcomes and outcomes[-1] == "done":
        return None
    if not outcomes:
        return Next(step, OPEN)
    return Next(step, OPEN if len(outcomes) < _TRIES[step] else HELD, _RETRY_DELAY_SECONDS)


def _repair(plan: Plan, history: Sequence[Record]) -> Next | None:
    """The first rung that was not tried yet; None while the last one that was done may still prove its worth."""
    seen: Counter[str] = Counter()
    for rung in plan.ladder:
        tries = [at for at, item in enumerate(history) if item.step == rung and item.same]
        if seen[rung] >= len(tries):
            return Next(rung, OPEN)
        at = tries[seen[rung]]
        seen[rung] += 1
        if history[at].outcome == "done" and history[at].current and not _disproved(history[at + 1 :]):
            return None
    return _escalate(plan, history)


def _disproved(later: Sequence[Record]) -> bool:
    """Whether the repair just before failed its proof."""
    for item in later:
        if item.step in REPAIRS and item.outcome == "done":
            return False
        if item.step in _PROOFS and item.outcome == "failed" and item.current:
            return True
    return False


def _escalate(plan: Plan, history: Sequence[Record]) -> Next:
    """Nothing of ours helps: a ticket, a spare node in its place, and the case waits for a person."""
    return _until_done("ticket", history) or _leave(plan, history)


def _leave(plan: Plan, history: Sequence[Record]) -> Next:
    if plan.spare and _out(history) and not _outcomes("swap_spare", _since_return(history)):
        return Next("swap_spare", OPEN)
    return Next(None, QUARANTINED)


def _end(plan: Plan, history: Sequence[Record]) -> Next:
    """How a case ends whose steps are all done. What stays out, and what ends with a ticket, waits for a person."""
    if _out(history) or plan.workflow[-1:] == ("ticket",):
        return _leave(plan, history)
    return Next(None, RETURNED if "done" in _outcomes("resume", history, current=True) else RESOLVED)

# Lives through a recording: what the loop would have done, in a ledger of its own whose clock follows the recording.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledger, gate and workflow are the real ones. Pretended are the scheduler (every node of the settings in service, no
jobs), the steps (each succeeds after its usual time), and the person (looks at what waits for one after a while). What
was broken at the time stays broken in the recording: what a node reports after its pretended return may be the same
fault, and an alert that fires on then is not taken up again."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import (
    alerts_to_signals,
    cleared_alerts,
    watchdog_seen,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    HELD,
    QUARANTINED,
    SOURCE_WATCHDOG,
    Case,
    Signal,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import ACTIONS, Modes
from ansible_collections.aidc.ops.plugins.module_utils._cases.replay_input import Counts, Poll, Recording
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._errors import StepError

# How long a step usually takes, in seconds; those that only tell somebody take none.
STEP_SECONDS = {
    "evidence": 120.0,
    "drain": 1800.0,
    "restart_service": 30.0,
    "clean": 60.0,
    "port_reset": 30.0,
    "bmc_reset": 180.0,
    "remount": 30.0,
    "reload_driver": 120.0,
    "converge": 600.0,
    "reset": 60.0,
    "reset_group": 120.0,
    "fsck": 1800.0,
    "reboot": 420.0,
    "power_cycle": 600.0,
    "validate": 300.0,
    "scale_out": 300.0,
    "failover": 120.0,
    "swap_spare": 60.0,
}
# Lines that arrive within this time are one batch, as with the source that reads them.
_BATCH_SECONDS = 0.1
# Evidence that goes on is repeated this often; it is too old after fifteen minutes unless the settings say otherwise.
_REPEAT_SECONDS = 60.0
# What was refused is looked at again, each time after twice as long: the loop does so every half minute, for days.
_LONGEST_PAUSE = 3600.0
# How long the cases that are open at the end of the recording are followed.
_AFTERWARDS = 86400.0
_LEASE_SECONDS = 10.0**9
_PERSON = "a person (pretended)"


@dataclass
class Story:
    """What became of one case. Times are seconds since the epoch. ``decisions``: each answer of the gate that differs
    from the one before; ``steps``: each step that ended, with its outcome; ``drained_at`` None: never taken out."""

    case: Case
    decisions: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    drained_at: float | None = None


@dataclass
class Outcome:
    """A whole replay. ``breaker``: when the breaker tripped, and why."""

    stories: list[Story]
    counts: Counts
    began: float
    ended: float
    breaker: list[tuple[float, str]]


def supposing(settings: Settings, ledger: str, act: bool) -> Settings:
    """The settings for a replay: a ledger of its own, and (``act``) every action may act; modes of classes stay."""
    gate = settings.gate
    if act:
        gate = replace(gate, modes=Modes(**dict.fromkeys(ACTIONS, "act")))
    return replace(settings, ledger=ledger, ledger_password_file=None, gate=gate, containment="in_process")


class PretendedEngine:
    """A scheduler with all nodes in service, whose nodes are empty as soon as they are drained."""

    def __init__(self, names: Sequence[str]) -> None:
        self._nodes = {name: _node(name, "") for name in names}
        self.drained: list[tuple[str, str]] = []

    def nodes(self) -> Mapping[str, EngineNode]:
        return self._nodes

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        for name in names:
            self._nodes[name] = _node(name, reasons[name])
            self.drained.append((name, reasons[name]))
        return True

    def resume(self, name: str) -> None:
        """Gives the node back, whoever had it."""
        if name in self._nodes:
            self._nodes[name] = _node(name, "")


class Replay:
    """One replay; ``run`` does it. ``settings.ledger`` has to name a place where nothing is yet (see supposing)."""

    def __init__(self, recording: Recording, settings: Settings, person_seconds: float) -> None:
        self._recording = recording
        self._settings = settings
        self._person_seconds = person_seconds
        self._now = recording.began
        self._ledger = Ledger(settings.ledger, lambda: self._now)
        self._engine = PretendedEngine(list(settings.nodes))
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stories: dict[int, Story] = {}
        self._busy: set[int] = set()
        self._wakes: dict[int, float] = {}
        self._woken: dict[int, float] = {}
        self._pauses: dict[int, float] = {}
        self._asked: dict[int, tuple[str, str | None, str | None]] = {}
        self._firing: dict[int, Mapping[str, Any]] = {}
        self._keys_of_node: dict[str, set[str]] = {}
        self._finished_keys: set[str] = set()
        self._refusals: set[tuple[str, str]] = set()
        self._repeated_at = self._beat_at = float("-inf")
        self._watched = True
        self._breaker: list[tuple[float, str]] = []

    def run(self) -> Outcome:
        """Lives through it to the end."""
        try:
            self._plan()
            last = self._recording.ended + _AFTERWARDS
            while self._agenda and self._agenda[0][0] <= last:
                at, _number, happen = heapq.heappop(self._agenda)
                self._now = max(self._now, at)
                happen()
            return self._outcome()
        finally:
            self._ledger.close()

    # --- what happens ------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        for batch in _batches(self._recording.signals):
            self._at(batch[-1].observed_at, partial(self._take, batch, []))
        for number, (began, ended, alert) in enumerate(self._recording.alerts):
            self._at(began, partial(self._fire, number, alert))
            if ended != float("inf"):
                self._at(ended, partial(self._end, number, alert))
        for poll in self._recording.polls:
            self._at(poll.at, partial(self._poll, poll))

    def _at(self, at: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), happen))

    def _fire(self, number: int, alert: Mapping[str, Any]) -> None:
        self._firing[number] = alert
        self._take_alerts([alert])

    def _end(self, number: int, alert: Mapping[str, Any]) -> None:
        self._firing.pop(number, None)
        self._take_alerts([alert])

    def _poll(self, poll: Poll) -> None:
        self._watched = watchdog_seen(poll.alerts, self._settings)
        signals, refused = alerts_to_signals(poll.alerts, self._settings, self._now)
        # What has a place among the single alerts is not for a poll to clear.
        single = alerts_to_signals(list(self._firing.values()), self._settings, self._now)[0]
        gone = cleared_alerts(self._ledger.firing_alerts(), [*signals, *single], self._now)
        self._firing = {number: alert for number, alert in self._firing.items() if number >= 0}
        self._firing.update((-1 - at, alert) for at, alert in enumerate(poll.alerts))
        self._take([*signals, *gone], refused)

    def _take_alerts(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        signals, refused = alerts_to_signals(list(alerts), self._settings, self._now)
        self._take(signals, refused)

    def _take(self, signals: Sequence[Signal], refused: Sequence[tuple[str, str]]) -> None:
        counts = self._recording.counts
        for reason, detail in refused:
            if (reason, detail) not in self._refusals:
                self._refusals.add((reason, detail))
                counts.refuse(reason, detail)
        wanted = [signal for signal in signals if signal.cleared or signal.dedup_key not in self._finished_keys]
        for signal in wanted:
            if signal.lane == "kernel":
                continue
            keys = self._keys_of_node.setdefault(signal.node, set())
            if signal.cleared:
                keys.discard(signal.dedup_key)
                self._finished_keys.discard(signal.dedup_key)
            elif signal.dedup_key not in keys:
                keys.add(signal.dedup_key)
                if signal.recognition is not None:
                    name = signal.recognition.fault_class
                    counts.classes[name] = counts.classes.get(name, 0) + 1
        if not wanted:
            return
        result = self._ledger.record(wanted, None, self._settings)
        for reason, detail in result.refused:
            counts.refuse(reason, detail)
        touched = dict.fromkeys((*result.new_case_ids, *result.merged_case_ids))
        for case_id in touched:
            self._pauses.pop(case_id, None)
        self._note_breaker()
        self._contain([case_id for case_id in touched if case_id not in self._busy])
        self._follow((*touched, *result.cleared_case_ids))

    # --- what the loop does ------------------------------------------------------------------------------------------

    def _follow(self, case_ids: Sequence[int]) -> None:
        """Looks when each of the cases is to be gone on with."""
        for case_id in dict.fromkeys(case_ids):
            case = self._ledger.case(case_id)
            self._story(case)
            if case.closed_at is not None:
                # What fires on now is what the pretended repair could not end.
                self._finished_keys |= self._keys_of_node.pop(case.node, set())
            elif case.step is not None and case.due_at is not None:
                pause = self._pauses.get(case_id, 0.0) if case.state == HELD else 0.0
                # Never twice at one moment: the clock has to go on.
                pause = max(pause, 1.0 if self._woken.get(case_id) == self._now else 0.0)
                self._wake_at(case_id, max(case.due_at, self._now + pause))
            elif case.state in (HELD, QUARANTINED):
                self._ask_person(case)

    def _wake_at(self, case_id: int, at: float) -> None:
        if not self._now < self._wakes.get(case_id, 0.0) <= at:
            self._wakes[case_id] = at
            self._at(at, lambda: self._wake(case_id, at))

    def _wake(self, case_id: int, at: float) -> None:
        if self._wakes.get(case_id) != at or case_id in self._busy:
            return
        del self._wakes[case_id]
        self._woken[case_id] = self._now
        self._repeat()
        case = self._ledger.case(case_id)
        if case.closed_at is None and case.step is not None and case.due_at is not None and case.due_at <= self._now:
            self._beat()
            if case.step == "cordon":
                self._contain([case_id])
            else:
                self._begin(case)
        self._follow([case_id])

    def _contain(self, case_ids: Sequence[int]) -> None:
        if not case_ids:
            return
        self._beat()
        before = len(self._engine.drained)
        for case_id, verdict in contain(self._ledger, self._settings, self._engine, case_ids):
            self._decided(case_id, "cordon", verdict.allowed, verdict.reason_code, verdict.text)
            if verdict.allowed:
                self._ended(case_id, "cordon", "done")
        drained = {name for name, _reason in self._engine.drained[before:]}
        for case_id in case_ids:
            story = self._story(self._ledger.case(case_id))
            if story.case.node in drained and story.drained_at is None:
                story.drained_at = self._now

    def _begin(self, case: Case) -> None:
        step, me = str(case.step), f"replay:{case.id}"
        if not self._ledger.lease([case.id], me, _LEASE_SECONDS):
            return
        grant = self._ledger.begin_step(case.id, step, me, self._settings, self._engine.nodes())
        if not grant.proceed:
            self._decided(case.id, step, False, grant.reason, grant.text)
            self._ledger.release(me)
            return
        self._decided(case.id, step, True, "", grant.text)
        self._busy.add(case.id)
        cleared = bool(grant.context["cleared"])
        self._at(self._now + STEP_SECONDS.get(step, 0.0), lambda: self._finish(case.id, step, cleared))

    def _finish(self, case_id: int, step: str, cleared: bool) -> None:
        me = f"replay:{case_id}"
        waits = step == "await_clear" and not cleared
        if step == "resume":
            self._engine.resume(self._ledger.case(case_id).node)
        pause = self._longer_pause(case_id) if waits else None
        outcome = "waiting" if waits else "done"
        self._busy.discard(case_id)
        try:
            self._ledger.finish_step(case_id, step, me, outcome, {}, self._settings, pause)
        except StepError:
            # What it waited for came at this very moment, and ended it.
            waits = True
        self._ledger.release(me)
        if not waits:
            self._pauses.pop(case_id, None)
            self._ended(case_id, step, outcome)
        self._follow([case_id])

    def _repeat(self) -> None:
        """Lets what fires still be seen again, for the nodes that have an open case."""
        if not self._firing or self._now - self._repeated_at < _REPEAT_SECONDS:
            return
        self._repeated_at = self._now
        self._take_alerts(list(self._firing.values()))

    def _beat(self) -> None:
        """Between two recorded polls the monitoring works as in the one before; without any it works."""
        if self._watched and self._now - self._beat_at >= 1.0:
            self._beat_at = self._now
            self._ledger.heartbeat(SOURCE_WATCHDOG, self._now)

    # --- what a person does ------------------------------------------------------------------------------------------

    def _ask_person(self, case: Case) -> None:
        mark = (case.state, case.hold_reason, case.step)
        if self._asked.get(case.id) != mark:
            self._asked[case.id] = mark
            self._at(self._now + self._person_seconds, lambda: self._person(case.id, mark))

    def _person(self, case_id: int, mark: tuple[str, str | None, str | None]) -> None:
        case = self._ledger.case(case_id)
        if self._asked.get(case_id) != mark or (case.state, case.hold_reason, case.step) != mark:
            return
        del self._asked[case_id]
        if case.hold_reason in ("mode_approve", "stale"):
            self._ledger.approve(case_id, _PERSON)
        else:
            self._ledger.cancel(case_id, _PERSON)
            self._engine.resume(case.node)
        self._pauses.pop(case_id, None)
        self._follow([case_id])

    def _note_breaker(self) -> None:
        controls = self._ledger.controls()
        if controls["breaker"] is None or (self._breaker and self._breaker[-1][0] == controls["breaker_at"]):
            return
        self._breaker.append((controls["breaker_at"], controls["breaker"]))
        self._at(self._now + self._person_seconds, self._rearm)

    def _rearm(self) -> None:
        if self._ledger.rearm(_PERSON):
            held = [case.id for case in self._ledger.cases(HELD)]
            for case_id in held:
                self._pauses.pop(case_id, None)
            self._follow(held)

    # --- what is told ------------------------------------------------------------------------------------------------

    def _story(self, case: Case) -> Story:
        story = self._stories.setdefault(case.id, Story(case))
        story.case = case
        return story

    def _decided(self, case_id: int, step: str, allowed: bool, reason: str, text: str) -> None:
        if not allowed:
            self._longer_pause(case_id)
            self._note_breaker()
        decisions = self._story(self._ledger.case(case_id)).decisions
        if not decisions or (decisions[-1]["step"], decisions[-1]["reason"]) != (step, reason):
            decisions.append({"at": self._now, "step": step, "allowed": allowed, "reason": reason, "text": text})

    def _ended(self, case_id: int, step: str, outcome: str) -> None:
        self._story(self._ledger.case(case_id)).steps.append({"at": self._now, "step": step, "outcome": outcome})
        self._note_breaker()

    def _longer_pause(self, case_id: int) -> float:
        pause = min(2 * self._pauses.get(case_id, 15.0), _LONGEST_PAUSE)
        self._pauses[case_id] = pause
        return pause

    def _outcome(self) -> Outcome:
        for case in self._ledger.cases():
            self._story(case)
        recording = self._recording
        stories = [self._stories[case_id] for case_id in sorted(self._stories)]
        return Outcome(stories, recording.counts, recording.began, recording.ended, self._breaker)


def _node(name: str, reason: str) -> EngineNode:
    out = bool(reason)
    return EngineNode(name, ("idle", "drain") if out else ("idle",), reason, out, out, False, ())


def _batches(signals: Sequence[Signal]) -> list[list[Signal]]:
    """The signals in the batches in which they would have been read."""
    batches: list[list[Signal]] = []
    for signal in signals:
        if batches and signal.observed_at - batches[-1][0].observed_at <= _BATCH_SECONDS:
            batches[-1].append(signal)
        else:
            batches.append([signal])
    return batches

# One random history of a small site: what happens is read from bytes, and every rule is checked after every event.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site is a ledger on a file system in memory, a scheduler in memory and hardware that is a few numbers. The checks
work the limits out anew from the state of the scheduler; they never ask the gate."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import LASTING
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import OWNER_PREFIX, Case, Grant, Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import ACTIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import parse_settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_sqlite import SqliteStore
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, REPAIRS, Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import (
    BOOT,
    MEMORY,
    Clock,
    FakeEngine,
)

RACKS = {"n1": "A", "n2": "A", "n3": "A", "n4": "B", "n5": "B", "n6": "B", "n7": None, "n8": None}
LEAVES = {"n1": "L1", "n2": "L1", "n3": "L1", "n4": "L1", "n5": "L2", "n6": "L2", "n7": "L2", "n8": None}
NODES = tuple(RACKS)
POOLS = {name: "other" if name == "n8" else "gpu" for name in NODES}
OUT_MAX, PER_RACK, PER_LEAF, PER_JOB, PERCENT, MAX_AGE, DAY = 3, 2, 3, 1, 60, 900.0, 86400.0
CAPS = {"reset": 2, "reboot": 2, "power_cycle": 1}
LINES = (
    "gpu_fell_off_bus",
    "gpu_ecc_uncorrectable",
    "gpu_stopped",
    "gpu_gsp_error",
    "gpu_row_remap_pending",
    "gpu_graphics_exception",
)
ALERTS = (
    "gpu_fell_off_bus",
    "gpu_row_remap_failure",
    "node_unreachable",
    "ansible_run_failed",
    "psu_failed",
    "gpu_sram_threshold",
    "gpu_row_remap_pending",
)
DEVICES = ("gpu:0000:1b:00", "gpu:0000:2b:00")
KIM = "Kim works here"
JUMPS = (1, 5, 31, 31, 181, 299, 901, 4000, 30000, 90000)
BACK = (2, 60, 400, 5000)
OUTCOMES = ("done", "done", "done", "done", "done", "failed", "waiting", "refused")
# How long the reserve of a node that a run has just taken out counts although the scheduler was read before.
HOLDERS = "ctl:{}:1"


class BrokenRuleError(AssertionError):
    """Something happened that must never happen."""


def rule(holds: object, text: str, *what: object) -> None:
    if not holds:
        raise BrokenRuleError(f"{text}: {what!r}")


@functools.lru_cache(maxsize=1)
def _empty_ledger() -> bytes:
    """A migrated file without a row: every history begins with a copy of it."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "ledger.sqlite"
        with mock.patch.object(SqliteStore, "_use_wal", _be_fast):
            Ledger(str(path)).close()
        return path.read_bytes()


class History:
    """One site, and what it lived through (``told``)."""

    def __init__(self, program: bytes) -> None:
        self.program = program
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.clock = Clock()
        self.settings = _settings(self.folder, program[0])
        (self.folder / "ledger.sqlite").write_bytes(_empty_ledger())
        self.engine = FakeEngine(NODES)
        self.engine_works = True
        self.ledger = self._open()
        self.told: list[str] = []
        self.life = 1
        # Hardware and people.
        self.boot = dict.fromkeys(NODES, 100)
        self.kim: set[str] = set()
        # What was sent, and what still fires: (node, class) -> (signal, time of the newest poll).
        self.sent: list[Signal] = []
        self.lines: dict[str, list[tuple[float, str]]] = defaultdict(list)
        self.firing: dict[tuple[str, str], tuple[Signal, float]] = {}
        self.number = 0
        # What was granted and done.
        self.cases: set[int] = set()
        self.acted: set[str] = set()
        self.grants: list[tuple[str, str, tuple[str, ...], float]] = []
        self.unproven: set[str] = set()
        self.proven: set[int] = set()
        self.idle: dict[int, tuple[float, str]] = {}
        self.approved: dict[tuple[int, str], float] = {}
        self.left_alone: dict[tuple[str, str], float] = {}

    def close(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def live(self) -> None:
        """Lets everything of the program happen; BrokenRuleError if a rule is broken."""
        for at in range(1, len(self.program) - 3, 4):
            kind, first, second, third = self.program[at : at + 4]
            event = EVENTS[kind % len(EVENTS)]
            self.told.append(f"{event.__name__} {first} {second} {third} at {self.clock.now:.0f}")
            event(self, first, second, third)
            self.check()
        if self.program[-1] % 4 == 0:
            self.everything_comes_to_an_end()

    # --- signals ------------------------------------------------------------------------------------------------

    def line(self, first: int, second: int, third: int) -> None:
        self._send(self._line(first, second, third))

    def alert(self, first: int, second: int, third: int) -> None:
        """It begins to fire, or a poll shows it once more."""
        self._send(self._alert(NODES[first % 8], ALERTS[second % len(ALERTS)]))

    def poll(self, first: int, second: int, third: int) -> None:
        """Everything that fires is seen once more."""
        self._send(*[signal for signal, _at in self.firing.values()])

    def clear(self, first: int, second: int, third: int) -> None:
        if self.firing:
            key = sorted(self.firing)[first % len(self.firing)]
            signal, _at = self.firing.pop(key)
            self._record(replace(signal, cleared=True))

    def storm(self, first: int, second: int, third: int) -> None:
        """Many nodes at once, by one lane or the other."""
        names = NODES[: 3 + first % 6]
        if second % 2:
            self._send(*(self._alert(name, ALERTS[third % len(ALERTS)]) for name in names))
        else:
            self._send(*(self._line(NODES.index(name), third, second) for name in names))

    def old_news(self, first: int, second: int, third: int) -> None:
        """What was sent before comes again: the same delivery, or the same line under another key, in another order."""
        if not self.sent:
            return
        again = [self.sent[(first + step * second) % len(self.sent)] for step in range(1 + third % 5)]
        if third % 2:
            self.number += 1
            again = [
                replace(signal, dedup_key=f"again {self.number} {at} {signal.dedup_key}"[:200])
                for at, signal in enumerate(again)
                if signal.lane == "kernel"
            ]
        self._record(*(signal for signal in again if signal.lane == "kernel"))

    def reordered(self, first: int, second: int, third: int) -> None:
        """A batch whose lines come in the wrong order, and late."""
        late = (0.0, 5.0, 200.0, 2000.0)[third % 4]
        lines = [self._line(first + step, second + step, third) for step in range(3)]
        lines = [replace(signal, observed_at=self.clock.now - late * (1 + at) / 2) for at, signal in enumerate(lines)]
        self._send(*reversed(lines))

    # --- time, people, the scheduler ------------------------------------------------------------------------------

    def time_passes(self, first: int, second: int, third: int) -> None:
        self.clock.forward(JUMPS[first % len(JUMPS)])

    def clock_goes_back(self, first: int, second: int, third: int) -> None:
        self.clock.forward(-BACK[first % len(BACK)])

    def kim_takes(self, first: int, second: int, third: int) -> None:
        node = NODES[first % 8]
        self.engine.reason[node] = KIM
        self.kim.add(node)

    def kim_gives_back(self, first: int, second: int, third: int) -> None:
        for node in sorted(self.kim)[:1]:
            self.kim.discard(node)
            self.engine.reason[node] = ""

    def jobs(self, first: int, second: int, third: int) -> None:
        """A job starts on two nodes that serve, or ends."""
        numbers = (1 + second % 3,)
        for node in (NODES[first % 8], NODES[third % 8]):
            if self.engine.jobs[node]:
                self.engine.jobs[node] = ()
            elif not self.engine.reason[node]:
                self.engine.jobs[node] = numbers

    def reboot_by_itself(self, first: int, second: int, third: int) -> None:
        node = NODES[first % 8]
        self.boot[node] += 10
        self._record(self._signal("kernel", node, None, DEVICES[0], ""))

    def engine_fails(self, first: int, second: int, third: int) -> None:
        self.engine_works = not self.engine_works

    def pause(self, first: int, second: int, third: int) -> None:
        self.ledger.pause(first % 3 == 0, "kim")

    def rearm(self, first: int, second: int, third: int) -> None:
        self.ledger.rearm("kim")

    def approve(self, first: int, second: int, third: int) -> None:
        for case in self._open_cases()[:3]:
            if case.step is not None and self.ledger.approve(case.id, "kim"):
                self.approved[case.id, case.step] = self.clock.now

    def cancel(self, first: int, second: int, third: int) -> None:
        opened = self._open_cases()
        if opened:
            self.ledger.cancel(opened[first % len(opened)].id, "kim")

    def leave_alone(self, first: int, second: int, third: int) -> None:
        kind, name = ("node", NODES[second % 8]) if first % 2 else ("class", LINES[second % len(LINES)])
        if third % 3 == 0:
            self.ledger.end_opt_out(kind, name)
            self.left_alone.pop((kind, name), None)
        else:
            until = self.clock.now + JUMPS[4 + third % 4]
            self.ledger.opt_out(kind, name, until, "kim", "because")
            self.left_alone[kind, name] = until

    # --- the loop -----------------------------------------------------------------------------------------------

    def restart(self, first: int, second: int, third: int) -> None:
        self.ledger.close()
        self.ledger = self._open()
        self.life += 1
        self.ledger.reclaim_dead(lambda holder: False)

    def tick(self, first: int, second: int, third: int) -> None:
        self._contain(self.ledger.due(self.clock.now))

    def run(self, first: int, second: int, third: int) -> None:
        """A run of the playbook: up to eight steps, which may die in the middle of one."""
        self.life += 1
        holder = HOLDERS.format(self.life)
        self.ledger.reclaim_dead(lambda other: False)
        for number in range(1 + first % 8):
            cases = self.ledger.lease(None, holder, 600)
            if not cases:
                return
            case = cases[second % len(cases)]
            last = number == first % 8
            outcome = OUTCOMES[third % 8 if last else 0]
            if second >= 192 and (third >> number) & 1:
                outcome = "failed"
            if not self._step(case, holder, outcome, last and third % 8 in (6, 7), third % 8 == 7):
                return
        self.ledger.release(holder)

    def a_bad_day(self, first: int, second: int, third: int) -> None:
        """A few nodes break again and again, and what is done about it may fail."""
        for at in range(3):
            self.line(first % 3, second % 4, 0)
            self.run(7, 0 if third & 1 else 255, 1 << (third >> 4) % 8)
            self.check()
            self.run(7, 0, 0)
            self.check()
            self.clock.forward((5, 200, 1000, 5000)[(third >> 2) % 4])
            self.boot[NODES[first % 3]] += at

    def _step(self, case: Case, holder: str, outcome: str, dies: bool, late: bool) -> bool:
        """One step of one case; False if the run died in it."""
        step = str(case.step)
        before = self._state()
        nodes = self.engine.nodes() if self.engine_works else None
        grant = self.ledger.begin_step(case.id, step, holder, self.settings, nodes)
        if not grant.proceed:
            return True
        self.check_grant(case, step, grant, before)
        if dies and not late:
            return False
        outcome = self._act(grant, step, outcome)
        if dies:
            return False
        detail = {"boot": f"{BOOT}{self.boot[case.node]}"} if step in ("reboot", "power_cycle") else {}
        self.ledger.finish_step(case.id, step, holder, outcome, detail, self.settings, 5.0)
        if step == "validate" and outcome == "done":
            self.proven.add(case.id)
        if step == "await_idle" and outcome == "done":
            self.idle[case.id] = (self.clock.now, self._newest_boot(case.node_id))
        return True

    def _act(self, grant: Grant, step: str, outcome: str) -> str:
        """What the step does to the site; how it ended."""
        node, token = grant.context["node"], grant.context["attempt_token"]
        if step in ("cordon", "resume") and (node in self.kim or not self.engine_works):
            return "refused" if node in self.kim else "failed"
        if step == "cordon" and outcome != "refused":
            self.engine.reason[node] = grant.context["reason"]
        elif step == "resume" and outcome == "done":
            self.give_back(grant)
        elif step == "drain":
            if grant.context["force"]:
                self.engine.jobs[node] = ()
            return "waiting" if self.engine.jobs[node] else "done"
        elif step == "await_idle":
            return "waiting" if self.engine.jobs[node] else "done"
        elif step == "await_clear":
            return "done" if grant.context["cleared"] else "waiting"
        elif step in REPAIRS:
            if outcome == "refused":
                return outcome
            if token not in self.acted:
                self.acted.add(token)
                self.unproven.add(node)
                if step in ("reboot", "power_cycle"):
                    self.boot[node] += 100
        elif step == "validate" and outcome == "done":
            self.unproven.discard(node)
        return "failed" if step == "cordon" and outcome == "waiting" else outcome

    def give_back(self, grant: Grant) -> None:
        node, case_id = grant.context["node"], int(grant.context["token"].partition(":")[2])
        if not self.engine.reason[node]:
            return
        rule(self.engine.reason[node].partition(" ")[0] == grant.context["token"], "another owner's node", node)
        rule(case_id in self.proven, "a return without a passed validation", node)
        rule(node not in self.unproven, "a return without a validation after the repair", node)
        kinds = [(event.step, event.detail.get("outcome")) for event in self.ledger.timeline(case_id)]
        rule(("validate", "done") in kinds, "a return without a recorded validation", node)
        self.engine.reason[node] = ""

    def _contain(self, case_ids: list[int]) -> None:
        before = self._state()
        calls = len(self.engine.calls)
        works = self.engine.nodes
        if not self.engine_works:
            self.engine.nodes = _broken  # type: ignore[method-assign]
        try:
            decided = contain(self.ledger, self.settings, self.engine, case_ids)
        except EngineError:
            decided = []
        finally:
            self.engine.nodes = works  # type: ignore[method-assign]
        for case_id, verdict in decided:
            if verdict.allowed:
                case = self.ledger.case(case_id)
                self.check_removal(case, before, {call for calls_ in self.engine.calls[calls:] for call in calls_[1:]})

    # --- the rules ------------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        """What is out, what was granted, and what runs, before something is asked."""
        running = self._sql(
            "SELECT c.node, a.step FROM attempts a JOIN cases c ON c.id = a.case_id WHERE ended_at IS NULL"
        )
        taken = {node for node, step in running if step == "cordon"}
        out = {name for name, reason in self.engine.reason.items() if reason}
        owners = {name: reason.partition(" ")[0] for name, reason in self.engine.reason.items()}
        return {"out": out | taken, "owners": owners, "repairs": sum(1 for _node, step in running if step in REPAIRS)}

    def check_grant(self, case: Case, step: str, grant: Grant, before: dict[str, Any]) -> None:
        node, token = case.node, grant.context["attempt_token"]
        rule(self.ledger.controls()["paused_by"] is None, "something was granted while paused", step)
        gated = step in ("cordon", "resume", *REPAIRS)
        if gated:
            rule(self._left_alone("node", node) is False, "a node that is to be left alone", node, step)
        owner = self.engine.reason[node].partition(" ")[0] if node in self.engine.reason else ""
        if step in REPAIRS and CLASSES[case.fault_class].removes_node:
            rule(owner == case.token, "a repair on a node that is not ours", node, step)
            rule(not self.engine.jobs[node], "a repair under a running job", node, step)
        if step in (*REPAIRS, "cordon"):
            # What restarts a service asks no scheduler, so one that cannot be read does not stop it.
            rule(node not in self.kim or grant.resumed or not self.engine_works, "a node of Kim's", node, step)
        if grant.resumed:
            return
        rule(token not in self.acted, "an attempt was granted twice", token)
        if step == "await_idle":
            self.check_fresh(case, step, before)
        elif step == "cordon":
            self.check_removal(case, before, {node})
        elif step in REPAIRS:
            rule(before["repairs"] < self.settings.gate.parallel_repairs, "too many repairs at once", before)
            self.check_caps(case, step, grant)
            self.check_stops(case, step)
            if not CLASSES[case.fault_class].removes_node:
                self.check_fresh(case, step, before)

    def check_removal(self, case: Case, before: dict[str, Any], at_once: set[str]) -> None:
        """``at_once``: every node that the same call has taken out; they count for each other."""
        node = case.node
        rule(node not in self.kim, "a node of Kim's was taken", node)
        self.check_stops(case, "cordon")
        self.check_fresh(case, "cordon", before)
        rule(self._left_alone("node", node) is False, "a node that is to be left alone", node)
        if node in before["out"]:
            return
        out = (before["out"] | at_once) & set(NODES)
        pool = [name for name in NODES if POOLS[name] == POOLS[node]]
        rule(len(out) <= OUT_MAX, "more nodes out than may be", out)
        allowed = max(1, int(len(pool) * PERCENT / 100))
        rule(len(out & set(pool)) <= allowed, "more than the percentage", out)
        rule(sum(RACKS[name] == RACKS[node] for name in out) <= PER_RACK, "more in one rack", out)
        rule(sum(LEAVES[name] == LEAVES[node] for name in out) <= PER_LEAF, "more on one leaf", out)
        for job in self.engine.jobs[node]:
            losing = sum(job in self.engine.jobs[name] for name in out)
            rule(losing <= PER_JOB, "a job lost more nodes than it may", job, out)

    def check_stops(self, case: Case, step: str) -> None:
        rule(self.ledger.controls()["breaker"] is None, "a removal while the breaker is tripped", case.node, step)
        if self._left_alone("class", case.fault_class):
            rule(False, "a class that is to be left alone", case.fault_class)
        if case.fault_class == "node_unreachable" and RACKS[case.node] is not None:
            larger = self._sql(
                "SELECT f.fault_class FROM cases c JOIN faults f ON f.case_id = c.id WHERE c.closed_at IS NULL "
                "AND c.node = ?",
                f"rack:{RACKS[case.node]}",
            )
            rule(("rack_unreachable",) not in larger, "a node of a rack with a case of its own", case.node)

    def check_fresh(self, case: Case, step: str, before: dict[str, Any]) -> None:
        now = self.clock.now
        given = self.approved.get((case.id, step))
        if given is not None and now - given <= DAY:
            return
        if before["owners"].get(case.node) == case.token:
            # It is out for this very case; the run that did it died before it could say so.
            return
        boot = self._newest_boot(case.node_id)
        lines = [at for at, spoken in self.lines[case.node] if spoken == boot or not boot]
        alerts = [at for (node, _name), (_signal, at) in self.firing.items() if node == case.node]
        waited = self.idle.get(case.id)
        times = [*lines, *alerts, *([waited[0]] if waited is not None and waited[1] == boot else [])]
        rule(any(now - at <= MAX_AGE for at in times), "acted on stale evidence", case.node, step, times, now)

    def check_caps(self, case: Case, step: str, grant: Grant) -> None:
        kind = "reset" if step == "reset_group" else step
        devices = tuple(grant.context["devices"]) if kind == "reset" else ("node",)
        self.grants.append((case.node, kind, devices, self.clock.now))
        if kind not in CAPS:
            return
        for device in devices:
            recent = [
                at
                for node, other, touched, at in self.grants
                if node == case.node and other == kind and device in touched and at > self.clock.now - DAY
            ]
            rule(len(recent) <= CAPS[kind] + self._refused(case.node, kind), "more than the cap", case.node, kind)

    def check(self) -> None:
        """What always holds."""
        rule(all(self.engine.reason[node] == KIM for node in self.kim), "a drain of Kim's was undone", self.kim)
        cases = self.ledger.cases()
        rule(self.cases <= {case.id for case in cases}, "a case is lost", self.cases)
        opened = [case for case in cases if case.closed_at is None]
        rule(len({case.node for case in opened}) == len(opened), "two open cases of one node")
        for case in opened:
            # It is due some day, or says why it waits for a person.
            waits = case.state == "quarantined" or case.hold_reason in (*LASTING, "step_failed")
            rule(case.due_at is not None or waits, "a case that nobody takes up", case)
        for node, reason in self.engine.reason.items():
            if reason.startswith(OWNER_PREFIX):
                rule(int(reason[len(OWNER_PREFIX) :].partition(" ")[0]) in self.cases, "a node that no case took", node)

    def everything_comes_to_an_end(self) -> None:
        """When people allow everything and nothing fails, no case goes on for ever."""
        self.told.append("everything comes to an end")
        self.engine_works = True
        self.ledger.pause(False, "kim")
        for key, _until in list(self.left_alone.items()):
            self.ledger.end_opt_out(*key)
        self.left_alone.clear()
        for node in list(self.kim):
            self.kim.discard(node)
            self.engine.reason[node] = ""
        for signal, _at in list(self.firing.values()):
            self._record(replace(signal, cleared=True))
        self.firing.clear()
        self.engine.jobs = dict.fromkeys(NODES, ())
        self.ledger.reclaim_dead(lambda holder: False)
        for _round in range(60):
            self.ledger.rearm("kim")
            self.clock.forward(700)
            if not self._open_cases():
                return
            for case in self._open_cases():
                if case.state == "quarantined":
                    # A person has repaired it by hand.
                    self.ledger.cancel(case.id, "kim")
                    self.engine.reason.update({case.node: ""} if case.node in NODES else {})
                    continue
                # What no person wants to approve is cancelled: a node in Kim's hands now, or in service again.
                if case.hold_reason in ("not_contained", "step_failed", "mode_observe"):
                    self.ledger.cancel(case.id, "kim")
                elif case.step is not None and self.ledger.approve(case.id, "kim"):
                    self.approved[case.id, case.step] = self.clock.now
            self.run(7, 0, 0)
            self.check()
        rule(False, "cases that never end", self._open_cases())

    # --- helpers --------------------------------------------------------------------------------------------------

    def _open(self) -> Ledger:
        # Only here: what these histories kill is a process, never the machine, and one process at a time is alive.
        with mock.patch.object(SqliteStore, "_use_wal", _be_fast):
            ledger = Ledger(str(self.folder / "ledger.sqlite"), self.clock)
        ledger._store._db.execute("PRAGMA synchronous = OFF")  # type: ignore[attr-defined]
        return ledger

    def _sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.ledger._store.reading() as db:
            return [tuple(row) for row in db.execute(statement, values)]

    def _newest_boot(self, node_id: str) -> str:
        newest = self._sql("SELECT boot FROM boots WHERE node_id = ? ORDER BY rank DESC LIMIT 1", node_id)
        return str(newest[0][0]) if newest else ""

    def _open_cases(self) -> list[Case]:
        return [case for case in self.ledger.cases() if case.closed_at is None]

    def _left_alone(self, kind: str, name: str) -> bool:
        return self.left_alone.get((kind, name), 0.0) > self.clock.now

    def _refused(self, node: str, kind: str) -> int:
        """Attempts that the node did not allow were none."""
        steps = ("reset", "reset_group") if kind == "reset" else (kind,)
        return sum(
            self._sql(
                "SELECT count(*) FROM attempts a JOIN cases c ON c.id = a.case_id WHERE c.node = ? AND a.step = ? "
                "AND a.outcome = 'refused'",
                node,
                step,
            )[0][0]
            for step in steps
        )

    def _signal(self, lane: str, node: str, fault: str | None, device: str, action: str) -> Signal:
        self.number += 1
        return Signal(
            lane=lane,
            node=node,
            boot=f"{BOOT}{self.boot[node]}" if lane == "kernel" else None,
            observed_at=self.clock.now,
            dedup_key=f"{lane} {self.number}",
            text="text",
            recognition=Recognition(fault, device, 79, action) if fault is not None else None,
        )

    def _line(self, first: int, second: int, third: int) -> Signal:
        action = ("", "", "", "reboot", "none", "support")[third % 6]
        return self._signal("kernel", NODES[first % 8], LINES[second % len(LINES)], DEVICES[(third >> 4) % 2], action)

    def _alert(self, node: str, fault: str) -> Signal:
        known = self.firing.get((node, fault))
        device = "node" if CLASSES[fault].device == "" else DEVICES[0]
        return known[0] if known is not None else self._signal("alert", node, fault, device, "")

    def _send(self, *signals: Signal) -> None:
        for signal in signals:
            if signal.lane == "alert" and signal.recognition is not None:
                self.firing[signal.node, signal.recognition.fault_class] = (signal, self.clock.now)
            else:
                self.sent.append(signal)
        self._record(*signals)

    def _record(self, *signals: Signal) -> None:
        for signal in signals:
            seen = signal.recognition
            if signal.lane == "kernel" and seen is not None and seen.action != "none":
                self.lines[signal.node].append((min(signal.observed_at, self.clock.now), str(signal.boot)))
        result = self.ledger.record(signals, None, self.settings)
        self.cases.update(result.new_case_ids)
        self._contain([*result.new_case_ids, *result.merged_case_ids])


def _be_fast(store: SqliteStore) -> None:
    store._db.execute("PRAGMA locking_mode = EXCLUSIVE")
    store._db.execute("PRAGMA journal_mode = MEMORY")


def _broken() -> dict[str, Any]:
    raise EngineError("slurmctld does not answer")


def _settings(folder: Path, variant: int) -> Any:
    modes = dict.fromkeys(ACTIONS, "act")
    if variant & 1:
        modes["reboot"] = "approve"
    return parse_settings(
        {
            "schema_version": 1,
            "ledger": str(folder / "ledger.sqlite"),
            "evidence_dir": "/none",
            "ticket_dir": "/none",
            "alertmanager": {"urls": [], "watchdog_alert": None},
            "nodes": {
                name: {"pool": POOLS[name], "rack": RACKS[name], "leaf": LEAVES[name], "spare": name == "n7"}
                for name in NODES
            },
            "gate": {
                "out_percent": PERCENT,
                "out_max": OUT_MAX,
                "per_rack": PER_RACK,
                "per_leaf": PER_LEAF,
                "per_job": PER_JOB,
                "parallel_repairs": 1 + (variant >> 1) % 2,
                "event_max_age_seconds": MAX_AGE,
                "force_after_deadline": bool(variant & 4),
                "storm_nodes": 6,
                "breaker_failures": 2,
                "breaker_rearm_seconds": 1800 if variant & 8 else None,
                "flap_failures": 1 + (variant >> 5) % 3,
                "lemon_cases": 1 + (variant >> 6) % 4,
                "modes": modes,
                "class_modes": {"gpu_stopped": "approve"} if variant & 16 else {},
            },
        }
    )


# How often each event happens in comparison: a byte of the program chooses one.
EVENTS: tuple[Callable[[History, int, int, int], None], ...] = (
    *[History.run] * 18,
    *[History.line] * 10,
    *[History.alert] * 8,
    *[History.time_passes] * 10,
    *[History.poll] * 3,
    *[History.tick] * 3,
    *[History.old_news] * 4,
    *[History.clear] * 3,
    *[History.jobs] * 3,
    *[History.kim_takes] * 3,
    *[History.kim_gives_back] * 3,
    *[History.restart] * 2,
    *[History.approve] * 3,
    *[History.rearm] * 3,
    *[History.leave_alone] * 2,
    *[History.pause] * 2,
    *[History.a_bad_day] * 3,
    History.storm,
    History.reordered,
    History.clock_goes_back,
    History.reboot_by_itself,
    History.engine_fails,
    History.cancel,
)

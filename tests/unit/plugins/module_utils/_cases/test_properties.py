# Random histories of faults, replays, foreign drains, pauses and crashes: what must never happen does not.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import BOOT, MEMORY, Clock, Site

pytestmark = pytest.mark.slow

NODES = [f"gpu{number}" for number in range(1, 7)]
FAULTS = ["gpu_fell_off_bus", "gpu_row_remap_failure", "gpu_ecc_uncorrectable", "gpu_count_low", "ansible_run_failed"]
OUT_MAX = 3
DAY = 86400.0


class Loop(RuleBasedStateMachine):
    """The loop against a scheduler and hardware in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.clock = Clock()
        self.site = Site(Path(self.folder.name), self.clock, nodes=len(NODES), out_max=OUT_MAX, breaker_failures=4)
        self.boot = dict.fromkeys(NODES, 100)
        self.sent: list[Signal] = []
        self.kim: set[str] = set()
        # Times of real destructive actions by (node, step).
        self.done: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
        self.acted: set[str] = set()
        self.last_repair_unvalidated: set[str] = set()

    def teardown(self) -> None:
        self.site.ledger.close()
        self.folder.cleanup()

    # --- what happens outside ---------------------------------------------------------------------------------------

    @rule(node=st.sampled_from(NODES), fault=st.sampled_from(FAULTS[:3]))
    def line(self, node: str, fault: str) -> None:
        self.send(self.site.line(node, fault, boot=self.boot[node]))

    @rule(node=st.sampled_from(NODES), fault=st.sampled_from(FAULTS), cleared=st.booleans())
    def alert(self, node: str, fault: str, cleared: bool) -> None:
        self.send(self.site.alert(node, fault, cleared=cleared))

    @rule(data=st.data())
    def replay(self, data: Any) -> None:
        """An old line once more, under its own key or under a new one, with a bit of an archive in one batch."""
        if self.sent:
            again = data.draw(st.lists(st.sampled_from(self.sent), max_size=5))
            self.site.record(
                *again, *(replace(item, dedup_key=f"again {len(self.sent)} {item.dedup_key}") for item in again)
            )

    def send(self, signal: Signal) -> None:
        self.sent.append(signal)
        result = self.site.record(signal)
        contain(self.site.ledger, self.site.settings, self.site.engine, [*result.new_case_ids, *result.merged_case_ids])

    @rule(seconds=st.sampled_from([1, 31, 299, 901, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.forward(seconds)

    @rule(node=st.sampled_from(NODES))
    def kim_takes_a_node(self, node: str) -> None:
        self.site.engine.reason[node] = "Kim works here"
        self.kim.add(node)

    @rule(node=st.sampled_from(NODES))
    def kim_gives_it_back(self, node: str) -> None:
        if node in self.kim:
            self.kim.discard(node)
            self.site.engine.reason[node] = ""

    @rule(on=st.booleans())
    def pause(self, on: bool) -> None:
        self.site.ledger.pause(on, "kim")

    @rule()
    def rearm(self) -> None:
        self.site.ledger.rearm("kim")

    # --- what the playbook does ---------------------------------------------------------------------------------------

    @rule(
        outcome=st.sampled_from(["done", "done", "done", "failed", "waiting", "untouched"]),
        crash=st.sampled_from([None, None, None, "begun", "acted"]),
        steps=st.integers(1, 8),
    )
    def run(self, outcome: str, crash: str | None, steps: int) -> None:
        for _number in range(steps):
            cases = self.site.ledger.lease(None, self.site.holder, 600)
            if not cases:
                return
            case = cases[0]
            step = str(case.step)
            grant = self.site.begin(case.id, step)
            if not grant.proceed:
                continue
            self.check_grant(case.id, case.node, step, grant)
            if crash == "begun":
                return
            # Nothing was done, and the step can say so; of one that was begun before nobody can.
            untouched = outcome == "untouched" and not grant.resumed
            ended = "failed" if outcome == "untouched" else outcome
            if not untouched:
                self.act(case.id, case.node, step, grant, ended)
            if crash == "acted":
                return
            detail: dict[str, Any] = {"boot": f"{BOOT}{self.boot[case.node]}"} if step == "reboot" else {}
            self.site.finish(case.id, step, ended, **detail, **({"reached": False} if untouched else {}))

    def check_grant(self, case_id: int, node: str, step: str, grant: Any) -> None:
        assert self.site.ledger.controls()["paused_by"] is None
        ours = self.site.engine.reason[node].partition(" ")[0] == f"aidc.ops:{case_id}"
        if step in ("reset", "reboot"):
            assert ours, "a node that is not ours, or in service, must not be repaired"
        if not grant.resumed:
            assert grant.context["attempt_token"] not in self.acted
        if step == "cordon" and not grant.resumed:
            assert node not in self.kim
        if step == "resume":
            assert grant.resumed or ours or not self.site.engine.reason[node]
            assert node not in self.last_repair_unvalidated, "no return without a validation"

    def act(self, case_id: int, node: str, step: str, grant: Any, outcome: str) -> None:
        engine = self.site.engine
        if step == "cordon" and node not in self.kim:
            engine.drain([node], {node: grant.context["reason"]})
        elif step == "resume" and node not in self.kim:
            engine.resume(node, grant.context["token"])
        elif step in ("reset", "reboot") and grant.context["attempt_token"] not in self.acted:
            self.acted.add(grant.context["attempt_token"])
            self.last_repair_unvalidated.add(node)
            self.done[node, step].append(self.clock.now)
            if step == "reboot":
                self.boot[node] += 100
        elif step == "validate" and outcome == "done":
            self.last_repair_unvalidated.discard(node)

    # --- what must always hold --------------------------------------------------------------------------------------

    @invariant()
    def kims_nodes_stay_kims(self) -> None:
        assert all(self.site.engine.reason[node] == "Kim works here" for node in self.kim)

    @invariant()
    def no_more_nodes_out_than_allowed(self) -> None:
        ours = [reason for reason in self.site.engine.reason.values() if reason.startswith("aidc.ops:")]
        assert len(ours) <= OUT_MAX

    @invariant()
    def one_open_case_for_each_node(self) -> None:
        opened = [case.node for case in self.site.ledger.cases() if case.closed_at is None]
        assert len(opened) == len(set(opened))

    @invariant()
    def caps_hold(self) -> None:
        for (_node, step), times in self.done.items():
            recent = [at for at in times if at > self.clock.now - DAY]
            assert len(recent) <= 2, step

    @invariant()
    def every_open_case_can_go_on(self) -> None:
        """A case is due some day, or says why it waits for a person."""
        for case in self.site.ledger.cases():
            if case.closed_at is None and case.due_at is None:
                assert case.state == "quarantined" or (case.state == "held" and case.hold_reason)


TestLoop = Loop.TestCase
TestLoop.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

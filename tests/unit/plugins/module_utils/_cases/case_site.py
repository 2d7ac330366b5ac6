# A controller in miniature for tests: settings, a clock, a scheduler in memory, and somebody who does the steps.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import ACTIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings, parse_settings
from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._errors import ForeignDrainError
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition

START = 1_790_000_000.0
# Thousands of durable commits are slow on a disk; what these tests kill is a process, not the machine.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
BOOT = "5f0c1f5e-0000-4000-8000-000000000001:"


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class FakeEngine:
    """A scheduler in memory that keeps the rule about other owners, and what was asked of it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.reason = dict.fromkeys(names, "")
        self.jobs: dict[str, tuple[int, ...]] = dict.fromkeys(names, ())
        self.calls: list[tuple[str, ...]] = []

    def nodes(self) -> dict[str, EngineNode]:
        return {
            name: EngineNode(
                name=name,
                states=("idle", "drain") if reason else ("idle",),
                reason=reason,
                out=bool(reason),
                drained=bool(reason) and not self.jobs[name],
                automatic=False,
                jobs=self.jobs[name],
            )
            for name, reason in self.reason.items()
        }

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        self.calls.append(("drain", *names))
        foreign = {name: self.reason[name] for name in names if self._foreign(name)}
        for name in names:
            if name not in foreign:
                self.reason[name] = reasons[name]
        if foreign:
            raise ForeignDrainError("somebody else's", foreign)
        return True

    def resume(self, name: str, owner_token: str) -> bool:
        self.calls.append(("resume", name))
        if not self.reason[name]:
            return False
        if self.reason[name].partition(" ")[0] != owner_token:
            raise ForeignDrainError("somebody else's", {name: self.reason[name]})
        self.reason[name] = ""
        return True

    def _foreign(self, name: str) -> bool:
        return bool(self.reason[name]) and not self.reason[name].startswith(OWNER_PREFIX)


class Site:
    """One controller with its ledger: makes signals, and plays the part of the playbook."""

    holder = "ctl:1:1"

    def __init__(self, path: Path, clock: Clock, **changes: Any) -> None:
        self.path = path
        self.clock = clock
        self.settings = make_settings(path, **changes)
        self.ledger = Ledger(self.settings.ledger, clock)
        self.engine = FakeEngine(list(self.settings.nodes))
        self._numbers = itertools.count()

    def select(self, statement: str) -> list[tuple[Any, ...]]:
        """What the ledger holds, past its own methods."""
        with self.ledger._store.reading() as db:
            return [tuple(row) for row in db.execute(statement)]

    def gate(self, **changes: Any) -> None:
        """Changes limits of the gate."""
        self.settings = replace(self.settings, gate=replace(self.settings.gate, **changes))

    def line(self, node: str = "gpu2", fault: str = "gpu_fell_off_bus", boot: int = 100, **changes: Any) -> Signal:
        """A kernel line about one GPU, seen now."""
        signal = Signal(
            lane="kernel",
            node=node,
            boot=f"{BOOT}{boot}",
            observed_at=self.clock.now,
            dedup_key=f"line-{next(self._numbers)}",
            text="NVRM: Xid",
            recognition=Recognition(fault, "gpu:0000:1b:00", 79),
        )
        return replace(signal, **changes)

    def alert(self, node: str = "gpu3", fault: str = "gpu_row_remap_failure", **changes: Any) -> Signal:
        """An alert that fires since now."""
        signal = Signal(
            lane="alert",
            node=node,
            boot=None,
            observed_at=self.clock.now,
            dedup_key=f"alert-{node}-{fault}",
            text="summary",
            recognition=Recognition(fault, "node" if fault == "ansible_run_failed" else "gpu:0000:1b:00", None),
        )
        return replace(signal, **changes)

    def record(self, *signals: Signal) -> Any:
        return self.ledger.record(signals, None, self.settings)

    def begin(self, case_id: int, step: str) -> Any:
        """Leases the case and begins the step."""
        self.ledger.lease([case_id], self.holder, 600)
        return self.ledger.begin_step(case_id, step, self.holder, self.settings, self.engine.nodes())

    def finish(self, case_id: int, step: str, outcome: str = "done", **detail: Any) -> Any:
        return self.ledger.finish_step(case_id, step, self.holder, outcome, detail, self.settings)

    def do(self, case_id: int, *steps: str) -> Any:
        """Does the named steps in order, with their effect on the scheduler; each has to be granted."""
        following = None
        for step in steps:
            grant = self.begin(case_id, step)
            assert grant.proceed, (step, grant)
            if step == "cordon":
                self.engine.drain([grant.context["node"]], {grant.context["node"]: grant.context["reason"]})
            elif step == "resume":
                self.engine.resume(grant.context["node"], grant.context["token"])
            following = self.finish(case_id, step)
        return following


def ledger_location(folder: Path) -> str:
    """Where a test keeps the ledger of that folder: in a file there, or on the server that tests/ledger has started."""
    if "AIDC_OPS_TEST_POSTGRESQL" not in os.environ:
        return str(folder / "ledger.sqlite")
    from ansible_collections.aidc.ops.tests.ledger.postgres import schema_url

    return schema_url(folder)


def make_settings(path: Path, nodes: int = 8, mode: str = "act", **gate: Any) -> Settings:
    """Settings with wide limits, so that a test meets only the limit it is about."""
    modes = dict.fromkeys(ACTIONS, mode)
    limits = {"out_percent": 100, "per_rack": 1000, "out_max": 1000, "storm_nodes": 1000, "modes": modes, **gate}
    return parse_settings(
        {
            "schema_version": 1,
            "ledger": ledger_location(path),
            "evidence_dir": str(path / "evidence"),
            "ticket_dir": str(path / "tickets"),
            "alertmanager": {"urls": [], "watchdog_alert": None},
            "nodes": {f"gpu{number}": {"pool": "gpu"} for number in range(1, nodes + 1)},
            "gate": limits,
        }
    )

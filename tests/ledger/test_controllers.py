# Two controllers work on one ledger at once, as fast as they can: each action happens once, and no limit is exceeded.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import make_settings

CASES = 500
OUT_MAX = 60
REPAIRS = 8
REPAIRING = ("reset", "reboot", "reset_group", "power_cycle", "reload_driver")
WORK_SECONDS = 15.0


class Hall:
    """The nodes as files: one for each node that is out, one for each repair that runs, a line for each action."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self.names = names
        for name in ("out", "repairs"):
            (folder / name).mkdir(exist_ok=True)

    def note(self, **entry: Any) -> None:
        with open(self.folder / "actions", "ab", buffering=0) as stream:
            stream.write(json.dumps(entry).encode() + b"\n")

    def actions(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "actions").read_bytes().splitlines()]

    def nodes(self) -> dict[str, EngineNode]:
        reasons = {}
        for path in (self.folder / "out").iterdir():
            try:
                reasons[path.name] = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
        # As with any scheduler, the answer is old when it arrives.
        time.sleep(random.uniform(0, 0.02))
        return {
            name: EngineNode(name, ("idle",), reasons.get(name, ""), name in reasons, name in reasons, False, ())
            for name in self.names
        }

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        for name in names:
            # It is no error that a node is out already, but nobody may have asked before.
            first = self._make("out", name, reasons[name])
            self.note(action="drain", node=name, first=first, out=len(os.listdir(self.folder / "out")))
        return True

    def resume(self, name: str) -> None:
        (self.folder / "out" / name).unlink()
        self.note(action="resume", node=name)

    def repair(self, token: str) -> None:
        first = self._make("repairs", token, "")
        self.note(action="repair", token=token, first=first, running=len(os.listdir(self.folder / "repairs")))
        (self.folder / "repairs" / token).unlink()

    def _make(self, folder: str, name: str, text: str) -> bool:
        path = self.folder / folder / name
        draft = self.folder / f"{name}.{os.getpid()}"
        draft.write_text(text, encoding="utf-8")
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True


def settings_of(folder: Path) -> Any:
    return make_settings(folder, nodes=CASES, out_max=OUT_MAX, parallel_repairs=REPAIRS)


def faults(names: Sequence[str]) -> list[Signal]:
    seen = Recognition("gpu_fell_off_bus", "gpu:0000:1b:00", 79)
    return [Signal("kernel", name, "b:1", time.time() - 1, f"key-{name}", "NVRM: Xid", seen) for name in names]


def control(folder: Path, number: int) -> None:
    """The life of one controller: takes in all signals (the other one gets the same), contains, does steps."""
    dice = random.Random(number)
    settings = settings_of(folder)
    hall = Hall(folder, list(settings.nodes))
    ledger = Ledger(settings.ledger)
    holder = f"host{number}:{os.getpid()}:1"
    signals = faults(hall.names)
    dice.shuffle(signals)
    end = time.monotonic()
    while time.monotonic() < end + WORK_SECONDS:
        if signals:
            made = ledger.record(signals[:50], None, settings).new_case_ids
            del signals[:50]
            contain.contain(ledger, settings, hall, made)
            end = time.monotonic()
        due = ledger.due(time.time(), limit=20)
        contain.contain(ledger, settings, hall, due)
        for case in ledger.lease(due, holder, 120):
            work(ledger, settings, hall, holder, case.id, str(case.step))
        ledger.release(holder)
        if not due and not signals:
            time.sleep(0.05)


def work(ledger: Ledger, settings: Any, hall: Hall, holder: str, case_id: int, step: str) -> None:
    while True:
        grant = ledger.begin_step(case_id, step, holder, settings, hall.nodes())
        if not grant.proceed:
            return
        hall.note(action="step", case=case_id, step=step, attempt=grant.attempt, resumed=grant.resumed)
        if step == "cordon":
            hall.drain([grant.context["node"]], {grant.context["node"]: grant.context["reason"]})
        elif step == "resume":
            hall.resume(grant.context["node"])
        elif step in REPAIRING:
            hall.repair(grant.context["attempt_token"])
        following = ledger.finish_step(case_id, step, holder, "done", {}, settings)
        if following.step is None or following.due_at is None or following.due_at > time.time():
            return
        step = following.step


def test_two_controllers_one_action_per_case(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    Ledger(settings.ledger).close()
    context = multiprocessing.get_context("fork")
    controllers = [context.Process(target=control, args=(tmp_path, number)) for number in (1, 2)]
    for controller in controllers:
        controller.start()
    for controller in controllers:
        controller.join(WORK_SECONDS + 240)
    assert [controller.exitcode for controller in controllers] == [0, 0]

    ledger = Ledger(settings.ledger, read_only=True)
    cases = ledger.cases()
    assert Counter(case.node for case in cases) == Counter(dict.fromkeys(settings.nodes, 1)), "one case for each node"
    actions = Hall(tmp_path, []).actions()
    drains = [entry for entry in actions if entry["action"] == "drain"]
    assert len(drains) >= OUT_MAX
    assert max(entry["out"] for entry in drains) <= OUT_MAX
    assert max(Counter(entry["node"] for entry in drains).values()) == 1 and all(entry["first"] for entry in drains)
    repairs = [entry for entry in actions if entry["action"] == "repair"]
    assert repairs and max(entry["running"] for entry in repairs) <= REPAIRS
    assert max(Counter(entry["token"] for entry in repairs).values()) == 1
    steps = Counter((entry["case"], entry["step"], entry["attempt"]) for entry in actions if entry["action"] == "step")
    assert max(steps.values()) == 1, "each attempt is granted once"
    assert not any(entry.get("resumed") for entry in actions), "nobody goes on with what somebody else is doing"
    with ledger._store.reading() as db:
        doubled = db.execute(
            "SELECT case_id, step, number FROM attempts WHERE step <> 'cordon' OR outcome = 'done' "
            "GROUP BY case_id, step, number HAVING count(*) > 1"
        ).fetchall()
    assert [tuple(row) for row in doubled] == []
    # The nodes that are out are those whose cases say so.
    returned = {case.node for case in cases if case.state == "returned"}
    assert not returned & set(os.listdir(tmp_path / "out"))

# Proof that a kill at any moment loses nothing and repeats no destructive step.
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ways. Exhaustive: a worker is stopped before and after each single thing it does, one point at a time. At random:
a real process is killed with SIGKILL again and again, and its successor goes on with what it finds on the disk.
The hardware is a folder of files; a destructive step is a file that may be made once for each attempt."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Grant, Signal
from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import START, make_settings

pytestmark = pytest.mark.slow

DESTRUCTIVE = ("reset", "reboot", "restart_service")


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test catches it."""


class Worker:
    """One life of a run: takes what is due and does it, with the real ledger and hardware made of files."""

    def __init__(self, folder: Path, life: int, checkpoint: Callable[[str], None]) -> None:
        self.folder = folder
        self.holder = f"ctl:{life}:1"
        self.checkpoint = checkpoint
        self.settings = make_settings(folder)
        self.ledger = Ledger(self.settings.ledger, self.clock)

    def clock(self) -> float:
        """Time goes on from life to life; one tick for each round of work."""
        return START + 31.0 * os.path.getsize(self.folder / "ticks")

    def take_in(self, signals: list[Signal]) -> None:
        position = int(self.ledger.cursor("kernel_log") or 0)
        for at, item in enumerate(signals):
            if at >= position:
                self.checkpoint("before record")
                self.ledger.record([item], ("kernel_log", str(at + 1)), self.settings)
                self.checkpoint("after record")

    def work(self) -> None:
        while True:
            # The time that passes between two runs; leases of the dead are taken back.
            with open(self.folder / "ticks", "ab") as stream:
                stream.write(b".")
            self.ledger.reclaim_dead(lambda holder: holder == self.holder)
            self.checkpoint("before lease")
            cases = self.ledger.lease(None, self.holder, 600)
            self.checkpoint("after lease")
            if not cases:
                return
            for case in cases:
                self.step(case.id, str(case.step))

    def step(self, case_id: int, step: str) -> None:
        grant = self.ledger.begin_step(case_id, step, self.holder, self.settings, self.nodes())
        self.checkpoint(f"begun {step}")
        if not grant.proceed:
            return
        self.note(grant, step)
        outcome = self.act(grant, step)
        self.checkpoint(f"acted {step}")
        self.ledger.finish_step(case_id, step, self.holder, outcome, {}, self.settings)
        self.checkpoint(f"finished {step}")

    def note(self, grant: Grant, step: str) -> None:
        """What was granted, for the proof afterwards."""
        with open(self.folder / "grants", "a", encoding="utf-8") as stream:
            entry = {"step": step, "token": grant.context["attempt_token"], "resumed": grant.resumed}
            stream.write(json.dumps(entry) + "\n")

    def act(self, grant: Grant, step: str) -> str:
        node = self.folder / "nodes" / grant.context["node"]
        if step == "cordon":
            node.write_text(grant.context["reason"], encoding="utf-8")
        elif step == "resume":
            node.write_text("", encoding="utf-8")
        elif step in DESTRUCTIVE:
            marker = self.folder / "markers" / grant.context["attempt_token"]
            if not grant.resumed:
                # As the modules on the node do: making the marker is the point of no return.
                marker.touch(exist_ok=False)
            elif not marker.exists():
                self.checkpoint(f"verified {step}")
                marker.touch(exist_ok=False)
        elif step == "validate" and grant.context["fault_class"] == "gpu_row_remap_failure":
            return "failed"
        return "done"

    def nodes(self) -> dict[str, EngineNode]:
        shown = {}
        for path in (self.folder / "nodes").iterdir():
            reason = path.read_text(encoding="utf-8")
            shown[path.name] = EngineNode(path.name, ("idle",), reason, bool(reason), bool(reason), False, ())
        return shown


def signals() -> list[Signal]:
    """Two nodes, one of which does not heal, and a run that failed; with a repetition."""
    return [
        Signal("kernel", "gpu2", "b:1", START, "k1", "xid", Recognition("gpu_fell_off_bus", "gpu:0000:1b:00", 79)),
        Signal("kernel", "gpu2", "b:1", START, "k1", "xid", Recognition("gpu_fell_off_bus", "gpu:0000:1b:00", 79)),
        Signal(
            "alert", "gpu3", None, START, "a1", "alert", Recognition("gpu_row_remap_failure", "gpu:0000:1b:00", None)
        ),
        Signal("alert", "gpu4", None, START, "a2", "alert", Recognition("ansible_run_failed", "node", None)),
    ]


def prepare(folder: Path) -> None:
    for name in ("nodes", "markers"):
        (folder / name).mkdir()
    (folder / "ticks").touch()
    for node in ("gpu2", "gpu3", "gpu4"):
        (folder / "nodes" / node).write_text("", encoding="utf-8")


def check(folder: Path) -> None:
    """Everything happened once: cases, their ends, the state of the nodes, and each destructive step."""
    ledger = Ledger(make_settings(folder).ledger, read_only=True)
    cases = ledger.cases()
    assert [(case.node, case.state) for case in cases] == [
        ("gpu2", "returned"),
        ("gpu3", "quarantined"),
        ("gpu4", "resolved"),
    ]
    assert (folder / "nodes" / "gpu2").read_text(encoding="utf-8") == ""
    # Not "aidc.ops:2": a number may be left out where a kill undid a transaction.
    assert (folder / "nodes" / "gpu3").read_text(encoding="utf-8").startswith(f"{cases[1].token} ")
    markers = sorted(path.name.split(":")[2] for path in (folder / "markers").iterdir())
    assert markers == ["reboot", "reset", "restart_service"]
    lines = (folder / "grants").read_text(encoding="utf-8").splitlines()
    # A line may be cut by the kill; what was granted without being resumed must be there once for each attempt.
    fresh = [
        entry["token"] for entry in map(json.loads, lines) if entry["step"] in DESTRUCTIVE and not entry["resumed"]
    ]
    assert len(fresh) == len(set(fresh))


def live(folder: Path, number: int, checkpoint: Callable[[str], None]) -> None:
    worker = Worker(folder, number, checkpoint)
    worker.take_in(signals())
    worker.work()


def points(folder: Path) -> list[str]:
    seen: list[str] = []
    prepare(folder)
    live(folder, 1, seen.append)
    check(folder)
    return seen


def test_killed_at_every_point(memory_path: Path) -> None:
    first = memory_path / "undisturbed"
    first.mkdir()
    number_of_points = len(points(first))
    assert number_of_points > 50
    for kill_at in range(number_of_points):
        folder = memory_path / str(kill_at)
        folder.mkdir()
        prepare(folder)
        counter = itertools.count()

        def checkpoint(_name: str, counter: itertools.count[int] = counter, kill_at: int = kill_at) -> None:
            if next(counter) == kill_at:
                raise Killed

        with pytest.raises(Killed):
            live(folder, 1, checkpoint)
        live(folder, 2, lambda _name: None)
        check(folder)


def test_killed_at_every_point_again_and_again(tmp_path: Path) -> None:
    """Every life does a single thing more than the one before it managed, and dies."""
    prepare(tmp_path)
    for life in range(1, 400):
        counter = itertools.count()

        def checkpoint(_name: str, counter: itertools.count[int] = counter, life: int = life) -> None:
            if next(counter) == 2 + life % 3:
                raise Killed

        try:
            live(tmp_path, life, checkpoint)
        except Killed:
            continue
        break
    check(tmp_path)


def live_slowly(folder: Path, life: int) -> None:
    live(folder, life, lambda _name: time.sleep(0.003))
    os._exit(0)


def test_killed_for_real_at_random(tmp_path: Path) -> None:
    prepare(tmp_path)
    dice = random.Random(2)
    context = multiprocessing.get_context("fork")
    deaths = 0
    for life in range(1, 150):
        process = context.Process(target=live_slowly, args=(tmp_path, life))
        process.start()
        # Each life may be a little longer than the last, so that some life is long enough on any machine.
        process.join(dice.uniform(0.01, 0.12) * 1.05**life)
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            deaths += 1
        process.join()
        if process.exitcode == 0:
            break
    assert deaths >= 3
    check(tmp_path)

#!/usr/bin/env python3
# How many signals and steps a second the ledger takes, in an SQLite file and in PostgreSQL, side by side.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the two stores of the ledger against each other.

A PostgreSQL server of our own is started in a temporary folder (needs the package postgresql and psycopg) and left
durable, as is the file; both are on the disk of ``--folder``. In each round both stores do the same work in turn, so
that both see the same state of the machine, each in an empty ledger:

* ``record``: one signal in one transaction, which opens a case;
* ``batch``: fifty signals in one transaction, each of which opens a case (figures are signals, not transactions);
* ``contain``: fifty cordons decided in one transaction, and finished in a second one (figures are cases);
* ``begin``: the next step of one case, asked for and granted;
* ``finish``: the end of that step.

The server is reached over a local socket. A network adds its round trip to every statement, and each of these
transactions has ten to twenty for one case.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import parse_settings
from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.ledger.postgres import Server

BATCH = 50
WORKS = ("record", "batch", "contain", "begin", "finish")
HOLDER = "bench:1:1"


class Clock:
    """Adds up the time of each kind of work."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(WORKS, 0.0)
        self.done = dict.fromkeys(WORKS, 0)

    @contextmanager
    def measure(self, work: str, number: int) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[work] += time.perf_counter() - began
        self.done[work] += number

    def rates(self) -> dict[str, float]:
        return {work: self.done[work] / self.seconds[work] for work in WORKS}


def settings_for(names: list[str]) -> Any:
    """Limits wide enough that nothing is refused: a refusal is less work."""
    wide = dict.fromkeys(("out_max", "per_rack", "parallel_repairs", "storm_nodes"), 10 * len(names))
    modes = dict.fromkeys(("contain", "reset", "reboot", "restart_service", "resume"), "act")
    return parse_settings(
        {
            "schema_version": 1,
            "ledger": "/none",
            "evidence_dir": "/none",
            "ticket_dir": "/none",
            "alertmanager": {"urls": [], "watchdog_alert": None},
            "nodes": {name: {} for name in names},
            "gate": {"out_percent": 100, "modes": modes, **wide},
        }
    )


def work(location: str, cases: int) -> dict[str, float]:
    """One round in the ledger at that location; how many of each a second."""
    names = [f"gpu{number}" for number in range(2 * cases)]
    settings = settings_for(names)
    seen = Recognition("gpu_fell_off_bus", "gpu:0000:1b:00", 79)
    signals = [Signal("kernel", name, "b:1", time.time(), f"key-{name}", "NVRM: Xid", seen) for name in names]
    engine = {name: EngineNode(name, ("idle",), "", False, False, False, ()) for name in names}
    clock = Clock()
    ledger = Ledger(location)
    for number, signal in enumerate(signals[:cases]):
        with clock.measure("record", 1):
            ledger.record([signal], ("kernel_log", str(number)), settings)
    made: list[int] = []
    for first in range(cases, 2 * cases, BATCH):
        with clock.measure("batch", BATCH):
            made += ledger.record(signals[first : first + BATCH], ("kernel_log", str(first)), settings).new_case_ids
    for first in range(0, cases, BATCH):
        some = made[first : first + BATCH]
        with clock.measure("contain", BATCH):
            granted = ledger.begin_containment(some, HOLDER, settings, engine)
            ledger.finish_containment({case.id: ("done", {}) for case, _verdict in granted}, HOLDER, settings)
    for case in ledger.lease(made, HOLDER, 3600):
        step = str(case.step)
        with clock.measure("begin", 1):
            if not ledger.begin_step(case.id, step, HOLDER, settings, engine).proceed:
                raise SystemExit(f"{step} of case {case.id} was refused; this measures nothing")
        with clock.measure("finish", 1):
            ledger.finish_step(case.id, step, HOLDER, "done", {}, settings)
    ledger.close()
    return clock.rates()


def compare(folder: str, rounds: int, cases: int) -> dict[str, list[dict[str, float]]]:
    """The rates of every round, by store."""
    found: dict[str, list[dict[str, float]]] = {"sqlite": [], "postgresql": []}
    server = Server(durable=True, parent=folder)
    try:
        for number in range(rounds):
            server.sql(f"CREATE DATABASE round{number} OWNER ledger")
            with tempfile.TemporaryDirectory(dir=folder) as place:
                found["sqlite"].append(work(str(Path(place) / "ledger.sqlite"), cases))
            found["postgresql"].append(work(server.url(f"round{number}"), cases))
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    finally:
        server.close()
    return found


def report(found: dict[str, list[dict[str, float]]], as_json: bool) -> None:
    """The medians, and how much of SQLite's rate PostgreSQL reaches."""
    rows = []
    for name in WORKS:
        rates = {store: statistics.median(entry[name] for entry in entries) for store, entries in found.items()}
        pairs = zip(found["postgresql"], found["sqlite"], strict=True)
        ratio = statistics.median(server[name] / file[name] for server, file in pairs)
        rows.append((name, rates["sqlite"], rates["postgresql"], ratio))
    if as_json:
        for name, file, server, ratio in rows:
            print(json.dumps({"work": name, "sqlite": file, "postgresql": server, "ratio": ratio}))
        return
    print(f"{'per second':12}{'SQLite':>12}{'PostgreSQL':>12}{'ratio':>8}")
    for name, file, server, ratio in rows:
        print(f"{name:12}{file:12.0f}{server:12.0f}{ratio:8.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", type=int, default=200, help="cases of each kind in a round, a multiple of 50")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where both ledgers are kept")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    arguments = parser.parse_args()
    if arguments.cases < BATCH or arguments.cases % BATCH:
        parser.error(f"--cases has to be a multiple of {BATCH}")
    report(compare(arguments.folder, arguments.rounds, arguments.cases), arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# Tests of tickets, of a node's history, of what is forgotten, and of a ledger that an older version wrote.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import schema
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import START, Clock, Site

ALL = ("cordon", "evidence", "drain", "reboot", "validate", "resume")


def case_on(site: Site, node: str = "gpu2", boot: int = 100) -> int:
    return int(site.record(site.line(node, boot=boot)).new_case_ids[0])


def test_tickets(site: Site) -> None:
    case_id = case_on(site)
    assert site.ledger.ticket(case_id) is None
    assert site.ledger.set_ticket(case_id, "T-17", "webhook")
    assert not site.ledger.set_ticket(case_id, "T-17", "webhook")
    site.clock.forward(60)
    assert site.ledger.tickets_to_close() == []
    site.ledger.cancel(case_id, "kim")
    assert site.ledger.tickets_to_close() == [case_id]
    assert site.ledger.set_ticket(case_id, "T-17", "webhook", closed=True)
    ticket = site.ledger.ticket(case_id)
    assert ticket == {
        "case_id": case_id,
        "reference": "T-17",
        "backend": "webhook",
        "opened_at": START,
        "updated_at": START + 60,
        "closed_at": START + 60,
    }
    assert site.ledger.tickets_to_close() == []
    assert [event.text for event in site.ledger.timeline(case_id) if event.kind == "ticket"] == [
        "Ticket T-17 open.",
        "Ticket T-17 closed.",
    ]
    with pytest.raises(LedgerError, match="no case 99"):
        site.ledger.set_ticket(99, "T-1", "file")


def test_the_history_of_a_node(site: Site) -> None:
    first = case_on(site)
    site.do(first, *ALL)
    site.clock.forward(3600)
    second = case_on(site, boot=200)
    case_on(site, "gpu3")
    assert [case.id for case in site.ledger.case_history("name:gpu2", START - 1)] == [first, second]
    assert [case.id for case in site.ledger.case_history("name:gpu2", START + 60)] == [second]


def test_prune_forgets_closed_cases_only(site: Site) -> None:
    closed, opened = case_on(site), case_on(site, "gpu3")
    firing = site.alert("gpu4", "gpu_fell_off_bus")
    (held,) = site.record(firing).new_case_ids
    site.do(closed, *ALL)
    site.ledger.cancel(held, "kim")
    site.ledger.pause(True, "kim")
    site.ledger.opt_out("node", "gpu5", site.clock.now + 60, "kim", "x")
    site.clock.forward(86400)
    assert not any(site.ledger.prune(site.clock.now - 86401).values())
    gone = site.ledger.prune(site.clock.now - 1)
    assert gone["signals"] == 1 and gone["events"] > 10 and gone["opt_outs"] == 1
    assert site.ledger.timeline(closed) == []
    assert site.ledger.case(closed).state == "returned" and site.ledger.faults(closed)
    assert len(site.ledger.timeline(opened)) == 2
    # What still fires is known by its signal, else it would look new.
    assert site.record(firing).new_case_ids == ()
    assert site.ledger.controls()["paused_by"] == "kim"


def test_counters_of_what_waits(site: Site) -> None:
    case_on(site)
    site.clock.forward(100)
    case_on(site, "gpu3")
    site.ledger.opt_out("node", "gpu5", site.clock.now + 60, "kim", "x")
    counters = site.ledger.counters()
    assert counters["oldest"] == {"open": START} and counters["opt_outs"] == 1
    site.clock.forward(61)
    assert site.ledger.counters()["opt_outs"] == 0


def test_a_ledger_of_the_first_version_is_taken_over(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(schema.MIGRATIONS[0])
        db.execute("PRAGMA user_version = 1")
        db.execute(
            "INSERT INTO cases (node, node_id, state, fault_class, step, due_at, approved_step, opened_at, updated_at) "
            "VALUES ('gpu2', 'name:gpu2', 'open', 'gpu_fell_off_bus', 'cordon', ?, 'cordon', ?, ?)",
            (START, START, START),
        )
        for fault in ("gpu_fell_off_bus", "gpu_xid_other"):
            db.execute(
                "INSERT INTO faults (node_id, fault_class, device, boot, first_seen, last_seen, signals, case_id) "
                "VALUES ('name:gpu2', ?, 'gpu:0000:1b:00', '', ?, ?, 1, 1)",
                (fault, START, START),
            )
        # Before, every attempt counted.
        db.execute(
            "INSERT INTO attempts (case_id, node_id, step, number, epoch, devices, boot_before, holder, began_at, "
            "deadline, ended_at, outcome) "
            "VALUES (1, 'name:gpu2', 'power_cycle', 1, 1, '[]', '', 'x', ?, ?, ?, 'failed')",
            (START, START, START),
        )
    with pytest.raises(LedgerError, match="too old"):
        Ledger(str(path), read_only=True)
    site = Site(tmp_path, clock)
    assert site.select("SELECT reached FROM attempts") == [(1,)]
    case = site.ledger.case(1)
    assert (case.scope, case.fault_classes, case.approved_at) == ("node", ("gpu_fell_off_bus",), START)
    assert [fault.acting for fault in site.ledger.faults(1)] == [True, False]
    site.gate(modes=replace(site.settings.gate.modes, contain="approve"))
    site.do(1, "cordon", "evidence", "drain", "reboot", "validate", "resume")

# Tests of dispatch, leases, control and reading; and of several processes at once.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import (
    START,
    Clock,
    Site,
    ledger_location,
)


def many(site: Site, number: int) -> list[int]:
    return list(site.record(*(site.line(f"gpu{at}") for at in range(1, number + 1))).new_case_ids)


def test_due_cases_are_given_out_once_in_ten_seconds(site: Site) -> None:
    ids = many(site, 3)
    assert site.ledger.due(site.clock.now, limit=2) == ids[:2]
    assert site.ledger.due(site.clock.now) == ids[2:]
    assert site.ledger.due(site.clock.now) == []
    site.clock.forward(10)
    assert site.ledger.due(site.clock.now) == ids
    site.clock.forward(59)
    assert site.ledger.due(site.clock.now, again_seconds=60) == [], "or later, where runs take longer to begin"
    site.clock.forward(1)
    assert site.ledger.due(site.clock.now, again_seconds=60) == ids


def test_leases(site: Site) -> None:
    ids = many(site, 3)
    assert [case.id for case in site.ledger.lease(ids[:1], "a:1:1", 60)] == ids[:1]
    assert [case.id for case in site.ledger.lease(None, "b:2:2", 60)] == ids[1:]
    assert [case.id for case in site.ledger.lease(ids, "a:1:1", 60)] == ids[:1], "one's own again, never another's"
    assert site.ledger.due(site.clock.now + 20) == []
    site.clock.forward(50)
    assert site.ledger.renew("a:1:1", 60) == 1
    site.clock.forward(20)
    assert site.ledger.reclaim_dead(lambda holder: True) == ids[1:], "an expired lease is lost even to the living"
    assert site.ledger.reclaim_dead(lambda holder: holder != "a:1:1") == ids[:1]
    assert site.ledger.due(site.clock.now) == ids
    site.ledger.lease(ids, "c:3:3", 60)
    assert site.ledger.release("c:3:3") == 3
    assert site.ledger.due(site.clock.now) == ids
    assert site.ledger.release("c:3:3") == 0


def test_to_contain_names_only_due_cordons(site: Site) -> None:
    first, second = many(site, 2)
    site.do(first, "cordon")
    assert site.ledger.to_contain([first, second, second, 99]) == [second]


def test_counters(site: Site) -> None:
    (case_id,) = many(site, 1)
    site.ledger.record([], None, site.settings, [("bad_json", "x"), ("bad_json", "y")])
    site.begin(case_id, "cordon")
    site.finish(case_id, "cordon", "failed")
    site.ledger.heartbeat("kernel_log", 5.0)
    counters = site.ledger.counters()
    assert counters["refused"] == {"bad_json": 2}
    assert counters["attempts"] == {("cordon", "failed"): 1}
    assert counters["cases"] == {"open": 1}
    assert counters["heartbeats"] == site.ledger.heartbeats() == {"kernel_log": 5.0}


def test_the_audit_of_refusals_is_bounded(site: Site) -> None:
    site.ledger.record([], None, site.settings, [("bad_json", f"{number}") for number in range(3000)])
    site.ledger.record([], None, site.settings, [("bad_json", "the last one")])
    kept = site.select("SELECT detail FROM refusals ORDER BY id")
    assert len(kept) == 1000 and kept[-1] == ("the last one",)


def test_cases_by_state(site: Site) -> None:
    first, second = many(site, 2)
    site.ledger.cancel(first, "kim")
    assert [case.id for case in site.ledger.cases("cancelled")] == [first]
    assert [case.id for case in site.ledger.cases("open")] == [second]
    assert [case.id for case in site.ledger.cases()] == [first, second]
    for ask in (site.ledger.case, site.ledger.timeline):
        with pytest.raises(LedgerError, match="no case 99"):
            ask(99)


def test_a_dry_run_answers_and_keeps_nothing(site: Site) -> None:
    (case_id,) = many(site, 1)
    site.ledger.lease(None, site.holder, 60)
    dry = Ledger(site.settings.ledger, site.clock, dry_run=True)
    assert dry.begin_step(case_id, "cordon", site.holder, site.settings, site.engine.nodes()).proceed
    assert dry.pause(True, "kim")
    assert dry.cancel(case_id, "kim")
    assert site.ledger.controls()["paused_by"] is None
    assert not site.begin(case_id, "cordon").resumed


def test_a_reader_changes_nothing(site: Site) -> None:
    many(site, 1)
    reader = Ledger(site.settings.ledger, site.clock, read_only=True)
    assert len(reader.cases()) == 1
    with pytest.raises(LedgerError, match="read"):
        reader.pause(True, "kim")


def test_threads_share_one_object(site: Site) -> None:
    failures = []

    def work(number: int) -> None:
        try:
            for at in range(20):
                site.ledger.heartbeat(f"source {number}", float(at))
                site.ledger.heartbeats()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(site.ledger.heartbeats().values()) == {19.0}


def race_for_leases(folder: Path, number: int, answers: multiprocessing.Queue[list[int]]) -> None:
    taken: list[int] = []
    for _number in range(10):
        taken += [
            case.id for case in Ledger(ledger_location(folder), lambda: START).lease(None, f"host:{number}:1", 60)
        ]
    answers.put(sorted(set(taken)))


def race_to_open(folder: Path, number: int, answers: multiprocessing.Queue[list[int]]) -> None:
    site = Site(folder, Clock())
    made: list[int] = []
    for at in range(10):
        made += site.record(site.line(f"gpu{at % 8 + 1}", dedup_key=f"{number}-{at}")).new_case_ids
    answers.put(made)


@pytest.mark.parametrize("race", [race_for_leases, race_to_open])
def test_racing_processes(tmp_path: Path, clock: Clock, race: object) -> None:
    """Each case has one holder, and each node one open case, however many ask at once (also for the new ledger)."""
    if race is race_for_leases:
        many(Site(tmp_path, clock), 8)
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[list[int]] = context.Queue()
    workers = [context.Process(target=race, args=(tmp_path, number, answers)) for number in range(6)]
    for worker in workers:
        worker.start()
    given = [answers.get(timeout=60) for _worker in workers]
    for worker in workers:
        worker.join()
    everything = sorted(number for numbers in given for number in numbers)
    assert everything == list(range(1, 9))

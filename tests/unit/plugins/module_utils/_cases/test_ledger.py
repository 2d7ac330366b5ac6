# Tests of dispatch, leases, control and reading; of several processes at once; and of a file that is broken.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import schema
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import START, Clock, Site


def many(site: Site, number: int) -> list[int]:
    return list(site.record(*(site.line(f"gpu{at}") for at in range(1, number + 1))).new_case_ids)


def test_due_cases_are_given_out_once_in_ten_seconds(site: Site) -> None:
    ids = many(site, 3)
    assert site.ledger.due(site.clock.now, limit=2) == ids[:2]
    assert site.ledger.due(site.clock.now) == ids[2:]
    assert site.ledger.due(site.clock.now) == []
    site.clock.forward(10)
    assert site.ledger.due(site.clock.now) == ids


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
    with sqlite3.connect(site.settings.ledger) as db:
        kept = [row[0] for row in db.execute("SELECT detail FROM refusals ORDER BY id")]
    assert len(kept) == 1000 and kept[-1] == "the last one"


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
    with pytest.raises(LedgerError, match="readonly"):
        reader.pause(True, "kim")


@pytest.mark.parametrize("options", [{"read_only": True}, {"dry_run": True}])
def test_a_reader_makes_no_file(tmp_path: Path, options: dict[str, bool]) -> None:
    with pytest.raises(LedgerError, match="There is no ledger"):
        Ledger(str(tmp_path / "none.sqlite"), **options)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_for_owner_and_group(site: Site) -> None:
    assert stat.S_IMODE(os.stat(site.settings.ledger).st_mode) & 0o007 == 0


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be read as one" * 20, b"SQLite format 3\0" * 300]
)
def test_a_broken_file_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="cannot be used") as caught:
        Ledger(str(path))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content, "evidence is not overwritten"


def test_a_file_damaged_while_open_stops_the_caller(site: Site) -> None:
    many(site, 8)
    site.ledger.close()
    with open(site.settings.ledger, "r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * 200000)
    with pytest.raises(LedgerError):
        Ledger(site.settings.ledger).due(START)


def test_a_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(str(tmp_path / "none" / "ledger.sqlite"))


def test_a_ledger_of_a_newer_collection_is_left_alone(site: Site) -> None:
    site.ledger.close()
    with sqlite3.connect(site.settings.ledger) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with pytest.raises(LedgerError, match="or a newer one"):
        Ledger(site.settings.ledger)


def test_every_commit_is_durable(site: Site) -> None:
    with site.ledger._store.reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2


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


def race_for_leases(path: str, number: int, answers: multiprocessing.Queue[list[int]]) -> None:
    taken: list[int] = []
    for _number in range(10):
        taken += [case.id for case in Ledger(path, lambda: START).lease(None, f"host:{number}:1", 60)]
    answers.put(sorted(set(taken)))


def race_to_open(path: str, number: int, answers: multiprocessing.Queue[list[int]]) -> None:
    site = Site(Path(path).parent, Clock())
    made: list[int] = []
    for at in range(10):
        made += site.record(site.line(f"gpu{at % 8 + 1}", dedup_key=f"{number}-{at}")).new_case_ids
    answers.put(made)


@pytest.mark.parametrize("race", [race_for_leases, race_to_open])
def test_racing_processes(tmp_path: Path, clock: Clock, race: object) -> None:
    """Each case has one holder, and each node one open case, however many ask at once (also for the new file)."""
    path = str(tmp_path / "ledger.sqlite")
    if race is race_for_leases:
        many(Site(tmp_path, clock), 8)
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[list[int]] = context.Queue()
    workers = [context.Process(target=race, args=(path, number, answers)) for number in range(6)]
    for worker in workers:
        worker.start()
    given = [answers.get(timeout=60) for _worker in workers]
    for worker in workers:
        worker.join()
    everything = sorted(number for numbers in given for number in numbers)
    assert everything == list(range(1, 9))

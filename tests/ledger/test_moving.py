# Moving a ledger from a file to PostgreSQL, with the module that does it: everything or nothing, and only once.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.module_utils._cases import store_copy
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import open_store
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.plugins.modules import case_ledger
from ansible_collections.aidc.ops.tests.ledger.postgres import VARIABLE, Server, schema_url
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import make_settings

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"_ansible_check_mode": check, "_ansible_diff": True, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            case_ledger.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    with monkeypatch.context() as patch:
        patch.delenv(VARIABLE)
        return make_settings(tmp_path, nodes=40)


@pytest.fixture
def source(settings: Settings) -> str:
    """A ledger in a file with some history, an hour old."""
    then = time.time() - 3600
    ledger = Ledger(settings.ledger, lambda: then)
    seen = Recognition("gpu_fell_off_bus", "gpu:0000:1b:00", 79)
    signals = [
        Signal("kernel", f"gpu{number}", "b:1", then, f"key-{number}", 'NVRM: "Xid"; \0 50 % ? :x é \\', seen)
        for number in range(1, 31)
    ]
    ids = ledger.record(signals, ("kernel_log", "17"), settings, [("bad_json", "x")] * 3).new_case_ids
    for number in ids[:5]:
        ledger.lease([number], "a:1:1", 60)
        ledger.cancel(number, "kim")
    ledger.pause(True, "kim")
    ledger.heartbeat("kernel_log", then)
    ledger.close()
    with sqlite3.connect(settings.ledger) as db:
        # The highest id that ever was is not there any more.
        db.execute("INSERT INTO refusals (id, at, reason, detail) VALUES (500, 1, 'x', 'y')")
        db.execute("DELETE FROM refusals WHERE id = 500")
    return settings.ledger


def everything(location: str) -> dict[str, list[list[Any]]]:
    store = open_store(location, read_only=True)
    names = store.tables()
    with store.reading() as db:
        found = {name: sorted(([*row] for row in db.execute(f"SELECT * FROM {name}")), key=str) for name in names}
    store.close()
    return found


def test_check_run_run_check(call: Call, source: str, url: str) -> None:
    answers = [call(state="copied", ledger=source, target=url, check=check) for check in (True, False, False, True)]
    assert [answer.get("changed") for answer in answers] == [True, True, False, False], answers
    foreseen, done, again, _again = answers
    assert foreseen["diff"]["before"] == {}
    assert foreseen["diff"]["after"] == done["diff"]["after"] == done["target"]["tables"]
    assert {name: number for name, number in done["target"]["tables"].items() if name in ("cases", "refusals")} == {
        "cases": 30,
        "refusals": 3,
    }
    assert foreseen["target"] == done["target"] == again["target"]
    assert "diff" not in again
    assert everything(source) == everything(url)


def test_check_mode_makes_nothing(call: Call, source: str, url: str) -> None:
    assert call(state="copied", ledger=source, target=url, check=True)["changed"]
    assert open_store(url, any_version=True).tables() == []


def test_no_id_is_given_twice(call: Call, source: str, url: str, settings: Settings) -> None:
    call(state="copied", ledger=source, target=url)
    ledger = Ledger(url)
    ledger.pause(False, "kim")
    line = Signal("kernel", "gpu40", "b:1", time.time(), "new", "x", Recognition("gpu_fell_off_bus", "gpu:0", 79))
    assert ledger.record([line], None, settings, [("bad_json", "z")]).new_case_ids == (31,)
    with ledger._store.reading() as db:
        assert db.execute("SELECT max(id) FROM refusals").fetchone()[0] == 501
    assert ledger.cursor("kernel_log") == "17"
    ledger.close()


def test_a_target_that_went_on_is_left_alone(call: Call, source: str, url: str) -> None:
    call(state="copied", ledger=source, target=url)
    Ledger(url).pause(False, "kim")
    before = everything(url)
    for check in (True, False):
        answer = call(state="copied", ledger=source, target=url, check=check)
        assert answer["failed"] and "is not empty" in answer["msg"]
    assert everything(url) == before


def test_the_same_number_of_other_rows_is_no_copy(call: Call, source: str, url: str) -> None:
    call(state="copied", ledger=source, target=url)
    store = open_store(url)
    with store.transaction() as db:
        db.execute("UPDATE cursors SET position = '18'")
    store.close()
    assert "it is no copy of" in call(state="copied", ledger=source, target=url)["msg"]


def test_an_empty_ledger_of_a_service_that_was_started_is_filled(call: Call, source: str, url: str) -> None:
    Ledger(url).close()
    assert call(state="copied", ledger=source, target=url)["changed"]
    assert everything(source) == everything(url)


def test_half_a_copy_is_none(call: Call, source: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store_copy._copy_table

    def fail(old: Any, new: Any, table: str) -> None:
        real(old, new, table)
        if table == "attempts":
            new.execute("SELECT 1 / 0")

    monkeypatch.setattr(store_copy, "_copy_table", fail)
    assert "division by zero" in call(state="copied", ledger=source, target=url)["msg"]
    assert not any(everything(url).values())
    monkeypatch.undo()


@pytest.mark.parametrize("who", ["run", "service"])
def test_what_still_writes_stops_the_copy(call: Call, source: str, url: str, who: str) -> None:
    ledger = Ledger(source)
    if who == "run":
        ledger.lease(None, "host:7:7", 60)
    else:
        ledger.heartbeat("kernel_log", time.time())
    ledger.close()
    for check in (True, False):
        answer = call(state="copied", ledger=source, target=url, check=check)
        assert ("A run of host:7:7 works on case" if who == "run" else "Stop the rulebook service") in answer["msg"]
    assert open_store(url, any_version=True).tables() == []


def test_somebody_elses_database(call: Call, server: Server, source: str) -> None:
    server.sql("CREATE DATABASE shop OWNER ledger")
    server.sql("CREATE TABLE orders (id int); GRANT ALL ON SCHEMA public TO ledger", "shop")
    answer = call(state="copied", ledger=source, target=server.url("shop"))
    assert "holds tables, but no ledger (orders)" in answer["msg"]


def test_wrong_ways_round(call: Call, source: str, url: str, tmp_path: Path) -> None:
    for ledger, target in ((url, source), (source, str(tmp_path / "other.sqlite")), (url, url)):
        assert "Copying goes from an SQLite file" in call(state="copied", ledger=ledger, target=target)["msg"]
    assert "no ledger at" in call(state="copied", ledger=str(tmp_path / "none"), target=url)["msg"]
    assert "target" in call(state="copied", ledger=source)["msg"]


def test_checking(call: Call, source: str, url: str) -> None:
    answer = call(ledger=url)
    assert "There is no ledger in" in answer["msg"]
    call(state="copied", ledger=source, target=url)
    for location in (source, url):
        for check in (True, False):
            looked = call(ledger=location, check=check)
            assert (looked["changed"], looked["ledger"]["version"]) == (False, len(MIGRATIONS))
            assert looked["ledger"]["current"] and looked["ledger"]["tables"]["cases"] == 30
    store = open_store(url)
    with store.transaction() as db:
        db.execute("UPDATE ledger_schema SET version = version + 1")
    store.close()
    assert "or a newer one" in call(ledger=url)["msg"]


def test_a_large_ledger_is_copied_in_pieces(call: Call, source: str, tmp_path: Path) -> None:
    with sqlite3.connect(source) as db:
        db.executemany(
            "INSERT INTO events (at, kind, text, detail) VALUES (?, 'control', ?, '{}')",
            [(float(number), f"event {number}") for number in range(5321)],
        )
    target = schema_url(tmp_path / "large")
    assert call(state="copied", ledger=source, target=target)["target"]["tables"]["events"] > 5321
    assert everything(source) == everything(target)

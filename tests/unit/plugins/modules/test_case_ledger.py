# Tests of the module case_ledger on a file; tests/ledger has those with a PostgreSQL server.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.modules import case_ledger
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

Call = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("check", [True, False])
def test_a_ledger_that_is_whole(call: Call, controller: Controller, check: bool) -> None:
    answer = call(case_ledger.main, check=check)
    assert answer["changed"] is False
    looked = answer["ledger"]
    assert (looked["name"], looked["version"], looked["current"]) == (controller.settings.ledger, len(MIGRATIONS), True)
    assert looked["tables"]["cases"] == looked["tables"]["signals"] == 1


def test_a_ledger_that_is_named(call: Call, tmp_path: Path) -> None:
    other = str(tmp_path / "other.sqlite")
    Ledger(other).close()
    assert call(case_ledger.main, ledger=other)["ledger"]["tables"]["cases"] == 0
    assert call(case_ledger.main, ledger=other, config="/none/at/all")["changed"] is False


def test_an_old_ledger_is_told_and_left_alone(call: Call, controller: Controller) -> None:
    with sqlite3.connect(controller.settings.ledger) as db:
        db.execute("PRAGMA user_version = 1")
    answer = call(case_ledger.main)["ledger"]
    assert (answer["version"], answer["current"]) == (1, False)


def test_what_is_no_ledger(call: Call, controller: Controller, tmp_path: Path) -> None:
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    assert "There is no ledger in" in call(case_ledger.main, ledger=str(empty))["msg"]
    assert "There is no ledger at" in call(case_ledger.main, ledger=str(tmp_path / "none"))["msg"]
    with sqlite3.connect(controller.settings.ledger) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert "or a newer one" in call(case_ledger.main)["msg"]


def test_damage_is_found(call: Call, controller: Controller) -> None:
    controller.ledger.close()
    with sqlite3.connect(controller.settings.ledger) as db:
        db.execute("INSERT INTO signals SELECT 99, 'k2', " + ", ".join(columns(db)) + " FROM signals")
        db.execute("UPDATE signals SET case_id = 77 WHERE id = 99")
    answer = call(case_ledger.main)
    assert (
        answer["failed"] and "is damaged: Row 99 of signals refers to a row of cases that is not there" in answer["msg"]
    )


def columns(db: sqlite3.Connection) -> list[str]:
    return [row[1] for row in db.execute("PRAGMA table_info(signals)")][2:]


def test_broken_pages_are_found(call: Call, controller: Controller) -> None:
    controller.ledger.close()
    with sqlite3.connect(controller.settings.ledger) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(controller.settings.ledger)
    content = bytearray(path.read_bytes())
    content[4 * 4096 : 40 * 4096] = b"\xff" * (36 * 4096)
    path.write_bytes(content)
    answer = call(case_ledger.main)
    assert answer["failed"] and "ledger" in answer["msg"]
    assert path.read_bytes() == bytes(content), "evidence is not overwritten"


def test_pruning(call: Call, controller: Controller) -> None:
    then = time.time() - 30 * 86400
    ledger = Ledger(controller.settings.ledger, lambda: then)
    ledger.cancel(1, "kim")
    ledger.close()
    with sqlite3.connect(controller.settings.ledger) as db:
        db.execute("UPDATE signals SET last_seen = ?", (then,))
        db.execute("UPDATE events SET at = ?", (then,))
    kept = call(case_ledger.main, state="pruned", keep_days=31)
    assert (kept["changed"], sum(kept["pruned"].values())) == (False, 0)
    arguments = {"state": "pruned", "keep_days": 29}
    answers = [call(case_ledger.main, check=check, **arguments) for check in (True, False, False, True)]
    assert [answer["changed"] for answer in answers] == [True, True, False, False]
    assert answers[0]["pruned"] == answers[1]["pruned"] and answers[1]["pruned"]["signals"] == 1
    assert answers[0]["ledger"] == answers[1]["ledger"] == answers[2]["ledger"] == call(case_ledger.main)["ledger"]
    assert answers[1]["ledger"]["tables"]["cases"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"state": "copied"}, "target"),
        ({"state": "copied", "target": "/some/file"}, "Copying goes from an SQLite file"),
        ({"state": "copied", "target": "postgresql://kim:s3cret@db/x"}, "a password in the ledger's URL"),
        ({"state": "pruned"}, "keep_days"),
        ({"state": "pruned", "keep_days": 0}, "keep_days has to be 1 or more"),
        ({"state": "burnt"}, "burnt"),
        ({"config": "/none/at/all"}, "/none/at/all"),
    ],
)
def test_failures(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = call(case_ledger.main, **arguments)
    assert answer["failed"] and message in answer["msg"]

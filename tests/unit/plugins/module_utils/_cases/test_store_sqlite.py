# Tests of the ledger in an SQLite file: who may read it, what a broken one says, and that commits are durable.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import schema
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import START, Site


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
    site.record(*(site.line(f"gpu{number}") for number in range(1, 9)))
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

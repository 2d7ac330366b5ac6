# The ledger in an SQLite file: opened, migrated, and changed in whole transactions only.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_base import Params
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

# How long a writer waits for another one; far more than any transaction of ours takes.
_BUSY_SECONDS = 15.0


class SqliteConnection:
    """See store_base.Connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, sql: str, params: Params = ()) -> sqlite3.Cursor:
        return self._db.execute(sql, params)

    def executemany(self, sql: str, rows: Iterable[Params]) -> None:
        self._db.executemany(sql, rows)

    def insert(self, sql: str, params: Params = ()) -> int:
        return int(self._db.execute(sql, params).lastrowid or 0)


class SqliteStore:
    """See store_base.Store.

    ``read_only``: the file has to exist and is never changed. ``dry_run``: every transaction is undone at its end, so
    that a caller can ask what would happen. ``any_version``: opens for reading what this collection cannot use, too.
    """

    def __init__(self, path: str, read_only: bool = False, dry_run: bool = False, any_version: bool = False) -> None:
        read_only = read_only or any_version
        self._path = path
        self._dry_run = dry_run
        self._lock = threading.RLock()
        try:
            if read_only or dry_run:
                self._check_exists()
            else:
                _create(path)
            mode = "ro" if read_only else "rw"
            self._db = sqlite3.connect(
                f"file:{quote(path)}?mode={mode}",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._db.row_factory = sqlite3.Row
            self._connection = SqliteConnection(self._db)
            if not any_version:
                self._prepare(read_only or dry_run)
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[SqliteConnection]:
        """See store_base.Store: the write lock is held from the start."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._db.execute("ROLLBACK" if self._dry_run else "COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._error(error) from error

    @contextmanager
    def reading(self) -> Iterator[SqliteConnection]:
        """See store_base.Store."""
        with self._lock:
            try:
                self._db.execute("BEGIN")
                try:
                    yield self._connection
                finally:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._error(error) from error

    @property
    def name(self) -> str:
        return self._path

    def version(self) -> int:
        """See store_base.Store."""
        with self.reading() as db:
            return _version(db)

    def tables(self) -> list[str]:
        """See store_base.Store."""
        with self.reading() as db:
            return [
                row["name"]
                for row in db.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid"
                )
            ]

    def problems(self) -> list[str]:
        """See store_base.Store."""
        with self.reading() as db:
            found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
            strays = db.execute("PRAGMA foreign_key_check").fetchall()
        return found + [
            f"Row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there." for row in strays[:20]
        ]

    def _check_exists(self) -> None:
        if not os.path.exists(self._path):
            raise LedgerError(
                f"There is no ledger at {self._path}. The role remediation_controller and its service create it."
            )

    def _prepare(self, keep: bool) -> None:
        version = _version(self._connection)
        if version > len(MIGRATIONS):
            raise LedgerError(
                f"The ledger {self._path} has version {version}, this collection knows {len(MIGRATIONS)}. "
                "Install the collection that wrote it, or a newer one."
            )
        if keep:
            if version < len(MIGRATIONS):
                raise LedgerError(f"The ledger {self._path} is empty or too old; start the rulebook service once.")
            return
        self._use_wal()
        # FULL: a committed grant survives a power cut, so that it is never given a second time.
        self._db.execute("PRAGMA synchronous = FULL")
        if version < len(MIGRATIONS):
            self._migrate()

    def _use_wal(self) -> None:
        # Several processes may create the file at once, and this pragma does not wait for the other by itself.
        for last in [False] * 100 + [True]:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if last:
                    raise
                time.sleep(0.05)

    def _migrate(self) -> None:
        with self.transaction() as db:
            version = _version(db)
            for number in range(version, len(MIGRATIONS)):
                # Not executescript: that would commit before it starts.
                for statement in MIGRATIONS[number].split(";\n"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {number + 1}")

    def _error(self, error: Exception) -> LedgerError:
        return LedgerError(
            f"The ledger {self._path} cannot be used: {error}. Nothing is done to any node until that is repaired: "
            "check that the file is on a local filesystem with free space, belongs to the service's user, and is whole "
            "(sqlite3 FILE 'PRAGMA integrity_check')."
        )


def _version(db: SqliteConnection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _create(path: str) -> None:
    """An empty file that the group may use too; SQLite gives its helper files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o660))
    except FileExistsError:
        return

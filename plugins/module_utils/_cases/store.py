# The SQLite file under the ledger: opened, migrated, and changed in whole transactions only.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

# How long a writer waits for another one; far more than any transaction of ours takes.
_BUSY_SECONDS = 15.0


class Store:
    """One connection that several threads may share, one after the other.

    ``read_only``: the file has to exist and is never changed. ``dry_run``: every transaction is undone at its end, so
    that a caller can ask what would happen.
    """

    def __init__(self, path: str, read_only: bool = False, dry_run: bool = False) -> None:
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
            self._prepare(read_only or dry_run)
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside happens or nothing does; the write lock is held from the start."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._db.execute("ROLLBACK" if self._dry_run else "COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._error(error) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file."""
        with self._lock:
            try:
                self._db.execute("BEGIN")
                try:
                    yield self._db
                finally:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._error(error) from error

    def _check_exists(self) -> None:
        if not os.path.exists(self._path):
            raise LedgerError(
                f"There is no ledger at {self._path}. The role remediation_controller and its service create it."
            )

    def _prepare(self, keep: bool) -> None:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
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
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
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


def _create(path: str) -> None:
    """An empty file that the group may use too; SQLite gives its helper files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o660))
    except FileExistsError:
        return

# Moves a ledger from an SQLite file into a PostgreSQL database: everything, or nothing.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_base import Connection, Store
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_dialect import storable
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

# A service that runs writes a heartbeat far more often than that.
QUIET_SECONDS = 30.0


def counts(store: Store) -> dict[str, int]:
    """How many rows each table has."""
    names = store.tables()
    with store.reading() as db:
        return {name: int(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in names}  # noqa: S608


def check_source(source: Store, now: float) -> None:
    """LedgerError where something still writes to it: what came after the copy would be lost."""
    with source.reading() as db:
        leased = db.execute(
            "SELECT id, lease_holder FROM cases WHERE lease_expires_at > ? ORDER BY id LIMIT 1", (now,)
        ).fetchone()
        beat = db.execute(
            "SELECT source, at FROM heartbeats WHERE at > ? ORDER BY at DESC LIMIT 1", (now - QUIET_SECONDS,)
        ).fetchone()
    if leased is not None:
        raise LedgerError(
            f"A run of {leased['lease_holder']} works on case {leased['id']} of the ledger {source.name}. "
            "Wait for its end, or stop it and let its lease run out, then copy."
        )
    if beat is not None:
        raise LedgerError(
            f"A service writes to the ledger {source.name}: {beat['source']} was alive {now - beat['at']:.0f} s ago. "
            f"Stop the rulebook service, wait {QUIET_SECONDS:.0f} s, then copy."
        )


def holds_the_same(source: Store, target: Store) -> bool:
    """Whether the target has each row of the source and no other; LedgerError if it has others."""
    if target.version() == 0:
        if target.tables():
            raise LedgerError(
                f"{target.name} holds tables, but no ledger ({', '.join(target.tables()[:5])}). Give it a database of "
                "its own."
            )
        return False
    if target.version() != len(MIGRATIONS):
        raise LedgerError(
            f"The ledger {target.name} has version {target.version()}, this collection knows {len(MIGRATIONS)}. "
            "Copy into an empty database."
        )
    there = counts(target)
    if not any(there.values()):
        return not any(counts(source).values())
    if there == counts(source):
        with source.reading() as old, target.reading() as new:
            if all(_same_rows(old, new, table) for table in there):
                return True
    raise LedgerError(
        f"The ledger {target.name} is not empty ({_total(there)}), and it is no copy of {source.name}. "
        "Nothing is written there: copy into an empty database."
    )


def copy(source: Store, target: Store) -> None:
    """Copies every row with its id into the target, which is empty. One transaction."""
    tables = source.tables()
    with source.reading() as old, target.transaction() as new:
        for table in tables:
            if new.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None:  # noqa: S608
                raise LedgerError(f"Somebody has just written to {table} of the ledger {target.name}; it was empty.")
            _copy_table(old, new, table)
        # Not the highest id there is, but the highest there ever was: an id is never given twice.
        for row in old.execute("SELECT name, seq FROM sqlite_sequence WHERE seq > 0").fetchall():
            new.execute("SELECT setval(pg_get_serial_sequence(?, 'id'), ?)", (row["name"], row["seq"]))


def _copy_table(old: Connection, new: Connection, table: str) -> None:
    columns = _columns(old, table)
    places = ", ".join("?" for _column in columns)
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
    rows = old.execute(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608
    for batch in _batches(iter(rows)):
        new.executemany(statement, batch)


def _same_rows(old: Connection, new: Connection, table: str) -> bool:
    columns, key = _columns(old, table), _key(old, table)
    statement = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(key)}"  # noqa: S608
    pairs = zip_longest(old.execute(statement), new.execute(statement), fillvalue=())
    return all([storable(value) for value in here] == list(there) for here, there in pairs)


def _columns(db: Connection, table: str) -> list[str]:
    return [str(row["name"]) for row in db.execute(f"PRAGMA table_info({table})")]


def _key(db: Connection, table: str) -> list[str]:
    parts = [row for row in db.execute(f"PRAGMA table_info({table})") if row["pk"]]
    return [str(row["name"]) for row in sorted(parts, key=lambda row: row["pk"])]


def _batches(rows: Iterator[Sequence[Any]], size: int = 1000) -> Iterator[list[tuple[Any, ...]]]:
    batch = []
    for row in rows:
        batch.append(tuple(row))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _total(counted: dict[str, int]) -> str:
    return ", ".join(f"{number} {table}" for table, number in counted.items() if number)

# Rows of the ledger that several of its parts read and write.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import CLOSED_STATES, Case
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

MAX_DETAIL = 65536
MAX_REFUSALS = 1000


def case_row(db: sqlite3.Connection, case_id: int) -> sqlite3.Row:
    """The row of a case; LedgerError if there is none."""
    row = db.execute("SELECT * FROM cases WHERE id = ?", (case_id,)).fetchone()
    if row is None:
        raise LedgerError(f"There is no case {case_id} in the ledger.")
    return row


def update_case(db: sqlite3.Connection, case_id: int, now: float, **values: Any) -> None:
    """Sets columns of a case. The names come from this package, never from outside."""
    columns = ", ".join(f"{name} = ?" for name in values)
    statement = f"UPDATE cases SET {columns}, updated_at = ? WHERE id = ?"  # noqa: S608
    db.execute(statement, (*values.values(), now, case_id))


def open_case_of(db: sqlite3.Connection, node_id: str) -> sqlite3.Row | None:
    """The node's open case, if there is one."""
    return db.execute("SELECT * FROM cases WHERE node_id = ? AND closed_at IS NULL", (node_id,)).fetchone()


def running_attempt(db: sqlite3.Connection, case_id: int) -> sqlite3.Row | None:
    """The attempt that was begun and not ended."""
    return db.execute("SELECT * FROM attempts WHERE case_id = ? AND ended_at IS NULL", (case_id,)).fetchone()


def acting_faults(db: sqlite3.Connection, case_id: int) -> list[sqlite3.Row]:
    """The faults of a case that ask for something (a merely recorded one does not), oldest first."""
    rows = db.execute("SELECT * FROM faults WHERE case_id = ? ORDER BY id", (case_id,)).fetchall()
    return [row for row in rows if row["fault_class"] in CLASSES and CLASSES[row["fault_class"]].workflow]


def devices_of(faults: Iterable[sqlite3.Row], fault_class: str | None = None) -> list[str]:
    """The devices of those faults (of one class), each once, in order of appearance."""
    found = [row["device"] for row in faults if fault_class is None or row["fault_class"] == fault_class]
    return list(dict.fromkeys(found))


def alerts_cleared(db: sqlite3.Connection, case_id: int) -> bool:
    """Whether the case has alerts and every one of them stopped firing."""
    total, cleared = db.execute(
        "SELECT count(*), count(cleared_at) FROM signals WHERE case_id = ? AND lane = 'alert'", (case_id,)
    ).fetchone()
    return bool(total > 0 and total == cleared)


def as_case(db: sqlite3.Connection, row: sqlite3.Row) -> Case:
    """The row of a case, with its faults, as the rest of the collection sees it."""
    faults = acting_faults(db, row["id"])
    return Case(
        id=row["id"],
        node=row["node"],
        node_id=row["node_id"],
        state=row["state"],
        step=row["step"],
        due_at=row["due_at"],
        fault_class=row["fault_class"],
        fault_classes=tuple(dict.fromkeys(fault["fault_class"] for fault in faults)),
        devices=tuple(devices_of(faults)),
        hold_reason=row["hold_reason"],
        hold_text=row["hold_text"],
        opened_at=row["opened_at"],
        updated_at=row["updated_at"],
        closed_at=row["closed_at"],
        outcome=row["state"] if row["state"] in CLOSED_STATES else None,
        lease_holder=row["lease_holder"],
        lease_expires_at=row["lease_expires_at"],
    )


def log(
    db: sqlite3.Connection,
    at: float,
    case_id: int | None,
    kind: str,
    text: str,
    step: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Adds a line to the audit trail."""
    packed = json.dumps(dict(detail or {}), default=str, sort_keys=True)
    if len(packed) > MAX_DETAIL:
        packed = json.dumps({"cut": True, "beginning": packed[:4096]})
    db.execute(
        "INSERT INTO events (at, case_id, kind, step, text, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (at, case_id, kind, step, storable(text), packed),
    )


def count(db: sqlite3.Connection, name: str, label: str, by: int = 1) -> None:
    """Raises a counter that metrics show."""
    db.execute(
        "INSERT INTO counters (name, label, value) VALUES (?, ?, ?) "
        "ON CONFLICT (name, label) DO UPDATE SET value = value + excluded.value",
        (name, storable(label)[:64], by),
    )


def refuse(db: sqlite3.Connection, now: float, refusals: Iterable[tuple[str, str]]) -> None:
    """Counts what was not taken and keeps the newest of it for the audit."""
    totals: dict[str, int] = {}
    kept = []
    for reason, detail in refusals:
        totals[reason] = totals.get(reason, 0) + 1
        kept.append((now, reason, storable(detail)[:1024]))
    for reason, number in totals.items():
        count(db, "refused", reason, number)
    db.executemany("INSERT INTO refusals (at, reason, detail) VALUES (?, ?, ?)", kept[-MAX_REFUSALS:])
    db.execute("DELETE FROM refusals WHERE id <= (SELECT max(id) FROM refusals) - ?", (MAX_REFUSALS,))


def control(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """A switch (paused, breaker, rearmed), or None while it is not set."""
    return db.execute("SELECT * FROM controls WHERE name = ?", (name,)).fetchone()


def set_control(db: sqlite3.Connection, name: str, at: float, by: str, text: str) -> None:
    """Sets a switch."""
    db.execute(
        "INSERT OR REPLACE INTO controls (name, at, by_whom, text) VALUES (?, ?, ?, ?)",
        (name, at, storable(by)[:256], storable(text)),
    )


def storable(text: str) -> str:
    """The text without what UTF-8 cannot carry; SQLite would refuse the whole batch for one such character."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

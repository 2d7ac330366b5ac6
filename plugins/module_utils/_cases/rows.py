# Rows of the ledger that several of its parts read and write.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import CLOSED_STATES, Case, Fault
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

MAX_DETAIL = 65536
MAX_REFUSALS = 1000


def case_row(db: Connection, case_id: int) -> Row:
    """The row of a case; LedgerError if there is none."""
    row = db.execute("SELECT * FROM cases WHERE id = ?", (case_id,)).fetchone()
    if row is None:
        raise LedgerError(f"There is no case {case_id} in the ledger.")
    return row


def update_case(db: Connection, case_id: int, now: float, **values: Any) -> None:
    """Sets columns of a case. The names come from this package, never from outside."""
    columns = ", ".join(f"{name} = ?" for name in values)
    statement = f"UPDATE cases SET {columns}, updated_at = ? WHERE id = ?"  # noqa: S608
    db.execute(statement, (*values.values(), now, case_id))


def open_case_of(db: Connection, node_id: str) -> Row | None:
    """The node's open case, if there is one."""
    return db.execute("SELECT * FROM cases WHERE node_id = ? AND closed_at IS NULL", (node_id,)).fetchone()


def running_attempt(db: Connection, case_id: int) -> Row | None:
    """The attempt that was begun and not ended."""
    return db.execute("SELECT * FROM attempts WHERE case_id = ? AND ended_at IS NULL", (case_id,)).fetchone()


def acting_faults(db: Connection, case_id: int) -> list[Row]:
    """The faults of a case that ask for something (a merely recorded one does not), oldest first."""
    return db.execute("SELECT * FROM faults WHERE case_id = ? AND acting = 1 ORDER BY id", (case_id,)).fetchall()


def devices_of(faults: Iterable[Row], fault_class: str | None = None) -> list[str]:
    """The devices of those faults (of one class), each once, in order of appearance."""
    found = [row["device"] for row in faults if fault_class is None or row["fault_class"] == fault_class]
    return list(dict.fromkeys(found))


def alerts_cleared(db: Connection, case_id: int) -> bool:
    """Whether the case has evidence that can be taken back, and all of it was."""
    total, cleared = db.execute(
        "SELECT count(*), count(cleared_at) FROM signals WHERE case_id = ? AND lane <> 'kernel'", (case_id,)
    ).fetchone()
    return bool(total > 0 and total == cleared)


def has_lines(db: Connection, case_id: int) -> bool:
    """Whether a kernel line told of one of the case's faults; nobody takes that back."""
    row = db.execute(
        "SELECT 1 FROM faults WHERE case_id = ? AND acting = 1 AND line_seen IS NOT NULL LIMIT 1", (case_id,)
    ).fetchone()
    return row is not None


def as_case(db: Connection, row: Row) -> Case:
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
        scope=row["scope"],
        action=row["action"],
        approved_by=row["approved_by"],
        approved_at=row["approved_at"],
    )


def as_fault(row: Row) -> Fault:
    """The row of a fault as the rest of the collection sees it."""
    return Fault(
        node_id=row["node_id"],
        fault_class=row["fault_class"],
        device=row["device"],
        boot=row["boot"] or None,
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        signals=row["signals"],
        case_id=row["case_id"],
        action=row["action"],
        location=row["location"],
        acting=bool(row["acting"]),
    )


def log(
    db: Connection,
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


def count(db: Connection, name: str, label: str, by: int = 1) -> None:
    """Raises a counter that metrics show."""
    db.execute(
        "INSERT INTO counters (name, label, value) VALUES (?, ?, ?) "
        "ON CONFLICT (name, label) DO UPDATE SET value = counters.value + excluded.value",
        (name, storable(label)[:64], by),
    )


def refuse(db: Connection, now: float, refusals: Iterable[tuple[str, str]]) -> None:
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


def due_again(db: Connection, now: float, reasons: Iterable[str]) -> None:
    """Lets the cases that wait for one of these reasons be looked at now."""
    db.executemany(
        "UPDATE cases SET due_at = ?, dispatched_at = NULL WHERE state = 'held' AND hold_reason = ?",
        [(now, reason) for reason in reasons],
    )


def took_out(db: Connection, case_id: int) -> bool:
    """Whether the case has taken its node out and not given it back, as far as it knows."""
    row = db.execute(
        "SELECT step FROM attempts WHERE case_id = ? AND outcome = 'done' AND step IN ('cordon', 'resume') "
        "ORDER BY id DESC LIMIT 1",
        (case_id,),
    ).fetchone()
    return row is not None and row["step"] == "cordon"


def among(column: str, values: Iterable[str]) -> tuple[str, list[str]]:
    """A condition that the column has one of the values, and its parameters; true for no row if there are none."""
    listed = list(values)
    marks = ", ".join("?" for _value in listed) or "NULL"
    return f"{column} IN ({marks})", listed


def control(db: Connection, name: str) -> Row | None:
    """A switch (paused, breaker, rearmed), or None while it is not set."""
    return db.execute("SELECT * FROM controls WHERE name = ?", (name,)).fetchone()


def set_control(db: Connection, name: str, at: float, by: str, text: str) -> None:
    """Sets a switch."""
    db.execute(
        "INSERT INTO controls (name, at, by_whom, text) VALUES (?, ?, ?, ?) ON CONFLICT (name) "
        "DO UPDATE SET at = excluded.at, by_whom = excluded.by_whom, text = excluded.text",
        (name, at, storable(by)[:256], storable(text)),
    )


def storable(text: str) -> str:
    """The text without what a database cannot carry; it would refuse the whole batch for one such character."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")

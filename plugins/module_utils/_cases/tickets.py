# Which case has which ticket. The ticket itself lives with its back end.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row

_COLUMNS = ("case_id", "reference", "backend", "opened_at", "updated_at", "closed_at")


def ticket(db: Connection, case_id: int) -> dict[str, Any] | None:
    """See Ledger.ticket."""
    row = _row(db, case_id)
    return {name: row[name] for name in _COLUMNS} if row is not None else None


def to_close(db: Connection) -> list[int]:
    """See Ledger.tickets_to_close."""
    found = db.execute(
        "SELECT t.case_id FROM tickets t JOIN cases c ON c.id = t.case_id "
        "WHERE t.closed_at IS NULL AND c.closed_at IS NOT NULL ORDER BY t.case_id"
    )
    return [int(row["case_id"]) for row in found]


def set_ticket(db: Connection, now: float, case_id: int, reference: str, backend: str, closed: bool) -> bool:
    """See Ledger.set_ticket."""
    rows.case_row(db, case_id)
    known = _row(db, case_id)
    same = known is not None and (known["reference"], known["backend"]) == (reference, backend)
    if same and known is not None and (known["closed_at"] is not None) == closed:
        return False
    db.execute(
        "INSERT INTO tickets (case_id, reference, backend, opened_at, updated_at, closed_at) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (case_id) DO UPDATE SET reference = excluded.reference, "
        "backend = excluded.backend, updated_at = excluded.updated_at, closed_at = excluded.closed_at",
        (case_id, rows.storable(reference)[:1024], backend, now, now, now if closed else None),
    )
    text = f"Ticket {reference} {'closed' if closed else 'open'}."
    rows.log(db, now, case_id, "ticket", text, "ticket", {"reference": reference, "backend": backend, "closed": closed})
    return True


def _row(db: Connection, case_id: int) -> Row | None:
    return db.execute("SELECT * FROM tickets WHERE case_id = ?", (case_id,)).fetchone()

# What persons want: a node or a fault class left alone for a while; a step approved; a case cancelled.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import progress, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import CANCELLED
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

KINDS = ("node", "class")
_MAX_NAME = 256
# "For two hours", said twice within a minute, is said once.
_SAME_END_SECONDS = 60.0


def pause(db: Connection, now: float, on: bool, by: str) -> bool:
    """See Ledger.pause."""
    if on == (rows.control(db, "paused") is not None):
        return False
    if on:
        rows.set_control(db, "paused", now, by, f"All actions are paused by {by}.")
    else:
        db.execute("DELETE FROM controls WHERE name = 'paused'")
        rows.due_again(db, now, ("paused",))
    text = f"Actions {'paused' if on else 'allowed again'} by {by}."
    rows.log(db, now, None, "control", text, detail={"action": "pause" if on else "unpause", "by": by})
    return True


def approve(db: Connection, now: float, case_id: int, by: str) -> bool:
    """See Ledger.approve."""
    row = rows.case_row(db, case_id)
    step = row["step"]
    if step is None or row["approved_step"] == step:
        return False
    rows.update_case(
        db,
        case_id,
        now,
        approved_step=step,
        approved_by=rows.storable(by)[:_MAX_NAME],
        approved_at=now,
        due_at=now,
        dispatched_at=None,
    )
    rows.log(db, now, case_id, "control", f"{step} approved by {by}.", step, {"action": "approve", "by": by})
    return True


def cancel(db: Connection, now: float, case_id: int, by: str) -> bool:
    """See Ledger.cancel."""
    if rows.case_row(db, case_id)["closed_at"] is not None:
        return False
    progress.close(db, case_id, now, CANCELLED, f"Cancelled by {by}; the node stays as it is.", by)
    return True


def opt_out(db: Connection, now: float, kind: str, name: str, until: float, by: str, reason: str) -> bool:
    """See Ledger.opt_out."""
    if kind not in KINDS:
        raise LedgerError(f"What is left alone is one of {', '.join(KINDS)}, not {kind!r:.60}.")
    if not until > now:
        raise LedgerError(f"An opt-out of {name} that ends in the past does nothing; say when it ends.")
    known = db.execute("SELECT * FROM opt_outs WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    same = known is not None and (known["by_whom"], known["reason"]) == (by, reason)
    if same and abs(known["until"] - until) < _SAME_END_SECONDS:
        return False
    db.execute(
        "INSERT INTO opt_outs (kind, name, until, by_whom, reason, at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (kind, name) DO UPDATE SET until = excluded.until, by_whom = excluded.by_whom, "
        "reason = excluded.reason, at = excluded.at",
        (kind, name, until, rows.storable(by)[:_MAX_NAME], rows.storable(reason)[:1024], now),
    )
    detail = {"action": "opt_out", "by": by, "kind": kind, "name": name, "until": until, "reason": reason}
    _tell(db, now, kind, name, f"{kind} {name} is left alone until {_clock(until)}, by {by}: {reason}", detail)
    return True


def end_opt_out(db: Connection, now: float, kind: str, name: str, by: str) -> bool:
    """See Ledger.end_opt_out."""
    gone = db.execute("DELETE FROM opt_outs WHERE kind = ? AND name = ?", (kind, name)).rowcount
    if not gone:
        return False
    rows.due_again(db, now, ("opt_out",))
    detail = {"action": "opt_in", "by": by, "kind": kind, "name": name}
    _tell(db, now, kind, name, f"{kind} {name} is not left alone any more, by {by}.", detail)
    return True


def opt_outs(db: Connection, now: float) -> Mapping[tuple[str, str], str]:
    """The opt-outs that hold now: (kind, name) and the text why."""
    return {
        (row["kind"], row["name"]): f"{row['by_whom']} wants {row['kind']} {row['name']} left alone "
        f"until {_clock(row['until'])}: {row['reason']}"
        for row in db.execute("SELECT * FROM opt_outs WHERE until > ?", (now,))
    }


def listed(db: Connection, now: float) -> list[dict[str, Any]]:
    """See Ledger.opt_outs."""
    return [
        {
            "kind": row["kind"],
            "name": row["name"],
            "until": row["until"],
            "by": row["by_whom"],
            "reason": row["reason"],
            "at": row["at"],
        }
        for row in db.execute("SELECT * FROM opt_outs WHERE until > ? ORDER BY kind, name", (now,))
    ]


def against(found: Mapping[tuple[str, str], str], node: str, fault_class: str, removing: bool) -> str | None:
    """The opt-out that stands against a step, or None.

    A node that is left alone is left as it is. A class that is left alone takes no more nodes out and repairs nothing;
    what it has taken out may still return (``removing`` False).
    """
    of_class = found.get(("class", fault_class)) if removing else None
    return found.get(("node", node)) or of_class


def _tell(db: Connection, now: float, kind: str, name: str, text: str, detail: Mapping[str, object]) -> None:
    """Into the history of each open case that it concerns, and into that of the loop."""
    column = "node" if kind == "node" else "fault_class"
    concerned = db.execute(
        f"SELECT id FROM cases WHERE closed_at IS NULL AND {column} = ? ORDER BY id",  # noqa: S608
        (name,),
    ).fetchall()
    for case_id in [None, *(row["id"] for row in concerned)]:
        rows.log(db, now, case_id, "control", text, detail=detail)


def _clock(at: float) -> str:
    # A year far ahead is as good as for ever, and no clock text may fail.
    return datetime.fromtimestamp(min(at, 4102444800.0), tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")

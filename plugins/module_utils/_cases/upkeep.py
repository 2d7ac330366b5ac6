# What the ledger tells about itself, and what it forgets.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection

DURATION_BUCKETS = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 259200, 604800)
"""Upper bounds in seconds of the histogram from the opening of a case to its end."""

# A clock that was set back must not make a sum fall.
_LASTED = "CASE WHEN closed_at > opened_at THEN closed_at - opened_at ELSE 0 END"


def counters(db: Connection, now: float) -> dict[str, Any]:
    """See Ledger.counters."""
    counted = db.execute("SELECT name, label, value FROM counters").fetchall()
    oldest = db.execute("SELECT state, min(opened_at) AS opened FROM cases WHERE closed_at IS NULL GROUP BY state")
    return {
        "cases": {
            row["state"]: row["n"] for row in db.execute("SELECT state, count(*) AS n FROM cases GROUP BY state")
        },
        "oldest": {row["state"]: row["opened"] for row in oldest},
        "refused": {row["label"]: row["value"] for row in counted if row["name"] == "refused"},
        "skipped": {row["label"]: row["value"] for row in counted if row["name"] == "skipped"},
        "attempts": {
            (row["step"], row["outcome"]): row["n"]
            for row in db.execute(
                "SELECT step, outcome, count(*) AS n FROM attempts WHERE outcome IS NOT NULL GROUP BY step, outcome"
            )
        },
        "durations": _durations(db),
        "paused": int(rows.control(db, "paused") is not None),
        "breaker_tripped": int(rows.control(db, "breaker") is not None),
        "opt_outs": db.execute("SELECT count(*) FROM opt_outs WHERE until > ?", (now,)).fetchone()[0],
        "heartbeats": {row["source"]: row["at"] for row in db.execute("SELECT source, at FROM heartbeats")},
    }


def _durations(db: Connection) -> dict[tuple[str, str], tuple[float, tuple[int, ...]]]:
    """Of the closed cases by class and state: the sum of their seconds, how many took at most each bound, and all."""
    within = ", ".join(f"count(CASE WHEN {_LASTED} <= {bound} THEN 1 END) AS b{bound}" for bound in DURATION_BUCKETS)
    found = db.execute(
        f"SELECT fault_class, state, count(*) AS n, sum({_LASTED}) AS seconds, {within} FROM cases "  # noqa: S608
        "WHERE closed_at IS NOT NULL GROUP BY fault_class, state"
    )
    return {
        (row["fault_class"], row["state"]): (
            float(row["seconds"]),
            (*(int(row[f"b{bound}"]) for bound in DURATION_BUCKETS), int(row["n"])),
        )
        for row in found
    }


def prune(db: Connection, now: float, before: float) -> dict[str, int]:
    """See Ledger.prune."""
    closed = "(SELECT id FROM cases WHERE closed_at IS NOT NULL AND closed_at < ?)"
    # What fires still is known by its signal; without it, it would look new.
    quiet = "(lane = 'kernel' OR cleared_at IS NOT NULL)"
    return {
        "signals": db.execute(
            f"DELETE FROM signals WHERE {quiet} AND last_seen < ? AND (case_id IS NULL OR case_id IN {closed})",  # noqa: S608
            (before, before),
        ).rowcount,
        "events": db.execute(
            f"DELETE FROM events WHERE at < ? AND (case_id IS NULL OR case_id IN {closed})",  # noqa: S608
            (before, before),
        ).rowcount,
        "faults": db.execute("DELETE FROM faults WHERE case_id IS NULL AND last_seen < ?", (before,)).rowcount,
        "opt_outs": db.execute("DELETE FROM opt_outs WHERE until < ?", (min(before, now),)).rowcount,
    }

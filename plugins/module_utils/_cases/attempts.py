# Attempts at steps: begun, waiting, ended; every one is a row in the ledger before anything is done.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import boots, progress, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import OPEN
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row

# Drains that end no job take as long as the jobs do.
_UNHURRIED = ("idle", "wait")


def start(
    db: Connection,
    now: float,
    row: Row,
    step: str,
    running: Row | None,
    holder: str,
    settings: Settings,
    text: str,
) -> Row:
    """The attempt under way: the one that was begun before, or a new one, which counts from here on."""
    approved_by = row["approved_by"] if row["approved_step"] == step else None
    rows.update_case(db, row["id"], now, state=OPEN, hold_reason=None, hold_text=None, approved_step=None)
    if running is not None:
        if not running["waiting"]:
            rows.log(db, now, row["id"], "resumed", f"{step} was begun before and is brought to its end.", step)
        db.execute("UPDATE attempts SET holder = ?, waiting = 0 WHERE id = ?", (holder, running["id"]))
        return running
    number = _number(db, row, step)
    attempt_id = db.insert(
        "INSERT INTO attempts (case_id, node_id, step, number, epoch, devices, boot_before, holder, began_at, "
        "deadline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row["id"],
            row["node_id"],
            step,
            number,
            row["epoch"],
            json.dumps(_devices(db, row)),
            boots.newest(db, row["node_id"]),
            holder,
            now,
            now + _seconds(settings, row, step),
        ),
    )
    detail = {"attempt": number, "holder": holder}
    if approved_by is not None:
        detail["approved_by"] = approved_by
    rows.log(db, now, row["id"], "begun", text, step, detail)
    return db.execute("SELECT * FROM attempts WHERE id = ?", (attempt_id,)).fetchone()


def pass_over(db: Connection, now: float, row: Row, step: str) -> None:
    """Notes that the step was not allowed and is left out."""
    db.execute(
        "INSERT INTO attempts (case_id, node_id, step, number, epoch, devices, boot_before, holder, began_at, "
        "deadline, ended_at, outcome) VALUES (?, ?, ?, ?, ?, ?, '', '', ?, ?, ?, 'capped')",
        (
            row["id"],
            row["node_id"],
            step,
            _number(db, row, step),
            row["epoch"],
            json.dumps(_devices(db, row)),
            now,
            now,
            now,
        ),
    )


def wait(
    db: Connection,
    now: float,
    row: Row,
    running: Row,
    late: bool,
    settings: Settings,
    recheck: float,
    detail: Mapping[str, Any],
) -> None:
    """The step goes on later; a drain past its deadline shows that it does."""
    if not running["waiting"]:
        rows.log(db, now, row["id"], "waiting", str(detail.get("text", "")), running["step"], detail)
    db.execute("UPDATE attempts SET waiting = 1 WHERE id = ?", (running["id"],))
    if late and not may_force(settings, row):
        # The jobs may still end by themselves, so the case goes on being looked at.
        text = "Jobs still run after the drain's deadline, and nothing allows to end them."
        progress.hold(db, row["id"], now, "drain_deadline", text, recheck)
    else:
        rows.update_case(db, row["id"], now, due_at=now + recheck, dispatched_at=None)


def end(
    db: Connection,
    now: float,
    row: Row,
    running: Row,
    outcome: str,
    detail: Mapping[str, Any],
    settings: Settings,
) -> None:
    """The attempt is over, and the case goes on."""
    # Only an explicit word counts: of what nobody knows, the limits have to believe that it happened.
    reached = 0 if outcome == "failed" and detail.get("reached") is False else 1
    db.execute(
        "UPDATE attempts SET ended_at = ?, outcome = ?, reached = ? WHERE id = ?",
        (now, outcome, reached, running["id"]),
    )
    boot = detail.get("boot")
    if isinstance(boot, str) and 0 < len(boot) <= boots.MAX_BOOT:
        boots.learn(db, row["node_id"], boot, now)
    text = str(detail.get("text", "")) or f"{running['step']} {outcome}."
    rows.log(db, now, row["id"], "finished", text, running["step"], {**detail, "outcome": outcome})
    if outcome == "refused":
        progress.hold(db, row["id"], now, str(detail.get("reason_code", "foreign_drain")), text)
    else:
        progress.advance(db, row["id"], now, settings)


def may_force(settings: Settings, row: Row) -> bool:
    """Whether a drain of this case may end jobs at all: the settings and the policy of its class allow it."""
    return settings.gate.force_after_deadline and drain_policy(settings, row) not in _UNHURRIED


def drain_policy(settings: Settings, row: Row) -> str:
    """How the case's ruling class drains: idle, wait, deadline or now; "" where it does not."""
    fault = settings.catalogue.classes.get(row["fault_class"])
    return fault.drain if fault is not None else ""


def _seconds(settings: Settings, row: Row, step: str) -> float:
    if step == "drain" and drain_policy(settings, row) in _UNHURRIED:
        return settings.gate.drain_wait_seconds
    return settings.deadline_seconds(step)


def _devices(db: Connection, row: Row) -> list[str]:
    return rows.devices_of(rows.acting_faults(db, row["id"]), row["fault_class"])


def _number(db: Connection, row: Row, step: str) -> int:
    made = db.execute("SELECT count(*) FROM attempts WHERE case_id = ? AND step = ?", (row["id"], step)).fetchone()
    return int(made[0]) + 1

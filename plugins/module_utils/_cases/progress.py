# How a case moves: on to its next step, into waiting, to its end; and when the breaker trips.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sqlite3

from ansible_collections.aidc.ops.plugins.module_utils._cases import rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import TRANSIENT
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import HELD, OPEN, QUARANTINED, RESOLVED
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import GatePolicy, Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import Plan, Record, next_step
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

# How soon a refusal that can go away by itself is looked at again.
RECHECK_SECONDS = 30.0
# Service restarts have no limit over 24 h of their own; this is the limit in one case.
_SERVICE_RESTARTS = 2


def advance(db: sqlite3.Connection, case_id: int, now: float, settings: Settings) -> None:
    """Works out the next step from what was done so far, and closes the case when there is none."""
    row = rows.case_row(db, case_id)
    fault = CLASSES[row["fault_class"]]
    if not fault.removes_node and rows.alerts_cleared(db, case_id):
        # The node was never taken out, and what reported the fault takes it back.
        close(db, case_id, now, RESOLVED, "Every alert of the case stopped firing.")
        return
    history = [
        Record(item["step"], item["outcome"], item["epoch"] == row["epoch"])
        for item in db.execute(
            "SELECT step, outcome, epoch FROM attempts WHERE case_id = ? AND outcome IN ('done', 'failed', 'capped') "
            "ORDER BY id",
            (case_id,),
        )
    ]
    limit = _repair_limit(settings.gate, fault.workflow)
    following = next_step(Plan(fault.workflow, fault.retry_after_failed_validation, limit), history)
    if following.step is not None and following.state == OPEN:
        rows.update_case(
            db,
            case_id,
            now,
            state=OPEN,
            step=following.step,
            due_at=now + following.delay,
            dispatched_at=None,
            hold_reason=None,
            hold_text=None,
        )
    elif following.step is not None:
        rows.update_case(db, case_id, now, step=following.step)
        hold(db, case_id, now, "step_failed", f"{following.step} failed again and again; a person has to look.")
    elif following.state == QUARANTINED:
        rows.update_case(
            db,
            case_id,
            now,
            state=QUARANTINED,
            step=None,
            due_at=None,
            hold_reason=None,
            hold_text=None,
            failed_at=now,
            lease_holder=None,
            lease_expires_at=None,
        )
        rows.log(db, now, case_id, "state", "Quarantined: a ticket is open, and the case waits for a person.")
        check_failures(db, now, settings.gate)
    else:
        close(db, case_id, now, following.state, "All steps of the workflow are done.")


def hold(
    db: sqlite3.Connection, case_id: int, now: float, code: str, text: str, recheck: float = RECHECK_SECONDS
) -> None:
    """Lets the case wait: for a while when the reason can go away by itself, else for a person."""
    row = rows.case_row(db, case_id)
    due = now + recheck if code in TRANSIENT or code == "drain_deadline" else None
    if row["hold_reason"] != code:
        rows.log(db, now, case_id, "held", text, row["step"], {"reason": code})
        rows.count(db, "skipped", code)
    rows.update_case(db, case_id, now, state=HELD, hold_reason=code, hold_text=rows.storable(text), due_at=due)


def close(db: sqlite3.Connection, case_id: int, now: float, state: str, text: str) -> None:
    """Ends the case. An attempt that still runs ends with it."""
    db.execute(
        "UPDATE attempts SET ended_at = ?, outcome = 'abandoned' WHERE case_id = ? AND ended_at IS NULL",
        (now, case_id),
    )
    rows.update_case(
        db,
        case_id,
        now,
        state=state,
        step=None,
        due_at=None,
        closed_at=now,
        hold_reason=None,
        hold_text=None,
        lease_holder=None,
        lease_expires_at=None,
    )
    rows.log(db, now, case_id, "state", text, detail={"state": state})


def check_failures(db: sqlite3.Connection, now: float, policy: GatePolicy) -> None:
    """Trips the breaker when too many cases failed in the window."""
    since = max(now - policy.breaker_window_seconds, rearmed_at(db))
    failed = db.execute("SELECT count(*) FROM cases WHERE failed_at > ?", (since,)).fetchone()[0]
    if failed >= policy.breaker_failures:
        _trip(db, now, "failures", f"{failed} cases failed within {policy.breaker_window_seconds:.0f} s.")


def check_storm(db: sqlite3.Connection, now: float, policy: GatePolicy) -> None:
    """Trips the breaker when faults appeared on too many nodes in the window."""
    since = max(now - policy.storm_seconds, rearmed_at(db))
    opened = db.execute("SELECT DISTINCT node_id, fault_class FROM cases WHERE opened_at > ?", (since,)).fetchall()
    # A playbook that fails everywhere takes no node out; it is no storm of broken hardware.
    nodes = {row["node_id"] for row in opened if CLASSES[row["fault_class"]].removes_node}
    if len(nodes) >= policy.storm_nodes:
        _trip(db, now, "storm", f"A storm: new faults on {len(nodes)} nodes within {policy.storm_seconds:.0f} s.")


def rearmed_at(db: sqlite3.Connection) -> float:
    """When a person re-armed the breaker last; what happened before does not count any more."""
    row = rows.control(db, "rearmed")
    return float(row["at"]) if row is not None else 0.0


def _trip(db: sqlite3.Connection, now: float, cause: str, text: str) -> None:
    if rows.control(db, "breaker") is None:
        sentence = f"The breaker tripped: {text} No node is taken out or repaired until a person re-arms it."
        rows.set_control(db, "breaker", now, cause, sentence)
        rows.log(db, now, None, "control", sentence)


def _repair_limit(policy: GatePolicy, workflow: tuple[str, ...]) -> int:
    if "reboot" in workflow:
        return policy.reboots_per_node_per_day
    return policy.resets_per_gpu_per_day if "reset" in workflow else _SERVICE_RESTARTS

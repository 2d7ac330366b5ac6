# How a case moves: on to its next step, into waiting, to its end.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ansible_collections.aidc.ops.plugins.module_utils._cases import breaker, domains, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import TRANSIENT
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    HELD,
    OPEN,
    QUARANTINED,
    RESOLVED,
    RETURNED,
    SCOPE_NODE,
    NodeView,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import Next, Plan, Record, next_step, plan_for
from ansible_collections.aidc.ops.plugins.module_utils._faults import REPAIRS, FaultClass

# How soon a refusal that can go away by itself is looked at again.
RECHECK_SECONDS = 30.0
LEMON = "node_lemon"
# Repairs that act on the devices of the fault; all others act on the whole node.
_OF_DEVICES = ("restart_service", "clean", "port_reset", "remount", "reset", "reset_group", "fsck")
# What has to succeed if the case is to end well.
_DECISIVE = (*REPAIRS, "validate", "await_clear", "await_idle", "failover", "scale_out")


def advance(db: Connection, case_id: int, now: float, settings: Settings) -> None:
    """Works out the next step from what was done so far, and closes the case when there is none."""
    row = rows.case_row(db, case_id)
    fault = settings.catalogue.classes.get(row["fault_class"])
    if fault is None:
        text = f"The catalogue has no class {row['fault_class']} any more; a person has to look."
        hold(db, case_id, now, "unknown_class", text)
        return
    if is_over(db, now, settings, row):
        close(db, case_id, now, RESOLVED, "Everything that reported the fault has taken it back.")
        return
    history = _history(db, row)
    plan = plan_for(fault, row["action"], bool(spares(db, settings, row)), _lemon(db, now, settings, row))
    following = next_step(plan, history)
    if plan.lemon:
        _name_lemon(db, now, row, plan, history)
    if following.step is not None and following.state == OPEN:
        rows.update_case(
            db,
            case_id,
            now,
            state=OPEN,
            step=following.step,
            due_at=_due(now, row, fault, following, history),
            dispatched_at=None,
            hold_reason=None,
            hold_text=None,
        )
    elif following.step is not None:
        rows.update_case(db, case_id, now, step=following.step)
        hold(db, case_id, now, "step_failed", f"{following.step} failed again and again; a person has to look.")
    elif following.state == QUARANTINED:
        _quarantine(db, case_id, now, settings, history)
    else:
        close(db, case_id, now, following.state, "All steps of the workflow are done.")


def is_over(db: Connection, now: float, settings: Settings, row: Row) -> bool:
    """Whether nothing is left to do because whatever reported the fault has taken it back.

    A node that was taken out comes back by a validation only.
    """
    if row["scope"] != SCOPE_NODE:
        return domains.over(db, now, settings, row)
    if not rows.alerts_cleared(db, row["id"]):
        return False
    fault = settings.catalogue.classes.get(row["fault_class"])
    if fault is not None and not fault.removes_node and not rows.took_out(db, row["id"]):
        return True
    touched = db.execute("SELECT 1 FROM attempts WHERE case_id = ? AND step = 'cordon'", (row["id"],)).fetchone()
    return touched is None and not rows.has_lines(db, row["id"])


def spares(db: Connection, settings: Settings, row: Row, engine: Mapping[str, NodeView] | None = None) -> list[str]:
    """The spare nodes of the pool that could take the place of the case's node."""
    own = settings.nodes.get(row["node"])
    if own is None or settings.gate.mode("swap_spare", row["fault_class"]) == "observe":
        return []
    names = [name for name, node in settings.nodes.items() if node.spare and node.pool == own.pool]
    names = [name for name in names if name != row["node"]]
    if not names:
        return []
    listed, values = rows.among("node_id", [settings.node_id(name) for name in names])
    busy = db.execute(f"SELECT node FROM cases WHERE closed_at IS NULL AND {listed}", values)  # noqa: S608
    taken = {item["node"] for item in busy}
    # A spare node that is in service already is nobody's reserve.
    return [name for name in names if name not in taken and (engine is None or name not in engine or engine[name].out)]


def hold(db: Connection, case_id: int, now: float, code: str, text: str, recheck: float = RECHECK_SECONDS) -> None:
    """Lets the case wait: for a while when the reason can go away by itself, else for a person."""
    row = rows.case_row(db, case_id)
    due = now + recheck if code in TRANSIENT or code == "drain_deadline" else None
    if row["hold_reason"] != code:
        rows.log(db, now, case_id, "held", text, row["step"], {"reason": code})
        rows.count(db, "skipped", code)
    rows.update_case(db, case_id, now, state=HELD, hold_reason=code, hold_text=rows.storable(text), due_at=due)


def close(db: Connection, case_id: int, now: float, state: str, text: str, by: str | None = None) -> None:
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
    rows.log(db, now, case_id, "state", text, detail={"state": state, **({"by": by} if by is not None else {})})
    if rows.case_row(db, case_id)["scope"] != SCOPE_NODE:
        rows.due_again(db, now, ("inhibited",))


def _history(db: Connection, row: Row) -> list[Record]:
    wanted = set(rows.devices_of(rows.acting_faults(db, row["id"]), row["fault_class"]))
    return [
        Record(
            item["step"],
            item["outcome"],
            item["epoch"] == row["epoch"],
            item["step"] not in _OF_DEVICES or wanted <= set(json.loads(item["devices"])),
        )
        for item in db.execute(
            "SELECT step, outcome, epoch, devices FROM attempts WHERE case_id = ? "
            "AND outcome IN ('done', 'failed', 'capped') ORDER BY id",
            (row["id"],),
        )
    ]


def _due(now: float, row: Row, fault: FaultClass, following: Next, history: Sequence[Record]) -> float:
    due = now + following.delay
    # A fault that may only follow another one gives that one time to arrive.
    return due if history else max(due, float(row["opened_at"]) + fault.delay_seconds)


def _lemon(db: Connection, now: float, settings: Settings, row: Row) -> bool:
    """Whether the node came back so often that a passed validation is no proof any more."""
    if row["scope"] != SCOPE_NODE or LEMON not in settings.catalogue.classes:
        return False
    # What a person has looked at and closed begins anew.
    settled = db.execute(
        "SELECT max(c.closed_at) FROM cases c JOIN faults f ON f.case_id = c.id "
        "WHERE c.node_id = ? AND f.fault_class = ? AND c.closed_at IS NOT NULL",
        (row["node_id"], LEMON),
    ).fetchone()[0]
    since = max(now - settings.gate.lemon_seconds, settled or 0.0)
    returned = db.execute(
        "SELECT count(*) FROM cases WHERE node_id = ? AND state = ? AND closed_at > ?",
        (row["node_id"], RETURNED, since),
    ).fetchone()[0]
    return bool(returned >= settings.gate.lemon_cases)


def _name_lemon(db: Connection, now: float, row: Row, plan: Plan, history: Sequence[Record]) -> None:
    """Notes the class node_lemon when it alone keeps the node from its return."""
    without = next_step(Plan(plan.workflow, plan.ladder), history)
    named = any(item["fault_class"] == LEMON for item in rows.acting_faults(db, row["id"]))
    if without.step != "resume" or named:
        return
    db.execute(
        "INSERT INTO faults (node_id, fault_class, device, boot, first_seen, last_seen, signals, case_id, line_seen) "
        "VALUES (?, ?, 'node', '', ?, ?, 1, ?, ?)",
        (row["node_id"], LEMON, now, now, row["id"], now),
    )
    text = "The validation passed, but the node came back with faults too often; it is not returned."
    rows.log(db, now, row["id"], "decision", text, "resume", {"allowed": False, "reason": LEMON})


def _quarantine(db: Connection, case_id: int, now: float, settings: Settings, history: Sequence[Record]) -> None:
    # A ticket that was planned from the start is no failure of a repair.
    failed = any(item.step in _DECISIVE and item.outcome != "done" for item in history)
    rows.update_case(
        db,
        case_id,
        now,
        state=QUARANTINED,
        step=None,
        due_at=None,
        hold_reason=None,
        hold_text=None,
        failed_at=now if failed else None,
        lease_holder=None,
        lease_expires_at=None,
    )
    rows.log(db, now, case_id, "state", "Quarantined: a ticket is open, and the case waits for a person.")
    breaker.check_failures(db, now, settings.gate)

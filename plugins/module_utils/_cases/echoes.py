# Signals about what is over: lines and alerts that speak of a case which is closed, and tell nothing new.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._cases import rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    ACTION_OF_STEP,
    CANCELLED,
    OBSERVED,
    RESOLVED,
    RETURNED,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection
from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import preview
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition

_REPAIRED = (RETURNED, RESOLVED)


def over_for_line(
    db: Connection, now: float, settings: Settings, seen: Recognition, node_id: str, boot: str, observed: float
) -> tuple[str, int] | None:
    """The closed case that a kernel line speaks about, if it tells nothing new."""
    row = db.execute(
        "SELECT c.id, c.state, c.closed_at FROM faults f JOIN cases c ON c.id = f.case_id "
        "WHERE f.node_id = ? AND f.fault_class = ? AND f.device = ? AND f.acting = 1 AND c.closed_at IS NOT NULL "
        "AND (f.boot = ? OR f.boot = '' OR ? = '') ORDER BY c.closed_at DESC LIMIT 1",
        (node_id, seen.fault_class, seen.device, boot, boot),
    ).fetchone()
    if row is not None and not (observed > row["closed_at"] and _may_begin_anew(settings, seen, row["state"])):
        return "closed_case", row["id"]
    rebooted = db.execute(
        "SELECT c.id FROM cases c "
        "JOIN attempts r ON r.case_id = c.id AND r.step IN ('reboot', 'power_cycle') AND r.outcome = 'done' "
        "JOIN attempts v ON v.case_id = c.id AND v.step = 'validate' AND v.outcome = 'done' "
        "WHERE c.node_id = ? AND c.state = ? AND v.began_at >= ? "
        "AND (r.boot_before = ? OR r.boot_before = '' OR ? = '') LIMIT 1",
        (node_id, RETURNED, observed, boot, boot),
    ).fetchone()
    # The node was rebooted and has passed a validation since, whatever the class was under which that happened.
    return ("closed_case", rebooted["id"]) if rebooted is not None else None


def _may_begin_anew(settings: Settings, seen: Recognition, state: str) -> bool:
    """Whether a later line in the same boot is a new fault: after a repair it is (a reset keeps the boot), and where
    one was only observed it is as soon as more is allowed. What a person cancelled stays so until the next boot."""
    return state in _REPAIRED or (state == OBSERVED and not observes_only(settings, seen))


def over_for_report(
    db: Connection, now: float, settings: Settings, seen: Recognition, node_id: str, boot: str, observed: float
) -> tuple[str, int] | None:
    """The closed case that an alert still speaks about: it began before and has not caught up yet."""
    last = db.execute(
        "SELECT id, closed_at FROM cases WHERE node_id = ? AND state IN (?, ?) AND closed_at >= ? "
        # What ended before anything was done left nothing behind that would have to settle.
        "AND EXISTS (SELECT 1 FROM attempts a WHERE a.case_id = cases.id) ORDER BY closed_at DESC LIMIT 1",
        (node_id, *_REPAIRED, observed),
    ).fetchone()
    if last is not None and now < last["closed_at"] + settings.gate.settle_seconds:
        return "settling", last["id"]
    # What a person cancelled stays cancelled, and what is only observed was observed.
    same = db.execute(
        "SELECT c.id, c.state FROM faults f JOIN cases c ON c.id = f.case_id WHERE f.node_id = ? "
        "AND f.fault_class = ? AND f.device = ? AND f.acting = 1 AND c.closed_at >= ? "
        "ORDER BY c.closed_at DESC LIMIT 1",
        (node_id, seen.fault_class, seen.device, observed),
    ).fetchone()
    if same is None or same["state"] not in (CANCELLED, OBSERVED):
        return ("closed_case", same["id"]) if same is not None and _only_told(db, same["id"]) else None
    if same["state"] == OBSERVED and not observes_only(settings, seen):
        return None
    return "closed_case", same["id"]


def _only_told(db: Connection, case_id: int) -> bool:
    """Whether the case only told somebody and ended. As long as the same alert goes on, it is not told again."""
    listed, values = rows.among("step", ("evidence", "notify"))
    told, other = db.execute(
        f"SELECT count(CASE WHEN {listed} THEN 1 END), count(*) FROM attempts WHERE case_id = ?",  # noqa: S608
        (*values, case_id),
    ).fetchone()
    return bool(told > 0 and told == other)


def observes_only(settings: Settings, seen: Recognition) -> bool:
    """Whether the first thing that a case of this fault would do is only observed."""
    fault = settings.catalogue.classes[seen.fault_class]
    if settings.gate.class_modes.get(fault.name) == "observe":
        return True
    first = next((step for step in preview(fault, seen.action) if step in ACTION_OF_STEP), None)
    if first is None:
        return False
    return fault.authority == "never" or settings.gate.mode(ACTION_OF_STEP[first], fault.name) == "observe"

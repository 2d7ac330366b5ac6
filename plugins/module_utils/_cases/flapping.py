# Fault classes whose repairs do not last: of such a class one node at a time is repaired.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._cases import rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import RETURNED
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import GatePolicy
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection
from ansible_collections.aidc.ops.plugins.module_utils._faults import REPAIRS

# A fault that comes back so soon after a return was not repaired.
BACK_SECONDS = 86400.0


def flaps(db: Connection, now: float, policy: GatePolicy, fault_class: str) -> bool:
    """Whether too many cases of this class failed their validation, or came back soon after their return."""
    since = now - policy.flap_seconds
    listed, values = rows.among("r.step", REPAIRS)
    failed = db.execute(
        "SELECT DISTINCT c.id FROM attempts v JOIN cases c ON c.id = v.case_id "  # noqa: S608
        "WHERE v.step = 'validate' AND v.outcome = 'failed' AND v.ended_at > ? AND c.fault_class = ? "
        f"AND EXISTS (SELECT 1 FROM attempts r WHERE r.case_id = c.id AND r.outcome = 'done' AND {listed})",
        (since, fault_class, *values),
    ).fetchall()
    back = db.execute(
        "SELECT DISTINCT c.id FROM cases c JOIN cases e ON e.node_id = c.node_id AND e.fault_class = c.fault_class "
        "WHERE c.opened_at > ? AND c.fault_class = ? AND e.state = ? AND e.closed_at <= c.opened_at "
        "AND e.closed_at > c.opened_at - ? AND e.id <> c.id",
        (since, fault_class, RETURNED, BACK_SECONDS),
    ).fetchall()
    return len({row["id"] for row in (*failed, *back)}) >= policy.flap_failures


def under_repair(db: Connection, fault_class: str) -> frozenset[int]:
    """The cases of the class that have a repair which runs, or one that has not stood its test yet."""
    listed, values = rows.among("a.step", (*REPAIRS, "validate"))
    found = db.execute(
        f"SELECT a.case_id, a.step, a.outcome FROM attempts a JOIN cases c ON c.id = a.case_id WHERE {listed} "  # noqa: S608
        "AND c.closed_at IS NULL AND c.state <> 'quarantined' AND c.fault_class = ? "
        "AND (a.outcome IS NULL OR a.outcome IN ('done', 'failed')) ORDER BY a.id",
        (*values, fault_class),
    ).fetchall()
    newest = {row["case_id"]: row for row in found}
    return frozenset(
        case_id
        for case_id, row in newest.items()
        if row["outcome"] is None or (row["step"] != "validate" and row["outcome"] == "done")
    )

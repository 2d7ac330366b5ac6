# What whoever does a step is told: the context of a grant.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases import attempts, domains, progress, rows, wishes
from ansible_collections.aidc.ops.plugins.module_utils._cases.gate import foreign_owner
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import SCOPE_NODE, Case, NodeView
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import ladder_from, preview
from ansible_collections.aidc.ops.plugins.module_utils._faults import REPAIRS

# Each set of checks of devices holds the ones before it.
_GROWING = ("V1", "V2", "V3")
_MAX_CODES = 50


def context(
    db: Connection,
    now: float,
    row: Row,
    attempt: Row,
    settings: Settings,
    engine: Mapping[str, NodeView] | None,
) -> dict[str, Any]:
    """What the caller needs in order to act; see model.Grant."""
    case = rows.as_case(db, row)
    faults = rows.acting_faults(db, row["id"])
    ruling = [item for item in faults if item["fault_class"] == case.fault_class]
    fault = settings.catalogue.classes[case.fault_class]
    node = (engine or {}).get(case.node)
    step = attempt["step"]
    return {
        "node": case.node,
        "token": case.token,
        "attempt_token": f"{case.token}:{step}:{attempt['id']}",
        "reason": case.reason,
        "fault_class": case.fault_class,
        "fault_classes": list(case.fault_classes),
        "devices": rows.devices_of(ruling),
        "all_devices": list(case.devices),
        "validation": fault.validation,
        "validations": _validations(settings, case),
        "boot_before": attempt["boot_before"] or None,
        "cleared": _cleared(db, now, settings, row),
        "force": step == "drain" and _force(db, now, settings, row, attempt),
        "drained": node.drained if node is not None else None,
        "jobs": list(node.jobs) if node is not None else [],
        "foreign": foreign_owner(node) if node is not None else False,
        "opened_at": row["opened_at"],
        "began_at": attempt["began_at"],
        "scope": case.scope,
        "location": next((item["location"] for item in reversed(ruling) if item["location"]), ""),
        "codes": _codes(db, row["id"]),
        "action": case.action,
        "repairs": list(ladder_from(fault.repairs, case.action)),
        "rung": step if step in REPAIRS else "",
        "drain": fault.drain,
        "preview": preview(fault, case.action),
        "nodes": domains.members(db, settings, row),
        "spares": progress.spares(db, settings, row, engine) if step == "swap_spare" else [],
    }


def _cleared(db: Connection, now: float, settings: Settings, row: Row) -> bool:
    if row["scope"] != SCOPE_NODE:
        return domains.over(db, now, settings, row)
    return rows.alerts_cleared(db, row["id"])


def _force(db: Connection, now: float, settings: Settings, row: Row, attempt: Row) -> bool:
    """Whether the drain may end jobs now. A person who wants node or class left alone wants their jobs left alone."""
    if not attempts.may_force(settings, row):
        return False
    if wishes.against(wishes.opt_outs(db, now), row["node"], row["fault_class"], removing=True):
        return False
    return bool(attempts.drain_policy(settings, row) == "now" or now >= attempt["deadline"])


def _validations(settings: Settings, case: Case) -> list[str]:
    """The sets of checks that the case's faults ask for, that of the ruling class first; none that another includes."""
    known = settings.catalogue.classes
    names = [case.fault_class, *case.fault_classes]
    wanted = [known[name].validation for name in names if name in known and known[name].removes_node]
    wanted = [name for name in dict.fromkeys(wanted) if name] or [known[case.fault_class].validation]
    deepest = max((_GROWING.index(name) for name in wanted if name in _GROWING), default=-1)
    return [name for name in wanted if name and (name not in _GROWING or _GROWING.index(name) == deepest)]


def _codes(db: Connection, case_id: int) -> list[int]:
    found = db.execute(
        "SELECT DISTINCT code FROM signals WHERE case_id = ? AND code IS NOT NULL ORDER BY code LIMIT ?",
        (case_id, _MAX_CODES),
    ).fetchall()
    return [int(row["code"]) for row in found]

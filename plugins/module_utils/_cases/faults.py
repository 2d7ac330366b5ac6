# The faults of a node as rows: each signal is added to the one that it belongs to.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._cases import repeats, rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition


def add(
    db: Connection,
    now: float,
    settings: Settings,
    kernel: bool,
    seen: Recognition,
    node_id: str,
    boot: str,
    observed: float,
    case_id: int | None,
    acting: bool,
) -> int:
    """Adds a signal (``kernel``: a kernel line) to its fault; how many signals that fault has now."""
    fresh = observed if kernel else now
    location = rows.storable(seen.location)
    row = db.execute(
        "SELECT id, signals, action FROM faults WHERE node_id = ? AND fault_class = ? AND device = ? AND boot = ? "
        "AND location = ? AND acting = ? AND COALESCE(case_id, 0) = COALESCE(?, 0)",
        (node_id, seen.fault_class, seen.device, boot, location, int(acting), case_id),
    ).fetchone()
    if row is None:
        db.execute(
            "INSERT INTO faults (node_id, fault_class, device, boot, first_seen, last_seen, signals, case_id, "
            "action, location, acting, line_seen) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
            (
                node_id,
                seen.fault_class,
                seen.device,
                boot,
                observed,
                fresh,
                case_id,
                seen.action,
                location,
                int(acting),
                observed if kernel else None,
            ),
        )
        return 1
    db.execute(
        "UPDATE faults SET last_seen = CASE WHEN last_seen > :seen THEN last_seen ELSE :seen END, "
        "signals = signals + 1, action = :action WHERE id = :id",
        {"seen": fresh, "action": _deeper(settings, seen, row["action"]), "id": row["id"]},
    )
    if kernel:
        db.execute(
            "UPDATE faults SET line_seen = CASE WHEN COALESCE(line_seen, 0) > :seen THEN line_seen ELSE :seen END "
            "WHERE id = :id",
            {"seen": observed, "id": row["id"]},
        )
    return int(row["signals"]) + 1


def _deeper(settings: Settings, seen: Recognition, known: str) -> str:
    catalogue = settings.catalogue
    return max(seen.action, known, key=lambda action: repeats.rank(catalogue, seen.fault_class, action))

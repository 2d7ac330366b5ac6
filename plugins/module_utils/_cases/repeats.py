# What a signal means beside the others of its node: one that only follows a worse one, or one too often repeated.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection
from ansible_collections.aidc.ops.plugins.module_utils._faults import Catalogue, Recognition

# Errors of one device within so many seconds are one event: the first of it leads, and all count once.
EVENT_SECONDS = 180.0


def rank(catalogue: Catalogue, fault_class: str, action: str) -> tuple[int, ...]:
    """Orders the faults of one case: the greatest rules. What takes the node out goes first, whatever else it asks."""
    known = catalogue.classes.get(fault_class)
    if known is None:
        # Of a class that is not in the catalogue any more nothing is known, so everything else rules.
        return (-1,)
    return (int(known.removes_node), *catalogue.strength(fault_class, action))


def follows(
    db: Connection, settings: Settings, signal: Signal, seen: Recognition, node_id: str, observed: float
) -> bool:
    """Whether a kernel line is only the echo of a worse fault of the same device a moment ago."""
    if seen.leader is not None:
        return True
    if signal.lane != "kernel":
        return False
    earlier = db.execute(
        "SELECT fault_class, action, line_seen FROM faults WHERE node_id = ? AND device = ? AND acting = 1 "
        "AND line_seen >= ? AND first_seen <= ?",
        (node_id, seen.device, observed - EVENT_SECONDS, observed),
    ).fetchall()
    if not earlier:
        return False
    own = rank(settings.catalogue, seen.fault_class, seen.action)
    if not any(rank(settings.catalogue, row["fault_class"], row["action"]) > own for row in earlier):
        return False
    # After a repair it is no echo any more: the device speaks anew.
    repaired = db.execute(
        "SELECT 1 FROM attempts WHERE node_id = ? AND outcome = 'done' AND step = 'validate' AND ended_at <= ? "
        "AND ended_at >= ?",
        (node_id, observed, observed - EVENT_SECONDS),
    ).fetchone()
    return repaired is None


def promoted(
    db: Connection,
    now: float,
    settings: Settings,
    signal: Signal,
    seen: Recognition,
    node_id: str,
    observed: float,
) -> Recognition:
    """The recognition as it is, or as the class that it becomes when the same happened too often."""
    repeat = settings.catalogue.classes[seen.fault_class].repeat
    if repeat is None or repeat.becomes not in settings.catalogue.classes:
        return seen
    closed = db.execute(
        "SELECT max(c.closed_at) FROM cases c JOIN faults f ON f.case_id = c.id "
        "WHERE c.node_id = ? AND f.fault_class = ? AND c.closed_at IS NOT NULL",
        (node_id, repeat.becomes),
    ).fetchone()[0]
    since = max(now - repeat.within_seconds, closed or 0.0)
    found = db.execute(
        "SELECT device, location, observed_at, received_at FROM signals WHERE node_id = ? AND fault_class = ? "
        "AND received_at > ? AND dedup_key <> ? AND disposition NOT IN ('old_boot', 'follower', 'closed_case')",
        (node_id, seen.fault_class, since, signal.dedup_key),
    ).fetchall()
    # A clock that runs ahead must not bring an event into a window in which it did not happen.
    times = [min(row["observed_at"], row["received_at"]) for row in found if _same(repeat.same, row, seen)]
    if _events([*(at for at in times if at > since), observed]) < repeat.count:
        return seen
    return replace(seen, fault_class=repeat.becomes)


def _same(what: str, row: Any, seen: Recognition) -> bool:
    if what == "node":
        return True
    # Without a place nobody can say that it was the same one.
    if what == "location" and not seen.location:
        return False
    return bool(row["device"] == seen.device and (what == "device" or row["location"] == seen.location))


def _events(times: Sequence[float]) -> int:
    """How often it happened, when what comes close together is one event."""
    ordered = sorted(times)
    return 1 + sum(1 for earlier, later in zip(ordered, ordered[1:]) if later - earlier > EVENT_SECONDS)

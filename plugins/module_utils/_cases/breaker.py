# The breaker: trips when too much fails or breaks at once; a person re-arms it, or time does where that is wanted.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._cases import rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import SCOPE_NODE
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import GatePolicy
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection

# Who re-arms it when nobody does.
COOL_DOWN = "the cool-down"


def check_failures(db: Connection, now: float, policy: GatePolicy) -> None:
    """Trips the breaker when too many cases failed in the window."""
    since = max(now - policy.breaker_window_seconds, rearmed_at(db))
    failed = db.execute("SELECT count(*) FROM cases WHERE failed_at > ?", (since,)).fetchone()[0]
    if failed >= policy.breaker_failures:
        _trip(db, now, "failures", f"{failed} cases failed within {policy.breaker_window_seconds:.0f} s.", policy)


def check_storm(db: Connection, now: float, settings: Settings) -> None:
    """Trips the breaker when faults appeared on too many nodes in the window."""
    policy = settings.gate
    since = max(now - policy.storm_seconds, rearmed_at(db))
    # What a case of a whole rack, leaf or server covers is that one case.
    opened = db.execute(
        "SELECT DISTINCT node_id, fault_class FROM cases WHERE opened_at > ? AND scope = ? "
        "AND COALESCE(hold_reason, '') <> 'inhibited'",
        (since, SCOPE_NODE),
    ).fetchall()
    # A playbook that fails everywhere takes no node out; it is no storm of broken hardware.
    classes = settings.catalogue.classes
    removing = {name for name, row in classes.items() if row.removes_node}
    nodes = {row["node_id"] for row in opened if row["fault_class"] in removing}
    if len(nodes) >= policy.storm_nodes:
        _trip(
            db, now, "storm", f"A storm: new faults on {len(nodes)} nodes within {policy.storm_seconds:.0f} s.", policy
        )


def rearmed_at(db: Connection) -> float:
    """When the breaker was re-armed last; what happened before does not count any more."""
    row = rows.control(db, "rearmed")
    return float(row["at"]) if row is not None else 0.0


def rearm(db: Connection, now: float, by: str) -> bool:
    """Re-arms the breaker; whether it had tripped. What waited for it is judged anew: old evidence does not act."""
    if rows.control(db, "breaker") is None:
        return False
    db.execute("DELETE FROM controls WHERE name = 'breaker'")
    rows.set_control(db, "rearmed", now, by, f"The breaker was re-armed by {by}.")
    rows.due_again(db, now, ("breaker", "storm"))
    rows.log(db, now, None, "control", f"Breaker re-armed by {by}.", detail={"action": "rearm", "by": by})
    return True


def rearm_if_due(db: Connection, now: float, policy: GatePolicy) -> None:
    """Re-arms the breaker after its cool-down, where the settings want that."""
    tripped = rows.control(db, "breaker")
    after = policy.breaker_rearm_seconds
    if tripped is not None and after is not None and now >= tripped["at"] + after:
        rearm(db, now, COOL_DOWN)


def _trip(db: Connection, now: float, cause: str, text: str, policy: GatePolicy) -> None:
    if rows.control(db, "breaker") is None:
        after = policy.breaker_rearm_seconds
        until = "until a person re-arms it" if after is None else f"for {after:.0f} s, or until a person re-arms it"
        sentence = f"The breaker tripped: {text} No node is taken out or repaired {until}."
        rows.set_control(db, "breaker", now, cause, sentence)
        rows.log(db, now, None, "control", sentence, detail={"action": "trip", "by": cause})

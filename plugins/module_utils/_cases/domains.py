# What many nodes have in common: a rack, a leaf switch, a server. Faults of several at once are one case of that.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes whose rack or leaf nobody told share one domain where limits are concerned, which is the cautious reading. Here
the cautious reading is the other one: missing data must make no facility case, so they have no domain at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ansible_collections.aidc.ops.plugins.module_utils._cases import rows
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import SCOPE_NODE
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row
from ansible_collections.aidc.ops.plugins.module_utils._faults import FaultClass

# Kernel lines are never taken back: a domain that was quiet for so long, at least, is over it.
QUIET_SECONDS = 300.0
# Where a signal counts as a fault of its node (see recording).
_COUNTED = "disposition IN ('opened', 'merged', 'recorded')"
_BY_SCOPE = {"rack": "rack", "fabric": "leaf", "service": "server"}


class Domain(NamedTuple):
    """``by``: rack, leaf or server; ``value``: its name."""

    by: str
    value: str

    @property
    def node(self) -> str:
        """What stands for the node in a case of this domain."""
        return f"{self.by}:{self.value}"

    @property
    def node_id(self) -> str:
        return f"domain:{self.node}"


def of_node(settings: Settings, by: str, node: str, location: str) -> Domain | None:
    """The domain of this kind in which a fault on the node lies; None if nobody told."""
    if by == "server":
        value = location or None
    else:
        known = settings.nodes.get(node)
        value = getattr(known, by) if known is not None else None
    return Domain(by, value) if value else None


def of_class(settings: Settings, fault: FaultClass, node: str, location: str) -> Domain | None:
    """The domain that a fault is about whose class is one of whole domains; None for all others."""
    by = _BY_SCOPE.get(fault.scope)
    if by is None:
        return None
    # A service that is no file server's is that of the node which reports it.
    return of_node(settings, by, node, location or node)


def of_case(row: Row) -> Domain | None:
    """The domain that a case is about; None for a case of one node."""
    return None if row["scope"] == SCOPE_NODE else Domain(row["scope"], row["node"].partition(":")[2])


def covered_classes(settings: Settings, becomes: Iterable[str]) -> list[str]:
    """The classes whose bursts are cases of these classes."""
    wanted = set(becomes)
    return [
        name
        for name, row in settings.catalogue.classes.items()
        if row.correlate is not None and row.correlate.becomes in wanted
    ]


def burst(db: Connection, now: float, settings: Settings, domain: Domain, becomes: str) -> set[str]:
    """The ids of the nodes in the domain that show faults of this kind at once; empty while they are too few."""
    members = covered_classes(settings, [becomes])
    rules = [row for row in (settings.catalogue.classes[name].correlate for name in members) if row is not None]
    rules = [rule for rule in rules if rule.by == domain.by]
    if not rules:
        return set()
    closed = db.execute(
        "SELECT max(closed_at) FROM cases WHERE node_id = ? AND closed_at IS NOT NULL", (domain.node_id,)
    ).fetchone()[0]
    # What a closed case has dealt with makes no second one.
    since = max(now - max(rule.within_seconds for rule in rules), closed or 0.0)
    listed, values = rows.among("fault_class", members)
    found = db.execute(
        f"SELECT node_id FROM signals WHERE {listed} AND received_at > ? AND {_COUNTED} "  # noqa: S608
        "AND (lane = 'kernel' OR cleared_at IS NULL) AND (? <> 'server' OR location = ?)",
        (*values, since, domain.by, domain.value),
    ).fetchall()
    inside = _node_ids(settings, domain)
    nodes = {row["node_id"] for row in found if row["node_id"] in inside}
    return nodes if len(nodes) >= min(rule.nodes for rule in rules) else set()


def covering(db: Connection, settings: Settings, node: str, fault: FaultClass, locations: Iterable[str]) -> Row | None:
    """The open case of a domain that covers faults of this class on the node."""
    if fault.correlate is None:
        return None
    for location in dict.fromkeys([*locations, ""]):
        domain = of_node(settings, fault.correlate.by, node, location)
        case = rows.open_case_of(db, domain.node_id) if domain is not None else None
        if case is not None and fault.correlate.becomes in _classes(db, case):
            return case
    return None


def members(db: Connection, settings: Settings, row: Row) -> list[str]:
    """The names of the nodes that show the faults of an open case of a domain."""
    domain = of_case(row)
    if domain is None:
        return [row["node"]]
    listed, values = rows.among("fault_class", _watched(db, settings, row))
    found = db.execute(
        f"SELECT node FROM signals WHERE {listed} AND received_at > ? AND {_COUNTED} "  # noqa: S608
        "AND (? <> 'server' OR location = ? OR case_id = ?)",
        (*values, row["opened_at"] - _window(settings, values), domain.by, domain.value, row["id"]),
    ).fetchall()
    inside = _node_names(settings, domain)
    return sorted({item["node"] for item in found if item["node"] in inside})


def over(db: Connection, now: float, settings: Settings, row: Row) -> bool:
    """Whether everything that a case of a domain covers has ended: no alert fires, and kernel lines are quiet."""
    domain = of_case(row)
    if domain is None or not members(db, settings, row):
        # Its first signal is being recorded just now.
        return False
    classes = _watched(db, settings, row)
    quiet_since = now - _window(settings, classes)
    listed, values = rows.among("fault_class", classes)
    inside = _node_ids(settings, domain)
    firing = db.execute(
        f"SELECT node_id FROM signals WHERE {listed} AND lane <> 'kernel' AND cleared_at IS NULL "  # noqa: S608
        f"AND {_COUNTED} AND (? <> 'server' OR location = ? OR case_id = ?)",
        (*values, domain.by, domain.value, row["id"]),
    ).fetchall()
    if any(item["node_id"] in inside for item in firing):
        return False
    spoken = db.execute(
        f"SELECT node_id FROM faults WHERE {listed} AND line_seen > ? AND (? <> 'server' OR location = ?)",  # noqa: S608
        (*values, quiet_since, domain.by, domain.value),
    ).fetchall()
    return not any(item["node_id"] in inside or item["node_id"] == domain.node_id for item in spoken)


def _classes(db: Connection, case: Row) -> list[str]:
    return [item["fault_class"] for item in rows.acting_faults(db, case["id"])]


def _watched(db: Connection, settings: Settings, case: Row) -> list[str]:
    own = _classes(db, case)
    return [*dict.fromkeys([*own, *covered_classes(settings, own)])]


def _window(settings: Settings, classes: Iterable[str]) -> float:
    known = settings.catalogue.classes
    rules = [known[name].correlate for name in classes if name in known]
    return max([QUIET_SECONDS, *(rule.within_seconds for rule in rules if rule is not None)])


def _node_names(settings: Settings, domain: Domain) -> set[str]:
    if domain.by == "server":
        return set(settings.nodes)
    return {name for name, node in settings.nodes.items() if getattr(node, domain.by) == domain.value}


def _node_ids(settings: Settings, domain: Domain) -> set[str]:
    return {settings.node_id(name) for name in _node_names(settings, domain)}

# Storage nodes, pieces of datasets, and how full each node should be.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError

MAX_PIECES = 200000
"""Copies beyond this would take hours; larger pieces serve as well."""

Placement = t.Mapping[str, t.Tuple[str, ...]]
"""The nodes that hold a copy of each piece."""


class Node(t.NamedTuple):
    """A node that can hold *capacity* bytes. Nodes of one *domain* (a rack) may fail together."""

    name: str
    domain: str
    capacity: int


class Piece(t.NamedTuple):
    """What is placed as one: a dataset, or a part of one that is too large to be moved at once."""

    name: str
    size: int
    replicas: int


def make_nodes(rows: t.Iterable[t.Mapping[str, t.Any]]) -> list[Node]:
    """Nodes of the options name, rack, bytes. A node without a rack shares one with all that have none."""
    found = [
        Node(str(row["name"]), str(row.get("rack") or ""), _bytes(row["bytes"], f"node {row['name']}")) for row in rows
    ]
    _once("node", [node.name for node in found])
    if not found:
        raise StoragePlanError("there is no node to place data on")
    return found


def make_pieces(rows: t.Iterable[t.Mapping[str, t.Any]], piece_bytes: int, domains: int) -> list[Piece]:
    """Datasets of the options name, bytes, replicas, cut into equal pieces of at most *piece_bytes*."""
    found: list[Piece] = []
    names = []
    if piece_bytes < 1:
        raise StoragePlanError(f"piece_bytes has to be at least 1, not {piece_bytes}")
    for row in rows:
        name, size = str(row["name"]), _bytes(row["bytes"], f"dataset {row['name']}")
        replicas = int(row.get("replicas") or 1)
        names.append(name)
        if not 1 <= replicas <= domains:
            raise StoragePlanError(
                f"dataset {name}: {replicas} replicas need as many racks, each its own, and there are {domains}"
            )
        count = math.ceil(size / piece_bytes)
        if len(found) + count > MAX_PIECES:
            raise StoragePlanError(f"dataset {name}: more than {MAX_PIECES} pieces in all; raise piece_bytes")
        for index in range(count):
            # To the byte: the first ones are one byte larger.
            part = size // count + (index < size % count)
            found.append(Piece(name if count == 1 else f"{name}/{index}", part, replicas))
    if not found:
        raise StoragePlanError("there is no dataset to place")
    _once("dataset", names)
    _once("piece", [piece.name for piece in found])
    return found


def keepers(piece: Piece, held: t.Iterable[str], domains: t.Mapping[str, str]) -> list[str]:
    """The copies that count: one in each domain, as many as are wanted. *domains* has the domain of each node there is.

    A copy beside another in one rack is none, since both are lost together.
    """
    found: dict[str, str] = {}
    for name in held:
        if name in domains and len(found) < piece.replicas:
            found.setdefault(domains[name], name)
    return list(found.values())


def loads(placement: Placement, pieces: t.Iterable[Piece]) -> dict[str, int]:
    """Bytes on each node that holds any."""
    found: dict[str, int] = {}
    for piece in pieces:
        for node in placement.get(piece.name, ()):
            found[node] = found.get(node, 0) + piece.size
    return found


def fair_loads(nodes: t.Sequence[Node], pieces: t.Iterable[Piece]) -> dict[str, float]:
    """Bytes on each node if all were equally full.

    A domain holds one copy of each piece at most, so a large one cannot be as full as the others: it gets that much,
    and the rest is shared among the others in the same way.
    """
    rows = list(pieces)
    total = float(sum(piece.size * piece.replicas for piece in rows))
    single = float(sum(piece.size for piece in rows))
    weights: dict[str, int] = {}
    for node in nodes:
        weights[node.domain] = weights.get(node.domain, 0) + node.capacity
    shares: dict[str, float] = {}
    while len(shares) < len(weights):
        rest = total - math.fsum(shares.values())
        free = {domain: weight for domain, weight in weights.items() if domain not in shares}
        each = rest / sum(free.values())
        full = [domain for domain, weight in free.items() if each * weight > single * (1 + 1e-12)]
        shares.update(dict.fromkeys(full, single) if full else {name: each * free[name] for name in free})
    return {node.name: shares[node.domain] * node.capacity / weights[node.domain] for node in nodes}


def _bytes(value: t.Any, what: str) -> int:
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        raise StoragePlanError(f"{what}: bytes has to be a whole number, not {value!r:.100}") from None
    if found < 1:
        raise StoragePlanError(f"{what}: bytes has to be at least 1, not {found}")
    return found


def _once(kind: str, names: t.Sequence[str]) -> None:
    double = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if double:
        raise StoragePlanError(f"{kind} {min(double)} is there more than once")

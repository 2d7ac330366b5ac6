# The whole plan: where every copy goes, what moves, and how near that is to the least that could.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.balance import Balancer
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import (
    Node,
    Piece,
    Placement,
    fair_loads,
    keepers,
    loads,
)
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.moves import Move, in_waves, list_moves, order
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.straw import Straws


class Plan(t.NamedTuple):
    """*least_bytes* is the lower bound on what moves, *moved_bytes* what does; *new_bytes* is written for the first
    time and in neither. Fullness is the load of the fullest node over its fair one.
    """

    placement: Placement
    moves: list[Move]
    moved_bytes: int
    least_bytes: float
    new_bytes: int
    fullest_before: float
    fullest_after: float
    fingerprint: str
    notes: list[str]


def least_bytes(nodes: t.Sequence[Node], pieces: t.Sequence[Piece], before: Placement, tolerance: float) -> float:
    """No plan can move less: every copy that is lost (or beside another of its rack), and from each node what is above
    its limit. Where one may choose which of too many copies stays, none of them counts as load.
    """
    domains = {node.name: node.domain for node in nodes}
    stay = {piece.name: tuple(keepers(piece, before.get(piece.name, ()), domains)) for piece in pieces}
    lost = sum(
        piece.size * (min(len(before.get(piece.name, ())), piece.replicas) - len(stay[piece.name])) for piece in pieces
    )
    sure = {
        name: held for name, held in stay.items() if len(held) == sum(node in domains for node in before.get(name, ()))
    }
    load = loads(sure, pieces)
    fair = fair_loads(nodes, pieces)
    return lost + sum(max(0.0, load.get(name, 0) - (1 + tolerance) * share) for name, share in fair.items())


def make_plan(
    nodes: t.Sequence[Node],
    pieces: t.Sequence[Piece],
    before: Placement,
    tolerance: float = 0.02,
    per_node: int = 2,
    wave_bytes: int = 10**13,
    earlier: tuple[str, Placement] | None = None,
) -> Plan:
    """Plan from what is where now. Raises StoragePlanError.

    *earlier* is fingerprint and placement of a plan that was begun: if it was made for the same nodes and data, what is
    left of it is the answer, so that an interrupted run goes on rather than turning round.
    """
    needed = sum(piece.size * piece.replicas for piece in pieces)
    there = sum(node.capacity for node in nodes)
    if needed > there:
        raise StoragePlanError(
            f"{needed} bytes with all replicas do not fit on {there} bytes; {needed - there} are missing"
        )
    present = _known(before, pieces)
    mark = fingerprint(nodes, pieces, tolerance)
    notes = []
    if earlier is not None and earlier[0] == mark:
        after = earlier[1]
        notes.append("the plan that was begun is continued")
    else:
        if earlier is not None:
            notes.append("nodes or data are others than those of the plan that was begun; a new one was made")
        after = _place(nodes, pieces, present, tolerance)
    moves = in_waves(order(list_moves(present, after, nodes, pieces), present, nodes, pieces), per_node, wave_bytes)
    fair = fair_loads(nodes, pieces)
    old, new = (
        max((state.get(name, 0) / share for name, share in fair.items() if share), default=0.0)
        for state in (loads(present, pieces), loads(after, pieces))
    )
    fresh = {piece.name for piece in pieces if not present.get(piece.name)}
    if new > 1 + tolerance + 1e-9:
        notes.append(f"the fullest node stays at {new:.3f} of its fair load: pieces are too large to be divided better")
    return Plan(
        after,
        moves,
        sum(move.size for move in moves if move.piece not in fresh),
        least_bytes(nodes, pieces, present, tolerance),
        sum(move.size for move in moves if move.piece in fresh),
        old,
        new,
        mark,
        notes,
    )


def fingerprint(nodes: t.Sequence[Node], pieces: t.Sequence[Piece], tolerance: float) -> str:
    """The same for the same nodes, data and tolerance, in whatever order."""
    text = repr((sorted(nodes), sorted(pieces), tolerance))
    return hashlib.sha256(text.encode()).hexdigest()


def _place(nodes: t.Sequence[Node], pieces: t.Sequence[Piece], present: Placement, tolerance: float) -> Placement:
    straws = Straws(nodes)
    capacity = {node.name: float(node.capacity) for node in nodes}
    start = dict(present)
    room = {name: capacity[name] - load for name, load in loads(present, pieces).items() if name in capacity}
    for piece in pieces:
        if not start.get(piece.name):
            drawn = straws.place(piece)
            # Where a hash finds no room the balancer looks for some.
            fits = tuple(name for name in drawn if room.get(name, capacity[name]) >= piece.size)
            for name in fits:
                room[name] = room.get(name, capacity[name]) - piece.size
            start[piece.name] = fits
    balancer = Balancer(nodes, pieces, start, tolerance)
    balancer.rehome()
    balancer.shave()
    return balancer.result()


def _known(before: Placement, pieces: t.Sequence[Piece]) -> Placement:
    """What is there of the pieces that are wanted. Raises StoragePlanError for two copies on one node."""
    found = {}
    for piece in pieces:
        held = tuple(before.get(piece.name, ()))
        if len(set(held)) < len(held):
            raise StoragePlanError(f"{piece.name}: the present placement names a node twice")
        if held:
            found[piece.name] = held
    return found

# Checks a plan for what it promises, from the plan and the input alone.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares nothing with the code that makes plans but the types: each rule is written out again, the plain way."""

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import Node, Piece, Placement
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.plan import Plan


def problems(nodes: t.Sequence[Node], pieces: t.Sequence[Piece], before: Placement, plan: Plan) -> list[str]:
    """What is wrong with the plan; nothing if it holds."""
    found = []
    domain = {node.name: node.domain for node in nodes}
    size = {piece.name: piece.size for piece in pieces}
    for piece in pieces:
        held = plan.placement.get(piece.name, ())
        if len(held) != piece.replicas:
            found.append(f"{piece.name} has {len(held)} copies instead of {piece.replicas}")
        if any(name not in domain for name in held):
            found.append(f"{piece.name} is on a node that there is not")
        elif len({domain[name] for name in held}) != len(held):
            found.append(f"{piece.name} has two copies in one rack")
    state = {name: set(before.get(name, ())) & set(domain) for name in size}
    used = {node.name: sum(size[name] for name, held in state.items() if node.name in held) for node in nodes}
    capacity = {node.name: node.capacity for node in nodes}
    wave = 1
    freed: list[tuple[str, int]] = []
    for move in plan.moves:
        if move.piece not in size or (move.to and move.size != size[move.piece]):
            found.append(f"{move.piece}: the move has another size than the piece")
            continue
        if move.wave < wave:
            found.append(f"{move.piece}: its wave is before that of an earlier move")
        if move.wave > wave:
            # Moves of one wave may run at the same time, so none has the room that another of them frees.
            for name, room in freed:
                used[name] -= room
            freed = []
        wave = move.wave
        if move.source and move.source not in state[move.piece]:
            found.append(f"{move.piece}: copied from {move.source}, where it is not")
        if move.to:
            used[move.to] = used.get(move.to, 0) + move.size
            state[move.piece].add(move.to)
            if used[move.to] > capacity.get(move.to, 0):
                found.append(f"{move.piece}: {move.to} has no room for it at that time")
        if move.drop:
            if move.drop not in state[move.piece]:
                found.append(f"{move.piece}: removed from {move.drop}, where it is not")
            state[move.piece].discard(move.drop)
            used.setdefault(move.drop, 0)
            freed.append((move.drop, size[move.piece]))
    for name, holders in state.items():
        if holders != set(plan.placement.get(name, ())):
            found.append(f"{name}: the moves do not lead to the placement")
    fresh = {piece.name for piece in pieces if not before.get(piece.name)}
    if plan.moved_bytes != sum(move.size for move in plan.moves if move.piece not in fresh):
        found.append("the bytes moved are not those of the moves")
    return found

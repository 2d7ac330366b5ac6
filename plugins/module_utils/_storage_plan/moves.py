# What has to move from one placement to another: listed, in an order that always has room, and in waves.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import Node, Piece, Placement, loads


class Move(t.NamedTuple):
    """Copy a piece *to* a node, from *source* (empty if no copy is left or it is new), then remove it from *drop*.

    *drop* is empty where no copy is given up. Moves of one *wave* may run at the same time.
    """

    piece: str
    size: int
    source: str
    to: str
    drop: str
    wave: int = 0


def list_moves(before: Placement, after: Placement, nodes: t.Sequence[Node], pieces: t.Sequence[Piece]) -> list[Move]:
    """The moves, copies that are missing first, those of pieces with the fewest copies left before all others."""
    alive = {node.name for node in nodes}
    rows: list[tuple[tuple[int, int], int, Move]] = []
    for piece in pieces:
        had = [name for name in before.get(piece.name, ()) if name in alive]
        gained = [name for name in after[piece.name] if name not in had]
        given_up = [name for name in had if name not in after[piece.name]]
        for index, to in enumerate(gained):
            drop = given_up[index] if index < len(given_up) else ""
            # Whoever keeps its copy serves the reads; the one that leaves only where there is no other.
            staying = [name for name in had if name not in given_up]
            source = (staying or [drop or had[0]] if had else [""])[0]
            rank = (1, 0) if drop else (0, len(had))
            rows.append((rank, len(rows), Move(piece.name, piece.size, source, to, drop)))
        for drop in given_up[len(gained) :]:
            rows.append(((2, 0), len(rows), Move(piece.name, 0, "", "", drop)))
    return [move for _rank, _place, move in sorted(rows)]


def order(moves: t.Sequence[Move], before: Placement, nodes: t.Sequence[Node], pieces: t.Sequence[Piece]) -> list[Move]:
    """The same moves, each when its node has room. Raises StoragePlanError if waiting alone gives no such order."""
    sizes = {piece.name: piece.size for piece in pieces}
    room = {node.name: float(node.capacity) for node in nodes}
    for name, load in loads(before, pieces).items():
        if name in room:
            room[name] -= load
    held = {piece.name: [name for name in before.get(piece.name, ()) if name in room] for piece in pieces}
    waiting, found = list(moves), []
    while waiting:
        left = []
        for move in waiting:
            if move.to and room[move.to] < move.size:
                left.append(move)
                continue
            if move.source and move.source not in held[move.piece]:
                # It had to wait, and the copy that it was meant to be made of is gone by now.
                move = move._replace(source=held[move.piece][0])
            if move.to:
                room[move.to] -= move.size
                held[move.piece].append(move.to)
            if move.drop:
                room[move.drop] += sizes[move.piece]
                held[move.piece].remove(move.drop)
            found.append(move)
        if len(left) == len(waiting):
            raise StoragePlanError(
                f"{len(left)} moves wait for each other's space, the first is {left[0].piece} to {left[0].to}; free"
                f" {left[0].size} bytes there, or allow more imbalance"
            )
        waiting = left
    return found


def in_waves(moves: t.Sequence[Move], per_node: int, wave_bytes: int) -> list[Move]:
    """Number the waves: in one, a node takes part in at most *per_node* moves, and all of them have at most
    *wave_bytes* (a larger move has a wave of its own). The order stays, as later moves may need what earlier ones free;
    no node gets anything in a wave in which it also gives up something, since it may be full until then.
    """
    found: list[Move] = []
    wave, busy, total = 1, {}, 0  # type: int, dict[str, int], int
    freed: set[str] = set()
    for move in moves:
        part = {name for name in (move.source, move.to, move.drop) if name}
        too_busy = any(busy.get(name, 0) >= per_node for name in part)
        if too_busy or move.to in freed or (total and total + move.size > wave_bytes):
            wave, busy, total, freed = wave + 1, {}, 0, set()
        for name in part:
            busy[name] = busy.get(name, 0) + 1
        if move.drop:
            freed.add(move.drop)
        total += move.size
        found.append(move._replace(wave=wave))
    return found

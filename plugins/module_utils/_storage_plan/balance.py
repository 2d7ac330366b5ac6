# Evens out with the fewest bytes: homes for copies that have none, then the excess of what is too full.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import (
    Node,
    Piece,
    Placement,
    fair_loads,
    keepers,
    loads,
)


class Balancer:
    """The placement while it changes. No step puts two copies of a piece into one domain."""

    def __init__(
        self, nodes: t.Sequence[Node], pieces: t.Sequence[Piece], placement: Placement, tolerance: float
    ) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.pieces = {piece.name: piece for piece in pieces}
        self.fair = fair_loads(nodes, pieces)
        self.limit = {
            name: min((1 + tolerance) * self.fair[name], float(node.capacity)) for name, node in self.nodes.items()
        }
        domains = {node.name: node.domain for node in nodes}
        self.placement = {piece.name: keepers(piece, placement.get(piece.name, ()), domains) for piece in pieces}
        kept = {name: tuple(held) for name, held in self.placement.items()}
        self.load: dict[str, float] = dict.fromkeys(self.nodes, 0.0)
        self.load.update({name: float(held) for name, held in loads(kept, pieces).items()})
        self.held: dict[str, set[str]] = {name: set() for name in self.nodes}
        for piece_name, names in self.placement.items():
            for name in names:
                self.held[name].add(piece_name)

    def rehome(self) -> None:
        """Give copies that have no home one on the emptiest lawful node, large ones first."""
        short = [piece for piece in self.pieces.values() if len(self.placement[piece.name]) < piece.replicas]
        for piece in sorted(short, key=lambda each: (-each.size, each.name)):
            while len(self.placement[piece.name]) < piece.replicas:
                room = [
                    (self.load[name] / self.fair[name], name)
                    for name in self._lawful(piece, None)
                    if self.load[name] + piece.size <= self.nodes[name].capacity
                ]
                if not room:
                    raise StoragePlanError(
                        f"{piece.name}: no node of a rack that has no copy of it has {piece.size} bytes left; add"
                        " nodes, remove data, or lower replicas"
                    )
                self._put(piece, min(room)[1])

    def shave(self) -> None:
        """Take from nodes above their limit what is above it, and give it to the emptiest that stay below theirs.

        What one node gives away may be what another one waited for. It ends, since each copy leaves a node above its
        limit for one that stays below; and a plan for its own result changes nothing.
        """
        before = None
        while before != self.load:
            before = dict(self.load)
            self._shave_once()

    def _shave_once(self) -> None:
        for name in sorted(self.nodes, key=lambda each: (-self.load[each] / self.fair[each], each)):
            if self.load[name] <= self.limit[name]:
                continue
            mine = sorted((self.pieces[held] for held in self.held[name]), key=lambda each: (each.size, each.name))
            # First the largest that do not take too much, then the smallest one that ends it.
            for piece in reversed(mine):
                if piece.size <= self.load[name] - self.limit[name]:
                    self._give(piece, name)
            for piece in mine:
                over = self.load[name] - self.limit[name]
                if over <= 0:
                    break
                if piece.size >= over and piece.name in self.held[name]:
                    self._give(piece, name)

    def result(self) -> Placement:
        return {name: tuple(held) for name, held in self.placement.items()}

    def _lawful(self, piece: Piece, leaving: str | None) -> list[str]:
        """The nodes of domains without a copy, if that on *leaving* is not counted."""
        taken = {self.nodes[name].domain for name in self.placement[piece.name] if name != leaving}
        return [name for name, node in self.nodes.items() if node.domain not in taken and name != leaving]

    def _give(self, piece: Piece, name: str) -> None:
        room = [
            (self.load[other] / self.fair[other], other)
            for other in self._lawful(piece, name)
            if self.load[other] + piece.size <= self.limit[other]
        ]
        if room:
            self.placement[piece.name].remove(name)
            self.held[name].remove(piece.name)
            self.load[name] -= piece.size
            self._put(piece, min(room)[1])

    def _put(self, piece: Piece, name: str) -> None:
        self.placement[piece.name].append(name)
        self.held[name].add(piece.name)
        self.load[name] += piece.size

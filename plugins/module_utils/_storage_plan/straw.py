# Places pieces by hash, so that anybody who knows the nodes finds the same place without a table.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every candidate draws a straw, -ln(u) / weight with u from a hash of piece and candidate, and the shortest ones win:
weighted rendezvous hashing, which Ceph's CRUSH calls straw2. First racks draw, then the nodes of each rack that won.
A change of one weight moves only what that candidate wins or loses.
"""

from __future__ import annotations

import hashlib
import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import Node, Piece


def uniform(piece: str, candidate: str) -> float:
    """A number above 0 and below 1 that depends on the two names only."""
    digest = hashlib.blake2b(f"{len(piece)}:{piece}:{candidate}".encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 11) + 0.5) / 2**53


def shortest(piece: str, weights: t.Mapping[str, int], count: int) -> list[str]:
    """The *count* candidates with the shortest straws, the shortest first."""
    straws = sorted((-math.log(uniform(piece, name)) / weight, name) for name, weight in weights.items())
    return [name for _straw, name in straws[:count]]


class Straws:
    """Draws among the same nodes again and again."""

    def __init__(self, nodes: t.Iterable[Node]) -> None:
        self.inside: dict[str, dict[str, int]] = {}
        for node in nodes:
            self.inside.setdefault(node.domain, {})[node.name] = node.capacity
        self.domains = {domain: sum(inside.values()) for domain, inside in self.inside.items()}

    def place(self, piece: Piece) -> tuple[str, ...]:
        """One node in each of as many racks as there are replicas."""
        racks = shortest(f"rack {piece.name}", self.domains, piece.replicas)
        return tuple(shortest(piece.name, self.inside[rack], 1)[0] for rack in racks)

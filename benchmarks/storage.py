#!/usr/bin/env python3
# Where data goes and what moves: our plan beside hashing, when two nodes join and when one is lost.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: benchmarks/storage.py [--pieces 20000] [--tolerance 0.02] [--seed 1] [--json]

Nodes of three sizes in ten racks; pieces of lognormal size with three copies in three racks. Every method places all
pieces on the nodes without the last one of two racks; then those two join, or one node is lost. Per method and event:

* ``fullest``: load of the fullest node over its fair share, before and after the event;
* ``moved``: bytes of copies on nodes that had none of that piece before;
* ``needed``: the lower bound for a plan with the tolerance; for a hash, which keeps no such promise, the fair share of
  the new nodes, or what was lost. A hash may be below it where the new nodes get less than their share.

Methods: hash modulo number of nodes; a ring with weighted virtual nodes; weighted rendezvous over all nodes; straw2
over racks and nodes, as CRUSH draws; ours, which is that plus the balancer. Each plan of ours is checked by the
verifier.
"""

from __future__ import annotations

import argparse
import bisect
import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import (
    Node,
    Piece,
    Placement,
    fair_loads,
    loads,
)
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.plan import make_plan
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.straw import Straws, uniform
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.verify import problems

RACKS, PER_RACK, COPIES, VIRTUAL = 10, 6, 3, 128
TERABYTE = 10**12

Method = Callable[[Sequence[Node], Sequence[Piece]], Placement]


def racked(ranked: Sequence[Node], copies: int) -> tuple[str, ...]:
    """The first nodes of a ranking, one of each rack."""
    found: dict[str, str] = {}
    for node in ranked:
        found.setdefault(node.domain, node.name)
        if len(found) == copies:
            break
    return tuple(found.values())


def modulo(nodes: Sequence[Node], pieces: Sequence[Piece]) -> Placement:
    # Neighbours are in different racks.
    row = sorted(nodes, key=lambda node: (int(node.name[2:]) % PER_RACK, node.domain))
    found = {}
    for piece in pieces:
        first = int(uniform(piece.name, "modulo") * 2**40) % len(row)
        found[piece.name] = racked([*row[first:], *row[:first]], piece.replicas)
    return found


def ring(nodes: Sequence[Node], pieces: Sequence[Piece]) -> Placement:
    mean = sum(node.capacity for node in nodes) / len(nodes)
    points = sorted(
        (uniform(node.name, f"point {index}"), node)
        for node in nodes
        for index in range(max(1, round(VIRTUAL * node.capacity / mean)))
    )
    places = [place for place, _node in points]
    found = {}
    for piece in pieces:
        first = bisect.bisect(places, uniform(piece.name, "ring"))
        names: dict[str, str] = {}
        for step in range(len(points)):
            node = points[(first + step) % len(points)][1]
            names.setdefault(node.domain, node.name)
            if len(names) == piece.replicas:
                break
        found[piece.name] = tuple(names.values())
    return found


def rendezvous(nodes: Sequence[Node], pieces: Sequence[Piece]) -> Placement:
    return {
        piece.name: racked(
            sorted(nodes, key=lambda node: -math.log(uniform(piece.name, node.name)) / node.capacity),
            piece.replicas,
        )
        for piece in pieces
    }


def straw2(nodes: Sequence[Node], pieces: Sequence[Piece]) -> Placement:
    straws = Straws(nodes)
    return {piece.name: straws.place(piece) for piece in pieces}


def fullest(placement: Placement, nodes: Sequence[Node], pieces: Sequence[Piece]) -> float:
    load, fair = loads(placement, pieces), fair_loads(nodes, pieces)
    return max(load.get(name, 0) / share for name, share in fair.items())


def moved(before: Placement, after: Placement, pieces: Sequence[Piece]) -> int:
    return sum(piece.size * len(set(after[piece.name]) - set(before[piece.name])) for piece in pieces)


def events(everything: Sequence[Node]) -> tuple[list[Node], dict[str, list[Node]]]:
    """The nodes at the beginning, and after each event."""
    new = {everything[-1].name, everything[-1 - PER_RACK].name}
    base = [node for node in everything if node.name not in new]
    return base, {
        "two join": list(everything),
        "one is lost": [node for node in base if node.name != everything[3].name],
    }


def by_hash(name: str, place: Method, everything: Sequence[Node], pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    base, after = events(everything)
    begun = time.process_time()
    start = place(base, pieces)
    seconds = time.process_time() - begun
    rows = []
    for event, nodes in after.items():
        found = place(nodes, pieces)
        names = {node.name for node in base}
        fair = fair_loads(nodes, pieces)
        needed = sum(share for node, share in fair.items() if node not in names)
        needed += sum(size for node, size in loads(start, pieces).items() if node not in fair)
        much = moved(start, found, pieces)
        rows.append(
            row(name, event, fullest(start, base, pieces), fullest(found, nodes, pieces), much, needed, seconds)
        )
    return rows


def by_plan(everything: Sequence[Node], pieces: Sequence[Piece], tolerance: float) -> list[dict[str, Any]]:
    base, after = events(everything)
    hashed = straw2(base, pieces)
    rows = []
    start = hashed
    for event, nodes in {"evened out": base, **after}.items():
        begun = time.process_time()
        plan = make_plan(nodes, pieces, start, tolerance, wave_bytes=100 * TERABYTE)
        seconds = time.process_time() - begun
        wrong = problems(nodes, pieces, start, plan)
        if wrong:
            raise SystemExit(f"{event}: the plan does not hold: {wrong[:3]}")
        old = fullest(start, base, pieces)
        rows.append(row("ours", event, old, plan.fullest_after, plan.moved_bytes, plan.least_bytes, seconds))
        if event == "evened out":
            start = plan.placement
    return rows


def row(
    method: str, event: str, before: float, after: float, much: float, needed: float, seconds: float
) -> dict[str, Any]:
    return {
        "method": method,
        "event": event,
        "fullest_before": round(before, 4),
        "fullest_after": round(after, 4),
        "moved_tb": round(much / TERABYTE, 3),
        "needed_tb": round(needed / TERABYTE, 3),
        "moved_over_needed": round(much / needed, 4) if needed else None,
        "seconds": round(seconds, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Where data goes and what moves.")
    parser.add_argument("--pieces", type=int, default=20000)
    parser.add_argument("--tolerance", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one object a line")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    sizes = draw.choices((60, 100, 160), (0.3, 0.5, 0.2), k=RACKS * PER_RACK)
    everything = [Node(f"st{n}", f"rack{n // PER_RACK}", size * TERABYTE) for n, size in enumerate(sizes)]
    weights = [draw.lognormvariate(0, 0.6) for _n in range(arguments.pieces)]
    # Six tenths full.
    unit = 0.6 * sum(node.capacity for node in everything) / COPIES / sum(weights)
    pieces = [Piece(f"p{n}", max(1, int(weight * unit)), COPIES) for n, weight in enumerate(weights)]
    keys = (
        "method",
        "event",
        "fullest_before",
        "fullest_after",
        "moved_tb",
        "needed_tb",
        "moved_over_needed",
        "seconds",
    )
    if not arguments.json:
        print(f"{keys[0]:12} {keys[1]:12} " + " ".join(f"{key:>17}" for key in keys[2:]))
    for name, place in (("hash modulo", modulo), ("ring", ring), ("rendezvous", rendezvous), ("straw2", straw2)):
        show(by_hash(name, place, everything, pieces), keys, arguments.json)
    show(by_plan(everything, pieces, arguments.tolerance), keys, arguments.json)
    return 0


def show(rows: Sequence[dict[str, Any]], keys: Sequence[str], as_json: bool) -> None:
    for one in rows:
        if as_json:
            print(json.dumps(one), flush=True)
        else:
            cells = " ".join(f"{'-' if one[key] is None else one[key]:>17}" for key in keys[2:])
            print(f"{one['method']:12} {one['event']:12} {cells}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

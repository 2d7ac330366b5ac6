# Better whole nodes from good ones: empty a few nodes, plan anew what they held, and keep what is better.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large neighbourhood search (Shaw, CP 1998) with a dive as the way to plan anew. A dive ends with nodes that hold what
was left over; together with some good nodes there is choice again."""

from __future__ import annotations

import random
import time
import typing as t

from .dive import dive
from .master import Column, Master
from .packing import Packing

# How often, and how many nodes each time: those that waste most, and as many by chance.
TRIES = 60
NODES = 15
# One content at a time.
SLOWLY = 10**9
ROUNDING = 1e-6


def repair(
    packing: Packing,
    columns: dict[Column, None],
    start: dict[Column, int],
    value: float,
    enough: float,
    seconds: float,
) -> tuple[float, dict[Column, int]]:
    """The best value and its nodes by content, from ``start``, which is worth ``value``, until it is worth ``enough``.

    ``columns`` are the contents to choose from; those that are found are added to them.
    """
    ends = time.monotonic() + seconds
    # The same problem has the same answer.
    chance = random.Random(1)  # noqa: S311
    for _unused in range(TRIES):
        if value >= enough or time.monotonic() > ends:
            break
        master = Master(packing, columns)
        if master.solve(ends - time.monotonic()) is None:
            break
        kept = _without(start, _freed(master, start, chance))
        for number, one in enumerate(master.columns):
            if one in kept:
                master.at_least(number, kept[one])
        if master.solve(ends - time.monotonic()) is None:
            break
        found = dive(packing, master, ends - time.monotonic(), SLOWLY, kept)
        columns.update(dict.fromkeys(master.columns))
        # One that is as good leads elsewhere.
        if found is not None and found[0] >= value - ROUNDING:
            value, start = found
    return value, start


def _freed(master: Master, contents: t.Mapping[Column, int], chance: random.Random) -> list[Column]:
    """The contents of the nodes that are planned anew."""
    node_price, prices = master.prices()
    worth, node = master.packing.prices(prices)

    def waste(one: Column) -> float:
        group, content = one
        held = sum(copies * float(worth[size, group]) for size, copies in content)
        return float(node_price[group] - node[group]) - held

    nodes = [one for one, count in contents.items() for _unused in range(count)]
    nodes.sort(key=lambda one: (-waste(one), one))
    return nodes[:NODES] + chance.sample(nodes[NODES:], min(NODES, max(0, len(nodes) - NODES)))


def _without(contents: t.Mapping[Column, int], freed: t.Iterable[Column]) -> dict[Column, int]:
    kept = dict(contents)
    for one in freed:
        kept[one] -= 1
    return kept

# From a linear programme to whole nodes: settle some contents, generate anew for what is left, and again.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Diving with column generation (Joncour and others, Electronic Notes in Discrete Mathematics 36, 2010): contents that
were found for the linear programme leave gaps when they become whole nodes; contents that are found for what is left
after some were settled fill them."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from .contents import Pricer
from .master import Column, Master, column
from .numeric import np
from .packing import Packing

if t.TYPE_CHECKING:
    from .numeric import Real, Whole

# How often contents are found for what is left before more are settled.
ROUNDS = 6
# A whole number is one up to that.
NEAR = 1e-6


def dive(
    packing: Packing,
    master: Master,
    seconds: float,
    part: int,
    kept: t.Mapping[Column, int] | None = None,
) -> tuple[float, dict[Column, int]] | None:
    """(value, whole nodes of each content); None if it came to no end. ``master`` is a solved linear programme.

    Of the contents that are no whole numbers one in ``part`` is settled at a time, first the one that lacks least.
    ``kept`` are contents that are settled already.

    The value is that of the linear programme over the variables when the contents are settled. Contents that are found
    on the way stay in ``master``.
    """
    ends = time.monotonic() + seconds
    left = replace(packing)
    pricer = Pricer(left)
    side = np.zeros((len(packing.groups.count), 2))
    least: Whole = np.array([(kept or {}).get(one, 0) for one in master.columns], np.int64)
    left.supply = _supply(packing, master, least)
    while True:
        counts = master.counts()
        least = np.concatenate([least, np.zeros(len(counts) - len(least), np.int64)])
        settled = _settled(packing, master, counts, least, part)
        if settled is None:
            value = master.value()
            return value, {one: int(number) for one, number in zip(master.columns, np.round(counts)) if number > 0.5}
        for number in np.flatnonzero(settled > least):
            master.at_least(int(number), int(settled[number]))
        least = settled
        left.supply = _supply(packing, master, least)
        if time.monotonic() > ends or master.solve(ends - time.monotonic()) is None:
            return None
        for _unused in range(ROUNDS):
            if time.monotonic() > ends:
                return None
            if not _improve(packing, master, pricer, side):
                break
            if master.solve(ends - time.monotonic()) is None:
                return None


def _settled(packing: Packing, master: Master, counts: Real, least: Whole, part: int) -> Whole | None:
    """What is settled next; None when all are whole numbers."""
    whole = np.maximum(np.floor(counts + NEAR).astype(np.int64), least)
    rest = counts - whole
    broken = np.flatnonzero(rest > NEAR)
    if not len(broken):
        return None
    stock, room = packing.groups.stock, packing.groups.count.copy()
    for number in np.flatnonzero(whole):
        room[stock == stock[master.columns[number][0]]] -= whole[number]
    taken = 0
    for number in broken[np.argsort(-rest[broken], kind="stable")]:
        group = master.columns[number][0]
        if room[group] <= 0:
            continue
        whole[number] += 1
        room[stock == stock[group]] -= 1
        taken += 1
        if taken * part >= len(broken):
            break
    return t.cast("Whole", whole)


def _supply(packing: Packing, master: Master, least: Whole) -> Whole:
    """Copies that are left to place of each size on each group."""
    taken = np.zeros(packing.cells + 1, np.int64)
    for number in np.flatnonzero(least):
        group, content = master.columns[number]
        for size, copies in content:
            taken[packing.cell[size, group]] += copies * least[number]
    return t.cast("Whole", np.maximum(packing.supply - np.where(packing.cell >= 0, taken[packing.cell], 0), 0))


def _improve(packing: Packing, master: Master, pricer: Pricer, side: Real) -> int:
    """Add contents that pay at the prices of now; how many."""
    node_price, prices = master.prices()
    worth, node = packing.prices(prices)
    priced = pricer.price(worth, side)
    added = 0
    for group, (_unused, content) in priced.items():
        if not content:
            continue
        kept = pricer.settle(group, content, worth[:, group])
        gain = sum(copies * worth[size, group] for size, copies in kept.items())
        if gain + node[group] - node_price[group] > NEAR:
            added += master.add(column(group, kept))
    pricer.steer(priced, side)
    return added

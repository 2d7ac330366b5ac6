# Contents that together hold everything, made one after the other for what is left.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequential value correction (Belov and Scheithauer, INFORMS Journal on Computing 19, 2007, in its plain form): a size
that ended in a content with much waste is worth more in the next pass, so that it is packed while there is choice.

Where nodes are to be saved column generation begins badly without it: the contents of one greedy plan give prices that
no good content is found at.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from .contents import FEW_UNITS, Pricer
from .master import Column, column
from .numeric import np
from .packing import Packing

if t.TYPE_CHECKING:
    from .numeric import Real

PASSES = 4
TINY = 1e-9


def cover(packing: Packing, prices: Real, seconds: float) -> list[dict[Column, int]]:
    """Plans for a problem in which everything is placed, as nodes of each content; ``prices`` are of ``relaxation``."""
    ends = time.monotonic() + seconds
    worth, node = packing.prices(prices)
    factor = np.ones(len(worth))
    found: list[dict[Column, int]] = []
    for _unused in range(PASSES):
        plan, waste = _pass(packing, worth * factor[:, None], node, ends)
        if plan is None:
            break
        found.append(plan)
        # Half of the way, so that a size does not jump from first to last.
        factor = factor * (0.5 + 0.5 * waste)
    return found


def _pass(packing: Packing, worth: Real, node: Real, ends: float) -> tuple[dict[Column, int] | None, Real]:
    """One plan, None if time ran out; and for each size what its nodes cost by what their contents were worth."""
    left = replace(packing)
    left.supply = packing.supply.copy()
    pricer = Pricer(left, most=FEW_UNITS)
    room = packing.groups.count.copy()
    side = np.zeros((len(room), 2))
    open_groups = [group for group in range(len(room)) if room[group] > 0]
    priced = pricer.price(worth, side, open_groups)
    full = {group: max(priced[group][0], -float(node[group]), TINY) for group in open_groups}
    # What a node was worth when it was looked at last; it only falls while copies are used up.
    known = {group: priced[group][0] / full[group] for group in open_groups}
    fresh = dict(priced)
    plan: dict[Column, int] = {}
    cost, held = np.zeros(len(worth)), np.zeros(len(worth))
    while known:
        if time.monotonic() > ends:
            return None, np.ones(len(worth))
        group = max(known, key=lambda one: (known[one], -one))
        if known[group] <= TINY:
            break
        if group not in fresh:
            value, content = pricer.price(worth, side, [group])[group]
            known[group], fresh[group] = value / full[group], (value, content)
            continue
        content = pricer.settle(group, fresh[group][1], worth[:, group])
        if not content:
            del known[group]
            continue
        times = min([int(room[group]), *(int(left.supply[size, group]) // copies for size, copies in content.items())])
        times = max(1, times)
        plan[column(group, content)] = plan.get(column(group, content), 0) + times
        value = sum(copies * float(worth[size, group]) for size, copies in content.items())
        same_nodes = packing.groups.stock == packing.groups.stock[group]
        room[same_nodes] -= times
        for size, copies in content.items():
            same = packing.cell[size] == packing.cell[size, group]
            left.supply[size, same] = np.maximum(left.supply[size, same] - times * copies, 0)
            cost[size] += times * copies * full[group] / max(value, TINY)
            held[size] += times * copies
        fresh = {}
        if room[group] <= 0:
            for one in np.flatnonzero(same_nodes):
                known.pop(int(one), None)
    return plan, np.where(held > 0, np.minimum(cost / np.maximum(held, 1), 3.0), 1.0)

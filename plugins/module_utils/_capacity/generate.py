# Column generation: contents of nodes until no better one is found.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents are found at prices between those of the master programme and the best ones so far (Wentges' smoothing),
which begin at those of the relaxation: that keeps the prices from jumping about."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from .contents import Pricer
from .master import Column, Master, column
from .numeric import np
from .packing import Packing

if t.TYPE_CHECKING:
    from .numeric import Real

BOUND_EVERY = 20
MAX_ROUNDS = 400
STUCK = 4
# Rounds in which the value has to grow by that part of itself, or no more are made.
PATIENCE, WORTHWHILE = 40, 2e-5


@dataclass
class Generated:
    """What column generation leaves: the columns, the value of the linear programme, its bound and prices."""

    master: Master
    value: float
    bound: float
    prices: Real
    rounds: int
    in_time: bool


def generate(
    packing: Packing,
    known: t.Iterable[Column],
    start: tuple[float, Real] | None,
    seconds: float,
    gap: float = 2e-4,
    log: t.Callable[[str], None] | None = None,
) -> Generated:
    """Generate until the linear programme is within ``gap`` of the bound, nothing new is found, or time is up.

    ``start``: a bound and prices, of ``relaxation``.
    """
    began = time.monotonic()
    master = Master(packing)
    for one in known:
        master.add(one)
    up, down = Pricer(packing), Pricer(packing, down=True)
    groups = len(packing.groups.count)
    bound, center = start if start else (float("inf"), None)
    side = np.zeros((groups, 2))
    # A group whose contents do not get better is asked less often.
    nap, rest = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    weight, rounds, stuck = 0.7, 0, 0
    if not packing.variables:
        return Generated(master, 0.0, 0.0, np.zeros(len(packing.rows)), 0, True)
    value = master.solve(seconds)
    seen: list[float] = []
    prices = np.zeros(len(packing.rows))
    while value is not None:
        node_price, prices = master.prices()
        tried = prices if center is None else weight * center + (1 - weight) * prices
        worth, node = packing.prices(tried)
        true_worth, true_node = packing.prices(prices)
        awake = [group for group in range(groups) if rest[group] <= 0] if not stuck else None
        priced = up.price(worth, side, awake)
        added = 0
        rest -= 1
        for group, (_unused, content) in priced.items():
            before = added
            for pays in (worth, true_worth):
                settled = up.settle(group, content, pays[:, group])
                gain = sum(copies * true_worth[size, group] for size, copies in settled.items())
                if gain + true_node[group] - node_price[group] > 1e-7:
                    added += master.add(column(group, settled))
            nap[group] = 0 if added > before else min(8, 2 * nap[group] + 1)
            rest[group] = nap[group]
        up.steer(priced, side)
        stuck = 0 if added else stuck + 1
        if rounds % BOUND_EVERY == 0 or stuck:
            better = _bound(packing, down, tried, worth, node, side)
            if better < bound:
                bound, center = better, tried.copy()
        rounds += 1
        if added:
            value = master.solve(seconds - (time.monotonic() - began))
        if log and rounds % 10 == 0:
            log(f"round {rounds}: {value:.2f} of {bound:.2f}, {len(master.columns)} contents")
        if value is None or bound - value <= gap * max(abs(bound), 1e-9):
            break
        if rounds >= MAX_ROUNDS or stuck > STUCK or time.monotonic() - began > seconds:
            break
        seen.append(value)
        if len(seen) > PATIENCE and value - seen[-PATIENCE - 1] <= WORTHWHILE * abs(value):
            break
        if not added:
            weight = weight / 2 if weight > 0.2 else 0.0
    return Generated(
        master, -np.inf if value is None else value, bound, prices, rounds, time.monotonic() - began <= seconds
    )


def _bound(packing: Packing, down: Pricer, prices: Real, worth: Real, node: Real, side: Real) -> float:
    """The best Lagrangian bound at these prices over a few prices of memory and network."""
    side = side.copy()
    best = np.full(len(node), np.inf)
    for _unused in range(4):
        priced = down.price(worth, side)
        best = np.minimum(best, [priced[group][0] for group in range(len(node))])
        if not down.steer(priced, side).any():
            break
    return packing.bound(prices, best + node)

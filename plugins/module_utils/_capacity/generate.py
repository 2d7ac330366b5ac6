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

from .contents import FINE_UNITS, Pricer
from .master import Column, Master, column
from .numeric import np
from .packing import Packing

if t.TYPE_CHECKING:
    from .numeric import Real

# How near to the best prices contents are found at first.
SMOOTHING = 0.7
# A group whose best content is worth so much less than its node costs is not asked for that many rounds.
HOPELESS, REST = 0.1, 10
BOUND_EVERY = 20
MAX_ROUNDS = 400
# The prices of memory and network move with each round, so one that finds nothing is not the end.
STUCK = 12
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
    master = Master(packing, known)
    usual, fine = Pricer(packing), Pricer(packing, most=FINE_UNITS)
    down = Pricer(packing, down=True, most=FINE_UNITS)
    groups = len(packing.groups.count)
    bound, center = start if start else (float("inf"), None)
    side = np.zeros((groups, 2))
    # What the best prices are worth by the contents found at them, and whether they are newer than the bound.
    reached, newer = np.inf, False
    best, rest = np.zeros(groups), np.zeros(groups, np.int64)
    weight, rounds, stuck = SMOOTHING, 0, 0
    if not packing.variables:
        return Generated(master, 0.0, 0.0, np.zeros(len(packing.rows)), 0, True)
    value = master.solve(seconds)
    seen: list[float] = []
    prices = np.zeros(len(packing.rows))
    while value is not None:
        node_price, prices = master.prices()
        tried = prices if center is None else weight * center + (1 - weight) * prices
        if not rounds and center is not None:
            tried = center
        worth, node = packing.prices(tried)
        true_worth, true_node = packing.prices(prices)
        pricer = fine if stuck else usual
        rest -= 1
        priced = pricer.price(worth, side, [group for group in range(groups) if stuck or rest[group] <= 0])
        added = 0
        for group, (most, content) in priced.items():
            best[group] = most
            if most + node[group] < -HOPELESS * abs(node[group]):
                rest[group] = REST
            for pays in (worth, true_worth):
                settled = pricer.settle(group, content, pays[:, group])
                gain = sum(copies * true_worth[size, group] for size, copies in settled.items())
                if gain + true_node[group] - node_price[group] > 1e-7:
                    added += master.add(column(group, settled))
        found = packing.bound(tried, best + node)
        pricer.steer(priced, side)
        if found < reached:
            reached, center, newer = found, tried.copy(), True
        stuck = 0 if added else stuck + 1
        if newer and center is not None and (rounds % BOUND_EVERY == BOUND_EVERY - 1 or stuck):
            bound = min(bound, _bound(packing, down, center, side))
            newer = False
        rounds += 1
        if added:
            value = master.solve(seconds - (time.monotonic() - began))
        if log and rounds % 10 == 0:
            log(f"round {rounds}: {value:.2f} of {bound:.2f} ({reached:.2f}), {len(master.columns)} contents")
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


def _bound(packing: Packing, down: Pricer, prices: Real, side: Real) -> float:
    """The best Lagrangian bound at these prices over a few prices of memory and network."""
    worth, node = packing.prices(prices)
    side = side.copy()
    best = np.full(len(node), np.inf)
    for _unused in range(4):
        priced = down.price(worth, side)
        best = np.minimum(best, [priced[group][0] for group in range(len(node))])
        if not down.steer(priced, side).any():
            break
    return packing.bound(prices, best + node)

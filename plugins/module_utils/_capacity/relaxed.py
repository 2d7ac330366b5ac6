# The relaxation that forgets the borders of nodes: a bound and the first prices, in seconds.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One linear programme whatever the number of nodes and copies: copies by size and group, GPUs by how they are
shared."""

from __future__ import annotations

import typing as t

from .numeric import highspy, np
from .packing import FULL, INFINITY, Packing
from .solver import Matrix, quiet, row_prices, signed

if t.TYPE_CHECKING:
    from .numeric import Real

MAX_PATTERNS = 3000
# Kin, and thousandths of a GPU.
Share = t.Tuple[int, int]


def patterns(shares: t.Iterable[int]) -> list[dict[int, int]] | None:
    """Every way to share one GPU that leaves no room for one more copy; None if there are too many."""
    ordered = sorted(set(shares), reverse=True)
    found: list[dict[int, int]] = []
    if not ordered:
        return found

    def extend(place: int, room: int, chosen: dict[int, int]) -> bool:
        if place == len(ordered):
            if room < ordered[-1]:
                found.append(chosen)
            return len(found) <= MAX_PATTERNS
        share = ordered[place]
        for copies in range(room // share, -1, -1):
            grown = {**chosen, share: copies} if copies else chosen
            if not extend(place + 1, room - copies * share, grown):
                return False
        return True

    return found if extend(0, FULL, {}) else None


def _ways(shares: t.Iterable[Share]) -> list[dict[Share, int]] | None:
    """The same of shares of different kin, which no GPU holds together."""
    found: list[dict[Share, int]] = []
    for kin in sorted({kin for kin, _unused in shares}):
        ways = patterns(share for of, share in shares if of == kin)
        if ways is None:
            return None
        found += [{(kin, share): copies for share, copies in way.items()} for way in ways]
    return found


def relaxation(packing: Packing, seconds: float) -> tuple[float, Real] | None:
    """(bound, prices of the rows); None if it could not be solved in that time."""
    matrix = Matrix()
    for row in packing.rows:
        matrix.row(row.low, row.high)
    for variable in packing.variables:
        matrix.column(-variable.worth, variable.low, variable.high, variable.uses.items())
    known: dict[tuple[Share, ...], list[dict[Share, int]] | None] = {}
    groups = packing.groups
    shared = {
        int(stock): matrix.row(-INFINITY, float(groups.count[groups.stock == stock][0]))
        for stock in np.flatnonzero(np.bincount(groups.stock) > 1)
    }
    for group in range(len(groups.count)):
        _group(matrix, packing, group, shared.get(int(groups.stock[group])), known)
    solver = quiet(seconds)
    matrix.load(solver)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    rows = packing.rows
    prices = signed(row_prices(solver, len(rows)), [row.low for row in rows], [row.high for row in rows])
    return -solver.getInfo().objective_function_value, prices


def _group(
    matrix: Matrix,
    packing: Packing,
    group: int,
    stock: int | None,
    known: dict[tuple[Share, ...], list[dict[Share, int]] | None],
) -> None:
    """The rows and columns of one group of nodes."""
    groups, sizes = packing.groups, packing.sizes
    fitting = [int(size) for size in np.flatnonzero(packing.fits[:, group] & (packing.supply[:, group] > 0))]
    if not fitting:
        return
    whole, partial = groups.whole(group), groups.partial(group)
    shared = [i for i in fitting if sizes.gpus[i] == 1 and sizes.share[i] < FULL]
    shares = tuple(sorted({(int(sizes.kin[i]), int(sizes.share[i])) for i in shared}))
    if shares not in known:
        known[shares] = _ways(shares)
    ways = None if partial else known[shares]
    needs = {
        name: matrix.row(-INFINITY, 0.0)
        for name in ("cpu_milli", "memory_mib", "network_mbit")
        if any(getattr(sizes, name)[i] for i in fitting)
    }
    free = matrix.row(-INFINITY, 0.0)
    several = {
        number: matrix.row(-INFINITY, 0.0) for number in sorted({int(sizes.gpus[i]) for i in fitting}) if number > 1
    }
    by_share = {share: matrix.row(-INFINITY, 0.0) for share in shares} if ways is not None else {}
    count = int(groups.count[group])
    on = [(row, -float(getattr(groups, name)[group])) for name, row in needs.items()]
    on.append((free, -float(whole if ways is not None else sum(groups.gpus[group]) / FULL)))
    on += [(row, -float(whole // number)) for number, row in several.items()]
    on += [] if stock is None else [(stock, 1.0)]
    on += [(number, row.node[group]) for number, row in enumerate(packing.rows) if row.node is not None]
    matrix.column(0.0, 0.0, count, on)
    for i in fitting:
        entries = [(int(packing.cell[i, group]), -1.0)]
        entries += [(row, float(getattr(sizes, name)[i])) for name, row in needs.items()]
        number, share = int(sizes.gpus[i]), int(sizes.share[i])
        if number and ways is not None and share < FULL:
            entries.append((by_share[int(sizes.kin[i]), share], 1.0))
        elif number:
            entries.append((free, number * share / FULL))
        entries += [(row, float(number // step)) for step, row in several.items() if number >= step]
        entries += [(place, row.size[i, group]) for place, row in enumerate(packing.rows) if row.size is not None]
        most = min(int(packing.supply[i, group]), int(sizes.most[i]) * count)
        matrix.column(0.0, 0.0, float(most), entries)
    for way in ways or ():
        entries = [(free, 1.0), *((by_share[share], -float(copies)) for share, copies in way.items())]
        matrix.column(0.0, 0.0, float(count * whole), entries)

# Quantiles of a forecast from the errors that the same model made before: no distribution is assumed.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path is the errors (what came less what was foretold) of one forecast of the back-test, one for each step ahead.
Paths of several series that begin at the same times can be added step by step, and give the errors of the sum with
whatever the series have in common; quantiles of the series themselves cannot be added.
"""

from __future__ import annotations

import bisect
import math
import typing as t

KNOTS = 9
"""Places of the horizon at which quantiles are taken; between them lie straight lines."""

Path = t.Sequence[float]


def quantile(ordered: t.Sequence[float], share: float) -> float:
    """The quantile of values in ascending order, at (n + 1) * share: the share of values to come that it will cover."""
    place = min(max(share * (len(ordered) + 1) - 1, 0.0), len(ordered) - 1.0)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return _between(ordered[low], ordered[high], place - low)


def _between(a: float, b: float, part: float) -> float:
    # Rounding keeps the order of two such values, and never leaves the range; a + part * (b - a) may break both.
    return min(max((1 - part) * a + part * b, min(a, b)), max(a, b))


def error_quantiles(paths: t.Mapping[int, Path], ahead: int, shares: t.Sequence[float]) -> list[list[float]]:
    """For each of *ahead* steps, the quantile of the errors at each share. *paths* are under their origins.

    The wider is taken of what all paths and what the newest third of them say: who has become harder to foretell
    lately is not as easy as a month ago, and a quiet week does not make a month of errors undone.
    """
    ordered = [paths[origin] for origin in sorted(paths)]
    every = _at_steps(ordered, ahead, shares)
    lately = _at_steps(ordered[-math.ceil(len(ordered) / 3) :], ahead, shares)
    choose = [min if share < 0.5 else max if share > 0.5 else _first for share in shares]
    return [[pick(a, b) for pick, a, b in zip(choose, *rows)] for rows in zip(every, lately)]


def _first(every: float, _lately: float) -> float:
    return every


def _at_steps(paths: t.Sequence[Path], ahead: int, shares: t.Sequence[float]) -> list[list[float]]:
    """Each knot takes the errors of its surroundings as well, an eighth of the horizon on both sides: few paths have
    few errors at one step, and neighbouring steps err alike.
    """
    knots = (
        sorted({round(n * (ahead - 1) / (KNOTS - 1)) for n in range(KNOTS)}) if ahead > KNOTS else list(range(ahead))
    )
    reach = max(1, ahead // 8)
    taken = []
    for knot in knots:
        near = sorted(error for path in paths for error in path[max(0, knot - reach) : knot + reach + 1])
        taken.append([quantile(near, share) for share in shares])
    rows = []
    for step in range(ahead):
        right = min(bisect.bisect_left(knots, step), len(knots) - 1)
        left = max(right - 1, 0)
        part = (step - knots[left]) / (knots[right] - knots[left]) if right else 0.0
        rows.append([_between(low, high, part) for low, high in zip(taken[left], taken[right])])
    return rows


def add_paths(members: t.Sequence[t.Mapping[int, Path]]) -> dict[int, list[float]]:
    """The paths of a sum, for the origins that all members have."""
    common = set(members[0]).intersection(*members[1:])
    return {
        origin: [math.fsum(errors) for errors in zip(*(member[origin] for member in members))]
        for origin in sorted(common)
    }

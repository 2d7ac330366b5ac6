# Holds a model against what came: forecasts from many earlier times, and how far off they were.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._forecast.bands import Path, error_quantiles
from ansible_collections.aidc.ops.plugins.module_utils._forecast.models import Predict

MOST_ORIGINS = 90
SEASONS_BACK = 21
"""How far back origins lie, unless the horizon wants more."""

FEWEST_SEASONS = 4
"""Seasons that a model is fitted to at least, where the history has them."""

FEWEST_APART = 3
"""Forecasts that do not overlap which a band is made of at least before it is held against the next one."""

MOST_JUDGED = 24
"""Forecasts whose bands are held against what came; more would say the same, as neighbours overlap."""


class Score(t.NamedTuple):
    """How one model did. None where it cannot be told.

    ``mase``: mean absolute error over the mean absolute change of one season (mean absolute scaled error, Hyndman and
    Koehler, Int. J. Forecast. 22(4), 2006). ``coverage_90``: share of what came that lay in the 90 % band.
    """

    mase: float | None
    coverage_90: float | None


def origins(count: int, season: int, ahead: int) -> list[int]:
    """How many values each forecast of the back-test knows, ascending. The first is what models are fitted to.

    The last forecast ends with the last value. Empty if the history is too short for a single one.
    """
    least = max(2 * season, 8)
    back = reach(season, ahead)
    begin = max(FEWEST_SEASONS * season, least, count - ahead - back)
    if begin > count - ahead:
        begin = least
    if begin > count - ahead:
        return []
    # The same for series of any length, so that their errors can be added.
    apart = max(1, season // 4, math.ceil(back / (MOST_ORIGINS - 1)))
    return sorted(range(count - ahead, begin - 1, -apart))


def reach(season: int, ahead: int) -> int:
    """How many steps before the last forecast of a full back-test its first one begins."""
    return max(SEASONS_BACK * season, 4 * ahead)


def paths(predict: Predict, values: t.Sequence[float], begins: t.Iterable[int], ahead: int) -> dict[int, list[float]]:
    """The errors of the forecast from each origin, under its distance from the end, so that series can be compared."""
    found = {}
    for begin in begins:
        foretold = predict(values[:begin], ahead)
        found[begin - len(values)] = [came - said for came, said in zip(values[begin : begin + ahead], foretold)]
    return found


def mean_error(errors: t.Mapping[int, Path]) -> float:
    """The mean absolute error over all paths."""
    return math.fsum(abs(error) for path in errors.values() for error in path) / sum(map(len, errors.values()))


def scale(values: t.Sequence[float], season: int) -> float:
    """The mean absolute change over one season; 0 for a constant."""
    return math.fsum(abs(after - before) for before, after in zip(values, values[season:])) / (len(values) - season)


def coverage(errors: t.Mapping[int, Path], ahead: int) -> float | None:
    """The share of errors within the band from 5 % to 95 % as it was then: made from what was over before."""
    inside = seen = 0
    for origin in list(errors)[:: math.ceil(len(errors) / MOST_JUDGED)]:
        path = errors[origin]
        known = {begin: earlier for begin, earlier in errors.items() if begin + ahead <= origin}
        if not known or origin - min(known) < FEWEST_APART * ahead:
            continue
        for error, (low, high) in zip(path, error_quantiles(known, ahead, (0.05, 0.95))):
            # As much as adding and subtracting floats may differ.
            slack = 1e-9 * (1 + abs(error))
            inside += low - slack <= error <= high + slack
            seen += 1
    return inside / seen if seen else None


def score(errors: t.Mapping[int, Path], values: t.Sequence[float], season: int, ahead: int) -> Score:
    usual = scale(values, season)
    return Score(mean_error(errors) / usual if usual > 0 else None, coverage(errors, ahead))

# From histories to what will be wanted: each series, each project and all together, with quantiles and a back-test.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums are bottom-up: the forecast of a project is the sum of those of its series, so that they agree. Its quantiles
come from the sums of the errors that its series made at the same times, not from sums of quantiles.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError
from ansible_collections.aidc.ops.plugins.module_utils._forecast import backtest, bands, models
from ansible_collections.aidc.ops.plugins.module_utils._forecast.clean import last_step, regular
from ansible_collections.aidc.ops.plugins.module_utils._forecast.shifts import last_shift
from ansible_collections.aidc.ops.plugins.module_utils._forecast.sources import History

MODELS = ("auto", "arima", "ets", "theta", "ces", "lstm", "seasonal_naive")
MAX_AHEAD = 1000
NAIVE = "seasonal_naive"
WILD = 3.0
"""A model that errs more than this many times as much as the naive is left out of means."""

TOTAL = "total"

Paths = t.Dict[int, t.List[float]]


class Asked(t.NamedTuple):
    """What is wanted: steps of *step* seconds, *ahead* and *season* in steps, quantiles as shares, ascending."""

    step: float
    ahead: int
    season: int
    model: str = "auto"
    shares: tuple[float, ...] = (0.05, 0.1, 0.5, 0.9, 0.95)
    counter: bool = False


class Foretold(t.NamedTuple):
    """One series, or a sum of some. ``point`` is empty where nothing can be foretold, and ``notes`` say why.

    ``paths`` and ``naive_paths`` are the errors of the back-test under their origins (steps before the end), and empty
    where there was none; ``spread`` has, for each step, the distance of each quantile from the point.
    """

    name: str
    project: str
    model: str
    notes: list[str]
    begin: float
    values: list[float]
    point: list[float]
    spread: list[list[float]]
    paths: Paths
    naive_paths: Paths


def forecast(histories: t.Sequence[History], asked: Asked) -> dict[str, t.Any]:
    """The forecast as plain lists and dictionaries. Raises ForecastError if not one series can be foretold.

    All series end with the last whole step that any of them has. Times are seconds since 1970.
    """
    last = last_step((one.points for one in histories), asked.step)
    final = None if last is None else last[0]
    found = [_one(history, asked, final) for history in histories]
    good = [one for one in found if one.point]
    if not good:
        reasons = "; ".join(f"{one.name or 'the series'}: {one.notes[-1]}" for one in found[:3])
        raise ForecastError(f"none of the {len(found)} series can be foretold: {reasons:.600}")
    projects = sorted({one.project for one in found if one.project})
    sums = [_sum(name, [one for one in found if one.project == name], asked) for name in projects]
    begin = good[0].begin
    return {
        "begin": begin,
        "step_seconds": asked.step,
        "season_steps": asked.season,
        "times": [begin + step * asked.step for step in range(asked.ahead)],
        "quantiles": list(asked.shares),
        "series": [_plain(one, asked) for one in found],
        "projects": [_plain(one, asked) for one in sums],
        "total": _plain(_sum(TOTAL, found, asked), asked),
        "notes": [last[1]] if last and last[1] else [],
    }


def _one(history: History, asked: Asked, final: int | None) -> Foretold:
    start, values, notes = regular(history.points, asked.step, asked.season, final, asked.counter)
    begin = start + len(values) * asked.step
    if not values:
        return Foretold(history.name, history.project, "none", notes, begin, [], [], [], {}, {})
    values = _since_shift(values, asked, notes)
    season = asked.season
    begins = backtest.origins(len(values), season, asked.ahead)
    if not begins and season > 1:
        begins = backtest.origins(len(values), 1, asked.ahead)
        if begins or len(values) < 2 * season:
            notes.append(f"{len(values)} values are too few for a season of {season} steps; none was assumed")
            season = 1
    if not begins or min(values) == max(values):
        return _without_backtest(history, asked, begin, values, season, notes)
    paths = _paths(asked, values, begins, season, notes)
    chosen, point = _choose(paths, asked, values, season, notes)
    spread = bands.error_quantiles(paths[chosen], asked.ahead, asked.shares)
    naive = paths[NAIVE]
    return Foretold(history.name, history.project, chosen, notes, begin, values, point, spread, paths[chosen], naive)


def _since_shift(values: list[float], asked: Asked, notes: list[str]) -> list[float]:
    """Only what came after the last lasting change of level, where that is enough for a full back-test.

    Else the errors that the change made are kept: without them the band would claim that no other change will come.
    """
    if asked.season < 2:
        return values
    shift = last_shift(values, asked.season)
    if shift is None:
        return values
    after = len(values) - shift
    said = f"its level changed {after * asked.step / 3600:g} hours ago"
    full = backtest.FEWEST_SEASONS * asked.season + backtest.reach(asked.season, asked.ahead) + asked.ahead
    if after < full:
        notes.append(f"{said}; that is too short ago to go by what followed alone, so the change widens the band")
        return values
    notes.append(f"{said}; only what followed was used")
    return values[shift:]


def _without_backtest(
    history: History, asked: Asked, begin: float, values: list[float], season: int, notes: list[str]
) -> Foretold:
    """The same as a season ago, with what has been so far as the range of what may come."""
    if min(values) == max(values):
        notes.append("it is constant, so errors have nothing to be scaled by")
    else:
        notes.append("the history is too short for a back-test; the quantiles are those of the values so far")
    point = models.seasonal_naive(season if len(values) >= season else 1)(values, asked.ahead)
    ordered = sorted(values)
    levels = [bands.quantile(ordered, share) for share in asked.shares]
    spread = [[level - value for level in levels] for value in point]
    return Foretold(history.name, history.project, NAIVE, notes, begin, values, point, spread, {}, {})


def _bounded(predict: models.Predict, values: t.Sequence[float]) -> models.Predict:
    return models.not_below_zero(predict) if min(values) >= 0 else predict


def _paths(asked: Asked, values: list[float], begins: list[int], season: int, notes: list[str]) -> dict[str, Paths]:
    """The errors of each model in the back-test, by its name; the seasonal naive is always among them."""
    names = [NAIVE, *_AUTO] if asked.model == "auto" else list(dict.fromkeys([NAIVE, asked.model]))
    found: dict[str, Paths] = {}
    for name in names:
        try:
            predict = _bounded(models.fit(name, values[: begins[0]], season, asked.ahead), values)
            found[name] = backtest.paths(predict, values, begins, asked.ahead)
        except ForecastError as exc:
            if isinstance(exc, models.MissingLibraryError) and asked.model != "auto":
                raise
            notes.append(f"without the model {name}: {exc}")
    if asked.model == "auto":
        for name in _STATISTICAL:
            if name in found and backtest.mean_error(found[name]) > WILD * backtest.mean_error(found[NAIVE]):
                notes.append(
                    f"without the model {name}: it errs more than {WILD:g} times as much as the seasonal naive"
                )
                del found[name]
        for name, members in models.MEANS.items():
            there = [found[member] for member in members if member in found]
            if len(there) > len(members) - len(_STATISTICAL):
                found[name] = {origin: _mean([paths[origin] for paths in there]) for origin in there[0]}
    return found


_STATISTICAL = ("theta", "ces")
_AUTO = ("last_value", *_STATISTICAL)


def _credible(foretold: list[float], values: t.Sequence[float]) -> list[float]:
    """The same, if it is not far from all that was seen: a smoothing that is not stable grows without end."""
    low, high = min(values), max(values)
    far = WILD * (high - low)
    if min(foretold) < low - far or max(foretold) > high + far:
        raise ForecastError(f"it foretells up to {max(foretold, key=abs):.4g}, far from all that was seen")
    return foretold


def _mean(rows: t.Sequence[t.Sequence[float]]) -> list[float]:
    return [math.fsum(values) / len(rows) for values in zip(*rows)]


def _choose(
    paths: dict[str, Paths], asked: Asked, values: list[float], season: int, notes: list[str]
) -> tuple[str, list[float]]:
    """The model to go by, and what it foretells when it is fitted to all of the history."""
    errors = {name: backtest.mean_error(found) for name, found in paths.items() if name not in _STATISTICAL}
    best = min(errors, key=lambda name: errors[name])
    if asked.model != "auto" and asked.model in paths:
        error = backtest.mean_error(paths[asked.model])
        if error > errors[NAIVE]:
            notes.append(
                f"in the back-test the seasonal naive errs less than {asked.model}: {errors[NAIVE]:.4g} against"
                f" {error:.4g}"
            )
        best = asked.model
    rows = []
    for name in models.MEANS.get(best, (best,)):
        if name not in paths:
            continue
        try:
            predict = _bounded(models.fit(name, values, season, asked.ahead), values)
            rows.append(_credible(predict(values, asked.ahead), values))
        except ForecastError as exc:
            notes.append(f"without the model {name}: {exc}")
    if not rows:
        return NAIVE, models.seasonal_naive(season)(values, asked.ahead)
    return best, _mean(rows)


def _sum(name: str, members: t.Sequence[Foretold], asked: Asked) -> Foretold:
    """The sum of members. Those whose errors are known for the same times add up with what they have in common; of the
    others the worst is assumed, that all of them err to the same side.
    """
    good = [one for one in members if one.point]
    notes = []
    lost = [one.name for one in members if not one.point]
    if lost:
        notes.append(f"without {len(lost)} series that cannot be foretold: {', '.join(lost):.300}")
    if not good:
        return Foretold(name, name, "none", [*notes, "no forecast"], 0.0, [], [], [], {}, {})
    joined = [one for one in good if one.paths]
    others = [one for one in good if not one.paths]
    paths = bands.add_paths([one.paths for one in joined]) if joined else {}
    if len(paths) < backtest.FEWEST_APART and len(joined) > 1:
        joined, others, paths = [], good, {}
    spread = bands.error_quantiles(paths, asked.ahead, asked.shares) if paths else []
    if joined and not paths:
        spread = joined[0].spread
    for one in others:
        spread = [[a + b for a, b in zip(*rows)] for rows in zip(spread, one.spread)] if spread else one.spread
    if len(others) > 1 or (others and joined):
        notes.append(
            f"of {len(others)} series no errors are known for the same times; they were taken to err to the same side"
        )
    length = min(len(one.values) for one in good)
    values = [math.fsum(row) for row in zip(*(one.values[-length:] for one in good))]
    point = [math.fsum(row) for row in zip(*(one.point for one in good))]
    naive = bands.add_paths([one.naive_paths for one in joined]) if joined and not others else {}
    return Foretold(name, name, "sum", notes, good[0].begin, values, point, spread, {} if others else paths, naive)


def _plain(one: Foretold, asked: Asked) -> dict[str, t.Any]:
    season = asked.season if len(one.values) >= 2 * asked.season else 1
    floor = 0.0 if one.values and min(one.values) >= 0 else -math.inf
    report = None
    if one.paths and len(one.values) > season:
        ours = backtest.score(one.paths, one.values, season, asked.ahead)
        naive = backtest.score(one.naive_paths, one.values, season, asked.ahead)
        report = {
            "forecasts": len(one.paths),
            "mase": ours.mase,
            "coverage_90": ours.coverage_90,
            "mase_seasonal_naive": naive.mase,
            "coverage_90_seasonal_naive": naive.coverage_90,
        }
    quantiles = {
        f"{share:g}": [max(floor, value + row[place]) for value, row in zip(one.point, one.spread)]
        for place, share in enumerate(asked.shares)
    }
    return {
        "name": one.name,
        "project": one.project,
        "model": one.model,
        "steps_used": len(one.values),
        "forecast": one.point,
        "quantiles": quantiles if one.point else {},
        "backtest": report,
        "notes": one.notes,
    }

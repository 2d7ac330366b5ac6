# Makes plots of foretold demand, with their bands.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes what aidc.ops.capacity_forecast returned. The unit is that of the question, which is not known here."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.aidc.ops.plugins.module_utils._forecast.textfile import exceeds
from ansible_collections.aidc.ops.plugins.plugin_utils._report import charts, units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import Points, clean
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import View

_MOST = 13


def forecasts(found: Mapping[str, t.Any], capacity: Mapping[str, float]) -> View:
    """The total, then the projects (the series where there are none), those with the highest demand first."""
    parts = found["projects"] or found["series"]
    parts = sorted((one for one in parts if one["forecast"]), key=lambda one: -max(one["forecast"]))
    every = [found["total"], *parts] if len(parts) != 1 else parts
    drawn = [one for one in every if one["forecast"]]
    without = [clean(one["name"]) for one in found["series"] if not one["forecast"]]
    return {
        "plots": [_plot(one, found, _limit(one["name"], capacity)) for one in drawn[:_MOST]],
        "more": f"{len(drawn) - _MOST} more, all lower, are not shown." if len(drawn) > _MOST else "",
        "without": f"Could not be foretold: {', '.join(without)}." if without else "",
        "notes": [clean(note) for note in found.get("notes") or ()],
    }


def _limit(name: str, capacity: Mapping[str, float]) -> float | None:
    return float(capacity[name]) if name in capacity else None


def _plot(
    one: Mapping[str, t.Any],
    found: Mapping[str, t.Any],
    limit: float | None,
) -> View:
    times = [float(moment) for moment in found["times"]]
    levels = sorted((float(name), _points(times, values)) for name, values in one["quantiles"].items())
    # A band is made of a quantile and the one that is as far from the other end.
    pairs = [
        ((low, high), (below, above))
        for (low, below), (high, above) in zip(levels, reversed(levels), strict=True)
        if low < high and abs(low + high - 1) < 1e-6
    ]
    middle = _points(times, one["forecast"])
    every = [value for points in [middle, *(points for _unused, points in levels)] for _moment, value in points]
    known = [value for value in every if value is not None]
    marks = units.value_marks(min(0.0, *known), max([*known, limit or 0.0]), "")
    step = float(found["step_seconds"])
    frame = charts.Frame(times[0], max(times[-1], times[0] + step), step, marks[0], marks[-1])
    name = clean(one["name"])
    told = [f"{100 * low:g} to {100 * high:g} %" for (low, high), _unused in pairs]
    return {
        "title": "All together" if one is found["total"] else name,
        "svg": charts.bands(
            [curves for _unused, curves in pairs], middle, limit, frame, marks, "", f"Demand of {name} as foretold"
        ),
        "axis_svg": charts.time_axis(frame),
        "facts": [
            f"Highest {units.plain(max(one['forecast']))}"
            + "".join(f"; {100 * at:g} %: {units.plain(_highest(points))}" for at, points in levels if at >= 0.9),
            *([f"Band {', '.join(told)}"] if told else []),
            *([f"There are {units.plain(limit)}"] if limit is not None else []),
            *([_proof(one)] if one.get("backtest") else []),
        ],
        "late": _late(one, times, limit),
    }


def _late(one: Mapping[str, t.Any], times: Sequence[float], limit: float | None) -> list[str]:
    """When it will not fit: in one of ten futures, and in half of them."""
    found = []
    for level, often in (("0.9", "one of ten futures"), ("0.5", "half of them")):
        moment = None if limit is None else exceeds(one, times, level, limit)
        if moment is not None:
            found.append(f"from {units.clock(moment)} UTC in {often}")
    return [f"Exceeds {units.plain(limit)} {', and '.join(found)}."] if found and limit is not None else []


def _points(times: Sequence[float], values: Sequence[t.Any]) -> Points:
    return [(moment, float(value)) for moment, value in zip(times, values, strict=True)]


def _highest(points: Points) -> float:
    return max(value for _moment, value in points if value is not None)


def _proof(one: Mapping[str, t.Any]) -> str:
    """How the model did before, beside the simplest one."""
    told = one["backtest"]
    text = f"Model {clean(one['model'])}, error {units.plain(float(told['mase']))} against"
    text += f" {units.plain(float(told['mase_seasonal_naive']))} of what was a season before"
    covered = told.get("coverage_90")
    return text if covered is None else f"{text}, {100 * covered:.0f} % came within the 90 % band"

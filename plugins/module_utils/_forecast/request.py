# What a person asked for, checked, and when it will not fit.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError
from ansible_collections.aidc.ops.plugins.module_utils._forecast.forecast import MAX_AHEAD, Asked
from ansible_collections.aidc.ops.plugins.module_utils._forecast.textfile import exceeds
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_duration

DAY, WEEK = 86400.0, 604800.0


def make_asked(params: t.Mapping[str, t.Any]) -> Asked:
    """Of the options of the module. Raises ForecastError with the option."""
    step = _seconds("step", params["step"])
    if step < 1:
        raise ForecastError(f"step: {params['step']} is less than a second")
    horizon = _seconds("horizon", params["horizon"])
    ahead = round(horizon / step)
    if not 1 <= ahead <= MAX_AHEAD:
        raise ForecastError(
            f"horizon: {params['horizon']} are {horizon / step:g} steps of {params['step']}, and 1 to {MAX_AHEAD} are"
            " possible; choose longer steps or another horizon"
        )
    shares = tuple(sorted(set(params["quantiles"])))
    if not shares or not all(0 < share < 1 for share in shares):
        raise ForecastError(f"quantiles: each has to be above 0 and below 1, not {params['quantiles']}")
    return Asked(step, ahead, _season(params["season"], step), params["model"], shares, params["counter"])


def limits(capacity: t.Mapping[str, t.Any]) -> dict[str, float]:
    """The capacity by name, as numbers."""
    found = {}
    for name, value in capacity.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            raise ForecastError(f"capacity: {name} has to be a number, not {value!r:.100}") from None
        if not (math.isfinite(found[str(name)]) and found[str(name)] >= 0):
            raise ForecastError(f"capacity: {name} has to be a number from 0, not {value!r:.100}")
    return found


def spans(texts: t.Sequence[str], asked: Asked) -> list[float]:
    """The horizons of the metrics in seconds, ascending; none is longer than what is foretold."""
    whole = asked.ahead * asked.step
    return sorted({min(_seconds("textfile_horizons", text), whole) for text in texts})


def shortfalls(found: t.Mapping[str, t.Any], capacity: t.Mapping[str, float]) -> list[dict[str, t.Any]]:
    """When demand first exceeds capacity, by name and quantile. Raises ForecastError for a name that there is not."""
    rows = {one["name"]: one for one in (*found["series"], *found["projects"], found["total"])}
    late = []
    for name, limit in capacity.items():
        if name not in rows:
            raise ForecastError(
                f"capacity: there is no series or project {name!r:.100}; there are {', '.join(rows):.300}"
            )
        for share in found["quantiles"]:
            moment = exceeds(rows[name], found["times"], f"{share:g}", limit)
            if moment is not None:
                seconds = moment - found["begin"]
                late.append({"name": name, "quantile": share, "capacity": limit, "at": moment, "seconds": seconds})
    return late


def _season(text: str, step: float) -> int:
    if text == "none":
        return 1
    usual = DAY if step < DAY else WEEK if step == DAY else step
    length = usual if text == "auto" else _seconds("season", text)
    steps = round(length / step)
    if steps < 1 or not math.isclose(steps * step, length):
        raise ForecastError(f"season: {text} is no whole number of steps; choose another step, or season: none")
    return steps


def _seconds(option: str, text: str) -> float:
    try:
        return read_duration(text)
    except ValueError as exc:
        raise ForecastError(f"{option}: {exc}") from exc

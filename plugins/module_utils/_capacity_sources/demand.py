# What a forecast of demand asks of the planner: rows of workloads.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A row has as many copies as hold the quantile of the forecast: that divided by the GPUs of a copy, rounded up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import MAX_WORKLOADS
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError, finite
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_duration

PEAK = "peak"
_OWN = frozenset({"quantile", "at", "counts", "name"})
_COUNTS = ("gpus", "copies")
_FORBIDDEN = frozenset({"copies", "running_on", "after"})
_SHOWN = 300


def forecast_demand(
    forecast: Any, mapping: Any, quantile: float | None = 0.9, at: str | float = PEAK
) -> list[dict[str, Any]]:
    """Rows of workloads for the planner, in the order of the mapping.

    ``forecast`` is what the module capacity_forecast returns as C(forecast_demand). ``mapping`` is the name of a series
    or a project, or C(total) -> keys of a row (C(project), C(gpus), C(gpu_models), C(cpu_milli) …), and C(counts):
    whether the forecast counts C(gpus) or C(copies). C(quantile) and C(at) there count more than the arguments.

    ``quantile`` None is the forecast itself. ``at``: C(peak) is the highest value of the horizon, C(3d) that of the
    step three days from its begin. SourceError for what cannot be; a forecast without values is no demand of zero.
    """
    if not isinstance(forecast, dict) or not isinstance(forecast.get("series"), list):
        raise SourceError("this is no forecast; give what capacity_forecast returns as forecast_demand")
    if not isinstance(mapping, dict) or not mapping:
        raise SourceError("the mapping has to be a dictionary: name of a series or project -> what a copy is like")
    found = _series(forecast)
    rows = []
    for name, wanted in mapping.items():
        if not isinstance(wanted, dict):
            raise SourceError(f"mapping[{name!s:.60}] has to be a dictionary, not {wanted!r:.60}")
        if name not in found:
            raise SourceError(
                f"mapping[{name!s:.60}]: the forecast has no such series or project; it has"
                f" {', '.join(sorted(found)):.{_SHOWN}}"
            )
        row = _row(str(name), wanted, found[name], forecast, quantile, at)
        if row is not None:
            rows.append(row)
    names = [row["name"] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"two entries of the mapping make workloads of the same name: {', '.join(twice[:3])}")
    return rows


def _series(forecast: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What is foretold, by name. A series counts more than a project of the same name."""
    total = forecast.get("total")
    parts = [*([total] if isinstance(total, dict) else []), *(forecast.get("projects") or []), *forecast["series"]]
    return {str(one["name"]): one for one in parts if isinstance(one, dict) and one.get("name")}


def _row(
    name: str, wanted: Mapping[str, Any], one: Mapping[str, Any], forecast: Mapping[str, Any], quantile: Any, at: Any
) -> dict[str, Any] | None:
    where = f"mapping[{name:.60}]"
    bad = sorted(_FORBIDDEN & set(wanted))
    if bad:
        raise SourceError(f"{where}.{bad[0]}: that follows from the forecast, and cannot be set")
    value = _value(where, one, forecast, wanted.get("quantile", quantile), wanted.get("at", at))
    counts = wanted.get("counts", _COUNTS[0])
    if counts not in _COUNTS:
        raise SourceError(f"{where}.counts: {counts!r:.60} is none of {', '.join(_COUNTS)}")
    each = 1.0
    if counts == "gpus":
        if "gpus" not in wanted:
            raise SourceError(f"{where}.gpus: missing; say how many GPUs a copy has, or counts: copies")
        if wanted.get("mig_profile"):
            raise SourceError(f"{where}.counts: MIG instances are counted in copies; say counts: copies")
        share = finite(wanted.get("gpu_share_milli", 1000), f"{where}.gpu_share_milli", 1)
        each = finite(wanted["gpus"], f"{where}.gpus", 1) * share / 1000
    # What the forecast is off by in its last digits is no further copy.
    copies = math.ceil(value / each - 1e-9)
    if copies > MAX_WORKLOADS:
        raise SourceError(
            f"{where}: {copies} copies are foretold, and {MAX_WORKLOADS} are the most that can be planned"
        )
    if copies < 1:
        return None
    row = {key: value for key, value in wanted.items() if key not in _OWN}
    if one is not forecast.get("total"):
        row.setdefault("project", str(one.get("project") or ""))
    return {"name": str(wanted.get("name") or f"forecast/{name}"), **row, "copies": copies}


def _value(where: str, one: Mapping[str, Any], forecast: Mapping[str, Any], quantile: Any, at: Any) -> float:
    """The demand that is asked about, at least 0."""
    if quantile is None:
        values = one.get("forecast")
    else:
        share = finite(quantile, f"{where}.quantile")
        known = one.get("quantiles") or {}
        values = known.get(f"{share:g}")
        if values is None and known:
            raise SourceError(
                f"{where}.quantile: {share:g} was not foretold; there are {', '.join(known)}. Ask for it in quantiles"
                " of capacity_forecast"
            )
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        notes = "; ".join(map(str, one.get("notes") or ())) or "it does not say why"
        raise SourceError(f"{where}: there is no forecast of it ({notes:.{_SHOWN}}), and no data is no demand of zero")
    chosen = list(values) if at == PEAK else [values[_step(where, at, forecast, len(values))]]
    numbers = [value for value in chosen if isinstance(value, (int, float)) and math.isfinite(value)]
    if len(numbers) < len(chosen):
        raise SourceError(f"{where}: the forecast holds something that is no number")
    return max(0.0, *numbers)


def _step(where: str, at: Any, forecast: Mapping[str, Any], steps: int) -> int:
    try:
        seconds = read_duration(at)
    except ValueError:
        raise SourceError(f"{where}.at: {at!r:.60} is neither {PEAK} nor a duration such as 3d") from None
    number = int(seconds // finite(forecast.get("step_seconds"), "step_seconds of the forecast", 1))
    if number >= steps:
        raise SourceError(f"{where}.at: {at!s:.60} is beyond the horizon of the forecast, which has {steps} steps")
    return number

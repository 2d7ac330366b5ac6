# What a forecast says about the time until new replicas serve; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.model import Foreseen

TOTAL = "total"


def foresee(forecast: t.Any, name: str, quantile: float, startup: float, now: float) -> Foreseen:
    """The highest value of a quantile from *now* until *startup* seconds later.

    *forecast* is the result C(forecast_demand) of capacity_forecast; *name* that of a series or project, or total. What
    is missing or does not reach that far is said and never raised: a forecast that failed must not stop anything.

    It may begin up to a step after *now*. Prometheus gives the value at the begin of the step that is going on, so that
    the forecast begins with the next one; until then the load is that of the present.
    """
    try:
        times = [float(moment) for moment in forecast["times"]]
        step = float(forecast["step_seconds"])
        row = _row(forecast, name)
        if row is None:
            return Foreseen(None, f"the forecast has no {name!r:.80}")
        values = _values(row["quantiles"], quantile)
        if values is None:
            return Foreseen(None, f"the forecast of {name:.80} has no quantile {quantile:g}")
        if len(values) != len(times):
            return Foreseen(None, "the forecast has not one value for each time")
    except (KeyError, TypeError, ValueError, AttributeError):
        return Foreseen(None, "the forecast is not what capacity_forecast returns")
    if not times or not math.isfinite(step) or step <= 0 or now < times[0] - step or now + startup > times[-1] + step:
        return Foreseen(None, f"the forecast does not reach from now to {startup:.0f} s ahead")
    until = max(now + startup, times[0])
    ahead = [value for moment, value in zip(times, values) if moment + step > now and moment <= until]
    if not ahead or not all(math.isfinite(value) and value >= 0 for value in ahead):
        return Foreseen(None, "the forecast has values that are no numbers from 0 on")
    return Foreseen(max(ahead))


def _row(forecast: t.Any, name: str) -> t.Any:
    if name == TOTAL:
        return forecast["total"]
    rows = [row for row in [*forecast["series"], *forecast["projects"]] if row["name"] == name]
    return rows[0] if rows else None


def _values(quantiles: t.Mapping[str, t.Any], wanted: float) -> list[float] | None:
    for share, values in quantiles.items():
        if abs(float(share) - wanted) < 1e-9:
            return [float(value) for value in values]
    return None

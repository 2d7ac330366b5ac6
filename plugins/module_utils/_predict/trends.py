# The trend rules of the role prometheus, over series of this room; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each is the expression of an alert in aidc_prediction.yml.j2, evaluated at one time. How long an alert is held back
(``for``) is left out: it is an hour, and steps are a day. A comparison with a missing value is false, as in PromQL.
"""

from __future__ import annotations

import typing as t

from .series import DAY, Series

Trend = t.Callable[[t.Mapping[str, Series], float], bool]
NOTHING = Series(())


def _before(series: Series, moment: float, *days: int) -> list[float] | None:
    """The values of so many days before; None if one of them is missing."""
    values = [series.at(moment - day * DAY) for day in days]
    return None if None in values else t.cast("list[float]", values)


def above(measure: str, least: float) -> Trend:
    """GpuRemapBanksRunLow: the value is above *least*."""

    def rule(series: t.Mapping[str, Series], moment: float) -> bool:
        value = series.get(measure, NOTHING).at(moment)
        return value is not None and value > least

    return rule


def grew(measure: str, least: float) -> Trend:
    """GpuRemapBanksShrink: *least* more than a week ago."""

    def rule(series: t.Mapping[str, Series], moment: float) -> bool:
        values = _before(series.get(measure, NOTHING), moment, 0, 7)
        return values is not None and values[0] - values[1] >= least

    return rule


def grows_faster(measure: str) -> Trend:
    """GpuRowRemapsAccelerate: two more than a week ago, and more than twice as many as in the week before."""

    def rule(series: t.Mapping[str, Series], moment: float) -> bool:
        values = _before(series.get(measure, NOTHING), moment, 0, 7, 14)
        if values is None:
            return False
        now, week, fortnight = values
        return now - week >= 2 and now - week > 2 * (week - fortnight)

    return rule


def errors_accelerate(measure: str, least: float) -> Trend:
    """GpuCorrectedErrorsAccelerate: the errors an hour of the last day (the measure's mean) are above *least* for a
    quarter of it (hours), and four times those of the week before (week), half of which is known (week_hours).
    """
    parts = [f"{measure}_{part}" for part in ("mean", "hours", "week", "week_hours")]

    def rule(series: t.Mapping[str, Series], moment: float) -> bool:
        values = [series.get(name, NOTHING).at(moment) for name in parts]
        if None in values:
            return False
        mean, hours, week, week_hours = t.cast("list[float]", values)
        return mean > least and mean > 4 * week and hours >= 6 and week_hours >= 84

    return rule


def wears_out(measure: str) -> Trend:
    """DriveWearsOut: what was used within two weeks, in each of them, is the whole within 90 days."""

    def rule(series: t.Mapping[str, Series], moment: float) -> bool:
        values = _before(series.get(measure, NOTHING), moment, 0, 7, 14)
        if values is None:
            return False
        now, week, fortnight = values
        return now - fortnight > 2 and 14 * (100 - now) / (now - fortnight) < 90 and now - week >= 1 <= week - fortnight

    return rule


def runs_out(measure: str) -> Trend:
    """DriveSpareRunsOut: what was lost within two weeks is the rest within 90 days."""

    def rule(series: t.Mapping[str, Series], moment: float) -> bool:
        values = _before(series.get(measure, NOTHING), moment, 0, 14)
        if values is None:
            return False
        now, fortnight = values
        return now > 0 and fortnight - now > 2 and 14 * now / (fortnight - now) < 90

    return rule

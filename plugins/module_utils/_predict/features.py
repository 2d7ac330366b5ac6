# The numbers that a model looks at: those of one device at one time; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For each measure: whether it is known, its level, its slope over a week and over thirty days, whether that grows,
how often it rose within thirty days, and how far it is from the median of the devices of the same model. All but the
counts are logarithms, because what is counted ranges from one to millions.
"""

from __future__ import annotations

import math
import statistics
import typing as t

from .series import DAY, Device, Series

PARTS = ("known", "level", "week", "month", "acceleration", "rises", "peers")
_UNKNOWN = (0.0,) * len(PARTS)
# A value from before that tells nothing about today.
_STALE = 7 * DAY
# Fewer devices of a model have no usual value.
_PEERS = 4

Medians = t.Dict[t.Tuple[str, str], float]


def names(measures: t.Iterable[str]) -> list[str]:
    """The names of the numbers, in their order."""
    return [f"{measure}_{part}" for measure in measures for part in PARTS]


def squeezed(value: float) -> float:
    """The logarithm of 1 + a number's size, with its sign."""
    return math.copysign(math.log1p(abs(value)), value)


def level(series: Series, moment: float) -> float | None:
    """The last value that is no older than a week, or than its samples hold."""
    place = series.index(moment)
    if place < 0 or moment - series.times[place] > max(_STALE, series.hold):
        return None
    return series.values[place]


def medians(devices: t.Iterable[Device], measures: t.Sequence[str], moment: float) -> Medians:
    """The median of each measure over the devices of each model that are watched at that time."""
    found: dict[tuple[str, str], list[float]] = {}
    for device in devices:
        if device.begin <= moment <= device.end:
            for measure in measures:
                series = device.series.get(measure)
                value = level(series, moment) if series is not None else None
                if value is not None:
                    found.setdefault((device.model, measure), []).append(value)
    return {key: statistics.median(values) for key, values in found.items() if len(values) >= _PEERS}


def row(device: Device, measures: t.Sequence[str], moment: float, peers: Medians) -> list[float]:
    """The numbers of one device."""
    found: list[float] = []
    for measure in measures:
        series = device.series.get(measure)
        value = level(series, moment) if series is not None else None
        if series is None or value is None:
            found.extend(_UNKNOWN)
            continue
        now = series.index(moment)
        # A device that is younger than the window is compared with its first sample.
        week, fortnight, month = (max(0, series.index(moment - days * DAY)) for days in (7, 14, 30))
        if series.rises[now] == series.rises[month] and series.sums[now] == series.sums[month]:
            slopes = (0.0, 0.0, 0.0, 0.0)
        else:
            last = series.sums[now] - series.sums[week]
            slopes = (
                squeezed(last / 7),
                squeezed((series.sums[now] - series.sums[month]) / 30),
                squeezed(last - (series.sums[week] - series.sums[fortnight])),
                float(series.rises[now] - series.rises[month]),
            )
        usual = peers.get((device.model, measure), value)
        found.extend((1.0, squeezed(value), *slopes, squeezed(value - usual)))
    return found

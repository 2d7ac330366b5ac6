# What was measured of a device, and what became of it; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import typing as t
from bisect import bisect_right
from dataclasses import dataclass, field

DAY = 86400.0
FOREVER = math.inf


class Series:
    """Samples of one measure, oldest first, with times in seconds.

    They are put in order, of two at the same time the later given one stays, and what is no finite number is dropped:
    a clock that went back or a target that was scraped twice leaves nothing behind. With *counter*, a smaller value is
    a restart from zero, as in PromQL's increase(). *hold*: for how many seconds a sample counts as the present value.
    """

    def __init__(self, points: t.Iterable[tuple[float, float]], counter: bool = False, hold: float = FOREVER) -> None:
        known = {
            float(moment): float(value) for moment, value in points if math.isfinite(moment) and math.isfinite(value)
        }
        self.hold = hold
        self.times = sorted(known)
        self.values = [known[moment] for moment in self.times]
        self.sums: list[float] = []
        self.rises: list[int] = []
        total, rises, last = 0.0, 0, None
        for value in self.values:
            if last is None:
                total = value
            else:
                total += value if counter and value < last else value - last
                rises += value != last if counter else value > last
            self.sums.append(total)
            self.rises.append(rises)
            last = value

    def __bool__(self) -> bool:
        return bool(self.times)

    def index(self, moment: float) -> int:
        """Place of the last sample that is not after *moment*; -1 if there is none."""
        return bisect_right(self.times, moment) - 1

    def at(self, moment: float) -> float | None:
        """The value that Prometheus would give for *moment*; None where there is none."""
        place = self.index(moment)
        if place < 0 or moment - self.times[place] > self.hold:
            return None
        return self.values[place]


@dataclass
class Device:
    """One device, watched from *begin* to *end*; *failed_at* is when it failed, if it did."""

    node: str
    name: str
    model: str
    series: dict[str, Series]
    begin: float
    end: float
    failed_at: float | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def fails_within(self, moment: float, seconds: float) -> bool:
        return self.failed_at is not None and moment < self.failed_at <= moment + seconds


def watched(series: t.Mapping[str, Series]) -> tuple[float, float] | None:
    """The times of the first and of the last sample; None without samples."""
    filled = [one.times for one in series.values() if one]
    if not filled:
        return None
    return min(times[0] for times in filled), max(times[-1] for times in filled)

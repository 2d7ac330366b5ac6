# Writes numbers with their units, times and the marks of an axis, as people read them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from datetime import UTC, datetime

NOTHING = "\u2013"
"""Stands where there is no value. It is not a zero."""

# Unit -> (factor to the base unit, words of the base unit from small to large, each a thousand times the one before).
_SCALED = {
    "watts": (1.0, ("W", "kW", "MW", "GW")),
    "bytes": (1.0, ("B", "kB", "MB", "GB", "TB", "PB", "EB")),
    "bytes_per_second": (1.0, ("B/s", "kB/s", "MB/s", "GB/s", "TB/s")),
    "kilowatt_hours": (1000.0, ("Wh", "kWh", "MWh", "GWh")),
    "grams_per_hour": (1.0, ("g/h", "kg/h", "t/h")),
}
_FIXED = {"celsius": "°C", "megahertz": "MHz", "hours": "h", "gpu_hours": "GPU h", "per_hour": "per h"}
_TIME_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400, 14 * 86400)
_MOST_TIME_MARKS = 6


def write(value: float | None, unit: str) -> tuple[str, str]:
    """The text of a number and of its unit. A unit that is not known here counts things, and is written as it is."""
    if value is None:
        return NOTHING, ""
    if unit == "ratio":
        return plain(value * 100), "%"
    if unit == "yes_no":
        return ("yes" if value else "no"), ""
    if unit == "time":
        return clock(value), ""
    if unit == "seconds":
        return _duration(value)
    if unit in _SCALED:
        factor, words = _SCALED[unit]
        size = _size(abs(value * factor), len(words))
        return plain(value * factor / 1000**size), words[size]
    return plain(value), _FIXED.get(unit) or counted(value, unit)


def counted(value: float, unit: str) -> str:
    """The word for what is counted, which ends in s unless there is one."""
    return unit[:-1] if value == 1 and unit.endswith("s") else unit


def joined(value: float | None, unit: str) -> str:
    """The same in one text."""
    return " ".join(part for part in write(value, unit) if part)


def plain(value: float) -> str:
    """A number with three digits that count, or all of those before the point."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 0.001 or size >= 1e15:
        return f"{value:.1e}"
    digits = max(0, 2 - math.floor(math.log10(size)))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def clock(moment: float) -> str:
    """A time in seconds since 1970 as date and minute, in UTC."""
    return _utc(moment).strftime("%Y-%m-%d %H:%M")


def iso(moment: float) -> str:
    """The same for programs."""
    return _utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def value_marks(low: float, high: float, unit: str) -> list[float]:
    """Two to six round values, from at or below *low* to at or above *high*, round in the unit that is written."""
    factor = 1.0
    if unit == "ratio":
        factor = 0.01
    elif unit in _SCALED:
        base, words = _SCALED[unit]
        factor = 1000 ** _size(abs(high) * base, len(words)) / base
    low, high = low / factor, high / factor
    if high <= low:
        high = low + 1
    rough = (high - low) / 4
    if factor == 1 and unit not in _SCALED and unit not in _FIXED and unit != "seconds":
        # There is no half job.
        rough = max(rough, 1.0)
    power = 10 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [round(number * step, 10) * factor for number in range(first, last + 1)]


def time_marks(start: float, end: float) -> list[tuple[float, str]]:
    """A few round times (UTC) between two, each with its text: the date at midnight, else hour and minute."""
    span = end - start
    step = next((size for size in _TIME_STEPS if span / size <= _MOST_TIME_MARKS), span / _MOST_TIME_MARKS)
    marks = []
    for number in range(math.ceil(start / step), math.floor(end / step) + 1):
        moment = number * step
        when = _utc(moment)
        marks.append((moment, f"{when.day} {when:%b}" if when.hour == when.minute == 0 else f"{when:%H:%M}"))
    return marks


def _size(value: float, words: int) -> int:
    return 0 if value < 1000 else min(words - 1, math.floor(math.log10(value) / 3 + 1e-9))


def _duration(seconds: float) -> tuple[str, str]:
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.{0 if abs(seconds) >= 10 * size else 1}f}".removesuffix(".0"), word
    return (plain(seconds) if seconds < 1 else f"{seconds:.0f}"), "s"


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)

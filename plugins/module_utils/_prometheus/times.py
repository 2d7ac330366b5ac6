# Reads times and durations as people write them for PromQL, and splits ranges that are too long to ask for; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
from datetime import datetime

MAX_POINTS = 11000
"""Prometheus refuses a range of more points than this for each series."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_DURATION = re.compile(r"(?:([0-9]+(?:\.[0-9]+)?)(ms|[smhdwy]))")
_FRACTION = re.compile(r"\.([0-9]+)")


def read_duration(text: str | float) -> float:
    """Seconds of a duration such as 90, 15s or 1h30m. Raises ValueError."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    else:
        seconds = _duration_text(str(text).strip())
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"{text!r} is not a duration above zero such as 30, 15s or 1h30m")
    return seconds


def read_time(text: str | float, now: float) -> float:
    """Seconds since the epoch of a time: such seconds, RFC 3339, now, or -1h and now-1h. Raises ValueError."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        moment = float(text)
    else:
        moment = _time_text(str(text).strip(), now)
    if not math.isfinite(moment):
        raise ValueError(f"{text!r} is not a time")
    return moment


def windows(start: float, end: float, step: float) -> list[tuple[float, float]]:
    """Split a range into parts of at most MAX_POINTS points; together they have the points of the whole."""
    if end < start:
        raise ValueError("the end of the range is before its start")
    # Prometheus counts in milliseconds; what is finer is how a time since 1970 is rounded.
    last = math.floor((end - start + 0.0005) / step)
    parts = []
    for first in range(0, last + 1, MAX_POINTS):
        final = min(first + MAX_POINTS - 1, last)
        # From start each time: sums of a step that has no exact form drift.
        parts.append((start + first * step, start + final * step))
    return parts


def _duration_text(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 30, 15s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _time_text(text: str, now: float) -> float:
    if text == "now":
        return now
    relative = text[3:] if text.startswith("now") else text
    if relative[:1] in ("-", "+") and not _is_number(relative):
        seconds = read_duration(relative[1:])
        return now - seconds if relative[0] == "-" else now + seconds
    try:
        return float(text)
    except ValueError:
        pass
    # Python 3.8 to 3.10 read no Z and fractions of three or six digits only.
    iso = _FRACTION.sub(lambda found: "." + found.group(1)[:6].ljust(6, "0"), text)
    if iso[-1:] in ("Z", "z"):
        iso = iso[:-1] + "+00:00"
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: seconds since 1970, RFC 3339 (2026-01-31T12:00:00Z), now, or now-1h"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone; end it with Z for UTC")
    return moment.timestamp()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

# Parses the system event log that "ipmitool sel elist" prints.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line is "id | date | time | sensor | event | direction | more"; without a clock it has "Pre-Init" and ticks."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime

from .ipmi_inventory import MAX_LINES
from .redfish_logs import MAX_MESSAGE
from .redfish_values import clean

_ID = re.compile(r"^[0-9A-Fa-f]{1,4}\Z")
_FORMATS = ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")
_CRITICAL = re.compile(
    r"(?<!non-)critical|non-recoverable|uncorrectable|failure detected|\b(?:ac|input) lost|thermal trip|fatal|\bierr\b"
    r"|fault|out-of-range",
    re.I,
)
_WARNING = re.compile(r"non-critical|\bcorrectable|predictive|redundancy|throttl|degraded", re.I)
_OVER = re.compile(r"\bdeasserted\b", re.I)


def parse_events(text: str) -> list[dict[str, t.Any]]:
    """Return the events in the order of the log; lines that are none are left out."""
    events = []
    for line in text.splitlines()[:MAX_LINES]:
        columns = [clean(column, MAX_MESSAGE) or "" for column in line.split("|")]
        if len(columns) < 3 or not _ID.match(columns[0]):
            continue
        if columns[1].startswith("OEM"):
            # Record types of the manufacturer have no time and no sensor, only bytes.
            events.append(_event(columns[0], None, None, columns[1:]))
        elif len(columns) >= 5:
            events.append(_event(columns[0], _time(columns[1], columns[2]), columns[3], columns[4:]))
    return events


def _event(number: str, time: str | None, sensor: str | None, rest: t.Sequence[str]) -> dict[str, t.Any]:
    message = ", ".join(part for part in rest if part)
    return {
        "id": f"SEL/{int(number, 16)}",
        "time": time,
        "severity": None if sensor is None else _severity(message),
        "message": message or None,
        "sensor": sensor or None,
    }


def _time(date: str, clock: str) -> str | None:
    """Return the time in RFC 3339; ipmitool is run with UTC as its time zone."""
    for form in _FORMATS:
        try:
            moment = datetime.strptime(f"{date} {clock.replace('UTC', '').strip()}", form)
        except ValueError:
            continue
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


def _severity(message: str) -> str:
    """Return how bad an event is by its words, because IPMI itself does not say; one that ended is over."""
    if _OVER.search(message):
        return "ok"
    if _CRITICAL.search(message):
        return "critical"
    return "warning" if _WARNING.search(message) else "ok"

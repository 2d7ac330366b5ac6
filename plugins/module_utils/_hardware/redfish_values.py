# Takes single values out of Redfish documents, whatever a BMC really put there.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A value of the wrong type, an empty one or a filler text is unknown: None. Nothing here raises."""

from __future__ import annotations

import math
import re
import typing as t
from datetime import datetime, timezone

Doc = t.Mapping[str, t.Any]

MAX_TEXT = 1024
"""Longer than any honest name; a log message may have more (the caller says so)."""

# What firmware writes where it knows nothing.
_FILLERS = frozenset(
    (
        "default string",
        "empty",
        "n/a",
        "na",
        "no asset tag",
        "no reading",
        "none",
        "not available",
        "not specified",
        "null",
        "o.e.m.",
        "to be filled by o.e.m.",
        "undefined",
        "unknown",
        "unspecified",
    )
)
# Halves of surrogate pairs come out of JSON escapes and cannot be written as UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_NUMBER = re.compile(r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
# A link is a path on the same BMC. Anything else would carry the session to another host.
_PATH = re.compile(r"^/redfish/v1(/[A-Za-z0-9._~!$&'()*+,;=:@%#?/-]*)?\Z")
_STATES = {"OK": "ok", "Warning": "warning", "Critical": "critical"}
_TIME = re.compile(
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})\Z", re.I
)


def clean(value: t.Any, limit: int = MAX_TEXT) -> str | None:
    """Return a text on one line without control characters, at most C(limit) long; numbers become texts."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    # Cut first: a text of many megabytes is not worth looking at.
    return _CONTROL.sub(" ", str(value)[:limit]).strip() or None


def known(value: t.Any, limit: int = MAX_TEXT) -> str | None:
    """Return a text as clean does, but None for the fillers of firmware ("N/A", "To be filled by O.E.M.")."""
    found = clean(value, limit)
    return None if found is None or found.lower() in _FILLERS else found


def number(value: t.Any) -> float | None:
    """Return a finite number, also one that the BMC wrote as a text."""
    if isinstance(value, str) and _NUMBER.match(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def whole(value: t.Any, factor: int = 1) -> int | None:
    """Return a number that cannot be negative, times C(factor), rounded to a whole one."""
    found = number(value)
    return None if found is None or found < 0 else round(found * factor)


def watts(value: t.Any) -> float | None:
    """Return a power that is not negative, with one digit behind the point at most."""
    found = number(value)
    return None if found is None or found < 0 else round(found, 1)


def mapping(value: t.Any) -> Doc:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: t.Any) -> list[Doc]:
    """Return the JSON objects of a JSON list, without what else may stand in it."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def link(value: t.Any) -> str | None:
    """Return the path of a reference C({"@odata.id": path}) if it stays on the BMC."""
    path = mapping(value).get("@odata.id")
    if not isinstance(path, str) or len(path) > MAX_TEXT or not _PATH.match(path) or "//" in path:
        return None
    return path.partition("#")[0]


def reading(value: t.Any) -> float | None:
    """Return the number of a sensor excerpt C({"Reading": number}), or a plain number."""
    return number(value.get("Reading")) if isinstance(value, dict) else number(value)


def state(status: t.Any) -> str | None:
    """Return C(ok), C(warning), C(critical) or C(absent) for a Redfish Status object."""
    found = mapping(status)
    if found.get("State") == "Absent":
        return "absent"
    return severity(found.get("Health"))


def severity(value: t.Any) -> str | None:
    """Return C(ok), C(warning) or C(critical) for a health or a severity of Redfish."""
    return _STATES.get(value) if isinstance(value, str) else None


def utc_time(value: t.Any) -> str | None:
    """Return a time as RFC 3339 in UTC with seconds; None without a time zone, since it could be any hour."""
    found = _TIME.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    zone = found.group(3).upper()
    zone = "+00:00" if zone == "Z" else (zone if ":" in zone else zone[:3] + ":" + zone[3:])
    try:
        moment = datetime.fromisoformat(f"{found.group(1)}T{found.group(2)}{zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def identity(doc: Doc) -> str | None:
    """Return the short name of a resource: its Id, else its MemberId, else the last part of its path."""
    path = doc.get("@odata.id")
    tail = path.rstrip("/").rpartition("/")[2] if isinstance(path, str) else None
    return clean(doc.get("Id")) or clean(doc.get("MemberId")) or clean(tail)


def number_equal_names(items: list[dict[str, t.Any]], hints: t.Sequence[str | None]) -> list[dict[str, t.Any]]:
    """Make names different: devices of one kind may all be called the same, and a diff needs to tell them apart.

    C(hints) holds, for each item, what tells it from its namesakes (an id or a chassis); else its position does.
    """
    names = [item["name"] for item in items]
    taken = set()
    for position, (item, hint) in enumerate(zip(items, hints)):
        name = item["name"] or hint or str(position)
        if names.count(item["name"]) > 1:
            name = f"{name} ({hint or position})"
        if name in taken:
            name = f"{name} [{position}]"
        taken.add(name)
        item["name"] = name
    return items

# Maintenance windows as a calendar file (RFC 5545).
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines end with CRLF and are folded at 75 octets (section 3.1), text is escaped (3.3.11), times are in UTC (3.3.5).

An event keeps its UID when its window moves, so that a calendar moves it rather than having it twice.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import typing as t

LINE = 75
PRODUCT = "-//aidc.ops//maintenance_windows//EN"
# What has no place in text, apart from the tab; line ends become \n beforehand.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\ud800-\udfff]")


def escape(text: str) -> str:
    """Text as a value: nothing in it ends a line or a value."""
    text = re.sub("\r\n|\r|\x0b|\x0c|\x85|\u2028|\u2029", "\n", text)
    text = _CONTROL.sub("", text)
    for character in ("\\", ";", ","):
        text = text.replace(character, "\\" + character)
    return text.replace("\n", "\\n")


def fold(line: str) -> str:
    """A line in parts of at most 75 octets, none of which ends within a character."""
    parts, part, size = [], "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > LINE:
            parts.append(part)
            # The space at the begin of a continued line counts.
            part, size = " ", 1
        part += character
        size += octets
    return "\r\n".join([*parts, part])


def utc(seconds: float) -> str:
    """Seconds since 1970 as a time of a calendar."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def uid(site: str, node: str) -> str:
    """The same for the same node of the same site."""
    return hashlib.sha256(f"{site}\0{node}".encode("utf-8", "replace")).hexdigest()[:32] + "@aidc.ops"


def calendar(windows: t.Sequence[t.Mapping[str, t.Any]], stamp: float, site: str) -> str:
    """A calendar of windows (node, start, end, summary); ``stamp`` is when the forecast begins, so it is no clock."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    for window in windows:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{uid(site, window['node'])}",
            f"DTSTAMP:{utc(stamp)}",
            f"DTSTART:{utc(window['start'])}",
            f"DTEND:{utc(window['end'])}",
            f"SUMMARY:{escape(window['summary'] or 'Maintenance of ' + window['node'])}",
            f"LOCATION:{escape(window['node'])}",
            f"DESCRIPTION:{escape(_about(window))}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{fold(line)}\r\n" for line in lines)


def _about(window: t.Mapping[str, t.Any]) -> str:
    return f"Up to {window['demand']:g} GPUs are wanted meanwhile, {window['capacity_left']:g} are left."

# Tells a person about cases: a table of them, and one with everything that happened to it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what case_info returned in, lines of text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

_LONGEST = 160
_NEEDED = (
    *("case_id", "node", "node_id", "state", "step", "fault_class", "fault_classes", "devices"),
    *("opened_at", "hold_text"),
)
_COLUMNS = ("CASE", "NODE", "STATE", "NEXT STEP", "FAULT", "DEVICES", "SINCE", "WAITS FOR")


def table(cases: Sequence[Mapping[str, Any]], now: float) -> list[str]:
    """One line for each case below a head line. ValueError if an item is no case."""
    rows = [_row(case, now) for case in cases]
    return aligned([_COLUMNS, *rows]) if rows else ["There are no cases."]


def story(case: Mapping[str, Any]) -> list[str]:
    """A case in full: what it is, what it will do, what happened. ValueError if it is none."""
    _require(case)
    ticket = case.get("ticket")
    facts = [
        ("case", f"{case['case_id']} on {plain(case['node'])} ({plain(case['node_id'])})"),
        ("state", f"{case['state']}{_because(case)}"),
        ("faults", ", ".join(map(plain, case["fault_classes"]))),
        ("devices", ", ".join(map(plain, case["devices"]))),
        ("next step", case["step"] or "none"),
        ("whole way", " > ".join(case.get("preview") or []) or "unknown"),
        ("approved by", _approved(case)),
        ("ticket", plain(ticket["reference"]) if ticket else "none"),
    ]
    lines = aligned(facts)
    events = [
        (clock(event["at"]), event["kind"], event["step"] or "", plain(event["text"]))
        for event in case.get("timeline") or []
    ]
    return [*lines, "", *aligned(events)] if events else lines


def controls(switches: Mapping[str, Any], opt_outs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What keeps the loop from acting: pause, breaker, and what is left alone; one line each, none if nothing does."""
    lines = []
    if switches.get("paused_by"):
        lines.append(f"PAUSED by {plain(switches['paused_by'])} since {clock(switches['paused_at'])}.")
    if switches.get("breaker"):
        lines.append(f"{plain(switches['breaker'])} ({clock(switches['breaker_at'])})")
    lines += [
        f"The {item['kind']} {plain(item['name'])} is left alone until {clock(item['until'])}:"
        f" {plain(item['reason'])} ({plain(item['by'])})."
        for item in opt_outs
    ]
    return lines


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines with columns under each other; the last column is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows))]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip() for row in rows]


def plain(text: Any) -> str:
    """Foreign text for a terminal: no control characters, and not endless."""
    shown = "".join(one if one.isprintable() else "?" for one in str(text))
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def clock(moment: float) -> str:
    """A time in seconds since the epoch, in UTC."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


def _row(case: Mapping[str, Any], now: float) -> tuple[str, ...]:
    _require(case)
    return (
        str(case["case_id"]),
        plain(case["node"]),
        case["state"],
        case["step"] or "-",
        plain(case["fault_class"]),
        plain(", ".join(case["devices"])),
        _ago(now - case["opened_at"]),
        plain(case["hold_text"] or ""),
    )


def _because(case: Mapping[str, Any]) -> str:
    return f": {plain(case['hold_text'])}" if case["hold_text"] else ""


def _approved(case: Mapping[str, Any]) -> str:
    if not case.get("approved_by"):
        return "nobody"
    return f"{plain(case['approved_by'])}, {clock(case['approved_at'])}"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _require(case: Any) -> None:
    if not isinstance(case, Mapping) or not set(case).issuperset(_NEEDED):
        raise ValueError("an item is no case of aidc.ops.case_info")

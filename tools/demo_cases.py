# Reads what the ledger says of a case, and writes it as tables for a person. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input is the JSON of `aidc-cases list --json` and `aidc-cases timeline N --json`. Times are in seconds (epoch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ACTIONS = ("reset", "reboot", "restart_service")
MILESTONES = ("signal", "recognised", "drained", "evidence", "action", "validated", "end")
Event = Mapping[str, Any]


def milestones(events: Iterable[Event]) -> dict[str, tuple[float, str]]:
    """Return milestone to (time, note). The first time counts; of action and validation the last."""
    found: dict[str, tuple[float, str]] = {}
    for event in events:
        kind, step, at, detail = event["kind"], event["step"], float(event["at"]), event["detail"]
        outcome = str(detail.get("outcome", ""))
        if kind == "signal":
            found.setdefault("signal", (at, str(detail.get("lane", ""))))
        elif kind == "opened":
            found.setdefault("recognised", (at, ""))
        elif kind == "state" and detail.get("state"):
            found["end"] = (at, str(detail["state"]))
        elif kind == "finished" and step == "cordon" and outcome == "done":
            found.setdefault("drained", (at, ""))
        elif kind == "finished" and step == "evidence":
            found.setdefault("evidence", (at, ""))
        elif kind == "finished" and step in ACTIONS:
            found["action"] = (at, f"{step}" if outcome == "done" else f"{step} {outcome}")
        elif kind == "finished" and step == "validate":
            found["validated"] = (at, "" if outcome == "done" else outcome)
        elif kind == "finished" and step == "ticket":
            found["end"] = (at, "ticket")
    return found


def timeline_row(name: str, injected: float, events: Sequence[Event]) -> list[str]:
    """Return one row of the story's table: seconds since the injection for each milestone, `-` where there is none."""
    found = milestones(events)
    row = [name]
    for key in MILESTONES:
        if key in found:
            at, note = found[key]
            row.append(f"{at - injected:.1f}" + (f" {note}" if note else ""))
        else:
            row.append("-")
    return row


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an aligned table."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def slurm_nodes(text: str) -> dict[str, dict[str, str]]:
    """Return node to its fields from `scontrol show node -o`; a value runs to the next ` Key=`."""
    result = {}
    for line in text.splitlines():
        fields: dict[str, str] = {}
        key = ""
        for word in line.split():
            name, equals, value = word.partition("=")
            if equals and name[:1].isupper() and name.replace("/", "").replace(":", "").replace("_", "").isalnum():
                key = name
                fields[key] = value
            elif key:
                fields[key] += " " + word
        if "NodeName" in fields:
            result[fields["NodeName"]] = fields
    return result


def job(text: str) -> dict[str, str]:
    """Return the fields of `scontrol show job -o` that tell whether a job was touched."""
    fields = dict(word.partition("=")[::2] for word in text.split() if "=" in word)
    return {name: fields.get(name, "") for name in ("JobId", "JobState", "Restarts", "StartTime", "NodeList")}

# Tells what a replay showed: plain data, and a table for a person.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.replay import Outcome, Story
from ansible_collections.aidc.ops.plugins.module_utils._cases.report import aligned, clock, plain

_DAY = 86400.0
# A case of the same class on the same node within that time is most likely the same fault, never repaired in truth.
_AGAIN_SECONDS = _DAY
_CASES_SHOWN = 200


def data(outcome: Outcome, nodes: int, hours: float | None) -> dict[str, Any]:
    """Everything as plain data; ``hours``: how long was recorded, where the entries do not tell."""
    days = hours / 24 if hours is not None else max(0.0, outcome.ended - outcome.began) / _DAY
    again = _again(outcome.stories)
    cases = [_case(story, story.case.id in again) for story in outcome.stories]
    drains = sum(1 for case in cases if case["drained_at"] is not None)
    counts = outcome.counts
    node_days = nodes * days
    return {
        "cases": cases,
        "classes": _classes(cases, counts.classes),
        "refused": {reason: {"count": item[0], "first": item[1]} for reason, item in sorted(counts.refused.items())},
        "breaker": [{"at": at, "text": text} for at, text in outcome.breaker],
        "totals": {
            "nodes": nodes,
            "days": round(days, 3),
            "lines": counts.lines,
            "lines_no_fault": counts.no_fault,
            "alerts": counts.alerts,
            "polls": counts.polls,
            "cut_off": counts.cut_off,
            "cases": len(cases),
            "drains": drains,
            "drains_per_1000_node_days": round(1000 * drains / node_days, 3) if node_days else None,
        },
    }


def lines(answer: dict[str, Any]) -> list[str]:
    """The same for a person: totals, what was refused, one line for each class, one for each case."""
    totals, shown = answer["totals"], answer["cases"][:_CASES_SHOWN]
    rate = totals["drains_per_1000_node_days"]
    text = [
        f"{totals['nodes']} nodes for {totals['days']:g} days: {totals['lines']} kernel lines, of which "
        f"{totals['lines_no_fault']} are no fault, {totals['alerts']} alerts in {totals['polls']} polls and files.",
        f"{totals['cases']} cases; {totals['drains']} nodes would have been taken out"
        + ("." if rate is None else f", {rate:g} in 1,000 node-days."),
    ]
    text += [
        f"Refused ({reason}): {item['count']}, first {plain(item['first'])}"
        for reason, item in answer["refused"].items()
    ]
    text += [f"{clock(item['at'])} {plain(item['text'])}" for item in answer["breaker"]]
    if answer["classes"]:
        head = ("FAULT CLASS", "SEEN", "CASES", "AGAIN", "TAKEN OUT", "NOT TAKEN OUT")
        rows = [
            (name, str(row["seen"]), str(row["cases"]), str(row["again"]), str(row["drains"]), _reasons(row["refused"]))
            for name, row in answer["classes"].items()
        ]
        text += ["", *aligned([head, *rows])]
    if shown:
        head = ("OPENED", "NODE", "FAULT CLASS", "GATE", "STEPS", "STATE")
        text += ["", *aligned([head, *map(_row, shown)])]
    if len(answer["cases"]) > len(shown):
        text.append(f"… and {len(answer['cases']) - len(shown)} more cases.")
    return text


def _case(story: Story, again: bool) -> dict[str, Any]:
    case = story.case
    return {
        "case_id": case.id,
        "node": case.node,
        "scope": case.scope,
        "fault_class": case.fault_class,
        "fault_classes": list(case.fault_classes),
        "devices": list(case.devices),
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "state": case.state,
        "hold_text": case.hold_text,
        "drained_at": story.drained_at,
        "again": again,
        "decisions": story.decisions,
        "steps": story.steps,
    }


def _again(stories: Sequence[Story]) -> set[int]:
    newest: dict[tuple[str, str], float] = {}
    found = set()
    for story in stories:
        case = story.case
        for name in case.fault_classes:
            if case.opened_at - newest.get((case.node_id, name), float("-inf")) <= _AGAIN_SECONDS:
                found.add(case.id)
            newest[case.node_id, name] = case.closed_at if case.closed_at is not None else float("inf")
    return found


def _classes(cases: Sequence[dict[str, Any]], seen: dict[str, int]) -> dict[str, dict[str, Any]]:
    names = sorted({*seen, *(case["fault_class"] for case in cases)})
    answer: dict[str, dict[str, Any]] = {}
    for name in names:
        own = [case for case in cases if case["fault_class"] == name]
        refused: dict[str, int] = {}
        for case in own:
            for reason in {item["reason"] for item in case["decisions"] if item["step"] == "cordon"} - {""}:
                refused[reason] = refused.get(reason, 0) + 1
        answer[name] = {
            "seen": seen.get(name, 0),
            "cases": len(own),
            "again": sum(1 for case in own if case["again"]),
            "drains": sum(1 for case in own if case["drained_at"] is not None),
            "refused": dict(sorted(refused.items())),
        }
    return answer


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    return (
        clock(case["opened_at"]),
        plain(case["node"]),
        case["fault_class"],
        _gate(case),
        " > ".join(item["step"] for item in case["steps"]) or "-",
        case["state"] + (f": {plain(case['hold_text'])}" if case["hold_text"] else ""),
    )


def _gate(case: dict[str, Any]) -> str:
    first = next((item for item in case["decisions"] if item["step"] == "cordon"), None)
    if first is None:
        return "-"
    if first["reason"] == "mode_observe":
        return "observed, else " + ("refused" if "would have been refused" in first["text"] else "granted")
    return "granted" if first["allowed"] else f"refused ({first['reason']})"


def _reasons(refused: dict[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in refused.items()) or "-"

# Makes of the remediation ledger what the report shows: numbers, the cases themselves, what holds the loop back.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases are those of aidc.ops.case_info. They are looked at as they were at the end of the report's time."""

from __future__ import annotations

import statistics
import typing as t
from collections.abc import Mapping

from ansible_collections.aidc.ops.plugins.plugin_utils._report import panels, units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import Material, Panel, View

Case = Mapping[str, t.Any]

_REPAIRED = ("returned", "resolved")
_WAITING = ("held", "quarantined")


def open_cases(material: Material) -> list[Case]:
    """Cases that were open at the end of the time, oldest first."""
    return [case for case in _known(material) if case["closed_at"] is None or case["closed_at"] > material.end]


def closed_cases(material: Material) -> list[Case]:
    """Cases that were closed within the time, the last first."""
    found = [case for case in _known(material) if material.start < (case["closed_at"] or 0) <= material.end]
    return sorted(found, key=lambda case: -case["closed_at"])


def open_by_node(material: Material) -> dict[str, list[str]]:
    """What each node's open cases are about."""
    found: dict[str, list[str]] = {}
    for case in open_cases(material):
        because = f", {case['hold_text']}" if case["hold_text"] else ""
        found.setdefault(case["node"], []).append(f"case {case['case_id']}: {case['fault_class']}{because}")
    return found


def stat(panel: Panel, material: Material) -> View | None:
    """One number from the ledger; which is in ``of``."""
    if "cases" not in material.ledger:
        return None
    still, done = open_cases(material), closed_cases(material)
    times = [case["closed_at"] - case["opened_at"] for case in done if case["state"] in _REPAIRED]
    values: dict[str, float | None] = {
        "open": len(still),
        "waiting": sum(case["state"] in _WAITING for case in still),
        "closed": len(done),
        "repaired": len(times),
        "repair_time": statistics.median(times) if times else None,
        "longest_repair": max(times, default=None),
    }
    value = values[panel["of"]]
    number, unit = units.write(value, panel["unit"])
    note = "" if value is not None else "nothing was repaired in this time"
    return {"number": number, "unit": unit, "tone": panels.tone(panel, value), "whole": "", "note": note, "svg": ""}


def table(_panel: Panel, material: Material) -> View | None:
    """Open cases, then those that were closed within the time."""
    if "cases" not in material.ledger:
        return None
    rows = []
    for case in [*open_cases(material), *closed_cases(material)]:
        ended = case["closed_at"] if (case["closed_at"] or material.end + 1) <= material.end else None
        # A case that was closed after the time of the report was open in it; how, the ledger does not tell any more.
        state = "open" if ended is None and case["closed_at"] else case["state"]
        rows.append(
            [
                panels.words(case["case_id"]),
                panels.words(case["node"]),
                panels.words(case["fault_class"]),
                panels.words(state, "warn" if state in _WAITING else ""),
                panels.words((case["step"] or units.NOTHING) if ended is None else units.NOTHING),
                panels.cell(case["opened_at"], "time"),
                panels.cell((ended or material.end) - case["opened_at"], "seconds"),
                panels.words((case["hold_text"] or "") if ended is None else ""),
            ]
        )
    head = ("Case", "Node", "Fault", "State", "Next step", "Opened (UTC)", "Age or duration", "Waits for")
    return panels.table(head, rows, "There were no cases in this time.")


def gate(_panel: Panel, material: Material) -> View | None:
    """What keeps the loop from acting, now."""
    if "controls" not in material.ledger:
        return None
    switches, rows = material.ledger["controls"] or {}, []
    if switches.get("paused_by"):
        rows.append(("all actions are paused", switches["paused_by"], switches["paused_at"], ""))
    if switches.get("breaker"):
        rows.append(("the breaker has tripped", "", switches["breaker_at"], switches["breaker"]))
    for item in material.ledger.get("opt_outs") or ():
        until = f"until {units.clock(item['until'])}: {item['reason']}"
        rows.append((f"{item['kind']} {item['name']} is left alone", item["by"], item["at"], until))
    cells = [
        [panels.words(what, "warn"), panels.words(who), panels.cell(since, "time"), panels.words(why)]
        for what, who, since, why in rows
    ]
    return panels.table(("What", "By", "Since (UTC)", "Why"), cells, "Nothing holds the loop back.")


def _known(material: Material) -> list[Case]:
    found = [case for case in material.ledger.get("cases") or () if case["opened_at"] <= material.end]
    return sorted(found, key=lambda case: case["opened_at"])

# Puts the sections of a report together: what there is, what asks for attention, and what there is no data for.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ansible_collections.aidc.ops.plugins.plugin_utils._report import cases, panels, tables, units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import Maker, Material, Panel, View
from ansible_collections.aidc.ops.plugins.plugin_utils._report.questions import NOW, OVER_TIME

MAKERS: dict[str, Maker] = {
    "stat": panels.stat,
    "curves": panels.curves,
    "bars": panels.bars,
    "table": panels.figures,
    "heat_map": panels.heat_map,
    "alerts": tables.alerts,
    "out_of_service": tables.out_of_service,
    "case_stat": cases.stat,
    "case_table": cases.table,
    "gate": cases.gate,
}
"""By the ``kind`` of a panel. What a kind has beside id, title and needs is what its maker reads."""

_WIDE = ("alerts", "out_of_service", "case_table", "gate")
_FROM_LEDGER = ("case_stat", "case_table", "gate")


def page(sections: Sequence[Mapping[str, t.Any]], material: Material) -> View:
    """All that the template shows. KeyError, TypeError and ValueError for what is no section or answer."""
    shown = [_section(section, replace(material, section=section["id"])) for section in sections]
    return {
        "start": units.clock(material.start),
        "end": units.clock(material.end),
        "end_iso": units.iso(material.end),
        "step": units.joined(material.step, "seconds"),
        "sections": shown,
        "attention": sorted(
            (item for section in shown for item in section["attention"]), key=lambda item: item["tone"] != "bad"
        ),
        "blind": [section["title"] for section in shown if not section["panels"]],
    }


def _section(section: Mapping[str, t.Any], material: Material) -> View:
    made, missing = [], []
    for panel in section["panels"]:
        view = MAKERS[panel["kind"]](panel, material)
        if view is None:
            missing.append({"title": panel["title"], "needs": _needs(panel, material)})
        else:
            common = {"kind": panel["kind"], "title": panel["title"], "hint": panel.get("hint", "")}
            made.append({**common, "empty": "", "more": "", **view})
    # Two panels stand beside each other; one that would stand alone may as well take the whole line.
    narrow = [view for view in made if "number" not in view and view["kind"] not in _WIDE]
    for view in made:
        view["wide"] = view["kind"] in _WIDE or (len(narrow) % 2 == 1 and view is narrow[-1])
    failures = [material.answers.failure(material.section, kind) for kind in (NOW, OVER_TIME)]
    return {
        "id": section["id"],
        "title": section["title"],
        "panels": made,
        "missing": missing,
        "failures": list(dict.fromkeys(text for text in failures if text)),
        "attention": [
            {
                "section": section["id"],
                "tone": view["tone"],
                "text": f"{view['title']}: " + " ".join(filter(None, (view["number"], view["whole"], view["unit"]))),
            }
            for view in made
            if view.get("tone")
        ],
    }


def _needs(panel: Panel, material: Material) -> str:
    if panel["kind"] in _FROM_LEDGER and material.ledger.get("failure"):
        return f"{panel['needs']} ({material.ledger['failure']})"
    return str(panel["needs"])

# Puts the page of a plan together.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from ansible_collections.aidc.ops.plugins.plugin_utils._plan import forecasts, racks, tables, windows
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.situation import Situation, change, now_and_then
from ansible_collections.aidc.ops.plugins.plugin_utils._report import units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import clean
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import View

# The pages have one style, and it is that of the report.
_TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "report" / "templates"


# Percent that are written as 0.00.
_NOTHING_LEFT = 0.005


@dataclass(frozen=True)
class Material:
    """What a page is made of. *made* is in seconds since 1970. What is None has no section."""

    plan: Mapping[str, t.Any]
    problem: Mapping[str, t.Any]
    title: str = "Capacity plan"
    made: float | None = None
    fail_nodes: Sequence[str] = ()
    scale_projects: Mapping[str, float] = field(default_factory=dict)
    purchase: Mapping[str, t.Any] | None = None
    forecast: Mapping[str, t.Any] | None = None
    capacity: Mapping[str, float] = field(default_factory=dict)
    changes: Sequence[Mapping[str, t.Any]] | None = None
    windows: Sequence[Mapping[str, t.Any]] | None = None
    grams_per_kwh: float | None = None


def page(material: Material) -> View:
    """All that the template shows. KeyError, TypeError and ValueError for a plan of another problem."""
    plan = material.plan
    now, then = now_and_then(material.problem, plan, material.fail_nodes, material.scale_projects)
    chosen = racks.colours(then)
    shown = racks.racks(now, then, chosen)
    running = any(now.on.values())
    old, new = now.figures() if running else None, then.figures()
    return {
        "title": clean(material.title),
        "made": None if material.made is None else units.clock(material.made),
        "made_iso": None if material.made is None else units.iso(material.made),
        "verdict": verdict(plan, then),
        "proof": proof(plan),
        "note": _sentence(clean(plan["note"])),
        "asked": asked(material),
        "stats": _stats(material, now, then),
        "comparison": tables.comparison(old, new, material.grams_per_kwh),
        "running": running,
        "moves": moves(now, then) if running else "",
        "stages": tables.stages(plan),
        "refused": tables.refused(plan, then),
        "purchase": None if material.purchase is None else tables.purchase(material.purchase, then),
        "racks": shown,
        "legend": racks.legend(chosen),
        "states": racks.states(shown),
        "feeds": tables.feeds(then),
        "limits": tables.limits(plan, then),
        "choices": tables.choices(plan),
        "projects": tables.projects(then, now, chosen),
        "forecast": None if material.forecast is None else forecasts.forecasts(material.forecast, material.capacity),
        "changes": None if material.changes is None else tables.changes(material.changes),
        "windows": None if material.windows is None else windows.windows(material.windows),
    }


def write(material: Material) -> str:
    """The page as one text that needs nothing from elsewhere."""
    # The templates escape by themselves what is no picture, as those of a role have to.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(str(_TEMPLATES)),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("plan.html.j2").render(page=page(material))


def verdict(plan: Mapping[str, t.Any], then: Situation) -> View:
    """Whether everything fits, in a sentence."""
    works = len(then.problem.workloads)
    missing = sum(int(one["missing"]) for one in plan["refused"])
    if not missing:
        return {"tone": "", "text": f"All {works:,} workloads fit." if works != 1 else "The workload fits."}
    count = len(plan["refused"])
    text = f"{count:,} of {works:,} workloads {'does' if count == 1 else 'do'} not fit"
    return {"tone": "bad", "text": f"{text}; {missing:,} {'copy is' if missing == 1 else 'copies are'} missing."}


def proof(plan: Mapping[str, t.Any]) -> str:
    """How good the plan is at least, in a sentence."""
    strategy = clean(plan["strategy"]).replace("_", " ")
    took = units.joined(float(plan["seconds"]), "seconds")
    if not plan["stages"]:
        return f"Made by {strategy} in {took}, which gives no bound: how much better a plan could be is not known."
    gap = max(float(one["gap_percent"]) for one in plan["stages"])
    if gap < _NOTHING_LEFT:
        return f"No plan is better in any objective. Found in {took}."
    first = float(plan["stages"][0]["gap_percent"])
    if gap - first < _NOTHING_LEFT:
        return f"No plan is more than {gap:.2f} % better in any objective. Found in {took}."
    best = "none is better" if first < _NOTHING_LEFT else f"none is more than {first:.2f} % better"
    return f"In the first objective {best}, in the others none by more than {gap:.2f} %. Found in {took}."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def asked(material: Material) -> list[str]:
    """What if …, in words."""
    found = []
    if material.fail_nodes:
        found.append(f"{tables.spans(material.fail_nodes, 12)} failed")
    for name, factor in material.scale_projects.items():
        found.append(f"project {clean(name)} asks for {units.plain(float(factor))} times as much")
    return found


def moves(now: Situation, then: Situation) -> str:
    """What becomes of what runs, in a sentence."""
    found = change(now, then)
    parts = [
        f"{count:,} {word}"
        for count, word in ((found.stay, "stay"), (found.move, "move"), (found.start, "start"), (found.stop, "stop"))
        if count
    ]
    return f"Of the copies {', '.join(parts)}." if parts else ""


def _stats(material: Material, now: Situation, then: Situation) -> list[View]:
    """The large numbers at the top."""
    new = then.figures()
    missing = sum(int(one["missing"]) for one in material.plan["refused"])
    shown: list[View] = []
    if new.gpus:
        share = 100 * new.allocated / new.gpus
        shown.append(
            _stat("GPUs allocated", f"{new.allocated:,.1f}".removesuffix(".0"), f"of {new.gpus:,}", f"{share:.1f} %")
        )
        shown.append(_stat("GPUs free", f"{new.free:,.1f}".removesuffix(".0"), "", ""))
    shown.append(_stat("Nodes in use", f"{new.nodes_used:,}", f"of {new.nodes:,}", "in service"))
    shown.append(_stat("Nodes that can be off", f"{new.nodes - new.nodes_used:,}", "", _kept(then)))
    if new.kilowatts:
        number, unit = units.write(new.kilowatts * 1000, "watts")
        note = ""
        if material.grams_per_kwh:
            note = f"{units.plain(tables.tonnes_a_year(new.kilowatts, material.grams_per_kwh))} t CO2 in a year"
        shown.append(_stat("Power", number, unit, note))
    if new.price_per_hour:
        shown.append(_stat("Price per hour", f"{new.price_per_hour:,.2f}", "", ""))
    shown.append(_stat("Copies refused", f"{missing:,}", "", "", "bad" if missing else ""))
    return shown


def _kept(then: Situation) -> str:
    kept = sum(1 for name in then.problem.reserved() if not then.on.get(name))
    return f"{kept} of them kept for failures" if kept else ""


def _stat(title: str, number: str, unit: str, note: str, tone: str = "") -> View:
    return {"title": title, "number": number, "unit": unit, "note": note, "tone": tone}

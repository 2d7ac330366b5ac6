# Makes the tables of a plan: what it compares, proves, refuses, places, buys and changes.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts are not escaped: the template does that."""

from __future__ import annotations

import collections
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.aidc.ops.plugins.plugin_utils._plan.racks import NO_PROJECT
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.situation import Copy, Figures, Situation
from ansible_collections.aidc.ops.plugins.plugin_utils._report import charts, panels, units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import clean
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import View, natural

_MOST = 200
_ADDRESS = re.compile(r"https?://([^/\s]+)/\S*/([^/\s]+)")
_HOURS_PER_YEAR = 8766


def comparison(now: Figures | None, then: Figures, grams_per_kwh: float | None) -> list[list[str]]:
    """Rows of texts: what is now (if anything runs), with the plan, the difference. What is not known has no row."""
    rows: list[tuple[str, float | None, float, str]] = [
        ("GPUs allocated", now and now.allocated, then.allocated, "GPUs"),
        ("GPUs free", now and now.free, then.free, "GPUs"),
        ("Copies that run", now and float(now.copies), float(then.copies), "copies"),
        ("Nodes in use", now and float(now.nodes_used), float(then.nodes_used), "nodes"),
        (
            "Nodes that can be off",
            now and float(now.nodes - now.nodes_used),
            float(then.nodes - then.nodes_used),
            "nodes",
        ),
    ]
    if then.kilowatts or (now and now.kilowatts):
        rows.append(("Power", now and now.kilowatts * 1000, then.kilowatts * 1000, "watts"))
    if then.price_per_hour or (now and now.price_per_hour):
        rows.append(("Price per hour", now and now.price_per_hour, then.price_per_hour, "price"))
    if grams_per_kwh:
        rows.append(("CO2", now and now.kilowatts * grams_per_kwh, then.kilowatts * grams_per_kwh, "grams_per_hour"))
    return [
        [
            name,
            "" if old is None else _amount(old, unit),
            _amount(new, unit),
            "" if old is None else _delta(old, new, unit),
        ]
        for name, old, new, unit in rows
    ]


def _amount(value: float, unit: str) -> str:
    if unit in ("GPUs", "copies", "nodes", "price"):
        return f"{value:,.1f}".removesuffix(".0") if unit != "price" else f"{value:,.2f}"
    return units.joined(value, unit)


def _delta(old: float, new: float, unit: str) -> str:
    if abs(new - old) < 1e-9:
        return "same"
    return ("+" if new > old else "\u2212") + _amount(abs(new - old), unit)


def tonnes_a_year(kilowatts: float, grams_per_kwh: float) -> float:
    """CO2 of a year at this power."""
    return kilowatts * grams_per_kwh * _HOURS_PER_YEAR / 1e6


def mig(plan: Mapping[str, t.Any]) -> str:
    """How MIG cuts the GPUs in use, most of them first; empty where it cuts none."""
    counts = collections.Counter(tuple(row["profiles"]) for row in plan.get("mig_layouts", ()))
    if not any(counts):
        return ""
    told = []
    for profiles, gpus in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        parts = [f"{count} x {clean(name)}" for name, count in collections.Counter(profiles).items()]
        number = f"{gpus} GPU{'s' if gpus > 1 else ''}"
        told.append(f"{number} as {' + '.join(parts)}" if parts else f"{number} whole")
    return ", ".join(told)


def limits(plan: Mapping[str, t.Any], then: Situation) -> str:
    """How many nodes get which power limit, the most of them first; empty where the plan was not to have limits."""
    groups: dict[float | None, list[Mapping[str, t.Any]]] = collections.defaultdict(list)
    for row in plan.get("power_limits", ()):
        groups[row["limit_watts"]].append(row)
    told = []
    for limit, rows in sorted(groups.items(), key=lambda one: (one[0] is None, -len(one[1]), one[0] or 0)):
        nodes = f"{len(rows):,} node{'s' if len(rows) > 1 else ''}"
        if limit is None:
            told.append(f"{nodes} at their own" if len(rows) > 1 else f"{nodes} at its own")
        else:
            parts = [f"{_span(row['performance'] for row in rows)} of full speed"]
            energy = [one["energy"] for row in rows for one in _choices_of(row, plan, then)]
            parts += [f"{_span(energy)} of the energy"] if energy else []
            told.append(f"{nodes} at {limit:g} W ({', '.join(parts)})")
    return ", ".join(told)


def _choices_of(row: Mapping[str, t.Any], plan: Mapping[str, t.Any], then: Situation) -> list[Mapping[str, t.Any]]:
    """The choices that the limit of a node comes from."""
    model = then.nodes[row["node"]].gpu_model
    there = {then.works[one.workload].workload_class for one in then.on.get(row["node"], ())}
    return [
        one
        for one in plan["power_choices"]
        if one["gpu_model"] == model and one["workload_class"] in there and one["limit_watts"] == row["limit_watts"]
    ]


def _span(parts: Iterable[float]) -> str:
    """Parts of a whole as per cent, from the lowest to the highest."""
    shown = sorted({round(100 * float(part)) for part in parts})
    return f"{shown[0]} %" if len(shown) == 1 else f"{shown[0]} to {shown[-1]} %"


def choices(plan: Mapping[str, t.Any]) -> View | None:
    """Which power limit each GPU model may have under each class of workloads, and from what that follows."""
    found = plan.get("power_choices")
    if not found:
        return None
    rows = [
        [
            panels.words(one["gpu_model"]),
            panels.words(one["workload_class"]),
            _number(units.NOTHING if one["limit_watts"] is None else f"{one['limit_watts']:g} W"),
            _number(units.NOTHING if one["limit_watts"] is None else _span([one["performance"]])),
            _number(units.NOTHING if one["limit_watts"] is None else _span([one["energy"]])),
            # What was measured in its place is in the plan.
            _long(one["reason"].partition(";")[0]),
            _long(_ADDRESS.sub("\\1/\u2026/\\2", one["origin"]) or units.NOTHING),
        ]
        for one in sorted(found, key=lambda one: (one["limit_watts"] is None, natural(one["gpu_model"])))
    ]
    return panels.table(("GPU", "Class", "Limit", "Speed", "Energy", "Why", "Measured"), rows, shown=_MOST)


def stages(plan: Mapping[str, t.Any]) -> View | None:
    """What each objective reached beside its bound; the objectives alone where there is no bound."""
    if plan["stages"]:
        rows = [
            [
                panels.words(_objective(one["objective"])),
                panels.cell(abs(one["value"]), ""),
                panels.cell(abs(one["bound"]), ""),
                _number(_percent(one["gap_percent"])),
                panels.words(
                    "to the end" if one["in_time"] else "until time ran out", "" if one["in_time"] else "warn"
                ),
            ]
            for one in plan["stages"]
        ]
        return panels.table(("Objective", "Reached", "Bound", "Gap", "Searched"), rows)
    rows = [[panels.words(_objective(one["name"])), panels.cell(abs(one["value"]), "")] for one in plan["objectives"]]
    return panels.table(("Objective", "Reached"), rows) if rows else None


_OBJECTIVES = {
    "allocation": "GPUs allocated",
    "energy": "power in kW",
    "cost": "price per hour",
    "fragmentation": "GPU nodes in use",
    "moves": "copies that move",
    "deadline": "workloads with a deadline that run",
    "response_time": "mean response time (sum of 1 / hours of what runs)",
    "fairness": "fairness, GPUs by weight of the project that has least",
    "floors": "GPUs of projects up to their floors",
}


def _objective(name: str) -> str:
    if name.startswith("priority "):
        return f"GPUs of {clean(name)}"
    return _OBJECTIVES.get(name, clean(name))


def _percent(value: t.Any) -> str:
    return units.NOTHING if value is None else f"{float(value):.2f} %"


def _number(text: str) -> View:
    return {"text": text, "number": True, "tone": ""}


def refused(plan: Mapping[str, t.Any], then: Situation) -> View | None:
    """What is not placed, the largest first."""
    found = plan["refused"]
    if not found:
        return None

    def size(one: Mapping[str, t.Any]) -> tuple[t.Any, ...]:
        work = then.works[one["workload"]]
        return -work.priority, -work.gpu_milli * one["missing"], -one["missing"], natural(work.name)

    rows = [
        [
            panels.words(one["workload"]),
            panels.words(then.works[one["workload"]].project or units.NOTHING),
            _number(f"{one['missing']} of {then.works[one['workload']].copies}"),
            _long(one["reason"]),
        ]
        for one in sorted(found, key=size)
    ]
    return panels.table(("Workload", "Project", "Copies missing", "Why"), rows, shown=_MOST)


def _long(text: t.Any) -> View:
    """A sentence, of which all has to be read."""
    return {"text": "".join(one if one.isprintable() else " " for one in str(text)[:1000]), "number": False, "tone": ""}


def projects(then: Situation, now: Situation, chosen: Mapping[str, int]) -> list[View]:
    """Each project with what it has, and its workloads, the largest project first."""
    quotas = {project.name: project for project in then.problem.projects}
    running = any(now.on.values())
    found = []
    works: dict[str, list[str]] = collections.defaultdict(list)
    for work in then.problem.workloads:
        works[work.project].append(work.name)
    # By its weight in the fleet, and so in the order of the legend.
    for name in sorted(works, key=lambda one: (chosen[one], natural(one))):
        members = works[name]
        has = sum(then.gpu_milli(then.of.get(one, ())) for one in members) / 1000
        asks = sum(then.works[one].gpu_milli * then.works[one].copies for one in members) / 1000
        copies = sum(len(then.of.get(one, ())) for one in members)
        wanted = sum(then.works[one].copies for one in members)
        quota = quotas[name].quota_gpu_milli if name in quotas else None
        rows = [_placed(then, now, one, running) for one in sorted(members, key=natural) if then.of.get(one)]
        facts = [f"{copies:,} of {wanted:,} copies"]
        if asks:
            facts.append(f"{_amount(has, 'GPUs')} of {_amount(asks, 'GPUs')} GPUs")
        if quota is not None:
            facts.append(f"quota {_amount(quota / 1000, 'GPUs')} GPUs")
        found.append(
            {
                "name": clean(name) or NO_PROJECT,
                "colour": chosen[name],
                "told": ", ".join(facts),
                "svg": charts.filled_bar(copies / wanted if not asks else has / asks, None),
                "tone": "" if copies == wanted else "warn",
                "table": panels.table(("Workload", "Copies", "GPUs", "Nodes", "Why there"), rows, shown=_MOST),
            }
        )
    return found


def _placed(then: Situation, now: Situation, name: str, running: bool) -> list[View]:
    work, copies = then.works[name], then.of[name]
    old = collections.Counter(one.node for one in now.of.get(name, ()))
    come = sum((collections.Counter(one.node for one in copies) - old).values())
    moved = f" ({come} new there)" if running and 0 < come < len(copies) else " (new there)" if running and come else ""
    return [
        panels.words(name),
        _number(f"{len(copies)} of {work.copies}" if len(copies) < work.copies else str(work.copies)),
        _number(_amount(then.gpu_milli(copies) / 1000, "GPUs")),
        panels.words(spans(one.node for one in copies) + moved),
        panels.words(_reasons(copies)),
    ]


def _reasons(copies: Sequence[Copy]) -> str:
    counts = collections.Counter(one.reason for one in copies)
    (first, _times), *others = counts.most_common()
    return f"{first}; other copies for other reasons" if others else first


def spans(nodes: Iterable[str], most: int = 4) -> str:
    """Names of nodes, how often each, and no more than a few."""
    counts = collections.Counter(nodes)
    names = sorted(counts, key=natural)
    shown = [clean(name) + (f" x{counts[name]}" if counts[name] > 1 else "") for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return ", ".join(shown)


def feeds(then: Situation) -> list[View]:
    """Power feeds beside their ceilings."""
    limits = {feed.name: feed.limit_watts for feed in then.problem.feeds}
    watts: dict[str, float] = collections.defaultdict(float)
    for node in then.problem.nodes:
        watts[node.feed] += then.watts(node.name)
    return [
        {
            "name": clean(name),
            "value": f"{units.joined(watts[name], 'watts')} of {units.joined(limits[name], 'watts')}",
            "svg": charts.filled_bar(watts[name] / limits[name] if limits[name] else 1.0),
            "tone": "",
        }
        for name in sorted(limits, key=natural)
    ]


def purchase(answer: Mapping[str, t.Any], then: Situation) -> View:
    """What to buy of what is offered."""
    prices = {offer.name: offer for offer in then.problem.offers}
    rows = []
    for name, count in answer["nodes"].items():
        offer = prices[name]
        gpus = f"{offer.node.gpus} x {offer.node.gpu_model}" if offer.node.gpus else "no GPU"
        rows.append(
            [
                panels.words(name),
                panels.words(gpus),
                _number(f"{count:,}"),
                _number(_amount(offer.price, "price")),
                _number(_amount(offer.price * count, "price")),
            ]
        )
    view = panels.table(
        ("Offer", "GPUs", "Nodes", "Price of one", "Price"), rows, "None of the offers helps what is refused."
    )
    view["total"] = _amount(answer["price"], "price") if rows else ""
    gap = answer.get("gap_percent")
    view["proof"] = f"At most {_percent(gap)} above the cheapest." if rows and gap is not None else ""
    still = answer.get("still_refused") or ()
    view["still"] = f"None of the offers helps: {spans(still, 12)}." if still else ""
    return view


def changes(found: Sequence[Mapping[str, t.Any]]) -> View:
    """What apply would do, in its order."""
    rows = [
        [
            panels.words(_word(one.get("kind"))),
            panels.words(_value(one.get("thing", one.get("target")))),
            panels.words(_value(one.get("before"))),
            panels.words(_value(one.get("after"))),
            panels.words(_value(one.get("why", one.get("reason")))),
        ]
        for one in found
    ]
    counts = collections.Counter(_word(one.get("kind")) for one in found)
    view = panels.table(
        ("What", "Where", "Before", "After", "Why"), rows, "Nothing: the engine is as the plan wants it.", shown=500
    )
    view["told"] = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    return view


def _word(kind: t.Any) -> str:
    return clean(kind or "").replace("_", " ")


def _value(value: t.Any) -> str:
    """What a person writes for it."""
    if value is None or value == "":
        return units.NOTHING
    if isinstance(value, Mapping):
        return clean(", ".join(f"{name}={_value(part)}" for name, part in value.items()))
    if isinstance(value, (list, tuple)):
        return clean(", ".join(_value(part) for part in value))
    return clean(value)

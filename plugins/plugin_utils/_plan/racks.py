# Draws a fleet as racks: a tile for each node, in it a cell for each GPU.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One path for all cells of a colour keeps a page of a thousand nodes small. What a colour says, the title of a tile
says in words; colours are classes, and the style sheet gives them.
"""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Node
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.situation import Copy, Situation, differs
from ansible_collections.aidc.ops.plugins.plugin_utils._report import units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import clean
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import View, natural

COLOURS = 8
"""Colours of the style sheet; the last is that of all projects that have none of their own."""
NO_PROJECT = "(no project)"

_WIDE, _HIGH, _GAP, _ROW = 8, 10, 1, 8
_NAMED = 4
# Racks with more nodes get the whole line, and their tiles flow.
_TALL = 24
_SHORTEST = 3


def colours(then: Situation) -> dict[str, int]:
    """A colour for each project, the largest first."""
    size: dict[str, int] = collections.defaultdict(int)
    for work in then.problem.workloads:
        size[work.project] += work.copies * (work.gpu_milli or 1)
    ordered = sorted(size, key=lambda name: (-size[name], natural(name)))
    if len(ordered) <= COLOURS:
        return {name: number for number, name in enumerate(ordered)}
    return {name: min(number, COLOURS - 1) for number, name in enumerate(ordered)}


def legend(chosen: Mapping[str, int]) -> list[View]:
    """What the colours say."""
    several = len(chosen) > COLOURS
    shown = [
        {"colour": number, "name": clean(name) or NO_PROJECT}
        for name, number in chosen.items()
        if not several or number < COLOURS - 1
    ]
    if several:
        shown.append({"colour": COLOURS - 1, "name": f"{len(chosen) - COLOURS + 1} other projects"})
    return shown


def racks(now: Situation, then: Situation, chosen: Mapping[str, int]) -> list[View]:
    """The racks in order, each with its nodes now and with the plan."""
    kept = then.problem.reserved()
    running = any(now.on.values())
    groups: dict[str, list[Node]] = collections.defaultdict(list)
    for node in then.problem.nodes:
        groups[node.rack].append(node)
    found = []
    for rack in sorted(groups, key=lambda name: (not name, natural(name))):
        members = sorted(groups[rack], key=lambda node: natural(node.name))
        cut = common_start([node.name for node in members])
        in_service = [node for node in members if node.in_service]
        used = sum(then.gpu_milli(then.on.get(node.name, ())) for node in members) / 1000
        watts = sum(then.watts(node.name) for node in members)
        gpus = sum(node.gpus for node in in_service)
        told = [units.joined(len(members), "nodes")]
        if gpus:
            told.append(f"{units.plain(used)} of {gpus} GPUs")
        if watts:
            told.append(units.joined(watts, "watts"))
        found.append(
            {
                "name": f"Rack {clean(rack)}" if rack else "No rack" if len(groups) > 1 else "All nodes",
                "told": ", ".join(told),
                "flow": len(members) > _TALL,
                "nodes": [
                    {
                        "name": clean(node.name)[len(cut) :],
                        "state": _state(node, then, kept),
                        "changed": running and differs(now, then, node.name),
                        "svg": tile(node, then, chosen, _state(node, then, kept)),
                        "now_state": _state(now.nodes[node.name], now, frozenset()),
                        "now_svg": tile(
                            now.nodes[node.name], now, chosen, _state(now.nodes[node.name], now, frozenset())
                        )
                        if running
                        else "",
                    }
                    for node in members
                ],
            }
        )
    return found


def common_start(names: Sequence[str]) -> str:
    """What all names begin with, up to a mark between words: tiles have no room to say it a thousand times."""
    if len(names) < 2:
        return ""
    low, high = min(names), max(names)
    same = next((at for at, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))
    cut = max(low.rfind(mark, 0, same) for mark in "-_.") + 1
    return clean(low)[:cut] if cut >= _SHORTEST else ""


def _state(node: Node, some: Situation, kept: frozenset[str]) -> str:
    if not node.in_service:
        return "out"
    if some.on.get(node.name):
        return "used"
    return "kept" if node.name in kept else "idle"


_STATES = {
    "out": "out of service",
    "kept": "kept free for failures",
    "idle": "holds nothing, can be off",
}


def tile(node: Node, some: Situation, chosen: Mapping[str, int], state: str) -> str:
    """The picture of one node; its title says the same in words."""
    rows = max(1, -(-node.gpus // _ROW))
    wide, high = _ROW * (_WIDE + _GAP) - _GAP, rows * (_HIGH + _GAP) - _GAP
    picture = ElementTree.Element("svg", {"role": "img", "viewBox": f"0 0 {wide} {high}"})
    ElementTree.SubElement(picture, "title").text = _told(node, some, state)
    held = some.on.get(node.name, [])
    if node.gpus:
        ElementTree.SubElement(picture, "path", {"class": "r", "d": "".join(_cell(at) for at in range(node.gpus))})
        filled: dict[int, list[str]] = collections.defaultdict(list)
        for at, shares in enumerate(_shares(node, some, held)):
            for project, begin, share in shares:
                filled[chosen[project]].append(_cell(at, begin, share))
        for colour in sorted(filled):
            ElementTree.SubElement(picture, "path", {"class": f"p{colour}", "d": "".join(filled[colour])})
    else:
        ElementTree.SubElement(picture, "path", {"class": "r", "d": f"M0 0h{wide}v{high}H0z"})
        used = sum(some.works[one.workload].cpu_milli for one in held)
        if node.cpu_milli and used:
            part = wide * min(1.0, used / node.cpu_milli)
            ElementTree.SubElement(picture, "path", {"class": "c", "d": f"M0 0h{part:.1f}v{high}H0z"})
    return ElementTree.tostring(picture, encoding="unicode")


def _cell(at: int, begin: float = 0.0, share: float = 1.0) -> str:
    """The path of a part of a cell, from the bottom up."""
    left, top = (at % _ROW) * (_WIDE + _GAP), (at // _ROW) * (_HIGH + _GAP)
    upper = top + _HIGH * (1 - min(1.0, begin + share))
    return f"M{left} {upper:g}h{_WIDE}v{_HIGH * share:g}h-{_WIDE}z"


def _shares(node: Node, some: Situation, held: Sequence[Copy]) -> list[list[tuple[str, float, float]]]:
    """For each GPU the projects on it, where their part begins and how much it is.

    Which GPUs a copy has now nobody says; it is shown on the first ones that have room.
    """
    cells: list[list[tuple[str, float, float]]] = [[] for _unused in range(node.gpus)]
    full = [0.0] * node.gpus
    # Those whose places are known first, then whole GPUs, so that parts fill what is left.
    for one in sorted(held, key=lambda copy: (not copy.gpus, -some.works[copy.workload].gpu_share_milli)):
        work = some.works[one.workload]
        share = work.gpu_share_milli / 1000
        room = [at for at in range(node.gpus) if full[at] + share <= 1.0 + 1e-9]
        for at in one.gpus or room[: work.gpus]:
            if at < node.gpus:
                cells[at].append((work.project, full[at], share))
                full[at] += share
    return cells


def _told(node: Node, some: Situation, state: str) -> str:
    held = some.on.get(node.name, [])
    parts = [clean(node.name)]
    if node.gpus:
        model = f" {clean(node.gpu_model)}" if node.gpu_model else ""
        parts.append(f"{units.plain(some.gpu_milli(held) / 1000)} of {node.gpus}{model} GPUs in use")
        limit = some.limits.get(node.name)
        if limit is not None:
            parts.append(f"power limit {limit:g} W")
    elif held:
        used = sum(some.works[one.workload].cpu_milli for one in held)
        parts.append(f"{units.plain(used / 1000)} of {units.plain(node.cpu_milli / 1000)} cores in use")
    if state in _STATES:
        parts.append(_STATES[state])
    counts = collections.Counter(one.workload for one in held)
    for name in sorted(counts, key=lambda one: (-counts[one], natural(one)))[:_NAMED]:
        project = clean(some.works[name].project)
        times = f"{counts[name]} x " if counts[name] > 1 else ""
        parts.append(f"{times}{clean(name)}" + (f" ({project})" if project else ""))
    if len(counts) > _NAMED:
        parts.append(f"{len(counts) - _NAMED} more")
    return "; ".join(parts)


def states(shown: Sequence[View]) -> list[t.Any]:
    """How many nodes are in each state, for the legend."""
    count = collections.Counter(node["state"] for rack in shown for node in rack["nodes"])
    words = (("used", "in use"), *_STATES.items())
    return [{"state": state, "name": text, "count": count[state]} for state, text in words if count[state]]

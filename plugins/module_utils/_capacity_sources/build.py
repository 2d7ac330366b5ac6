# Makes one capacity problem of what schedulers, hardware records, measurements and people say.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Later sources count more: the scheduler, then hardware records, the settings file, host variables, measured power,
and the site's own words. What is unknown stays unknown and is said; nothing is made up.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Dict

from ansible_collections.aidc.ops.plugins.module_utils._capacity import mig
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import SCHEMA_VERSION, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import mig_kinds
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.hardware import PLACES, add_records
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.power import Measured, add_power
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.reserve import History, reserve_per_rack
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.site import add_site, check_site, same_models
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.windows import take_out

DEFAULT = "engine"
"""The engine of every node of which nothing else is said."""

# What lasts no longer than this is over when somebody asks about a later moment.
_OVER_HOURS = 0.01
_LATER = 60.0

Row = Dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """All that is known. ``states`` by the names of the engines.

    ``chosen`` says which of them a node belongs to, as in the settings file; nodes without an entry are the default's.
    ``places``: node -> rack, leaf, feed, nvlink_domain. ``at`` is the moment that is asked about, ``now`` the time.
    """

    states: Mapping[str, EngineState]
    chosen: Mapping[str, str] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    site: Mapping[str, Any] = field(default_factory=dict)
    demand: Sequence[Row] = ()
    measured: Measured | None = None
    history: History | None = None
    at: float = 0.0
    now: float = 0.0


@dataclass(frozen=True)
class Built:
    """The problem, how its workloads are reached, and what has to be known about both."""

    problem: dict[str, Any]
    handles: dict[str, dict[str, Any]]
    notes: list[str]


def build(sources: Sources) -> Built:
    """The problem. SourceError or ProblemError for what a person gave wrong."""
    check_site(sources.site)
    site = copy.deepcopy(dict(sources.site))
    remarks = Remarks()
    nodes, workloads, handles = _joined(sources, remarks)
    if sources.records:
        add_records(nodes, sources.records, remarks)
    for name, places in sources.places.items():
        if name in nodes:
            nodes[name].update({key: str(value) for key, value in places.items() if value})
    if sources.measured is not None:
        add_power(nodes, sources.measured, remarks)
    add_site(site, "nodes", nodes, remarks)
    take_out(nodes, site.get("maintenance", ()), sources.at, remarks)
    add_site(site, "workloads", workloads, remarks)
    if sources.at > sources.now + _LATER:
        _end(workloads, remarks)
    _add_demand(sources.demand, nodes, workloads, remarks)
    offers = [
        offer["node"]
        for offer in site.get("offers", ())
        if isinstance(offer, dict) and isinstance(offer.get("node"), dict)
    ]
    known = {row["gpu_model"] for row in nodes.values() if row.get("gpu_model")}
    same_models(offers, known)
    same_models(list(workloads.values()), known | {str(row.get("gpu_model")) for row in offers})
    _without_impossible(nodes, workloads, offers, remarks)
    _say_what_is_unknown(nodes, remarks)
    problem: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "nodes": list(nodes.values()),
        "workloads": list(workloads.values()),
        **{key: site[key] for key in ("feeds", "offers", "power_curves") if key in site},
    }
    if site.get("projects"):
        problem["projects"] = _all_projects(site["projects"], workloads, remarks)
    policy = dict(site.get("policy", {}))
    if sources.history is not None and "reserve_per_rack" not in policy:
        policy["reserve_per_rack"] = reserve_per_rack(nodes.values(), sources.history, remarks)
    if policy:
        problem["policy"] = policy
    read_problem(problem)
    notes = [note for state in sources.states.values() for note in state.notes] + remarks.sentences()
    return Built(problem, {name: handle for name, handle in handles.items() if name in workloads}, notes)


def _joined(sources: Sources, remarks: Remarks) -> tuple[dict[str, Row], dict[str, Row], dict[str, Row]]:
    """Nodes, workloads and handles of all engines. A workload of another engine than the default has its name first."""
    nodes: dict[str, Row] = {}
    workloads: dict[str, Row] = {}
    handles: dict[str, Row] = {}
    for engine, state in sources.states.items():
        # No scheduler runs the work of another one.
        mark = {"engine": engine} if len(sources.states) > 1 else {}
        own = {row["name"] for row in state.nodes if sources.chosen.get(row["name"], DEFAULT) == engine}
        for row in state.nodes:
            if row["name"] in own:
                nodes[row["name"]] = {**row, **mark}
            else:
                remarks.add(f"are in {engine}, but belong to another engine by the settings file", "node", row["name"])
        prefix = "" if engine == DEFAULT else f"{engine}:"
        for row in state.workloads:
            elsewhere = [name for name in row.get("running_on", ()) if name not in own]
            copies = row["copies"] - len(elsewhere)
            if copies < 1:
                continue
            name = prefix + row["name"]
            workloads[name] = {
                **row,
                **mark,
                "name": name,
                "copies": copies,
                "gang": row.get("gang", False) and copies > 1,
            }
            if elsewhere:
                workloads[name]["unplanned_copies"] = row.get("unplanned_copies", 0) + len(elsewhere)
            if "running_on" in row:
                workloads[name]["running_on"] = [one for one in row["running_on"] if one in own]
            if "after" in row:
                workloads[name]["after"] = [prefix + other for other in row["after"]]
            handles[name] = {**state.handles[row["name"]], "engine": engine}
    _forget_waits(workloads)
    return nodes, workloads, handles


def _end(workloads: dict[str, Row], remarks: Remarks) -> None:
    """Leave out what runs now and is over at the moment that is asked about."""
    over = [
        name
        for name, row in workloads.items()
        if row.get("running_on") and 0 < row.get("duration_hours", 0.0) <= _OVER_HOURS
    ]
    for name in over:
        del workloads[name]
    _forget_waits(workloads)
    if over:
        remarks.say(f"{len(over)} workloads that run now are over by then, and are not planned.")


def _gpus(row: Row, kinds: Iterable[mig.Kind]) -> float:
    """GPUs of one copy."""
    parts = mig.parts(str(row.get("mig_profile", "")), kinds)
    share = max(parts.values(), default=row.get("gpu_share_milli", 1000))
    return float(row.get("gpus", 0) * share / 1000)


def _add_demand(demand: Sequence[Row], nodes: Mapping[str, Row], workloads: dict[str, Row], remarks: Remarks) -> None:
    """Rows of a forecast, less what their project has already: the forecast speaks of all that it will want."""
    present: dict[str, float] = defaultdict(float)
    kinds = mig_kinds(nodes.values())
    for row in workloads.values():
        present[row.get("project", "")] += row["copies"] * _gpus(row, kinds)
    for number, row in enumerate(demand):
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise SourceError(f"demand[{number}] is no workload; give what the filter forecast_demand returns")
        if row["name"] in workloads:
            raise SourceError(f"demand[{row['name']:.100}]: there is a workload of that name already")
        project, copies = row.get("project", ""), row.get("copies", 1)
        each = _gpus(row, kinds)
        if project and each:
            there = min(copies, int(present[project] // each))
            present[project] -= there * each
            copies -= there
            if there:
                remarks.add("are foretold less what their project has already", "workload", row["name"])
        if copies > 0:
            workloads[row["name"]] = {**row, "copies": copies}


def _without_impossible(
    nodes: Mapping[str, Row], workloads: dict[str, Row], offers: Sequence[Row], remarks: Remarks
) -> None:
    """Leave out what wants GPUs that neither a node nor an offer has."""
    models = {row["gpu_model"] for row in nodes.values() if row.get("gpus")}
    models |= {str(row.get("gpu_model")) for row in offers}
    for name in [name for name, row in workloads.items() if row.get("gpu_models")]:
        wanted = workloads[name]["gpu_models"]
        there = [model for model in wanted if model in models]
        if there:
            workloads[name]["gpu_models"] = there
        else:
            remarks.add(f"want {', '.join(map(str, wanted)):.60}, which nobody has or offers", "workload", name)
            del workloads[name]
    _forget_waits(workloads)


def _forget_waits(workloads: Mapping[str, Row]) -> None:
    """Nothing waits for what is not planned."""
    for row in workloads.values():
        if "after" in row:
            row["after"] = [other for other in row["after"] if other in workloads]


def _say_what_is_unknown(nodes: Mapping[str, Row], remarks: Remarks) -> None:
    for place in PLACES:
        unknown = [name for name, row in nodes.items() if not row.get(place)]
        if unknown and (place != "feed" or len(unknown) < len(nodes)):
            for name in unknown:
                remarks.add(f"have no {place} that is known, and count as being in one together", "node", name)


def _all_projects(projects: Sequence[Any], workloads: Mapping[str, Row], remarks: Remarks) -> list[Any]:
    """With those that have workloads, and of which nothing is said: they have no limit and the usual weight."""
    known = {project.get("name") for project in projects if isinstance(project, dict)}
    found = {str(row["project"]) for row in workloads.values() if row.get("project")}
    for name in sorted(found - known):
        remarks.add("have workloads and are not among those of the site, so they have no limit", "project", name)
    return [*projects, *({"name": name} for name in sorted(found - known))]

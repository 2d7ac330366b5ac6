# What a plan says beside its placements: the fleet it was made for, what projects got, and what is kept free.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain rows, so that a plan can be compared with a fleet, shown on a page, and read by a person."""

from __future__ import annotations

import collections
import typing as t

from .mig import part
from .power import OWN, wanted

if t.TYPE_CHECKING:
    from .case import Placement
    from .model import Problem

Row = t.Dict[str, t.Any]


def fleet(problem: Problem) -> list[Row]:
    """The nodes that the plan was made for."""
    return [
        {"name": node.name, "gpus": node.gpus, "gpu_model": node.gpu_model, "in_service": node.in_service}
        for node in problem.nodes
    ]


def mig_layouts(problem: Problem, placements: t.Sequence[Placement]) -> list[Row]:
    """For each GPU in use that MIG may cut the profiles of its instances, largest first; none where it is whole."""
    works = {work.name: work for work in problem.workloads}
    nodes = {node.name: node for node in problem.nodes if node.mig_slices}
    found: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
    for one in placements:
        profile = works[one.workload].mig_profile
        for gpu in one.gpus if one.node in nodes else ():
            found[one.node, gpu] += [profile] if profile else []
    rows: list[Row] = []
    for (name, gpu), profiles in sorted(found.items()):
        node = nodes[name]
        profiles.sort(key=lambda profile: (-(part(profile, node.mig_slices, node.gpu_memory_mib) or 0), profile))
        rows.append({"node": name, "gpu": gpu, "profiles": profiles})
    return rows


def power_limits(problem: Problem, placements: t.Sequence[Placement]) -> list[Row]:
    """The power limit of each node whose GPUs are used, None for their own, and how fast its work is at least.

    Work that would have a lower limit of its own is faster under this one than that says.
    """
    if problem.policy.power_limits is None:
        return []
    works = {work.name: work for work in problem.workloads}
    nodes = {node.name: node for node in problem.nodes}
    speed = {(one.gpu_model, one.workload_class): one.performance for one in problem.power_choices}
    held: dict[str, set[str]] = collections.defaultdict(set)
    for one in placements:
        if one.gpus:
            held[one.node].add(one.workload)
    rows: list[Row] = []
    for name, some in sorted(held.items()):
        node = nodes[name]
        wants = {workload: wanted(works[workload], node) for workload in sorted(some)}
        limit = max(wants.values())
        first = next(workload for workload, own in wants.items() if own == limit)
        free = limit == OWN
        slowest = min(speed[node.gpu_model, works[workload].workload_class] for workload in some) if not free else 1.0
        rows.append(
            {
                "node": name,
                "limit_watts": None if free else limit,
                "performance": round(slowest, 4),
                "reason": f"{first} {'has no limit there' if free else 'lets it be no lower'}",
            }
        )
    return rows


def projects(problem: Problem, placements: t.Sequence[Placement]) -> list[Row]:
    """GPUs that each project asks for, gets, and may have at most (null: no quota), by name."""
    works = {work.name: work for work in problem.workloads}
    asked: dict[str, int] = collections.defaultdict(int)
    allocated: dict[str, int] = collections.defaultdict(int)
    for work in problem.workloads:
        asked[work.project] += work.gpu_milli * work.copies
    for one in placements:
        allocated[works[one.workload].project] += works[one.workload].gpu_milli
    quota = {project.name: project.quota_gpu_milli for project in problem.projects}
    rows: list[Row] = []
    for name in sorted({*asked, *quota}):
        most = quota.get(name)
        rows.append(
            {
                "project": name,
                "gpus_asked": asked[name] / 1000,
                "gpus_allocated": allocated[name] / 1000,
                "gpus_quota": None if most is None else most / 1000,
            }
        )
    return rows


def reserve(problem: Problem) -> list[Row]:
    """For each rack its nodes in service, and the nodes and GPUs that are kept free for failures."""
    kept = problem.reserved()
    racks: dict[str, Row] = {}
    for node in problem.nodes:
        row = racks.setdefault(node.rack, {"rack": node.rack, "nodes": 0, "kept_free": [], "gpus_kept_free": 0})
        row["nodes"] += int(node.in_service)
        if node.name in kept:
            row["kept_free"].append(node.name)
            row["gpus_kept_free"] += node.gpus
    return [{**racks[rack], "kept_free": sorted(racks[rack]["kept_free"])} for rack in sorted(racks)]

# Questions about a plan: other fleets, other demands, nodes that can be off, nodes to buy.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each question is another problem for the same planner."""

from __future__ import annotations

import math
import typing as t
from dataclasses import replace

from .model import Policy, Problem, ProblemError, Workload
from .planner import Plan, make_plan

# More nodes of one kind than that are never proposed at once.
MOST_BOUGHT = 1000


def without_nodes(problem: Problem, names: t.Sequence[str]) -> Problem:
    """The same with these nodes out of service."""
    unknown = sorted(set(names) - {node.name for node in problem.nodes})
    if unknown:
        raise ProblemError(f"fail_nodes: no node {', '.join(unknown)}")
    nodes = tuple(replace(node, in_service=False) if node.name in names else node for node in problem.nodes)
    return replace(problem, nodes=nodes)


def scaled(problem: Problem, factors: t.Mapping[str, float]) -> Problem:
    """The same with that many times the workloads of these projects, rounded up; gangs are repeated whole."""
    known = {work.project for work in problem.workloads}
    for name, factor in factors.items():
        if name not in known:
            raise ProblemError(f"scale_projects: no workload belongs to project {name!r}")
        if not (math.isfinite(factor) and 0 <= factor <= 100):
            raise ProblemError(f"scale_projects: the factor of {name!r} is {factor}; it has to be from 0 to 100")
    works: list[Workload] = []
    for work in problem.workloads:
        factor = factors.get(work.project, 1.0)
        if not work.gang:
            copies = math.ceil(work.copies * factor - 1e-9)
            if copies:
                works.append(replace(work, copies=copies, running_on=work.running_on[:copies]))
            continue
        for number in range(math.ceil(factor - 1e-9)):
            works.append(replace(work, name=f"{work.name}+{number}", running_on=()) if number else work)
    names = {work.name for work in works}
    works = [replace(work, after=tuple(name for name in work.after if name in names)) for work in works]
    return replace(problem, workloads=tuple(works))


def with_nodes_off(problem: Problem) -> Problem:
    """The same, with as little power as that takes; the fewest GPU nodes where no power is known."""
    last = "energy" if any(node.idle_watts for node in problem.nodes) else "fragmentation"
    wanted = (*(one for one in problem.policy.objectives if one != last), last)
    return replace(problem, policy=replace(problem.policy, objectives=wanted))


def to_buy(plan: Plan, seconds: float) -> dict[str, t.Any]:
    """The cheapest nodes of the offers that hold what the plan refuses, as far as nodes are what is missing."""
    problem = plan.problem
    if not problem.offers:
        raise ProblemError("buy: the problem has no offers; say what could be bought")
    missing = {one.workload: one.missing for one in plan.refused}
    waiting = [work for work in problem.workloads if work.name in missing and not work.after]
    works = tuple(replace(work, copies=missing[work.name], running_on=(), may_move=True) for work in waiting)
    used: dict[str, int] = {}
    about = {work.name: work for work in problem.workloads}
    for one in plan.placements:
        work = about[one.workload]
        used[work.project] = used.get(work.project, 0) + work.gpu_milli
    projects = tuple(
        replace(
            project,
            floor_gpu_milli=0,
            quota_gpu_milli=None
            if project.quota_gpu_milli is None
            else max(0, project.quota_gpu_milli - used.get(project.name, 0)),
        )
        for project in problem.projects
    )
    nodes = []
    for offer in problem.offers:
        count = min(MOST_BOUGHT, sum(work.copies for work in works if work.admits(offer.node)))
        nodes += [
            replace(offer.node, name=f"{offer.name} {number + 1}", price_per_hour=offer.price, in_service=True)
            for number in range(count)
        ]
    if not nodes:
        return {"nodes": {}, "price": 0.0, "gap_percent": None, "still_refused": sorted(missing)}
    models = {node.gpu_model for node in nodes if node.gpus}
    # A model that is not offered does not have to be known any more.
    works = tuple(work for work in works if not work.gpu_models or set(work.gpu_models) & models)
    works = tuple(replace(work, gpu_models=tuple(m for m in work.gpu_models if m in models)) for work in works)
    bought = make_plan(
        Problem(tuple(nodes), works, projects, policy=Policy(objectives=("allocation", "cost"))), seconds=seconds
    )
    counts: dict[str, int] = {}
    for name in {one.node for one in bought.placements}:
        kind = name.rsplit(" ", 1)[0]
        counts[kind] = counts.get(kind, 0) + 1
    prices = {offer.name: offer.price for offer in problem.offers}
    held = {one.workload for one in bought.placements} - {one.workload for one in bought.refused}
    return {
        "nodes": dict(sorted(counts.items())),
        "price": sum(prices[name] * count for name, count in counts.items()),
        "gap_percent": None if bought.gap_percent is None else round(bought.gap_percent, 4),
        "still_refused": sorted(set(missing) - held),
    }

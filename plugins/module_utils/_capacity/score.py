# What a plan is worth: one number for each objective, in the order of the policy.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for every strategy; a higher number is better. What stays where it is counts too."""

from __future__ import annotations

import collections
import typing as t

from .case import Case, Placement
from .power import node_watts

if t.TYPE_CHECKING:
    from .model import Workload

# What a copy without GPU counts beside one GPU.
HAIR = 1e-4
Values = t.List[t.Tuple[str, float]]
SPENT = ("energy", "cost", "fragmentation", "moves")


def values(case: Case, placements: t.Sequence[Placement]) -> Values:
    """(objective, value) in order; what is spent is negative. Energy is in kW, cost in price per hour."""
    problem = case.problem
    works = {work.name: work for work in problem.workloads}
    copies = collections.Counter(one.workload for one in placements)
    placed = [(works[name], count) for name, count in copies.items()]
    gpu: dict[str, float] = collections.defaultdict(float)
    for work, count in placed:
        gpu[work.project] += work.gpu_milli * count / 1000
    found: Values = []
    kept = [work for work in problem.workloads if work.running_on and not work.preemptible]
    if kept:
        found.append(("keep", float(sum(copies[work.name] for work in kept))))
    floors = [project for project in problem.projects if project.floor_gpu_milli]
    if floors:
        found.append(("floors", sum(min(gpu[project.name], project.floor_gpu_milli / 1000) for project in floors)))
    for objective in problem.policy.objectives:
        if objective == "priority":
            for level in sorted({work.priority for work in problem.workloads}, reverse=True):
                some = [(work, count) for work, count in placed if work.priority == level]
                found.append((f"priority {level}", _allocation(some)))
        elif objective == "fairness":
            found += _fairness(case, gpu)
        elif objective == "allocation":
            found.append((objective, _allocation(placed)))
        elif objective == "deadline":
            found.append((objective, sum(count / work.copies for work, count in placed if work.deadline_hours)))
        elif objective == "response_time":
            timed = [(work, count) for work, count in placed if work.duration_hours]
            found.append(
                (objective, sum(count / work.copies / max(work.duration_hours, 1e-3) for work, count in timed))
            )
        else:
            found.append((objective, -spent(case, placements, objective)))
    return found


def _allocation(placed: t.Iterable[tuple[t.Any, int]]) -> float:
    return float(sum((work.gpu_milli / 1000 or HAIR) * count for work, count in placed))


def _fairness(case: Case, gpu: t.Mapping[str, float]) -> Values:
    """The GPU by weight that projects have, least first, none counted beyond what it asks for."""
    weight = {project.name: project.weight for project in case.problem.projects}
    wants: dict[str, float] = collections.defaultdict(float)
    for work in case.problem.workloads:
        wants[work.project] += work.gpu_milli * work.copies / 1000
    names = [name for name in wants if wants[name] and weight.get(name, 1.0) > 0]
    shares = sorted(min(gpu[name], wants[name]) / weight.get(name, 1.0) for name in names)
    return [(f"fairness {step + 1}" if step else "fairness", share) for step, share in enumerate(shares[:8])]


def spent(case: Case, placements: t.Sequence[Placement], objective: str) -> float:
    """Energy (kW), cost (per hour), GPU nodes touched, or running copies that do not stay where they are.

    A node without load is off.
    """
    if objective == "moves":
        return float(sum(len(work.running_on) for work in case.problem.workloads) - _staying(case, placements))
    nodes = {node.name: node for node in case.problem.nodes}
    used = {one.node for one in placements}
    if objective == "cost":
        return sum(nodes[name].price_per_hour for name in used)
    if objective == "fragmentation":
        return float(sum(1 for name in used if nodes[name].gpus))
    works = {work.name: work for work in case.problem.workloads}
    held: dict[str, list[Workload]] = collections.defaultdict(list)
    for one in placements:
        held[one.node].append(works[one.workload])
    return sum(node_watts(nodes[name], some) for name, some in held.items()) / 1000


def _staying(case: Case, placements: t.Sequence[Placement]) -> int:
    """Running copies that the plan leaves where they are."""
    planned = collections.Counter((one.workload, one.node) for one in placements)
    running = collections.Counter((work.name, node) for work in case.problem.workloads for node in work.running_on)
    return sum(min(copies, planned[place]) for place, copies in running.items())


def better(one: Values, other: Values, slack: float = 1e-6) -> bool:
    """Whether the first is worth more, the most important objective first."""
    for (_unused, left), (_unused, right) in zip(one, other):
        if left > right + slack:
            return True
        if left < right - slack:
            return False
    return False

# Counts what a fleet holds, now and with a plan.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.aidc.ops.plugins.module_utils._capacity import questions
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Node, Problem, Workload, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.power import node_watts


class Copy(t.NamedTuple):
    """A copy of a workload on a node. *gpus* are the numbers of its GPUs; empty also where they are not known."""

    workload: str
    node: str
    gpus: tuple[int, ...] = ()
    reason: str = ""


class Figures(t.NamedTuple):
    """What a person compares. Power and price are those of nodes that hold something; other nodes count as off."""

    gpus: int
    allocated: float
    nodes: int
    nodes_used: int
    copies: int
    kilowatts: float
    price_per_hour: float

    @property
    def free(self) -> float:
        """GPUs of nodes in service that nothing uses."""
        return max(0.0, self.gpus - self.allocated)


class Situation:
    """A fleet with what runs on it.

    ``limits``: node -> the power limit of its GPUs in watts, None for their own; empty where none are planned.
    """

    def __init__(
        self, problem: Problem, copies: Iterable[Copy], limits: Iterable[tuple[str, float | None]] = ()
    ) -> None:
        """KeyError for a copy of a workload, or on a node, that the problem does not have; or for a limit of such."""
        self.problem = problem
        self.nodes: Mapping[str, Node] = {node.name: node for node in problem.nodes}
        self.works: Mapping[str, Workload] = {work.name: work for work in problem.workloads}
        self.on: dict[str, list[Copy]] = collections.defaultdict(list)
        self.of: dict[str, list[Copy]] = collections.defaultdict(list)
        for one in copies:
            self.on[self.nodes[one.node].name].append(one)
            self.of[self.works[one.workload].name].append(one)
        self.limits = {self.nodes[name].name: watts for name, watts in limits}

    def watts(self, node: str) -> float:
        """Power of a node with what it holds; 0 where it holds nothing."""
        return node_watts(self.nodes[node], [self.works[one.workload] for one in self.on.get(node, [])])

    def gpu_milli(self, copies: Iterable[Copy]) -> int:
        """GPU of copies, in thousandths."""
        return sum(self.works[one.workload].gpu_milli for one in copies)

    def figures(self) -> Figures:
        """All figures at once."""
        in_service = [node for node in self.problem.nodes if node.in_service]
        used = [name for name, held in self.on.items() if held]
        return Figures(
            gpus=sum(node.gpus for node in in_service),
            allocated=sum(self.gpu_milli(held) for held in self.on.values()) / 1000,
            nodes=len(in_service),
            nodes_used=len(used),
            copies=sum(len(held) for held in self.on.values()),
            kilowatts=sum(self.watts(name) for name in used) / 1000,
            price_per_hour=sum(self.nodes[name].price_per_hour for name in used),
        )


class Change(t.NamedTuple):
    """What becomes of the copies that run."""

    stay: int
    move: int
    start: int
    stop: int


def now_and_then(
    data: t.Any, plan: Mapping[str, t.Any], fail_nodes: Sequence[str], scale_projects: Mapping[str, float]
) -> tuple[Situation, Situation]:
    """What runs now, and the plan. The plan's problem has nodes that are to have failed and scaled projects.

    ValueError (ProblemError) for what is no problem, KeyError for a plan of another problem.
    """
    problem = read_problem(data)
    running = [Copy(work.name, node) for work in problem.workloads for node in work.running_on]
    asked = questions.scaled(questions.without_nodes(problem, fail_nodes), dict(scale_projects))
    planned = [Copy(one["workload"], one["node"], tuple(one["gpus"]), str(one["reason"])) for one in plan["placements"]]
    limits = [(str(one["node"]), one["limit_watts"]) for one in plan.get("power_limits", ())]
    # The plan limits what it places, and not what runs now.
    own = replace(problem, workloads=tuple(replace(work, gpu_limits=()) for work in problem.workloads))
    return Situation(own, running), Situation(asked, planned, limits)


def change(now: Situation, then: Situation) -> Change:
    """How many copies stay on their nodes, move, start and stop."""
    stay = move = start = stop = 0
    for name in {**now.of, **then.of}:
        old = collections.Counter(one.node for one in now.of.get(name, ()))
        new = collections.Counter(one.node for one in then.of.get(name, ()))
        same = sum((old & new).values())
        gone, come = sum(old.values()) - same, sum(new.values()) - same
        stay += same
        move += min(gone, come)
        start += max(0, come - gone)
        stop += max(0, gone - come)
    return Change(stay, move, start, stop)


def differs(now: Situation, then: Situation, node: str) -> bool:
    """Whether a node holds other copies than now."""
    old, new = (collections.Counter(one.workload for one in some.on.get(node, ())) for some in (now, then))
    return old != new

# A problem made ready for planning: usable nodes, equal workloads together, what is settled beforehand.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every strategy starts from the same case, so that all of them obey the same rules."""

from __future__ import annotations

import collections
import math
import typing as t
from dataclasses import dataclass, field

from .layout import layout
from .model import Node, Problem, Project, Workload
from .power import node_watts


class Placement(t.NamedTuple):
    """One copy of a workload on one node, and the numbers of its GPUs there."""

    workload: str
    node: str
    gpus: tuple[int, ...]


@dataclass
class Kind:
    """Copies that no rule tells apart. ``works``: (workload, copies that have to be placed), first come first."""

    work: Workload
    works: list[tuple[str, int]] = field(default_factory=list)
    keep: bool = False

    @property
    def unit(self) -> int:
        """Copies that are placed together: all of a gang, else one."""
        return self.work.copies if self.work.gang else 1

    @property
    def units(self) -> int:
        """How often that."""
        return sum(copies for _unused, copies in self.works) // self.unit

    @property
    def copies(self) -> int:
        """Copies of whole units."""
        return self.unit * self.units


@dataclass
class Case:
    """``pinned`` stays where it is; ``refused`` are reasons why a workload is not planned at all."""

    problem: Problem
    nodes: list[Node]
    kinds: list[Kind]
    pinned: list[Placement]
    refused: dict[str, str]

    def project(self, work: Workload) -> Project | None:
        """The project of a workload, if it has rules."""
        return next((project for project in self.problem.projects if project.name == work.project), None)


def prepare(problem: Problem) -> Case:
    """The case of a problem."""
    reserved = problem.reserved()
    nodes = [node for node in problem.nodes if node.in_service and node.name not in reserved]
    # Of equal nodes the older ones are the last to be used.
    nodes.sort(key=lambda node: (node.age_days, node.name))
    pinned, left = _pin(problem, {node.name: node for node in nodes})
    refused: dict[str, str] = {}
    kinds: dict[tuple[t.Any, ...], Kind] = {}
    admitted: dict[tuple[t.Any, ...], bool] = {}
    timed = {"deadline", "response_time"} & set(problem.policy.objectives)
    ruled = {project.name for project in problem.projects}
    for work in problem.workloads:
        if not left[work.name]:
            continue
        if work.after:
            refused[work.name] = f"waits for {', '.join(work.after)}"
            continue
        needs: tuple[t.Any, ...] = (work.cpu_milli, work.memory_mib, work.network_mbit, work.gpus, work.gpu_share_milli)
        needs += (work.gpu_models, work.gpu_memory_mib, work.mig_profile, work.gpu_limits, work.kin, work.engine)
        if needs not in admitted:
            admitted[needs] = any(work.admits(node) for node in nodes)
        if not admitted[needs]:
            continue
        keep = bool(work.running_on) and not work.preemptible
        key: tuple[t.Any, ...] = (*needs, keep, work.priority if "priority" in problem.policy.objectives else 0)
        key += (work.project if work.project in ruled or "fairness" in problem.policy.objectives else "",)
        key += (work.deadline_hours, work.duration_hours, work.copies) if timed else ()
        key += (work.running_on,) if "moves" in problem.policy.objectives else ()
        key += (work.copies, work.locality) if work.gang else (0, "")
        key += (work.name if work.most_per_node or work.most_per_rack else "",)
        kinds.setdefault(key, Kind(work, keep=keep)).works.append((work.name, left[work.name]))
    return Case(problem, nodes, list(kinds.values()), pinned, refused)


def running(case: Case) -> dict[tuple[int, int], int]:
    """How many copies of a kind run on a node now, by (node, kind), beside those that stay anyway."""
    works = {work.name: work for work in case.problem.workloads}
    place_of = {node.name: place for place, node in enumerate(case.nodes)}
    pinned = collections.Counter((one.workload, one.node) for one in case.pinned)
    found: dict[tuple[int, int], int] = collections.defaultdict(int)
    for number, kind in enumerate(case.kinds):
        for name, _unused in kind.works:
            for node, copies in collections.Counter(works[name].running_on).items():
                if node in place_of and copies > pinned[name, node]:
                    found[place_of[node], number] += copies - pinned[name, node]
    return found


def _pin(problem: Problem, nodes: t.Mapping[str, Node]) -> tuple[list[Placement], dict[str, int]]:
    """Copies that must not move, where they are; and how many copies of each workload are left to place.

    A copy has to be placed anew if its node is out of service or left free, or if it breaks a rule there. A gang stays
    whole or not at all.
    """
    pinned: list[Placement] = []
    left = {work.name: work.copies for work in problem.workloads}
    tally = _Tally(problem)
    for work in problem.workloads:
        if work.may_move or not work.running_on or (work.gang and len(work.running_on) < work.copies):
            continue
        places = [nodes.get(name) for name in work.running_on]
        if work.gang:
            domains = {node.domain(work.locality) for node in places if node is not None}
            if None in places or (work.locality != "any" and len(domains) > 1):
                continue
        taken: list[Placement] = []
        for node in places:
            gpus = None if node is None else tally.take(work, node)
            if node is not None and gpus is not None:
                taken.append(Placement(work.name, node.name, gpus))
        if work.gang and len(taken) < work.copies:
            for one in taken:
                tally.give_back(work, nodes[one.node], one.gpus)
            continue
        pinned += taken
        left[work.name] -= len(taken)
    return pinned, left


class _Tally:
    """What the copies that stay use of everything that has a limit."""

    def __init__(self, problem: Problem) -> None:
        self.quota = {one.name: one.quota_gpu_milli for one in problem.projects if one.quota_gpu_milli is not None}
        self.feeds = {feed.name: feed.limit_watts for feed in problem.feeds}
        self.limit = problem.policy.limit_watts
        self.free: dict[str, list[int]] = {}
        self.kin: dict[tuple[str, int], int] = {}
        self.held: dict[str, list[Workload]] = collections.defaultdict(list)
        self.used: dict[tuple[str, ...], float] = collections.defaultdict(float)

    def _uses(self, work: Workload, node: Node) -> list[tuple[tuple[str, ...], float, float]]:
        """(what, how much, limit)."""
        held = self.held[node.name]
        watts = node_watts(node, [*held, work]) - node_watts(node, held)
        endless = math.inf
        return [
            (("cpu", node.name), work.cpu_milli, node.cpu_milli),
            (("memory", node.name), work.memory_mib, node.memory_mib),
            (("network", node.name), work.network_mbit, node.network_mbit),
            (("project", work.project), work.gpu_milli, self.quota.get(work.project, endless)),
            (("feed", node.feed), watts, self.feeds.get(node.feed, endless)),
            (("watts",), watts, endless if self.limit is None else self.limit),
            (("node", work.name, node.name), 1, work.most_per_node or endless),
            (("rack", work.name, node.rack), 1, work.most_per_rack or endless),
        ]

    def take(self, work: Workload, node: Node) -> tuple[int, ...] | None:
        """GPUs for one more copy there, or None if a rule forbids it."""
        uses = self._uses(work, node)
        if not (work.is_of(node) and work.admits_gpu(node)) or any(
            self.used[what] + much > limit for what, much, limit in uses
        ):
            return None
        free = self.free.setdefault(node.name, [1000] * node.gpus)
        kin = [self.kin.get((node.name, gpu), 0) for gpu in range(node.gpus)]
        places = layout([(work.gpus, work.gpu_share_milli)], free, [work.kin], kin)
        if places is None:
            return None
        for gpu in places[0]:
            free[gpu] -= work.gpu_share_milli
            self.kin[node.name, gpu] = work.kin
        for what, much, _unused in uses:
            self.used[what] += much
        self.held[node.name].append(work)
        return places[0]

    def give_back(self, work: Workload, node: Node, gpus: tuple[int, ...]) -> None:
        """Undo ``take``."""
        self.held[node.name].remove(work)
        for what, much, _unused in self._uses(work, node):
            self.used[what] -= much
        for gpu in gpus:
            self.free[node.name][gpu] += work.gpu_share_milli

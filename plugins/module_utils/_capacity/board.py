# The fleet while it is filled: what is free, what is used, and whether one more copy is allowed.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by all greedy strategies and by the end of the exact one. Arrays are by node, in the order of the case."""

from __future__ import annotations

import typing as t

from .case import Case, Placement
from .numeric import np
from .power import OWN, copy_watts, gpu_watts, wanted

if t.TYPE_CHECKING:
    from .model import Workload
    from .numeric import Flags, Whole

FULL = 1000


class Board:
    """What is free on each node. ``gpu`` is (nodes, most GPUs of a node), -1 where a node has fewer."""

    def __init__(self, case: Case) -> None:
        self.case = case
        nodes = case.nodes
        self.number = {node.name: place for place, node in enumerate(nodes)}
        self.cpu = np.array([node.cpu_milli for node in nodes], np.int64)
        self.memory = np.array([node.memory_mib for node in nodes], np.int64)
        self.network = np.array([node.network_mbit for node in nodes], np.int64)
        most = max([node.gpus for node in nodes], default=0)
        count = np.array([node.gpus for node in nodes], np.int64)
        self.gpu = np.where(np.arange(max(1, most))[None, :] < count[:, None], FULL, -1)
        # Of what shares a GPU; without meaning where none does.
        self.kin = np.zeros(self.gpu.shape, np.int64)
        self.size = (self.cpu.copy(), self.memory.copy(), self.network.copy(), count * FULL)
        self.holds = np.zeros(len(nodes), np.int64)
        self.stamp = np.zeros(len(nodes), np.int64)
        self.clock = 1
        self.admits: list[Flags] = self._admits()
        self.quota = {p.name: p.quota_gpu_milli for p in case.problem.projects if p.quota_gpu_milli is not None}
        self.project_used: dict[str, int] = {}
        self.limits = {feed.name: feed.limit_watts for feed in case.problem.feeds}
        self.feed_used = dict.fromkeys(self.limits, 0.0)
        self.watts_used = 0.0
        works = {work.name: work for work in case.problem.workloads}
        # Power limits that work may want, copies on each node by what they want, and the GPU that all of them use.
        every = [kind.work for kind in case.kinds] + [works[one.workload] for one in case.pinned]
        self.two_kins = any(work.kin for work in every)
        self.levels = sorted({0.0, OWN, *(watts for work in every for _model, watts in work.gpu_limits)})
        self.wants = np.zeros((len(nodes), len(self.levels)), np.int64)
        self.gpu_used = np.zeros(len(nodes), np.int64)
        self.racks = np.array(_numbers(node.rack for node in nodes), np.int64)
        self.spread: dict[str, Whole] = {}
        self.placements: list[Placement] = []
        for one in case.pinned:
            self._use(works[one.workload], self.number[one.node], one.gpus)
            self.placements.append(one)

    def _admits(self) -> list[Flags]:
        """For each kind the nodes that may hold a copy when they are empty."""
        like = np.array(_numbers(node.like() for node in self.case.nodes), np.int64)
        first = [self.case.nodes[place] for place in np.unique(like, return_index=True)[1]]
        return [np.array([kind.work.admits(node) for node in first], bool)[like] for kind in self.case.kinds]

    def fits(self, number: int, nodes: Whole) -> Flags:
        """Whether each of those nodes has room for a copy of that kind; what changes without them is in ``allowed``."""
        work = self.case.kinds[number].work
        good = (
            self.admits[number][nodes] & (self.cpu[nodes] >= work.cpu_milli) & (self.memory[nodes] >= work.memory_mib)
        )
        good &= self.network[nodes] >= work.network_mbit
        if work.gpus:
            good &= (self.usable(work, nodes) >= work.gpu_share_milli).sum(1) >= work.gpus
        return good

    def usable(self, work: Workload, nodes: t.Any) -> Whole:
        """What a copy may have of each GPU of a node, or of several: nothing of one that others than its kin share."""
        free = self.gpu[nodes]
        if not self.two_kins:
            return t.cast("Whole", free)
        return np.where((free == FULL) | (self.kin[nodes] == work.kin), free, 0)

    def shared(self, node: int) -> list[tuple[int, int]]:
        """What is free of each GPU of a node, and the kin of what shares it; 0 where none does."""
        about = zip(self.gpu[node].tolist(), self.kin[node].tolist())
        return [(free, kin if free < FULL else 0) for free, kin in about if free >= 0]

    def allowed(self, number: int) -> Flags | None:
        """Nodes that spread, power and quota leave for a copy of that kind; None: all of them."""
        work, nodes = self.case.kinds[number].work, self.case.nodes
        if work.project in self.quota:
            used = self.project_used.get(work.project, 0)
            if used + work.gpu_milli > self.quota[work.project]:
                return t.cast("Flags", np.zeros(len(nodes), bool))
        flags: Flags | None = None
        if work.name in self.spread:
            held = self.spread[work.name]
            flags = np.ones(len(nodes), bool)
            if work.most_per_node:
                flags &= held < work.most_per_node
            if work.most_per_rack:
                flags &= np.bincount(self.racks, weights=held)[self.racks] < work.most_per_rack
        limit = self.case.problem.policy.limit_watts
        if self.limits or limit is not None:
            flags = np.ones(len(nodes), bool) if flags is None else flags
            for place, node in enumerate(nodes):
                more = self._more(work, place)
                if node.feed in self.limits and self.feed_used[node.feed] + more > self.limits[node.feed]:
                    flags[place] = False
                if limit is not None and self.watts_used + more > limit:
                    flags[place] = False
        return flags

    def limit(self, node: int) -> float:
        """The power limit of the GPUs of a node by what is on it."""
        present = np.flatnonzero(self.wants[node])
        return self.levels[present[-1]] if len(present) else 0.0

    def _more(self, work: Workload, node: int) -> float:
        """What a copy would add to the power of a node, also by raising the limit under the others."""
        about, before = self.case.nodes[node], self.limit(node)
        after = max(before, wanted(work, about))
        watts = copy_watts(work, about, after) + (0.0 if self.holds[node] else about.idle_watts)
        if self.gpu_used[node] and after > before:
            watts += self.gpu_used[node] / FULL * (gpu_watts(about, after) - gpu_watts(about, before))
        return watts

    def slots(self, number: int, node: int, slot: int = -1) -> tuple[int, ...]:
        """GPUs for a copy: that one for a share, else the tightest; the first free ones for whole GPUs."""
        work = self.case.kinds[number].work
        if not work.gpus:
            return ()
        free = self.usable(work, node)
        if slot >= 0 and work.gpu_share_milli < FULL:
            return (slot,)
        good = [gpu for gpu in range(len(free)) if free[gpu] >= work.gpu_share_milli]
        good.sort(key=lambda gpu: (int(free[gpu]), gpu))
        return tuple(sorted(good[: work.gpus]))

    def place(self, number: int, node: int, gpus: tuple[int, ...], workload: str) -> None:
        """Put a copy there."""
        self._use(self.case.kinds[number].work, node, gpus)
        self.placements.append(Placement(workload, self.case.nodes[node].name, gpus))

    def take_back(self, number: int) -> None:
        """Undo the last ``place``, which was of that kind."""
        one = self.placements.pop()
        self._use(self.case.kinds[number].work, self.number[one.node], one.gpus, -1)

    def _use(self, work: Workload, node: int, gpus: tuple[int, ...], sign: int = 1) -> None:
        about = self.case.nodes[node]
        watts = self._more(work, node) if sign > 0 else 0.0
        self.holds[node] += sign
        self.gpu_used[node] += sign * work.gpu_milli
        self.wants[node, self.levels.index(wanted(work, about))] += sign
        if sign < 0:
            watts = -self._more(work, node)
        self.watts_used += watts
        if about.feed in self.limits:
            self.feed_used[about.feed] += watts
        self.cpu[node] -= sign * work.cpu_milli
        self.memory[node] -= sign * work.memory_mib
        self.network[node] -= sign * work.network_mbit
        for gpu in gpus:
            self.gpu[node, gpu] -= sign * work.gpu_share_milli
            self.kin[node, gpu] = work.kin
        self.project_used[work.project] = self.project_used.get(work.project, 0) + sign * work.gpu_milli
        if work.most_per_node or work.most_per_rack:
            held = self.spread.setdefault(work.name, np.zeros(len(self.case.nodes), np.int64))
            held[node] += sign
        self.stamp[node] = self.clock
        self.clock += 1


def _numbers(names: t.Iterable[t.Hashable]) -> list[int]:
    """A number for each name."""
    known: dict[t.Hashable, int] = {}
    return [known.setdefault(name, len(known)) for name in names]

# The fleet at one moment: what is free, until when, and where the copies of a unit would go.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A board of the planner that also gives back, can be copied, and knows when each node has to be empty."""

from __future__ import annotations

import copy
import typing as t

from .._capacity.board import Board
from .._capacity.case import Case, Kind
from .._capacity.greedy import best_fit
from .._capacity.numeric import np
from .model import ENDLESS

if t.TYPE_CHECKING:
    from .._capacity.numeric import Flags, Whole
    from .model import Timed

# So many copies of nothing fit on a node.
COUNTLESS = 2**30
# A node, and the numbers of its GPUs.
Spot = t.Tuple[int, t.Tuple[int, ...]]


def kinds_of(timed: Timed) -> tuple[Case, list[int]]:
    """Workloads that no rule tells apart, as a case of the planner; and the kind of each job."""
    ruled = {project.name for project in timed.problem.projects}
    found: dict[tuple[t.Any, ...], int] = {}
    kinds: list[Kind] = []
    numbers = []
    for job in timed.jobs:
        work = job.work
        key: tuple[t.Any, ...] = (work.cpu_milli, work.memory_mib, work.network_mbit, work.gpus, work.gpu_share_milli)
        key += (
            work.gpu_models,
            work.gpu_memory_mib,
            work.mig_profile,
            work.kin,
            work.engine,
            work.project if work.project in ruled else "",
        )
        key += (work.copies, work.locality) if work.gang else (0, "")
        key += (work.name if work.most_per_node or work.most_per_rack else "",)
        if key not in found:
            found[key] = len(kinds)
            kinds.append(Kind(work))
        numbers.append(found[key])
    return Case(timed.problem, list(timed.nodes), kinds, [], {}), numbers


class Room(Board):
    """What is free now. A node may be used by what ends by ``until``."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.until = np.full(len(case.nodes), 2 * ENDLESS, np.int64)
        self.has_gpu = np.array([node.gpus > 0 for node in case.nodes], bool)
        self.domains: dict[str, Whole] = {}

    def twin(self) -> Room:
        """A copy that may be changed without this one."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(other, name, value.copy())
            elif isinstance(value, dict):
                held = {key: one.copy() if isinstance(one, np.ndarray) else one for key, one in value.items()}
                setattr(other, name, held)
        return other

    def take(self, number: int, spot: Spot) -> None:
        """A copy of that kind starts there."""
        self._use(self.case.kinds[number].work, spot[0], spot[1])

    def give(self, number: int, spot: Spot) -> None:
        """A copy of that kind ends there."""
        self._use(self.case.kinds[number].work, spot[0], spot[1], -1)

    def domain(self, locality: str) -> Whole:
        """The number of the domain of each node."""
        if locality not in self.domains:
            known: dict[str, int] = {}
            names = [node.domain(locality) for node in self.case.nodes]
            self.domains[locality] = np.array([known.setdefault(name, len(known)) for name in names], np.int64)
        return self.domains[locality]

    def count(self, number: int, nodes: Whole) -> Whole:
        """How many copies of that kind each of these nodes would hold; quotas, spread and power are not looked at."""
        work = self.case.kinds[number].work
        most = np.where(self.admits[number][nodes], COUNTLESS, 0)
        for need, free in (
            (work.cpu_milli, self.cpu),
            (work.memory_mib, self.memory),
            (work.network_mbit, self.network),
        ):
            if need:
                most = np.minimum(most, free[nodes] // need)
        if work.gpus:
            gpu = np.maximum(self.usable(work, nodes), 0) // work.gpu_share_milli
            most = np.minimum(most, gpu.sum(1) // work.gpus)
        if work.most_per_node:
            most = np.minimum(most, work.most_per_node)
        return t.cast("Whole", most)


class Promise(t.NamedTuple):
    """A job starts at that time on those spots; ``later`` is the fleet then, with the job on it."""

    job: int
    start: int
    spots: list[Spot]
    later: Room


def slots(free: t.Any, gpus: int, share: int) -> tuple[int, ...]:
    """The tightest GPUs of a node that have that share free."""
    good = [gpu for gpu in range(len(free)) if free[gpu] >= share]
    good.sort(key=lambda gpu: (int(free[gpu]), gpu))
    return tuple(sorted(good[:gpus]))


class Finder:
    """Finds spots. What fits where is kept by kind and made anew only for nodes that changed."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.kept: dict[int, tuple[Flags, int]] = {}

    def fitting(self, number: int) -> Flags:
        """Nodes with room for a copy now."""
        room = self.room
        flags, seen = self.kept.get(number, (np.zeros(len(room.cpu), bool), -1))
        stale = np.flatnonzero(room.stamp > seen)
        if len(stale):
            flags[stale] = room.fits(number, stale)
        self.kept[number] = (flags, room.clock - 1)
        return flags

    def spots(self, number: int, copies: int, start: int, duration: int, promise: Promise | None) -> list[Spot] | None:
        """Where that many copies start together at ``start``, already taken; None if they cannot.

        What ends after the promised start leaves alone what is promised.
        """
        held = promise if promise is not None and start + duration > promise.start else None
        if copies == 1:
            spot = self._one(number, start, duration, held, None)
            return None if spot is None else [spot]
        room, locality = self.room, self.room.case.kinds[number].work.locality
        domain = room.domain(locality)
        count = room.count(number, np.arange(len(room.cpu))) * (start + duration <= room.until)
        total = np.bincount(domain, weights=np.minimum(count, copies), minlength=1)
        for which in sorted(np.flatnonzero(total >= copies), key=lambda one: (total[one], one)):
            taken: list[Spot] = []
            while len(taken) < copies:
                spot = self._one(number, start, duration, held, domain == which)
                if spot is None:
                    break
                taken.append(spot)
            if len(taken) == copies:
                return taken
            for spot in taken:
                self.give(number, spot, held)
        return None

    def give(self, number: int, spot: Spot, held: Promise | None) -> None:
        """Take a copy off, here and in what is promised."""
        self.room.give(number, spot)
        if held is not None:
            held.later.give(number, spot)

    def _one(self, number: int, start: int, duration: int, held: Promise | None, within: Flags | None) -> Spot | None:
        room, work = self.room, self.room.case.kinds[number].work
        flags = self.fitting(number)
        if not flags.any():
            return None
        flags = flags & (start + duration <= room.until)
        for more in (within, room.allowed(number), None if held is None else held.later.allowed(number)):
            if more is not None:
                flags = flags & more
        if held is not None:
            # Elsewhere nothing but what runs now is there then, or less.
            for node in {spot[0] for spot in held.spots}:
                flags[node] = flags[node] and self._both(work, node, held.later)
        nodes = np.flatnonzero(flags)
        if not len(nodes):
            return None
        score = best_fit(room, number, nodes)[0]
        if not work.gpus:
            # A GPU without cores is of no use to anybody.
            score = score + 10 * room.has_gpu[nodes]
        node = int(nodes[int(score.argmin())])
        free = room.usable(work, node)
        if held is not None:
            free = np.minimum(free, held.later.usable(work, node))
        spot = (node, slots(free, work.gpus, work.gpu_share_milli) if work.gpus else ())
        room.take(number, spot)
        if held is not None:
            held.later.take(number, spot)
        return spot

    def _both(self, work: t.Any, node: int, later: Room) -> bool:
        """Whether a copy fits there now and then, on the same GPUs."""
        room = self.room
        for need, now, then in (
            (work.cpu_milli, room.cpu, later.cpu),
            (work.memory_mib, room.memory, later.memory),
            (work.network_mbit, room.network, later.network),
        ):
            if need > min(int(now[node]), int(then[node])):
                return False
        free = np.minimum(room.usable(work, node), later.usable(work, node))
        return not work.gpus or int((free >= work.gpu_share_milli).sum()) >= work.gpus

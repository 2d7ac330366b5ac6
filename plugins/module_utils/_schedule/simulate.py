# The schedule: jobs start in the order of the queue, later ones before that only where they delay no promise.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events are arrivals, ends of jobs and ends of windows. At each of them whatever can start does, in the order of the
queue. The first that cannot is promised the earliest time and the spots at which it can, and from then on nothing
starts that would delay it (EASY backfilling: Lifka, JSSPP 1995; Mu'alem and Feitelson, IEEE TPDS 12, 2001). Nobody is
stopped. A job is not known before it arrives.
"""

from __future__ import annotations

import bisect
import heapq
import typing as t

from .._capacity.numeric import np
from .model import ENDLESS, Job, Run, Timed
from .order import Key, keys
from .room import Finder, Promise, Room, Spot, kinds_of


class Outcome(t.NamedTuple):
    """Who runs when and where; and why some never do."""

    runs: list[Run]
    refused: dict[str, str]


class _Unit(t.NamedTuple):
    """Copies of a job that started together."""

    end: int
    job: int
    spots: list[Spot]


def simulate(timed: Timed, order: str) -> Outcome:
    """The schedule of that order."""
    return _Clock(timed, order).run()


class _Clock:
    def __init__(self, timed: Timed, order: str) -> None:
        self.timed, self.jobs = timed, timed.jobs
        self.case, self.number = kinds_of(timed)
        self.keys: list[Key] = keys(timed, order)
        self.room = Room(self.case)
        self.finder = Finder(self.room)
        self.windows = {
            place: list(timed.windows[node.name])
            for place, node in enumerate(timed.nodes)
            if node.name in timed.windows
        }
        self.left = [job.work.copies for job in self.jobs]
        self.active = [0] * len(self.jobs)
        self.waits = [set(job.work.after) for job in self.jobs]
        self.followers: dict[str, list[int]] = {}
        for job in self.jobs:
            for name in job.work.after:
                self.followers.setdefault(name, []).append(job.place)
        self.queues: list[list[tuple[Key, int]]] = [[] for _unused in self.case.kinds]
        self.units: dict[int, _Unit] = {}
        self.events: list[tuple[int, int, int]] = []
        self.promise: Promise | None = None
        # Whether what ends on one node can make room on another.
        policy = timed.problem.policy
        self.coupled = bool(self.windows or self.room.quota or self.room.limits or policy.limit_watts is not None)
        # Of each kind the least duration that did not fit, while nothing was given back since.
        self.failed: dict[int, int] = {}
        self.runs: list[Run] = []
        self.refused: dict[str, str] = {}

    def run(self) -> Outcome:
        """Go through all events."""
        for place, some in self.windows.items():
            self.room.until[place] = some[0].start
            for window in some:
                heapq.heappush(self.events, (window.end, 1, place))
        self._refuse_what_never_fits()
        self._keep_what_runs()
        for job in self.jobs:
            heapq.heappush(self.events, (max(0, job.arrival), 2, job.place))
        while self.events:
            now = self.events[0][0]
            freed, fresh = False, []
            while self.events and self.events[0][0] == now:
                _unused, what, which = heapq.heappop(self.events)
                if what == 0:
                    fresh += self._end(which)
                    freed = True
                elif what == 1:
                    self._open(self.room, which, now)
                    freed = True
                else:
                    fresh.append(which)
            fresh = [which for which in dict.fromkeys(fresh) if self._ready(which, now)]
            for which in fresh:
                bisect.insort(self.queues[self.number[which]], (self.keys[which], which))
            if freed:
                self.failed.clear()
                self._start_promised(now)
                self._pass(now, None)
            else:
                self._pass(now, {self.number[which] for which in fresh})
        return Outcome(self.runs, self.refused)

    # What is settled before the first event

    def _refuse_what_never_fits(self) -> None:
        """Jobs that would not fit if the fleet were empty and nothing was ever maintained."""
        empty = Room(self.case)
        finder = Finder(empty)
        reasons: dict[int, str] = {}
        for number, kind in enumerate(self.case.kinds):
            spots = finder.spots(number, kind.unit, 0, 1, None)
            if spots is None:
                reasons[number] = _why(kind.work, bool(empty.admits[number].any()))
                continue
            for spot in spots:
                empty.give(number, spot)
        for job in self.jobs:
            if self.number[job.place] in reasons:
                self._refuse(job.place, reasons[self.number[job.place]])

    def _keep_what_runs(self) -> None:
        """Copies that run stay where they are if they may be there; others are placed anew."""
        place = {node.name: number for number, node in enumerate(self.timed.nodes)}
        for job in self.jobs:
            work, number = job.work, self.number[job.place]
            if not work.running_on or work.name in self.refused:
                continue
            nodes = [place.get(name) for name in work.running_on]
            if work.gang and (None in nodes or len(nodes) < work.copies or self._apart(job)):
                continue
            spots: list[Spot] = []
            for node in nodes:
                spot = None if node is None else self._stay(number, node, job.duration)
                if spot is not None:
                    spots.append(spot)
            if work.gang and len(spots) < work.copies:
                for spot in spots:
                    self.room.give(number, spot)
            elif spots:
                self._started(job.place, 0, spots)

    def _apart(self, job: Job) -> bool:
        domain = {self.room.domain(job.work.locality)[self.room.number[name]] for name in job.work.running_on}
        return job.work.locality != "any" and len(domain) > 1

    def _stay(self, number: int, node: int, duration: int) -> Spot | None:
        room, here = self.room, np.array([node], np.int64)
        allowed = room.allowed(number)
        if duration > room.until[node] or not room.fits(number, here)[0] or not (allowed is None or allowed[node]):
            return None
        spot = (node, room.slots(number, node))
        room.take(number, spot)
        return spot

    # Events

    def _ready(self, which: int, now: int) -> bool:
        """Whether a job may enter the queue; it is asked about when it arrives and when the last one before it ends."""
        job = self.jobs[which]
        return (
            self.left[which] > 0 and job.arrival <= now and not self.waits[which] and job.work.name not in self.refused
        )

    def _open(self, room: Room, node: int, now: int) -> None:
        """A window ended: the node may be used until the next one begins."""
        coming = [window.start for window in self.windows[node] if window.end > now]
        room.until[node] = coming[0] if coming else 2 * ENDLESS

    def _end(self, unit: int) -> list[int]:
        """Copies ended. The jobs that waited for the last of them."""
        ended = self.units.pop(unit)
        for spot in ended.spots:
            self.room.give(self.number[ended.job], spot)
        self.active[ended.job] -= len(ended.spots)
        if self.active[ended.job] or self.left[ended.job]:
            return []
        name = self.jobs[ended.job].work.name
        freed = []
        for which in self.followers.get(name, ()):
            self.waits[which].discard(name)
            if not self.waits[which]:
                freed.append(which)
        return freed

    def _refuse(self, which: int, reason: str) -> None:
        """It never runs, and so do those that wait for it."""
        cause = self.jobs[which].work.name
        self.refused[cause] = reason
        self._refuse_followers(cause)

    def _refuse_followers(self, cause: str) -> None:
        """Those that wait for what never ends, and those that wait for them; without recursion."""
        waiting = [cause]
        while waiting:
            for follower in self.followers.get(waiting.pop(), ()):
                name = self.jobs[follower].work.name
                if name not in self.refused and self.left[follower]:
                    self.refused[name] = f"waits for {cause}, which never ends"
                    waiting.append(name)

    def _started(self, which: int, now: int, spots: list[Spot]) -> None:
        job = self.jobs[which]
        end = ENDLESS if job.endless else now + job.duration
        unit = len(self.runs)
        self.units[unit] = _Unit(end, which, spots)
        for node, gpus in spots:
            self.runs.append(Run(job.work.name, self.timed.nodes[node].name, gpus, now, end))
        self.left[which] -= len(spots)
        self.active[which] += len(spots)
        if not job.endless:
            heapq.heappush(self.events, (end, 0, unit))
            return
        self._refuse_followers(job.work.name)

    # Starting

    def _unit(self, which: int) -> int:
        work = self.jobs[which].work
        return work.copies if work.gang else 1

    def _start_promised(self, now: int) -> None:
        promise = self.promise
        if promise is None or promise.start > now:
            return
        self.promise = None
        for spot in promise.spots:
            self.room.take(self.number[promise.job], spot)
        self._started(promise.job, now, promise.spots)
        if not self.left[promise.job]:
            self._leave(promise.job)

    def _leave(self, which: int) -> None:
        queue, entry = self.queues[self.number[which]], (self.keys[which], which)
        del queue[bisect.bisect_left(queue, entry)]

    def _pass(self, now: int, only: set[int] | None) -> None:
        """Start what can start, in order; ``only`` those kinds, where nothing was given back since the last pass."""
        numbers = range(len(self.queues)) if only is None else sorted(only)
        heads = [(self.queues[number][0], number, 0) for number in numbers if self.queues[number]]
        heapq.heapify(heads)
        while heads:
            (_key, which), number, at = heapq.heappop(heads)
            queue = self.queues[number]
            least = self.failed.get(number, ENDLESS + 1)
            promised = self.promise is not None and self.promise.job == which
            if not promised and not self._start(which, number, now, least) and self.promise is None:
                self._promise(which, number, now)
            # Who runs or never will has left the queue, so that the next one stands here now.
            if at < len(queue) and queue[at][1] == which:
                at += 1
            if self.promise is not None:
                at = self._next(number, queue, at)
            if at < len(queue):
                heapq.heappush(heads, (queue[at], number, at))

    def _next(self, number: int, queue: list[tuple[Key, int]], at: int) -> int:
        """The next one of that kind that is not known to fail."""
        least = self.failed.get(number, ENDLESS + 1)
        if least <= 1:
            return len(queue)
        while at < len(queue) and self.jobs[queue[at][1]].duration >= least:
            at += 1
        return at

    def _start(self, which: int, number: int, now: int, least: int) -> bool:
        """Start a job, copy by copy or as a gang; whether all of it runs."""
        job = self.jobs[which]
        while self.left[which]:
            if job.duration >= least:
                return False
            spots = self.finder.spots(number, self._unit(which), now, job.duration, self.promise)
            if spots is None:
                full = self._unit(which) == 1 and not self.finder.fitting(number).any()
                self.failed[number] = 1 if full else job.duration
                return False
            self._started(which, now, spots)
        self._leave(which)
        return True

    def _promise(self, which: int, number: int, now: int) -> None:
        """Promise the job (one unit of it) the earliest time at which it fits; refuse it if there is none."""
        job, copies = self.jobs[which], self._unit(which)
        later = self.room.twin()
        finder = Finder(later)
        locality = job.work.locality if job.work.gang else "any"
        domain = later.domain(locality)
        coupled = self.coupled or job.work.most_per_rack > 0
        everywhere = np.arange(len(later.cpu))
        count = np.minimum(later.count(number, everywhere), copies)
        coming = [(unit.end, 0, name) for name, unit in self.units.items() if unit.end < ENDLESS]
        coming += [(window.end, 1, node) for node, some in self.windows.items() for window in some if window.end > now]
        coming.sort()
        at = 0
        while at < len(coming):
            start = coming[at][0]
            touched = set()
            while at < len(coming) and coming[at][0] == start:
                _unused, what, name = coming[at]
                at += 1
                if what:
                    self._open(later, name, start)
                    touched.add(name)
                    continue
                for spot in self.units[name].spots:
                    later.give(self.number[self.units[name].job], spot)
                    touched.add(spot[0])
            some = np.array(sorted(touched), np.int64)
            count[some] = np.minimum(later.count(number, some), copies)
            open_count = count * (start + job.duration <= later.until) if self.windows else count
            if copies == 1:
                if not (open_count if coupled else count[some]).any():
                    continue
            elif np.bincount(domain, weights=open_count, minlength=1).max() < copies:
                continue
            spots = finder.spots(number, copies, start, job.duration, None)
            if spots is not None:
                self.promise = Promise(which, start, spots, later)
                return
        self._leave(which)
        self._refuse(which, "what runs for good leaves no room for it")


def _why(work: t.Any, admitted: bool) -> str:
    """Why a job would not even run alone."""
    needs = [f"{work.gpus} GPUs" if work.gpus else "", f"{work.cpu_milli / 1000:g} cores" if work.cpu_milli else ""]
    needs += [f"{work.memory_mib} MiB" if work.memory_mib else ""]
    needs += [f"{work.network_mbit} Mbit/s" if work.network_mbit else ""]
    needs += [f"a GPU of model {' or '.join(work.gpu_models)}" if work.gpu_models else ""]
    needs += [f"{work.gpu_memory_mib} MiB of GPU memory" if work.gpu_memory_mib else ""]
    asked = ", ".join(need for need in needs if need) or "nothing"
    if not admitted:
        return f"a copy needs {asked}; no node that may be used has that"
    if work.gang:
        where = "" if work.locality == "any" else f" in one {work.locality} domain"
        return f"{work.copies} copies of {asked} do not fit at once{where}, even on an empty fleet within its limits"
    return f"a copy needs {asked}; quotas, spread and power leave no room for it even on an empty fleet"

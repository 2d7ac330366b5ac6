# A problem in time: workloads with arrival and duration, and the windows in which nodes are maintained.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times are whole seconds from the present, so that two of them are equal or not. Durations are rounded up."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, replace

from .._capacity.model import Node, Problem, ProblemError, Workload

HOUR = 3600
# Further away than a century is a mistake, not a plan.
MAX_HOURS = 1_000_000
# When something ends that never ends.
ENDLESS = 2**60
SHOWN = 5


class Window(t.NamedTuple):
    """A node is not to be used from ``start`` to ``end``."""

    node: str
    start: int
    end: int


class Run(t.NamedTuple):
    """One copy of a workload, its node, its GPUs there, and its time. ``end`` is ENDLESS for one that runs for good."""

    workload: str
    node: str
    gpus: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Job:
    """A workload with its times. ``deadline`` is None for none; a negative ``arrival`` is in the past."""

    place: int
    work: Workload
    arrival: int
    duration: int
    deadline: int | None
    weight: float

    @property
    def endless(self) -> bool:
        """Whether it runs for good."""
        return self.duration == ENDLESS


@dataclass(frozen=True)
class Timed:
    """All of it. ``nodes`` may be used; ``windows`` are those of each node, in order and apart from each other."""

    problem: Problem
    nodes: tuple[Node, ...]
    jobs: tuple[Job, ...]
    windows: dict[str, list[Window]]


def timed(
    problem: Problem, arrivals: t.Mapping[str, float], windows: t.Iterable[tuple[str, float, float]], now: float
) -> Timed:
    """The problem in time. Arrivals and windows (node, start, end) are in seconds since 1970, as ``now`` is.

    A workload without arrival is there now. ProblemError says what is wrong.
    """
    if problem.power_choices:
        # Nobody sets power limits anew with each job: a schedule counts on those that the GPUs have of their own.
        problem = replace(problem, workloads=tuple(replace(work, gpu_limits=()) for work in problem.workloads))
    names = {work.name for work in problem.workloads}
    unknown = sorted(str(name) for name in set(arrivals) - names)
    if unknown:
        raise ProblemError(f"arrivals: no workload {', '.join(unknown[:SHOWN])}; name workloads of the problem")
    weight = {project.name: project.weight for project in problem.projects}
    jobs = []
    for place, work in enumerate(problem.workloads):
        where = f"workloads[{work.name}]"
        for title, hours in (("duration_hours", work.duration_hours), ("deadline_hours", work.deadline_hours)):
            if hours > MAX_HOURS:
                raise ProblemError(f"{where}.{title}: {hours:g} is more than {MAX_HOURS} hours; 0 stands for none")
        duration = max(1, math.ceil(work.duration_hours * HOUR - 1e-6)) if work.duration_hours else ENDLESS
        deadline = math.floor(work.deadline_hours * HOUR + 1e-6) if work.deadline_hours else None
        arrival = math.ceil(_near(arrivals[work.name] - now, f"arrivals[{work.name}]")) if work.name in arrivals else 0
        if work.running_on:
            arrival = min(arrival, 0)
        jobs.append(Job(place, work, arrival, duration, deadline, weight.get(work.project, 1.0)))
    reserved = problem.reserved()
    nodes = [node for node in problem.nodes if node.in_service and node.name not in reserved]
    # Of equal nodes the older ones are the last to be used, as in a plan.
    nodes.sort(key=lambda node: (node.age_days, node.name))
    return Timed(problem, tuple(nodes), tuple(jobs), _windows(problem, windows, now))


def _near(seconds: float, where: str) -> float:
    if not math.isfinite(seconds) or abs(seconds) > MAX_HOURS * HOUR:
        raise ProblemError(f"{where}: it is more than {MAX_HOURS} hours from now; are now and this in the same unit?")
    return seconds


def _windows(problem: Problem, windows: t.Iterable[tuple[str, float, float]], now: float) -> dict[str, list[Window]]:
    """Windows of each node; those that touch or overlap are one, those that are over are left out."""
    known = {node.name for node in problem.nodes}
    found: dict[str, list[Window]] = {}
    for node, start, end in windows:
        if node not in known:
            raise ProblemError(f"windows: no node {node!r}; name nodes of the problem")
        begin, stop = (_near(moment - now, f"windows[{node}]") for moment in (start, end))
        if stop <= begin:
            raise ProblemError(f"windows[{node}]: it ends before it begins")
        if stop > 0:
            found.setdefault(node, []).append(Window(node, math.floor(begin), math.ceil(stop)))
    for node, some in found.items():
        some.sort()
        merged = some[:1]
        for window in some[1:]:
            if window.start <= merged[-1].end:
                merged[-1] = merged[-1]._replace(end=max(merged[-1].end, window.end))
            else:
                merged.append(window)
        found[node] = merged
    return found

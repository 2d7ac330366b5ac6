# What a schedule is worth, in figures for people.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Response time is end less arrival. Only workloads that end count; hours everywhere."""

from __future__ import annotations

import collections
import typing as t

from .bound import response_bound
from .model import ENDLESS, HOUR

if t.TYPE_CHECKING:
    from .model import Run, Timed


def ends(timed: Timed, runs: t.Iterable[Run]) -> dict[str, tuple[int, int]]:
    """First start and last end of each workload all of whose copies run and end."""
    copies: collections.Counter[str] = collections.Counter()
    found: dict[str, tuple[int, int]] = {}
    for run in runs:
        start, end = found.get(run.workload, (run.start, run.end))
        found[run.workload] = (min(start, run.start), max(end, run.end))
        copies[run.workload] += 1
    whole = {job.work.name for job in timed.jobs if copies[job.work.name] == job.work.copies and not job.endless}
    return {name: times for name, times in found.items() if name in whole}


def figures(timed: Timed, runs: t.Sequence[Run]) -> dict[str, t.Any]:
    """Means, bounds and gaps; a gap says how much less the mean of any schedule of the same workloads can be."""
    found = ends(timed, runs)
    jobs = [job for job in timed.jobs if job.work.name in found]
    works = {job.work.name: job.work for job in timed.jobs}
    response = [found[job.work.name][1] - job.arrival for job in jobs]
    waited = [found[job.work.name][0] - job.arrival for job in jobs]
    weight = sum(job.weight for job in jobs)
    mean = sum(response) / len(jobs) if jobs else 0.0
    weighted = sum(job.weight * seconds for job, seconds in zip(jobs, response)) / weight if weight else 0.0
    bound, weighted_bound = (response_bound(timed, found, by) for by in (False, True))
    used = sum(works[run.workload].gpu_milli / 1000 * (run.end - run.start) for run in runs if run.end < ENDLESS)
    return {
        "workloads_ended": len(jobs),
        "mean_response_hours": mean / HOUR,
        "mean_response_bound_hours": bound / HOUR,
        "mean_response_gap_percent": gap(mean, bound),
        "weighted_response_hours": weighted / HOUR,
        "weighted_response_bound_hours": weighted_bound / HOUR,
        "weighted_response_gap_percent": gap(weighted, weighted_bound),
        "mean_wait_hours": sum(waited) / len(jobs) / HOUR if jobs else 0.0,
        "longest_wait_hours": max(waited, default=0) / HOUR,
        "makespan_hours": max((end for _unused, end in found.values()), default=0) / HOUR,
        "gpu_hours": used / HOUR,
        "missed_deadlines": len(missed(timed, runs)),
    }


def gap(value: float, bound: float) -> float:
    """By how many per cent a smaller value could be reached at most."""
    return max(0.0, 100 * (value - bound) / value) if value > 0 else 0.0


def missed(timed: Timed, runs: t.Sequence[Run]) -> list[dict[str, t.Any]]:
    """Workloads with a deadline that end too late, the latest first; lateness is null for one that does not end."""
    found = ends(timed, runs)
    late = []
    for job in timed.jobs:
        if job.deadline is None or job.endless:
            continue
        times = found.get(job.work.name)
        if times is None or times[1] > job.deadline:
            lateness = None if times is None else (times[1] - job.deadline) / HOUR
            late.append({"workload": job.work.name, "deadline_hours": job.deadline / HOUR, "late_hours": lateness})
    return sorted(late, key=lambda one: (one["late_hours"] is not None, -(one["late_hours"] or 0.0), one["workload"]))

# The order in which waiting jobs of Slurm are looked at, by their nice values: as the plan has it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm takes the nice value of a job off its priority, and looks at jobs of higher priority first. Only values that
anybody may give to a job of their own are used: 0 and more. So jobs are put behind others and never before them.

Slurm's own order stays among jobs that are equal for the plan. All of them get the same on top of what they had.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import marks
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
    some,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_jobs import array_of, jobs_by_workload
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import LONGEST_NICE, JobInputs, SlurmNow

_Place = t.Tuple[int, int, float]
_Groups = t.List[t.List[JobInputs]]

_REFUSED: _Place = (1, 0, 0.0)

# What Slurm leaves of the priority of a waiting job, however large its nice value is (priority/basic).
_FLOOR = 2


def order_changes(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> None:
    """Add what has to change about nice values. ``found`` has what has to change about jobs besides."""
    others = {one.names[0]: one.kind for one in found.changes if one.kind in ("hold", "release", "forget", "requeue")}
    places = _places(wanted, now) if policy.order else {}
    free = []
    foreign = []
    for job in now.jobs.values():
        mark = marks.nice_of(job.comment)
        if mark is None and job.id not in places:
            continue
        # Another nice value would release a job that is held, and is of no use for one that runs.
        if not job.pending or job.held or job.id in others:
            if others.get(job.id) in ("release", "forget"):
                found.later.append(NotDone("order", f"job {job.id}", "its mark is changed first; run this again"))
        elif job.nice < 0 or (mark is not None and mark.after != job.nice):
            foreign.append(job)
        else:
            free.append(job)
    _foreign(foreign, places, found)
    extras = _extras(free, places, found)
    for job in free:
        _set(job, extras.get(job.id, 0), places.get(job.id), found)


def _places(wanted: Wanted, now: SlurmNow) -> dict[str, _Place]:
    """Job -> its place in the plan's order; the smallest is first."""
    found: dict[str, _Place] = {}
    for name, job in jobs_by_workload(now, {*wanted.copies, *wanted.refused}).items():
        work = wanted.works[name]
        place = (0, -work.priority, work.deadline_hours or math.inf) if name in wanted.copies else _REFUSED
        # A change of an array's waiting tasks is one of all its tasks.
        found[array_of(job)] = min(place, found.get(array_of(job), place))
    return {job.id: found[array_of(job)] for job in now.jobs.values() if array_of(job) in found}


def _foreign(jobs: t.Sequence[JobInputs], places: t.Container[str], found: Difference) -> None:
    """Jobs whose nice value is somebody else's decision."""
    left = [f"job {job.id}" for job in jobs if job.id in places]
    if left:
        found.notes.append(f"{some(left)}: somebody else decided on the nice value, so it stays as it is.")
    for job in jobs:
        if job.id not in places:
            why = "somebody else decided on its nice value"
            comment = marks.without_nice(job.comment)
            change = Change("forget", f"job {job.id}", "marked as put back", "not marked", why, (job.id,), comment)
            found.changes.append(change)


def _extras(jobs: t.Sequence[JobInputs], places: t.Mapping[str, _Place], found: Difference) -> dict[str, int]:
    """Job -> what is added to the nice value that it had."""
    exact: dict[_Place, list[JobInputs]] = {}
    coarse: dict[bool, list[JobInputs]] = {}
    for job in jobs:
        if job.id in places:
            exact.setdefault(places[job.id], []).append(job)
            coarse.setdefault(places[job.id] == _REFUSED, []).append(job)
    extras = _least([exact[place] for place in sorted(exact)])
    if extras is not None:
        return extras
    extras = _least([coarse[refused] for refused in sorted(coarse)])
    if extras is not None:
        found.notes.append("The jobs' priorities leave no room for an order among those that have a place in the plan.")
        return extras
    why = "the priorities of those that come first are too low to put others behind them"
    found.refused.append(NotDone("order", "the waiting jobs", why))
    return {}


def _least(groups: _Groups) -> dict[str, int] | None:
    """As below. What is there stays where it is enough: priorities change all the time."""
    extras = _behind(groups, True)
    return _behind(groups, False) if extras is None else extras


def _behind(groups: _Groups, stays: bool) -> dict[str, int] | None:
    """What puts each group behind all groups before it; None if their priorities leave no room for that.

    Additions are powers of two where they fit, so that there are few of them and that they last.
    """
    extras: dict[str, int] = {}
    lowest: int | None = None
    for number, group in enumerate(groups):
        own = [_own(job) for job in group]
        need = 0 if lowest is None else max(0, max(own) - lowest + 1)
        present = {job.nice - _before(job) for job in group}
        extra = min(present) if stays and len(present) == 1 else -1
        most = LONGEST_NICE - max(_before(job) for job in group)
        if not need:
            extra = 0
        elif need > most:
            return None
        elif extra < need:
            extra = min(1 << need.bit_length(), most)
        extras.update(dict.fromkeys([job.id for job in group], extra))
        lowest = min(own) - extra if lowest is None else min(lowest, min(own) - extra)
        if lowest <= _FLOOR and number + 1 < len(groups):
            return None
    return extras


def _before(job: JobInputs) -> int:
    """The nice value of a job without us."""
    mark = marks.nice_of(job.comment)
    return job.nice if mark is None else mark.before


def _own(job: JobInputs) -> int:
    """The priority of a job without us; the last that is known where Slurm does not tell.

    It may take Slurm minutes to take a new nice value into account, and it cuts priorities off below.
    """
    mark = marks.nice_of(job.comment)
    if mark is None:
        return job.priority
    known = job.priority != mark.shown and job.priority > _FLOOR
    return job.priority + mark.after - mark.before if known else mark.own


def _set(job: JobInputs, extra: int, place: _Place | None, found: Difference) -> None:
    before = _before(job)
    nice = before + extra
    if nice == job.nice:
        return
    if nice < job.nice:
        kind = "lower_nice"
        why = "less is enough to keep it behind others" if extra else "the plan puts it behind no others"
        if place is None:
            why = "the policy sets no order, or the plan does not know it"
    else:
        kind = "raise_nice"
        why = "the plan has no place for it" if place == _REFUSED else "the plan puts it behind others"
    comment = marks.without_nice(job.comment)
    if extra:
        comment = marks.with_nice(comment, marks.NiceMark(before, nice, job.priority, _own(job)))
    thing = f"job {job.id}"
    change = Change(kind, thing, f"nice {job.nice}", f"nice {nice}", why, (job.id,), str(nice), comment=comment)
    found.changes.append(change)

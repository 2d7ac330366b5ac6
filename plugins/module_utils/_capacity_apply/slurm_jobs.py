# What has to change about the jobs of Slurm: holds, releases, requeues. Holds of others are never touched.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import marks
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
    some,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import JobInputs, SlurmNow

PREFIX = "job/"
"""What the names of workloads begin with that are jobs of Slurm."""

# A job whose nodes do not all hold the same is several workloads.
_PART = re.compile(r"/part[0-9]+\Z")


def jobs_by_workload(now: SlurmNow, names: t.Iterable[str]) -> dict[str, JobInputs]:
    """Those of the workloads that are jobs and still there; by the number of the job, or of the array and its tasks."""
    known = {f"{PREFIX}{job.array_id}": job for job in now.jobs.values()}
    known.update({f"{PREFIX}{job.id}": job for job in now.jobs.values()})
    found = {name: known.get(_PART.sub("", name)) for name in names}
    return {name: job for name, job in found.items() if job is not None}


def job_changes(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> None:
    """Add what has to change about jobs."""
    asked = {*wanted.copies, *wanted.refused}
    here = jobs_by_workload(now, asked)
    gone = [name for name in asked if name.startswith(PREFIX) and name not in here]
    if gone:
        found.notes.append(f"No longer there, so nothing is done about them: {some(gone)}.")
    placed = {job.id for name, job in here.items() if name in wanted.copies}
    unwanted = {here[name].id: why for name, why in wanted.refused.items() if name in here}
    unwanted = {number: why for number, why in unwanted.items() if number not in placed}
    _holds(now, policy, unwanted, placed, found)
    left = []
    seen: set[str] = set()
    for name in sorted(wanted.copies):
        job = here.get(name)
        if job is None or not job.running or job.id in seen:
            continue
        seen.add(job.id)
        astray = set(job.nodes) - wanted.nodes_of(wanted.works[name].project)
        if not astray or marks.was_requeued(job.comment, wanted.mark, job.restarts):
            continue
        if policy.requeue:
            _requeue(wanted, name, job, astray, found)
        else:
            left.append(name)
    if left:
        found.notes.append(f"Not where the plan puts them: {some(left)}; policy.requeue is off, so they go on there.")


def _holds(
    now: SlurmNow, policy: ApplyPolicy, unwanted: t.Mapping[str, str], placed: t.Container[str], found: Difference
) -> None:
    spared = []
    # A change of an array's waiting tasks is one of those that run, too.
    held = {array_of(job) for job in now.jobs.values() if job.held and marks.has_hold(job.comment)}
    for job in now.jobs.values():
        thing = f"job {job.id}"
        ours = marks.has_hold(job.comment)
        hold = job.pending and job.id in unwanted
        if hold and policy.hold:
            if ours and not job.held:
                found.notes.append(f"{thing}: we held it and somebody released it, so it is not held again.")
            elif not job.held:
                why = f"the plan has no place for it: {unwanted[job.id]:.200}"
                change = Change("hold", thing, "waits", "held", why, (job.id,), marks.with_hold(job.comment))
                found.changes.append(change)
            continue
        if hold and not job.held:
            spared.append(thing)
        if not ours:
            continue
        comment = marks.without(job.comment)
        if job.held and job.reason == "JobHeldUser":
            found.notes.append(f"{thing}: its owner holds it, so it is not released.")
        elif job.held:
            why = "the policy holds no jobs" if hold else "the plan has a place for it"
            if not hold and job.id not in placed:
                why = "the plan does not refuse it"
            found.changes.append(Change("release", thing, "held", "waits", why, (job.id,), comment))
        elif array_of(job) not in held:
            why = "it is not held any more"
            found.changes.append(Change("forget", thing, "marked as held", "not marked", why, (job.id,), comment))
    if spared:
        found.notes.append(f"The plan has no place for {some(spared)}; policy.hold is off, so they wait on.")


def array_of(job: JobInputs) -> str:
    """The number of the job, or of the array that it is a task of."""
    return job.array_id.partition("_")[0]


def _requeue(wanted: Wanted, name: str, job: JobInputs, astray: set[str], found: Difference) -> None:
    work = wanted.works[name]
    thing = f"job {job.id}"
    if not work.preemptible or not work.may_move:
        found.refused.append(NotDone("requeue", thing, "it must not be interrupted, or not be moved"))
    elif not job.can_requeue:
        found.refused.append(NotDone("requeue", thing, "it was submitted without --requeue, or is no batch job"))
    else:
        where = sorted(wanted.nodes_of(work.project))
        found.changes.append(
            Change(
                "requeue",
                thing,
                f"runs on {compress(job.nodes)}",
                f"waits for {compress(where)}",
                f"the plan has no work of {work.project or 'no project'} on {some(astray)}",
                (job.id,),
                marks.with_requeue(job.comment, wanted.mark, job.restarts),
                out=job.nodes,
            )
        )

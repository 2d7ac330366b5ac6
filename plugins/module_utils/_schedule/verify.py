# An independent check of a schedule: own arithmetic, nothing of what made it but the times read.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule is checked at every moment at which something starts. A schedule that breaks one is never returned."""

from __future__ import annotations

import collections
import typing as t

from .._capacity.verify import unsuited

if t.TYPE_CHECKING:
    from .._capacity.model import Node, Workload
    from .model import Job, Run, Timed

SLACK_WATTS = 1e-6
# Runs that begin or end at one moment.
Moments = t.Iterator[t.Tuple[int, t.List["Run"], t.List["Run"]]]


def broken_rules(timed: Timed, runs: t.Sequence[Run]) -> list[str]:
    """What is wrong with these runs; an empty list if nothing is."""
    problem = timed.problem
    nodes = {node.name: node for node in problem.nodes}
    jobs = {job.work.name: job for job in timed.jobs}
    usable = {node.name for node in timed.nodes}
    wrong: list[str] = []
    good: list[Run] = []
    for run in runs:
        if run.workload not in jobs:
            wrong.append(f"{run.workload}: no such workload")
        elif run.node not in nodes:
            wrong.append(f"{run.workload}: no node {run.node}")
        else:
            good.append(run)
            if run.node not in usable:
                wrong.append(f"{run.node}: out of service or left free, and holds {run.workload}")
    by_node: dict[str, list[Run]] = collections.defaultdict(list)
    by_work: dict[str, list[Run]] = collections.defaultdict(list)
    for run in good:
        by_node[run.node].append(run)
        by_work[run.workload].append(run)
    for name, some in by_node.items():
        wrong += _node(nodes[name], some, jobs)
        for window in timed.windows.get(name, ()):
            wrong += [
                f"{name}: {run.workload} runs in the window from {window.start} to {window.end}"
                for run in some
                if run.start < window.end and run.end > window.start
            ]
    for name, some in by_work.items():
        wrong += _times(jobs[name], some, by_work, jobs)
        wrong += _together(jobs[name].work, some, nodes)
    wrong += _shared(timed, good, nodes, jobs)
    return wrong


def _moments(runs: t.Sequence[Run]) -> Moments:
    """Each moment with what ends and what begins then; what ends goes first."""
    begins: dict[int, list[Run]] = collections.defaultdict(list)
    finish: dict[int, list[Run]] = collections.defaultdict(list)
    for run in runs:
        begins[run.start].append(run)
        finish[run.end].append(run)
    for moment in sorted({*begins, *finish}):
        yield moment, finish.get(moment, []), begins.get(moment, [])


def _node(node: Node, runs: t.Sequence[Run], jobs: t.Mapping[str, Job]) -> t.Iterator[str]:
    """Room and GPUs of one node at every moment."""
    room = {"cpu_milli": node.cpu_milli, "memory_mib": node.memory_mib, "network_mbit": node.network_mbit}
    used = dict.fromkeys(room, 0)
    gpu: dict[int, int] = collections.defaultdict(int)
    waited: collections.Counter[tuple[int, bool]] = collections.Counter()
    for run in runs:
        yield from unsuited(node, jobs[run.workload].work, run.gpus)
    for moment, ended, begun in _moments(runs):
        for sign, some in ((-1, ended), (1, begun)):
            for run in some:
                work = jobs[run.workload].work
                for need in used:
                    used[need] += sign * getattr(work, need)
                for one in run.gpus:
                    gpu[one] += sign * work.gpu_share_milli
                    if work.gpu_share_milli < 1000 and not work.mig_profile:
                        waited[one, work.latency_class == "interactive"] += sign
        for need, most in room.items():
            if used[need] > most:
                yield f"{node.name}: {need} {used[need]} of {most} at {moment}"
        for one, share in gpu.items():
            if share > 1000:
                yield f"{node.name}: GPU {one} is used to {share} of 1000 at {moment}"
            if waited[one, True] and waited[one, False]:
                yield f"{node.name}: GPU {one} is shared by interactive and other work at {moment}"


def _times(
    job: Job, runs: t.Sequence[Run], by_work: t.Mapping[str, t.Sequence[Run]], jobs: t.Mapping[str, Job]
) -> t.Iterator[str]:
    """Arrival, duration, copies, gang and what has to end before."""
    work = job.work
    if len(runs) > work.copies:
        yield f"{work.name}: {len(runs)} copies of {work.copies}"
    if work.gang and (len(runs) != work.copies or len({run.start for run in runs}) > 1):
        yield f"{work.name}: {work.copies} copies of a gang do not start together"
    stays = collections.Counter(work.running_on)
    for run in runs:
        if run.end - run.start != job.duration and not (job.endless and run.end == job.duration):
            yield f"{work.name}: runs from {run.start} to {run.end}, and takes {job.duration} s"
        if run.start < max(0, job.arrival):
            yield f"{work.name}: starts at {run.start}, before it arrives"
        if run.start == 0 and stays[run.node]:
            stays[run.node] -= 1
            continue
        for name in work.after:
            before = by_work.get(name, ())
            if len(before) < jobs[name].work.copies or max(one.end for one in before) > run.start:
                yield f"{work.name}: starts at {run.start}, before {name} ended"


def _together(work: Workload, runs: t.Sequence[Run], nodes: t.Mapping[str, Node]) -> t.Iterator[str]:
    """Locality of gangs, and spread of what runs at the same time."""
    if work.gang and work.locality != "any":
        domains = {nodes[run.node].domain(work.locality) for run in runs}
        if len(domains) > 1:
            yield f"{work.name}: in more than one {work.locality} domain"
    if not work.most_per_node and not work.most_per_rack:
        return
    per_node: collections.Counter[str] = collections.Counter()
    per_rack: collections.Counter[str] = collections.Counter()
    for moment, ended, begun in _moments(runs):
        for sign, some in ((-1, ended), (1, begun)):
            for run in some:
                per_node[run.node] += sign
                per_rack[nodes[run.node].rack] += sign
        if work.most_per_node and max(per_node.values()) > work.most_per_node:
            yield f"{work.name}: more than {work.most_per_node} copies on a node at {moment}"
        if work.most_per_rack and max(per_rack.values()) > work.most_per_rack:
            yield f"{work.name}: more than {work.most_per_rack} copies in a rack at {moment}"


def _shared(
    timed: Timed, runs: t.Sequence[Run], nodes: t.Mapping[str, Node], jobs: t.Mapping[str, Job]
) -> t.Iterator[str]:
    """Quotas of projects and ceilings of power at every moment."""
    quotas = {one.name: one.quota_gpu_milli for one in timed.problem.projects if one.quota_gpu_milli is not None}
    feeds = {feed.name: feed.limit_watts for feed in timed.problem.feeds}
    limit = timed.problem.policy.limit_watts
    gpu: dict[str, int] = collections.defaultdict(int)
    watts: dict[str, float] = collections.defaultdict(float)
    held: collections.Counter[str] = collections.Counter()
    for moment, ended, begun in _moments(runs):
        for sign, some in ((-1, ended), (1, begun)):
            for run in some:
                work, node = jobs[run.workload].work, nodes[run.node]
                gpu[work.project] += sign * work.gpus * work.gpu_share_milli
                held[node.name] += sign
                if held[node.name] == (1 if sign > 0 else 0):
                    watts[node.feed] += sign * node.idle_watts
                watts[node.feed] += sign * work.gpus * work.gpu_share_milli * node.gpu_watts / 1000
                watts[node.feed] += sign * work.cpu_milli * node.core_watts / 1000
        for name, quota in quotas.items():
            if gpu[name] > quota:
                yield f"project {name}: {gpu[name]} of {quota} thousandths of a GPU at {moment}"
        for name, most in feeds.items():
            if watts[name] > most + SLACK_WATTS:
                yield f"feed {name}: {watts[name]:.0f} of {most:.0f} W at {moment}"
        if limit is not None and sum(watts.values()) > limit + SLACK_WATTS:
            yield f"all nodes: {sum(watts.values()):.0f} of {limit:.0f} W at {moment}"

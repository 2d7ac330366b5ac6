# Slurm's nodes and jobs as rows of a capacity problem.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's copies are its nodes. What runs keeps its place: Slurm moves no running job. What a problem has no word for
(which nodes of a model a job may use, GPUs of two models on one node) is said in the notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity.mig import is_profile
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.durations import expected_hours, usual_parts
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import UNKNOWN, word
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.room import make_room
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.slurm_jobs import Job, Part, parse_jobs
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import engine_node
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import PREFIX
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_json import SlurmNode, parse
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

MOST_TASKS = 100
"""So many tasks of an array whose tasks take several nodes are planned one by one."""

MOST_PRIORITIES = 10
"""Slurm's priorities are numbers up to four thousand million; the planner takes them one after the other."""

# A node that Slurm itself has switched off to save power is started again when work comes.
_SAVES_POWER = frozenset({"power_down", "powered_down", "powering_down", "powering_up", "power_up"})
_KEPT_AWAY = frozenset({"maintenance", "maint"})
# A job that is over time but not over yet.
_SHORTLY = 0.01


def read(nodes: str, jobs: str, accounting: str = "", now: float = 0.0) -> EngineState:
    """The state in C(scontrol show nodes --json), C(squeue --json) and the lines of sacct ("" for none).

    ``now`` is in seconds since 1970. EngineError if an answer is malformed, or tells of an error.
    """
    return _Reading(parse(nodes), parse_jobs(jobs), usual_parts(accounting), now).state()


class _Reading:
    """One reading, while rows are made of it."""

    def __init__(self, nodes: Sequence[SlurmNode], jobs: Sequence[Job], usual: Mapping[str, float], now: float) -> None:
        self._nodes = {one.node.name: one for one in sorted(nodes, key=lambda one: one.node.name)}
        self._jobs = sorted(jobs, key=lambda job: job.id)
        self._usual = usual
        self._now = now
        self._remarks = Remarks()
        self._rows = {name: self._node_row(one) for name, one in self._nodes.items()}
        self._eligible: dict[tuple[str, str], frozenset[str]] = {}

    def state(self) -> EngineState:
        workloads: list[dict[str, Any]] = []
        handles = {}
        in_arrays = Counter(job.array for job in self._jobs if job.runs and job.array)
        for job in self._jobs:
            if self._waits_for_more_than_room(job):
                continue
            for name, row in self._job_rows(job, in_arrays[job.array]):
                workloads.append({"name": name, **row})
                handles[name] = _handle(job, row)
        self._link(workloads)
        self._even_out_priorities(workloads)
        make_room(self._rows, workloads, self._remarks)
        workloads.sort(key=lambda row: str(row["name"]))
        return EngineState(
            "slurm",
            list(self._rows.values()),
            workloads,
            handles,
            {name: _node_handle(one) for name, one in self._nodes.items()},
            self._remarks.sentences(),
        )

    def _node_row(self, one: SlurmNode) -> dict[str, Any]:
        name = one.node.name
        if not one.usable_cpus or one.usable_memory_mib is None:
            raise EngineError(f"Slurm's answer does not tell the processors and the memory of node {name}")
        models: Counter[str] = Counter()
        for kind, count in one.gpus.items():
            models[_model(kind)] += count
        # Equal counts: by name, so that the same fleet is always the same problem.
        model, count = min(models.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        if len(models) > 1:
            self._remarks.add("have GPUs of two models, of which only the more numerous are planned", "node", name)
        if one.reservation:
            self._remarks.add("are in a reservation and are planned as if they were not", "node", name)
        row: dict[str, Any] = {
            "name": name,
            "cpu_milli": one.usable_cpus * 1000,
            "memory_mib": one.usable_memory_mib,
            "in_service": _in_service(one),
        }
        return {**row, "gpus": count, "gpu_model": model} if count else row

    def _waits_for_more_than_room(self, job: Job) -> bool:
        if job.runs:
            return False
        number = str(job.id)
        if job.held:
            self._remarks.add("are held and not planned", "job", number)
        elif job.eligible_at > self._now and job.reason == "BeginTime":
            self._remarks.add("may begin later only and are not planned", "job", number)
        else:
            return False
        return True

    def _job_rows(self, job: Job, tasks_that_run: int) -> list[tuple[str, dict[str, Any]]]:
        """The rows of one job with their names. Equal nodes of a job that runs are one row."""
        number = str(job.id)
        parts = list(job.parts)
        if job.runs:
            unknown = [part.node for part in parts if part.node not in self._rows]
            if unknown:
                raise EngineError(f"Job {job.id} runs on {', '.join(unknown[:3])}, which Slurm does not name as a node")
            parts = [part for part in parts if self._rows[part.node]["in_service"]]
            if len(parts) < len(job.parts):
                self._remarks.add(
                    "run on nodes that take no new work; what they have there is not planned", "job", number
                )
        elif job.shares:
            self._remarks.add("want shards of GPUs, which are not planned", "job", number)
        if job.part_of:
            self._remarks.add("belong to jobs of several parts, each of which is planned alone", "job", number)
        if job.named_nodes and not job.runs:
            self._remarks.add("name nodes that they want or do not want, which is not planned", "job", number)
        groups: dict[Part, list[str]] = {}
        for part in parts:
            groups.setdefault(Part("", part.cpus, part.memory_mib, part.gpus), []).append(part.node)
        if not job.runs:
            groups = self._spread(job, groups)
        rows: list[tuple[str, dict[str, Any]]] = []
        for part, names in groups.items():
            row = self._row(job, part, names)
            if row is not None:
                rows.append((f"job/{job.id}" + (f"/part{len(rows) + 1}" if rows else ""), row))
        return rows if job.runs else self._tasks(job, rows, tasks_that_run)

    def _spread(self, job: Job, groups: dict[Part, list[str]]) -> dict[Part, list[str]]:
        """A job that only says how many GPUs it wants in all gets as many nodes as that takes."""
        ((part, names),) = groups.items()
        total = sum(count for _kind, count in job.total_gpus)
        models = {_model(kind) for kind, _count in job.total_gpus} - {UNKNOWN}
        sizes = [
            row["gpus"] for row in self._rows.values() if row.get("gpus") and (row["gpu_model"] in models or not models)
        ]
        each = sum(count for _kind, count in part.gpus)
        if not total or not sizes or len(part.gpus) > 1 or each <= max(sizes):
            return groups
        nodes = -(-total // max(sizes))
        self._remarks.add(
            "want more GPUs in all than a node has, and were given as few nodes as that takes", "job", str(job.id)
        )
        each = -(-total // nodes)
        smaller = Part(
            "",
            -(-part.cpus * len(names) // nodes),
            -(-part.memory_mib * len(names) // nodes),
            ((part.gpus[0][0], each),),
        )
        return {smaller: [""] * nodes}

    def _row(self, job: Job, part: Part, names: Sequence[str]) -> dict[str, Any] | None:
        """The row of equal nodes of a job; None if no node could ever hold it, which is noted."""
        number = str(job.id)
        gpus = sum(count for _kind, count in part.gpus)
        row: dict[str, Any] = {
            "copies": len(names),
            "cpu_milli": part.cpus * 1000,
            "memory_mib": part.memory_mib,
            "gpus": gpus,
            "gang": len(names) > 1,
            "priority": job.priority,
        }
        if job.account:
            row["project"] = job.account
        if job.wckey:
            row["workload_class"] = job.wckey
        wanted = {_model(kind) for kind, _count in part.gpus} - {UNKNOWN}
        if job.runs:
            here = {self._rows[name].get("gpu_model", "") for name in names}
            if gpus and not (wanted <= here and len(here) == 1):
                self._remarks.add("have GPUs of another model than the rest of their node", "job", number)
            left = max(_SHORTLY, (job.end_at - self._now) / 3600) if job.end_at and job.limit_minutes else 0.0
            row.update(running_on=sorted(names), may_move=False, preemptible=False, duration_hours=round(left, 4))
        else:
            row["duration_hours"] = expected_hours(job.limit_minutes, job.account, self._usual)
            if len(wanted) > 1:
                self._remarks.add("want GPUs of several models on one node and are not planned", "job", number)
                return None
            models = self._models(job, wanted, gpus)
            if models is None:
                self._remarks.add("want what no node has and are not planned", "job", number)
                return None
            if models:
                row["gpu_models"] = models
        if job.deadline_at:
            row["deadline_hours"] = round(max(_SHORTLY, (job.deadline_at - self._now) / 3600), 4)
        if job.whole_nodes:
            self._take_whole_nodes(job, row, names)
        return row

    def _take_whole_nodes(self, job: Job, row: dict[str, Any], names: Sequence[str]) -> None:
        """All processors, so that nothing else fits beside it."""
        pool = names if job.runs else self._nodes_of(job)
        sizes = [self._rows[name]["cpu_milli"] for name in pool if self._rows[name].get("gpus", 0) >= row["gpus"]]
        row["cpu_milli"] = max(row["cpu_milli"], min(sizes, default=0))
        self._remarks.add("have whole nodes for themselves; all processors of a node were counted", "job", str(job.id))

    def _models(self, job: Job, wanted: set[str], gpus: int) -> list[str] | None:
        """The GPU models that will do, empty for any; None if there is no node for the job."""
        nodes = self._nodes_of(job)
        known = {row["gpu_model"] for row in self._rows.values() if row.get("gpus")}
        if not nodes:
            return None
        if not gpus:
            if len(nodes) < len(self._rows):
                self._remarks.add(
                    "may use a part of the nodes only (partition, features), which is not planned", "job", str(job.id)
                )
            return []
        # A type that no node has yet may be among what can be bought.
        allowed = {self._rows[name]["gpu_model"] for name in nodes if self._rows[name].get("gpus")}
        allowed = allowed & wanted if wanted & known else wanted or allowed
        if not allowed:
            return None
        alike = {name for name, row in self._rows.items() if row.get("gpu_model") in allowed}
        if alike - nodes:
            self._remarks.add(
                "may use a part of the nodes with their GPU model only (partition, features), which is not planned",
                "job",
                str(job.id),
            )
        return [] if not wanted and allowed == known else sorted(allowed)

    def _nodes_of(self, job: Job) -> frozenset[str]:
        """The nodes that partition and features allow."""
        key = (job.partition, job.features)
        if key not in self._eligible:
            partitions = set(filter(None, job.partition.split(",")))
            self._eligible[key] = frozenset(
                name
                for name, one in self._nodes.items()
                if (not partitions or partitions & set(one.partitions)) and _has(one.features, job.features)
            )
        if _is_complicated(job.features):
            self._remarks.add("have an expression of features that is not understood", "job", str(job.id))
        return self._eligible[key]

    def _tasks(
        self, job: Job, rows: list[tuple[str, dict[str, Any]]], running: int
    ) -> list[tuple[str, dict[str, Any]]]:
        """The tasks of an array that may start: copies of one row, or rows where each takes several nodes."""
        count = job.tasks if not job.at_once else min(job.tasks, max(0, job.at_once - running))
        if not rows or job.tasks == 1:
            return rows
        if not count:
            self._remarks.add("are arrays that run as many tasks as they may", "job", str(job.id))
            return []
        ((name, row),) = rows
        if row["copies"] == 1:
            return [(name, {**row, "copies": count})]
        if count > MOST_TASKS:
            self._remarks.add(f"are arrays of which {MOST_TASKS} tasks are planned", "job", str(job.id))
        more = range(2, min(count, MOST_TASKS) + 1)
        return [(name, row), *((f"{name}/task{number}", dict(row)) for number in more)]

    def _link(self, workloads: Sequence[dict[str, Any]]) -> None:
        """Jobs that wait for others wait for their rows; those that have ended are waited for no longer."""
        names: dict[int, list[str]] = {}
        for row in workloads:
            names.setdefault(int(row["name"].split("/")[1]), []).append(row["name"])
        waits = {job.id: job.after for job in self._jobs if job.after and not job.runs}
        for row in workloads:
            own = int(row["name"].split("/")[1])
            after = sorted({name for other in waits.get(own, ()) if other != own for name in names.get(other, ())})
            if after:
                row["after"] = after

    def _even_out_priorities(self, workloads: Sequence[dict[str, Any]]) -> None:
        levels = sorted({row["priority"] for row in workloads})
        if len(levels) <= MOST_PRIORITIES:
            return
        level = {value: 1 + place * MOST_PRIORITIES // len(levels) for place, value in enumerate(levels)}
        for row in workloads:
            row["priority"] = level[row["priority"]]
        self._remarks.say(f"{len(levels)} priorities of jobs were made {MOST_PRIORITIES} levels, in the same order.")


def _model(kind: str) -> str:
    """The model of a type of Slurm's GPUs. A type that is a MIG profile stays one, as if it were a model."""
    if kind == "gpu":
        return UNKNOWN
    last = kind.lower().replace("_", " ").split()[-1]
    return kind.lower() if is_profile(last.partition("+")[0]) else word(kind)


def _in_service(one: SlurmNode) -> bool:
    states = [state for state in one.node.states if state not in _SAVES_POWER]
    if _KEPT_AWAY & set(states):
        return False
    return not engine_node(one.node.name, "+".join(states) or "idle", one.node.reason).out


def _has(features: Sequence[str], wanted: str) -> bool:
    """Whether a node with these features will do. Those of a plan bind nothing: they follow from what asks for them."""
    if not wanted or _is_complicated(wanted):
        return True
    words = wanted.split("|") if "|" in wanted else wanted.replace("&", ",").split(",")
    present = [word in features or word.startswith(PREFIX) for word in words]
    return any(present) if "|" in wanted else all(present)


def _is_complicated(wanted: str) -> bool:
    return any(sign in wanted for sign in "[]()*!") or ("|" in wanted and ("&" in wanted or "," in wanted))


def _handle(job: Job, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "job",
        "id": str(job.id),
        "name": job.name,
        "namespace": "",
        "account": job.account,
        "project": job.account,
        "partition": job.partition,
        "state": "running" if job.runs else "pending",
        "replicas": row["copies"],
        "user": job.user,
        "can_requeue": job.can_requeue,
        "reservation": job.reservation,
        "features": job.features,
    }


def _node_handle(one: SlurmNode) -> dict[str, Any]:
    return {
        "states": list(one.node.states),
        "reason": one.node.reason,
        "partitions": list(one.partitions),
        "features": list(one.features),
        "weight": one.weight,
        "reservation": one.reservation,
        "gres": dict(one.gpus),
    }

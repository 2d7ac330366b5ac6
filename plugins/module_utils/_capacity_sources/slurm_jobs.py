# Slurm's jobs in its own JSON: what each asks for and where it runs, across releases.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""22.05 has plain numbers, null for what is endless, and 4294967294 for what is not set; later releases have
C({"set": true, "infinite": false, "number": 1}). States are a word or a list of words.

What a running job has stands in C(gres_detail), one text for each of its nodes, whatever the site accounts for.
C(tres_req_str) and C(tres_alloc_str) only name GPUs where the site accounts for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.slurm_tres import Gpus, gpus, per_gpu, shared
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import expand
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_json import rows
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

HELD_BY_US = "aidc.ops:plan_hold"
"""Word in the administrators' comment of a job that waits because a plan of ours has no place for it."""

_NICE_OF_OURS = re.compile(r"aidc\.ops:plan_nice=([0-9]{1,10})\.([0-9]{1,10})\.([0-9]{1,10})\.([0-9]{1,10})")
"""Word there: nice value before us and after us, the priority that Slurm told then, and the one without us."""

_NOT_SET = 4294967294
_RUNS = frozenset(
    {"RUNNING", "SUSPENDED", "STOPPED", "COMPLETING", "CONFIGURING", "SIGNALING", "STAGE_OUT", "RESIZING"}
)
_TASKS = re.compile(r"(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9})(?::(?P<step>[0-9]{1,9}))?)?")


@dataclass(frozen=True)
class Part:
    """What a job has or wants on one node."""

    node: str
    cpus: int
    memory_mib: int
    gpus: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Job:
    """A job that runs or waits.

    ``parts`` is one for each node; those of a job that waits have no name. ``end_at``, ``deadline_at`` and
    ``eligible_at`` are seconds since 1970, 0 for none. ``limit_minutes`` None is no limit. ``tasks``: how many jobs of
    this kind the array ``array`` still has to start, and ``at_once`` how many may run at the same time (0: all).
    ``shares``: it wants parts of GPUs. ``named_nodes``: it names nodes that it wants or does not want. ``part_of``: the
    job of several parts that it belongs to, 0 for none. ``wckey``: its workload characterization key, also where it
    is the usual one of its user.
    """

    id: int
    name: str
    user: str
    account: str
    partition: str
    runs: bool
    parts: tuple[Part, ...]
    total_gpus: tuple[tuple[str, int], ...]
    priority: int
    held: bool
    reason: str
    limit_minutes: int | None
    end_at: int
    deadline_at: int
    eligible_at: int
    features: str
    can_requeue: bool
    after: tuple[int, ...]
    reservation: str
    array: int
    tasks: int
    at_once: int
    shares: bool
    whole_nodes: bool
    named_nodes: bool
    part_of: int
    wckey: str


def parse_jobs(text: str) -> list[Job]:
    """The jobs of an answer that run or wait. EngineError if it is malformed, or tells of an error."""
    found = []
    seen = set()
    for row in rows(text, "jobs"):
        fields = _Fields(row)
        states = fields.words("job_state")
        if not states:
            raise fields.malformed("job_state")
        runs = states[0] in _RUNS
        # A node that still cleans up after a job is not free, whatever became of the job.
        if not runs and states[0] != "PENDING" and "COMPLETING" not in states:
            continue
        if fields.id in seen:
            raise EngineError(f"Slurm's answer has the job {fields.id} twice")
        seen.add(fields.id)
        found.append(_job(fields, runs or states[0] != "PENDING"))
    return found


class _Fields:
    """One job of the answer, whose values are read with the job's number in every complaint."""

    def __init__(self, row: Any) -> None:
        self._row: Mapping[str, Any] = row if isinstance(row, dict) else {}
        number = self._row.get("job_id")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < _NOT_SET:
            raise EngineError(f"Slurm's answer has an entry that is no job: {str(row)[:100]!r}")
        self.id = number

    def malformed(self, key: str) -> EngineError:
        return EngineError(f"Slurm's answer is malformed: {key} of job {self.id} is {str(self._row.get(key))[:100]!r}")

    def raw(self, key: str) -> Any:
        return self._row.get(key)

    def number(self, key: str) -> int | None:
        """None for what is endless, not set or not there."""
        value = self._row.get(key)
        if isinstance(value, dict):
            value = value.get("number") if value.get("set") and not value.get("infinite") else None
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.malformed(key)
        return value if 0 <= value < _NOT_SET else None

    def text(self, key: str) -> str:
        value = self._row.get(key)
        if value is not None and not isinstance(value, str):
            raise self.malformed(key)
        return value or ""

    def words(self, key: str) -> list[str]:
        value = self._row.get(key)
        words = [value] if isinstance(value, str) else value or []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self.malformed(key)
        return words

    def gpus(self, key: str) -> Gpus:
        try:
            return gpus(self.text(key))
        except ValueError as error:
            raise self.malformed(key) from error


def _job(fields: _Fields, runs: bool) -> Job:
    asked = _asked_gpus(fields)
    names = expand(fields.text("nodes")) if runs else []
    runs = runs and bool(names)
    parts = _running_parts(fields, names, asked) if runs else _pending_parts(fields, asked)
    wanted = ",".join(fields.text(key) for key in ("tres_per_job", "tres_per_node", "tres_per_task"))
    tasks, at_once = (1, 0) if runs else _tasks(fields)
    reason = fields.text("state_reason")
    return Job(
        id=fields.id,
        name=fields.text("name"),
        user=fields.text("user_name"),
        account=fields.text("account"),
        partition=fields.text("partition"),
        runs=runs,
        parts=parts,
        total_gpus=tuple(sorted(asked["job"].items())),
        priority=_priority(fields),
        held=not runs and (fields.number("priority") == 0 or "Held" in reason) and not _we_hold(fields),
        reason=reason,
        limit_minutes=fields.number("time_limit"),
        end_at=fields.number("end_time") or 0,
        deadline_at=fields.number("deadline") or 0,
        eligible_at=fields.number("eligible_time") or 0,
        features=fields.text("features"),
        can_requeue=fields.raw("requeue") is True and fields.raw("batch_flag") is True,
        after=tuple(sorted({int(number) for number in re.findall(r":([0-9]{1,10})", fields.text("dependency"))})),
        reservation=fields.text("resv_name"),
        array=fields.number("array_job_id") or 0,
        tasks=tasks,
        at_once=at_once,
        shares=shared(wanted),
        whole_nodes=fields.words("shared")[:1] == ["none"] or "true" in fields.words("exclusive"),
        named_nodes=bool(fields.raw("required_nodes") or fields.raw("excluded_nodes")),
        part_of=fields.number("het_job_id") or 0,
        # Slurm marks a key that the user did not give with a star.
        wckey=fields.text("wckey").lstrip("*"),
    )


def _priority(fields: _Fields) -> int:
    """As it would be if no plan of ours had put the job behind others: an order must not confirm itself."""
    priority = fields.number("priority") or 0
    for word in fields.text("admin_comment").split(" "):
        match = _NICE_OF_OURS.fullmatch(word)
        if match is not None and priority:
            before, after, shown, own = map(int, match.groups())
            # Slurm takes minutes to count anew, and leaves 2 of a priority that would be less.
            return priority + after - before if priority != shown and priority > 2 else own
    return priority


def _we_hold(fields: _Fields) -> bool:
    """Whether a plan of ours holds it: then it still asks for capacity."""
    return HELD_BY_US in fields.text("admin_comment").split(" ")


def _asked_gpus(fields: _Fields) -> dict[str, Gpus]:
    """The GPUs that are asked for: of each node, and of the whole job where only that is said."""
    nodes = fields.number("node_count") or 1
    each = fields.gpus("tres_per_node")
    if not each:
        sockets = fields.number("sockets_per_node") or 1
        each = {kind: count * sockets for kind, count in fields.gpus("tres_per_socket").items()}
    if each:
        return {"node": each, "job": {}}
    tasks = fields.number("tasks") or nodes
    whole = {kind: count * tasks for kind, count in fields.gpus("tres_per_task").items()}
    whole = whole or fields.gpus("tres_per_job") or fields.gpus("tres_req_str")
    return {"node": {kind: -(-count // nodes) for kind, count in whole.items()}, "job": whole}


def _running_parts(fields: _Fields, names: list[str], asked: dict[str, Gpus]) -> tuple[Part, ...]:
    details = fields.words("gres_detail")
    if len(details) == len(names):
        try:
            held = [gpus(detail) for detail in details]
        except ValueError as error:
            raise fields.malformed("gres_detail") from error
    else:
        held = [_even(fields.gpus("tres_alloc_str") or asked["job"], len(names)) or asked["node"] for _name in names]
    exact = _allocation(fields)
    # In the end a job has no fewer processors than it asked for.
    each = -(-(fields.number("cpus") or len(names)) // len(names))
    parts = []
    for name, own in zip(names, held):
        cpus, memory = exact.get(name, (0, 0))
        memory = memory or _memory(fields, cpus or each, sum(own.values()))
        parts.append(Part(name, cpus or each, memory, tuple(sorted(own.items()))))
    return tuple(parts)


def _pending_parts(fields: _Fields, asked: dict[str, Gpus]) -> tuple[Part, ...]:
    nodes = fields.number("node_count") or 1
    count = sum(asked["node"].values())
    cpus = max(-(-(fields.number("cpus") or nodes) // nodes), count * per_gpu(fields.text("cpus_per_tres")))
    part = Part("", cpus, _memory(fields, cpus, count), tuple(sorted(asked["node"].items())))
    return (part,) * nodes


def _even(whole: Gpus, nodes: int) -> Gpus:
    return {kind: -(-count // nodes) for kind, count in whole.items()}


def _memory(fields: _Fields, cpus: int, count: int) -> int:
    """MiB on one node."""
    for_gpus = count * per_gpu(fields.text("memory_per_tres"))
    return fields.number("memory_per_node") or for_gpus or cpus * (fields.number("memory_per_cpu") or 0)


def _allocation(fields: _Fields) -> dict[str, tuple[int, int]]:
    """Node -> processors and MiB that a running job has there, as far as the release says it; 0 is unknown."""
    found: dict[str, tuple[int, int]] = {}
    resources = fields.raw("job_resources")
    if not isinstance(resources, dict):
        return found
    nodes = resources.get("nodes")
    entries = nodes.get("allocation") if isinstance(nodes, dict) else resources.get("allocated_nodes")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        # From 24.05 on there are cpus.count and memory.allocated; before that only the memory is told for each node.
        cpus, memory = entry.get("cpus"), entry.get("memory")
        told = memory.get("allocated") if isinstance(memory, dict) else entry.get("memory_allocated")
        name = entry.get("name") or entry.get("nodename")
        if isinstance(name, str):
            found[name] = (_whole(cpus.get("count") if isinstance(cpus, dict) else 0), _whole(told))
    return found


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _NOT_SET else 0


def _tasks(fields: _Fields) -> tuple[int, int]:
    """How many tasks of C(0-9:2,12%4) there are, and how many may run at once (0: all)."""
    text, _percent, throttle = fields.text("array_task_string").partition("%")
    at_once = fields.number("array_max_tasks") or (int(throttle) if throttle.isdigit() else 0)
    count = 0
    # Slurm cuts a long list off.
    for entry in filter(None, text.replace("...", "").split(",")):
        match = _TASKS.fullmatch(entry)
        if match is None:
            raise fields.malformed("array_task_string")
        first, last = int(match["first"]), int(match["last"] or match["first"])
        step = int(match["step"] or 1)
        if last < first or step < 1:
            raise fields.malformed("array_task_string")
        count += (last - first) // step + 1
    return max(1, count), at_once

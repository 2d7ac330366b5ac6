# What Slurm's commands say of nodes, jobs and GPUs, as values: the reading part of the exporter of Slurm.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Texts of scontrol and squeue in, nodes and jobs out. Nothing here runs a command or remembers anything.

Text of users is data. The account of a job may hold anything where accounting does not check it, so fields and jobs are
kept apart by a word that nobody can foresee. Names of jobs and commands are not read at all.

Runs on Python 3.8 and newer with the standard library.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

# No cluster is larger; a list of nodes that says so is broken, and must not fill the memory.
MAX_NAMES = 100000
MAX_LABEL = 100

FAILURES = ("not_run", "timeout", "refused", "malformed", "internal")
JOB_STATES = ("pending", "running", "suspended", "completing")
_JOB_STATE = {
    "PENDING": "pending",
    "REQUEUED": "pending",
    "REQUEUE_FED": "pending",
    "REQUEUE_HOLD": "pending",
    "RESV_DEL_HOLD": "pending",
    "SPECIAL_EXIT": "pending",
    "RUNNING": "running",
    "CONFIGURING": "running",
    "RESIZING": "running",
    "SIGNALING": "running",
    "SUSPENDED": "suspended",
    "STOPPED": "suspended",
    "COMPLETING": "completing",
    "STAGE_OUT": "completing",
}
HOLDS_GPUS = frozenset({"running", "suspended"})
# What waits for something else than the cluster is not made to wait by it.
OWN_WAIT = frozenset(
    {"BeginTime", "Dependency", "DependencyNeverSatisfied", "JobArrayTaskLimit", "JobHeldAdmin", "JobHeldUser"}
)

# The one state of a node that a count of nodes shows: the first of these that it has, whatever else it does.
_SHOWN_FIRST = (
    "down",
    "error",
    "fail",
    "drain",
    "not_responding",
    "invalid_reg",
    "powered_down",
    "powering_down",
    "power_down",
    "powering_up",
    "reboot_issued",
    "maint",
)
_SHOWN_IF_IDLE = ("reserved", "completing")
COUNTED_STATES = ("allocated", "down", "drain", "idle", "mixed")

_SQUEUE_FIELDS = (
    "JobID",
    "State",
    "Partition",
    "UserName",
    "NumNodes",
    "NumTasks",
    "NodeList",
    "tres-alloc",
    "tres-per-job",
    "tres-per-node",
    "tres-per-task",
    "tres-per-socket",
    "EligibleTime",
    "StartTime",
    "ArrayTaskID",
)

_STATE_WORD = re.compile(r"[A-Z_]+")
_REASON_WORD = re.compile(r"[A-Za-z_]+")
_ARRAY_PIECE = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?")
_HOSTLIST_PART = re.compile(r"(?P<text>[^\[\],]*)(?:\[(?P<ranges>[0-9,-]+)\])?")


class SlurmError(Exception):
    """Slurm could not be read. ``kind`` is one of FAILURES, the message says what happened."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Node:
    """One node. Memory is in MiB; ``words`` are its state and the flags of it, in lower case."""

    name: str
    words: tuple[str, ...]
    partitions: tuple[str, ...]
    cpus: int
    cpus_allocated: int
    memory: int
    memory_allocated: int
    gpus: int
    gpus_allocated: int

    @property
    def shown(self) -> str:
        """The one state under which the node is counted."""
        for word in _SHOWN_FIRST:
            if word in self.words:
                return word
        if self.words[0] == "idle":
            for word in _SHOWN_IF_IDLE:
                if word in self.words:
                    return word
        return self.words[0]


@dataclass(frozen=True)
class Job:
    """One job or the pending rest of a job array, which are ``count`` jobs. Times are seconds since 1970.

    ``gpus`` are those of one job on all its nodes; ``gpus_per_node`` is 0 where that is not said.
    """

    id: str
    state: str
    partition: str
    account: str
    user: str
    nodes: tuple[str, ...]
    count: int
    gpus: int
    gpus_per_node: int
    eligible: int | None
    start: int | None
    reason: str


def nodes_command() -> list[str]:
    """What prints all nodes; scontrol has it in every version, and only it tells which GPUs are in use."""
    return ["scontrol", "--all", "--local", "--oneliner", "--detail", "show", "node"]


def jobs_command(mark: str) -> list[str]:
    """What prints all jobs, ``mark`` around the two fields that others write.

    Jobs that ended a short while ago are there too: those that start and end between two collections waited as well.
    """
    fields = ",".join(f"{field}:|" for field in _SQUEUE_FIELDS)
    form = f"{fields},Reason:|{mark}|,Account:|{mark};"
    return ["squeue", "--all", "--local", "--noheader", "--states=all", f"--Format={form}"]


def parse_nodes(text: str) -> list[Node]:
    """The nodes of ``nodes_command``. SlurmError if there is none, or something that is none: no node may vanish."""
    found: dict[str, Node] = {}
    # A reason may hold line breaks.
    for record in re.split(r"^(?=NodeName=)", text, flags=re.MULTILINE):
        if not record.strip():
            continue
        fields: dict[str, str] = {}
        # Reason, comment and so on are free text, and stand behind everything that is read here.
        for word in record.partition(" Reason=")[0].split():
            key, _equals, value = word.partition("=")
            fields.setdefault(key, value)
        try:
            node = _node(fields)
        except (KeyError, ValueError) as error:
            raise SlurmError(
                "malformed", f"scontrol gave a line that is no node ({error}): {record[:200]!r}"
            ) from error
        if node.name in found:
            raise SlurmError("malformed", f"scontrol gave the node {node.name!r:.100} twice")
        found[node.name] = node
    if not found:
        raise SlurmError(
            "malformed", "Slurm shows no node; if PrivateData has nodes, the user of this needs more rights"
        )
    return list(found.values())


def _node(fields: Mapping[str, str]) -> Node:
    words = tuple(dict.fromkeys(word.lower() for word in _STATE_WORD.findall(fields["State"])))
    if not fields["NodeName"] or not words:
        raise ValueError("no name or no state")
    partitions = fields.get("Partitions", "")
    return Node(
        name=fields["NodeName"],
        words=words,
        partitions=tuple(name for name in partitions.split(",") if name),
        # Without the CPUs that are kept for the system, where Slurm tells them apart.
        cpus=int(fields.get("CPUEfctv") or fields["CPUTot"]),
        cpus_allocated=int(fields["CPUAlloc"]),
        memory=int(fields["RealMemory"]),
        memory_allocated=int(fields["AllocMem"]),
        gpus=gres_gpus(fields.get("Gres", "")),
        gpus_allocated=gres_gpus(fields.get("GresUsed", "")),
    )


def gres_gpus(text: str) -> int:
    """GPUs in ``gpu:h100:8(S:0-1),gpu:a100:2,shard:16`` or ``gpu:h100:2(IDX:0,3)``."""
    # The brackets hold sockets or indexes, with commas.
    return sum(_count(entry.split(":")[1:]) for entry in _unbracketed(text).split(",") if entry.split(":")[0] == "gpu")


def _unbracketed(text: str) -> str:
    return re.sub(r"\([^()]*\)", "", text)


def _count(words: Sequence[str]) -> int:
    """The number at the end of ``h100:8``; a GPU that is asked for without a number is one."""
    return int(words[-1]) if words and words[-1].isdigit() else 1


def tres_gpus(text: str) -> int:
    """GPUs in ``cpu=4,gres/gpu=2,gres/gpu:h100=2``, ``gres:gpu:h100:2`` (22.05) or ``gres/gpu:2`` (since 23.02)."""
    plain = typed = 0
    for entry in _unbracketed(text).split(","):
        words = re.split("[:/=]", entry)
        if words[:2] != ["gres", "gpu"]:
            continue
        count = _count(words[2:])
        if len(words) > 3 or (len(words) == 3 and not words[2].isdigit()):
            typed += count
        else:
            plain += count
    # Where both are there, the plain number is the sum of the others.
    return plain or typed


def parse_jobs(text: str, mark: str) -> list[Job]:
    """The jobs of ``jobs_command(mark)``. SlurmError for anything else."""
    records = text.split(f"|{mark};")
    if records.pop().strip():
        raise SlurmError("malformed", "the answer of squeue was cut off, or is none")
    jobs = []
    for record in records:
        # Each job begins on a line of its own; account and reason may hold line breaks too.
        head, _bar, account = record.lstrip("\n").partition(f"|{mark}|")
        words = head.split("|", len(_SQUEUE_FIELDS))
        if not _bar or len(words) != len(_SQUEUE_FIELDS) + 1:
            raise SlurmError("malformed", f"squeue gave a job that cannot be read: {record[:200]!r}")
        try:
            jobs.append(_job(dict(zip(_SQUEUE_FIELDS, words)), words[-1], account))
        except ValueError as error:
            raise SlurmError("malformed", f"squeue gave a job that cannot be read ({error}): {head[:200]!r}") from error
    return jobs


def _job(fields: Mapping[str, str], reason: str, account: str) -> Job:
    if not fields["JobID"].isdigit():
        raise ValueError("its id is no number")
    state = _JOB_STATE.get(fields["State"], "ended")
    nodes = tuple(expand(fields["NodeList"])) if state != "pending" else ()
    wanted = len(nodes) or _number(fields["NumNodes"], 1)
    gpus, per_node = _job_gpus(fields, wanted)
    shown_reason = _REASON_WORD.match(reason.strip())
    return Job(
        id=fields["JobID"],
        state=state,
        # A pending job may name several, and is counted in its first.
        partition=fields["Partition"].partition(",")[0][:MAX_LABEL],
        account="" if account == "(null)" else account[:MAX_LABEL],
        user=fields["UserName"],
        nodes=nodes,
        count=array_count(fields["ArrayTaskID"]) if state == "pending" else 1,
        gpus=gpus,
        gpus_per_node=per_node,
        eligible=_time(fields["EligibleTime"]),
        start=_time(fields["StartTime"]),
        # "ReqNodeNotAvail, UnavailableNodes:gpu7" and the like would be another reason for every node.
        reason=shown_reason.group(0)[:MAX_LABEL] if shown_reason else "None",
    )


def _job_gpus(fields: Mapping[str, str], nodes: int) -> tuple[int, int]:
    """GPUs of a job, and of each of its nodes (0: not said).

    What is allocated is only told where AccountingStorageTRES has gres/gpu; elsewhere it is what was asked for.
    """
    per_node = tres_gpus(fields["tres-per-node"])
    total = tres_gpus(fields["tres-alloc"]) or tres_gpus(fields["tres-per-job"]) or per_node * nodes
    if not total:
        # How many sockets a node has is not told here: at least one.
        tasks = _number(fields["NumTasks"], nodes)
        total = tres_gpus(fields["tres-per-task"]) * tasks or tres_gpus(fields["tres-per-socket"]) * nodes
    return total, per_node if per_node * nodes == total else 0


def _number(text: str, otherwise: int) -> int:
    """A count such as 12, 2K or, of a range, its lower end; Slurm writes the largest of 32 bits where there is none."""
    match = re.match(r"(\d{1,9})(?!\d)(K?)", text)
    return int(match.group(1)) * (1024 if match.group(2) else 1) if match else otherwise


def _time(text: str) -> int | None:
    """Seconds since 1970, or None for "N/A" and the like."""
    return int(text) if text.isdigit() and int(text) > 0 else None


def array_count(text: str) -> int:
    """How many tasks ``0-9,12,20-40:5%3`` names; 1 for what is no expression of that kind."""
    count = 0
    for piece in text.partition("%")[0].split(","):
        match = _ARRAY_PIECE.fullmatch(piece)
        if match is None:
            continue
        first, last, step = int(match.group(1)), int(match.group(2) or match.group(1)), int(match.group(3) or 1)
        count += max(0, (last - first) // max(1, step) + 1)
    return count or 1


def expand(text: str) -> list[str]:
    """All names of a host list such as ``gpu[1-3,07],store1``, in order. ValueError if it is none."""
    if "[" not in text:
        return [name for name in text.split(",") if name]
    names: list[str] = []
    current = [""]
    at = 0
    while at < len(text):
        if text[at] == ",":
            names.extend(current)
            current = [""]
            at += 1
            continue
        part = _HOSTLIST_PART.match(text, at)
        if part is None or part.end() == at:
            raise ValueError("no list of nodes")
        numbers = _range_numbers(part.group("ranges"))
        if len(names) + len(current) * len(numbers) > MAX_NAMES:
            raise ValueError(f"more than {MAX_NAMES} nodes")
        current = [name + part.group("text") + number for name in current for number in numbers]
        at = part.end()
    names.extend(current)
    return [name for name in names if name]


def _range_numbers(ranges: str | None) -> list[str]:
    if ranges is None:
        return [""]
    numbers: list[str] = []
    for piece in ranges.split(","):
        first, _dash, last = piece.partition("-")
        low, high = int(first), int(last or first)
        if high - low >= MAX_NAMES:
            raise ValueError(f"more than {MAX_NAMES} nodes")
        numbers.extend(str(number).zfill(len(first)) for number in range(low, high + 1))
    return numbers


def gpus_by_node(jobs: Iterable[Job], nodes: Iterable[Node]) -> dict[str, dict[str, int]]:
    """Job id -> node -> GPUs that the job holds there.

    Slurm's short listing tells the sum. Where it is not the same on each node, what is in use on the nodes gives the
    rest: a job that is the only one there whose share is unknown has what the others leave. Failing that, even shares.
    """
    shares: dict[str, dict[str, int]] = {}
    rest = {node.name: node.gpus_allocated for node in nodes}
    unknown: list[Job] = []
    for job in jobs:
        if job.state not in HOLDS_GPUS or not job.gpus or not job.nodes:
            continue
        if job.gpus_per_node or len(job.nodes) == 1:
            shares[job.id] = dict.fromkeys(job.nodes, job.gpus_per_node or job.gpus)
            for name in job.nodes:
                rest[name] = rest.get(name, 0) - shares[job.id][name]
        else:
            unknown.append(job)
    contenders = Counter(name for job in unknown for name in job.nodes)
    for job in unknown:
        alone = {name: max(0, rest.get(name, 0)) for name in job.nodes if contenders[name] == 1}
        left = job.gpus - sum(alone.values())
        others = [name for name in job.nodes if name not in alone]
        # Two readings of a changing cluster may not agree; then the sum of the job is what counts.
        if left < 0 or (left and not others):
            left, alone, others = job.gpus, {}, list(job.nodes)
        each, more = divmod(left, len(others)) if others else (0, 0)
        even = {name: each + (at < more) for at, name in enumerate(others)}
        shares[job.id] = {name: alone.get(name, even.get(name, 0)) for name in job.nodes}
    return shares


def hidden_jobs(jobs: Sequence[Job], nodes: Iterable[Node]) -> bool:
    """Whether nodes work, and no job that would do it is shown: PrivateData keeps them from this user."""
    return not any(job.nodes for job in jobs) and any(node.cpus_allocated for node in nodes)

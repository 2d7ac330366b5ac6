# The capacity problem: fleet, workloads, projects and policy as frozen values, read and checked.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a problem looks like stands in docs/schemas/capacity_problem.schema.json; the rules here are made from it.

Units are in the names: thousandths of a core or of a GPU, MiB, Mbit/s, watts, hours from now.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field, replace

from .._energy.curves import read_curves, shipped
from .._errors import EnergyError
from . import mig
from ._problem_table import PROBLEM
from .limits import INTERACTIVE, PowerChoice, PowerLimits, choose, limited

SCHEMA_VERSION = 1
MAX_NODES = 100_000
MAX_WORKLOADS = 200_000
SHOWN = 5
OBJECTIVES = ("allocation",)


class ProblemError(ValueError):
    """The problem is wrong; the message says what, where, and what to do."""


@dataclass(frozen=True)
class Node:
    """A node."""

    name: str
    cpu_milli: int
    memory_mib: int
    network_mbit: int = 0
    gpus: int = 0
    gpu_model: str = ""
    gpu_memory_mib: int = 0
    mig_slices: int = 0
    rack: str = ""
    leaf: str = ""
    feed: str = ""
    engine: str = ""
    nvlink_domain: str = ""
    idle_watts: float = 0.0
    gpu_watts: float = 0.0
    gpu_idle_watts: float = 0.0
    gpu_limit_min_watts: float = 0.0
    gpu_limit_max_watts: float = 0.0
    core_watts: float = 0.0
    price_per_hour: float = 0.0
    age_days: float = 0.0
    in_service: bool = True

    def like(self) -> tuple[t.Any, ...]:
        """What decides which copies it may hold while it is empty: the same for nodes that are alike in that."""
        size = (self.cpu_milli, self.memory_mib, self.network_mbit, self.gpus)
        return (*size, self.gpu_model, self.gpu_memory_mib, self.mig_slices, self.engine)

    def domain(self, locality: str) -> str:
        """Name of the domain of that kind; a node without NVLink domain is one of its own."""
        if locality == "rack":
            return self.rack
        if locality == "leaf":
            return self.leaf
        if locality == "nvlink":
            return f"domain {self.nvlink_domain}" if self.nvlink_domain else f"node {self.name}"
        return ""


@dataclass(frozen=True)
class Workload:
    """What asks for capacity.

    ``gpu_limits``: GPU model -> the lowest power limit in watts that it lets its GPUs have; none for other models.
    """

    name: str
    project: str = ""
    copies: int = 1
    cpu_milli: int = 0
    memory_mib: int = 0
    network_mbit: int = 0
    gpus: int = 0
    gpu_share_milli: int = 1000
    gpu_models: tuple[str, ...] = ()
    gpu_memory_mib: int = 0
    mig_profile: str = ""
    workload_class: str = ""
    latency_class: str = ""
    gpu_limits: tuple[tuple[str, float], ...] = ()
    engine: str = ""
    gang: bool = False
    locality: str = "any"
    most_per_node: int = 0
    most_per_rack: int = 0
    priority: int = 0
    deadline_hours: float = 0.0
    duration_hours: float = 0.0
    preemptible: bool = True
    may_move: bool = True
    running_on: tuple[str, ...] = ()
    unplanned_copies: int = 0
    after: tuple[str, ...] = ()

    @property
    def gpu_milli(self) -> int:
        """GPU of one copy in thousandths."""
        return self.gpus * self.gpu_share_milli

    @property
    def kin(self) -> int:
        """Copies share a GPU by time only with their kin: 1 where somebody waits for each answer, else 0."""
        by_time = self.gpus and self.gpu_share_milli < 1000 and not self.mig_profile
        return int(bool(by_time) and self.latency_class == INTERACTIVE)

    def admits(self, node: Node) -> bool:
        """Whether a copy may be on that node when it is empty."""
        if self.cpu_milli > node.cpu_milli or self.memory_mib > node.memory_mib or self.gpus > node.gpus:
            return False
        return self.network_mbit <= node.network_mbit and self.is_of(node) and self.admits_gpu(node)

    def is_of(self, node: Node) -> bool:
        """Whether the scheduler of that node may be its own."""
        return not self.engine or not node.engine or self.engine == node.engine

    def admits_gpu(self, node: Node) -> bool:
        """Whether the GPUs of that node will do."""
        if not self.gpus:
            return True
        if self.gpu_models and node.gpu_model not in self.gpu_models:
            return False
        if self.mig_profile:
            return mig.part(self.mig_profile, node.mig_slices, node.gpu_memory_mib) == self.gpu_share_milli
        if node.mig_slices and self.gpu_share_milli < 1000:
            return False
        return self.gpu_memory_mib * 1000 <= node.gpu_memory_mib * self.gpu_share_milli


@dataclass(frozen=True)
class Project:
    """A project with its quota, its weight and its floor."""

    name: str
    quota_gpu_milli: int | None = None
    weight: float = 1.0
    floor_gpu_milli: int = 0


@dataclass(frozen=True)
class Feed:
    """A power feed with a ceiling."""

    name: str
    limit_watts: float


@dataclass(frozen=True)
class Offer:
    """A kind of node that could be bought."""

    name: str
    price: float
    node: Node


@dataclass(frozen=True)
class Policy:
    """What is wanted of a plan."""

    objectives: tuple[str, ...] = OBJECTIVES
    reserve_per_rack: int = 0
    limit_watts: float | None = None
    power_limits: PowerLimits | None = None


@dataclass(frozen=True)
class Problem:
    """All of it. ``power_choices`` are what the limits of its workloads come from."""

    nodes: tuple[Node, ...]
    workloads: tuple[Workload, ...]
    projects: tuple[Project, ...] = ()
    feeds: tuple[Feed, ...] = ()
    offers: tuple[Offer, ...] = ()
    policy: Policy = field(default_factory=Policy)
    power_choices: tuple[PowerChoice, ...] = ()

    def __post_init__(self) -> None:
        faults = _relations(self)
        if faults:
            raise ProblemError(_told(faults))

    def reserved(self) -> frozenset[str]:
        """Nodes that are left free for failures: of each kind in each rack the oldest ones.

        Whatever node of the rack is lost, one at least as good is free there.
        """
        kept: set[str] = set()
        kinds: dict[tuple[t.Any, ...], list[Node]] = {}
        for node in self.nodes:
            if node.in_service and self.policy.reserve_per_rack:
                kinds.setdefault((node.rack, *node.like()), []).append(node)
        running = {name for work in self.workloads if not work.may_move for name in work.running_on}
        for same in kinds.values():
            ordered = sorted(same, key=lambda node: (node.name in running, -node.age_days, node.name))
            kept.update(node.name for node in ordered[: self.policy.reserve_per_rack])
        return frozenset(kept)


def read_problem(data: t.Any) -> Problem:
    """A problem from what YAML or JSON gives; ProblemError names everything that does not fit (the first few)."""
    faults: list[str] = []
    if isinstance(data, dict):
        for name, most in (("nodes", MAX_NODES), ("workloads", MAX_WORKLOADS)):
            rows = data.get(name)
            if isinstance(rows, list) and len(rows) > most:
                faults.append(
                    f"{name}: {len(rows)} are too many; {most} are the most, so plan a part of them at a time"
                )
    if not faults:
        _check(data, PROBLEM, "", faults)
    if faults:
        raise ProblemError(_told(faults))
    policy = dict(data.get("policy") or {})
    if "objectives" in policy:
        policy["objectives"] = tuple(policy["objectives"])
    if policy.get("power_limits") is not None:
        policy["power_limits"] = PowerLimits(**policy["power_limits"])
    wanted = Policy(**policy)
    nodes = tuple(Node(**row) for row in data["nodes"])
    offers = tuple(Offer(row["name"], row["price"], Node(**row["node"])) for row in data.get("offers", ()))
    every = [*nodes, *(offer.node for offer in offers)]
    works = _with_parts([Workload(**_tuples(row)) for row in data["workloads"]], every)
    choices = _choices(wanted, data.get("power_curves", []), every, works)
    return Problem(
        nodes=nodes,
        workloads=tuple(limited(work, choices) for work in works),
        projects=tuple(Project(**row) for row in data.get("projects", ())),
        feeds=tuple(Feed(**row) for row in data.get("feeds", ())),
        offers=offers,
        policy=wanted,
        power_choices=choices,
    )


def _choices(
    policy: Policy, curves: t.Any, nodes: t.Sequence[Node], works: t.Sequence[Workload]
) -> tuple[PowerChoice, ...]:
    """The power limits that are chosen, if the policy asks for any. ``curves`` are the site's own."""
    try:
        own = read_curves(curves)
    except EnergyError as error:
        raise ProblemError(f"power_curves: {error}") from error
    if policy.power_limits is None:
        return ()
    fault = policy.power_limits.fault()
    if fault:
        raise ProblemError(f"policy.power_limits: {fault}")
    return choose(policy.power_limits, [*own, *shipped()], nodes, works)


def _with_parts(works: t.Sequence[Workload], nodes: t.Iterable[Node]) -> list[Workload]:
    """Workloads that take a MIG instance, with its part of a GPU as their share; a whole GPU where no node has it."""
    kinds = sorted({(node.gpu_model, node.mig_slices, node.gpu_memory_mib) for node in nodes if node.mig_slices})
    faults: list[str] = []
    found = []
    for work in works:
        if work.mig_profile:
            where = f"workloads[{work.name}].mig_profile"
            if not mig.is_profile(work.mig_profile):
                faults.append(f"{where}: {work.mig_profile[:40]!r} is no profile such as 1g.10gb")
            if work.gpus != 1 or work.gpu_share_milli != 1000 or work.gpu_memory_mib:
                faults.append(f"{where}: a copy takes one instance, so set gpus to 1 and neither share nor memory")
            usable = [kind for kind in kinds if not work.gpu_models or kind[0] in work.gpu_models]
            parts = mig.parts(work.mig_profile, usable)
            if len(set(parts.values())) > 1:
                faults.append(
                    f"{where}: {work.mig_profile} is not the same part of {' and '.join(parts)}; choose by gpu_models"
                )
            work = replace(work, gpu_share_milli=next(iter(parts.values()), 1000))
        found.append(work)
    if faults:
        raise ProblemError(_told(faults))
    return found


def _tuples(row: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _told(faults: t.Sequence[str]) -> str:
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return "; ".join(faults[:SHOWN]) + more


_KINDS: dict[str, t.Callable[[t.Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value),
}


def _check(value: t.Any, rule: t.Mapping[str, t.Any], where: str, faults: list[str]) -> None:
    """Add what does not fit; one rule after the other as in the schema."""
    kinds = rule.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(_KINDS[kind](value) for kind in kinds):
        faults.append(f"{where or 'the problem'}: expected {' or '.join(kinds)}, got {str(value)[:60]!r}")
        return
    if value is None:
        return
    if "const" in rule and value != rule["const"]:
        faults.append(f"{where}: expected {rule['const']}, got {value!r}")
    if "enum" in rule and value not in rule["enum"]:
        faults.append(f"{where}: {value!r} is none of {', '.join(map(str, rule['enum']))}")
    if "minimum" in rule and value < rule["minimum"]:
        faults.append(f"{where}: {value!r} is less than {rule['minimum']}")
    if "minLength" in rule and len(value) < rule["minLength"]:
        faults.append(f"{where}: must not be empty")
    if "maxLength" in rule and len(value) > rule["maxLength"]:
        faults.append(f"{where}: longer than {rule['maxLength']} characters")
    if "properties" in rule:
        known = rule["properties"]
        for name in value:
            if name not in known:
                faults.append(f"{where + '.' if where else ''}{str(name)[:60]}: no such key")
        for name in rule.get("required", known):
            if name not in value:
                faults.append(f"{where + '.' if where else ''}{name}: missing")
        for name, child in known.items():
            if name in value:
                _check(value[name], child, f"{where}.{name}".lstrip("."), faults)
    if "items" in rule:
        for number, item in enumerate(value):
            label = item.get("name") if isinstance(item, dict) else None
            place = f"{where}[{label if isinstance(label, str) and label else number}]"
            _check(item, rule["items"], place, faults)


def _relations(problem: Problem) -> list[str]:
    """What no rule about one value can say."""
    faults: list[str] = []
    if not problem.nodes:
        faults.append("nodes: there is none; an empty fleet is taken for a reading that failed")
    lists: tuple[tuple[str, t.Sequence[t.Any]], ...] = (
        ("nodes", problem.nodes),
        ("workloads", problem.workloads),
        ("projects", problem.projects),
        ("feeds", problem.feeds),
        ("offers", problem.offers),
    )
    for title, rows in lists:
        seen: set[str] = set()
        for row in rows:
            if row.name in seen:
                faults.append(f"{title}[{row.name}]: the name is there twice")
            seen.add(row.name)
    objectives = problem.policy.objectives
    if not objectives or len(set(objectives)) < len(objectives):
        faults.append("policy.objectives: name each objective once, and at least one")
    if objectives and objectives[0] in ("energy", "cost", "fragmentation"):
        faults.append(
            f"policy.objectives: begin with one that places something; {objectives[0]} is best with nothing placed"
        )
    models = {node.gpu_model for node in problem.nodes if node.gpus} | {
        offer.node.gpu_model for offer in problem.offers
    }
    nodes = {node.name for node in problem.nodes}
    works = {work.name for work in problem.workloads}
    projects = {project.name for project in problem.projects}
    for node in problem.nodes:
        if node.gpus and not node.gpu_model:
            faults.append(f"nodes[{node.name}].gpu_model: missing, although it has {node.gpus} GPUs")
        if node.mig_slices and not node.gpu_memory_mib:
            faults.append(f"nodes[{node.name}].gpu_memory_mib: missing, and what MIG may cut follows from it")
    for work in problem.workloads:
        where = f"workloads[{work.name}]"
        for model in sorted(set(work.gpu_models) - models):
            faults.append(
                f"{where}.gpu_models: unknown GPU model {model!r}; known are {', '.join(sorted(models)) or 'none'}"
            )
        for name in sorted(set(work.running_on) - nodes):
            faults.append(f"{where}.running_on: no node {name!r}")
        for name in sorted(set(work.after) - works):
            faults.append(f"{where}.after: no workload {name!r}")
        if len(work.running_on) > work.copies:
            faults.append(f"{where}.running_on: {len(work.running_on)} nodes for {work.copies} copies")
        if work.gpu_share_milli < 1000 and work.gpus != 1:
            faults.append(f"{where}.gpu_share_milli: a share is of one GPU, and gpus is {work.gpus}")
        if work.locality != "any" and not work.gang:
            faults.append(f"{where}.locality: only copies of a gang have to stand together; set gang")
        if work.locality == "rack" and work.most_per_rack and work.most_per_rack < work.copies:
            faults.append(
                f"{where}: all copies in one rack, and at most {work.most_per_rack} in a rack, cannot both be"
            )
        if work.project and projects and work.project not in projects:
            faults.append(f"{where}.project: no project {work.project!r}")
        if len(faults) > 100:
            break
    faults += _cycles(problem.workloads)
    return faults


def _cycles(works: t.Sequence[Workload]) -> list[str]:
    """Workloads that wait for each other; without recursion, so that a long chain does no harm."""
    names = {work.name for work in works}
    waits = {work.name: set(work.after) & names for work in works}
    followers: dict[str, list[str]] = {}
    for name, others in waits.items():
        for other in others:
            followers.setdefault(other, []).append(name)
    ready = [name for name, others in waits.items() if not others]
    while ready:
        ended = ready.pop()
        for name in followers.get(ended, ()):
            waits[name].discard(ended)
            if not waits[name]:
                ready.append(name)
    left = sorted(name for name, others in waits.items() if others)
    if not left:
        return []
    return [f"workloads.after: {len(left)} workloads wait for each other or for such ones: {', '.join(left[:SHOWN])}"]

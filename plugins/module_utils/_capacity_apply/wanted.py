# What a plan wants of each node and each workload, after a check that it is a plan of this problem.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, Workload
from ansible_collections.aidc.ops.plugins.module_utils._capacity.verify import broken_rules
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import SHOWN, ApplyError

PLAN_VERSION = 1
_Value = t.TypeVar("_Value")


@dataclass(frozen=True)
class Wanted:
    """The layout.

    ``projects``: node -> the projects whose work it holds ("" is work of none); only nodes that hold something.
    ``reserve`` are nodes that the problem's policy leaves free for failures. ``copies``: workload -> copies that have a
    place. ``refused``: workload -> why none of it has one, for lack of room. ``mark`` tells this plan from others.
    """

    problem: Problem
    works: dict[str, Workload]
    projects: dict[str, frozenset[str]]
    reserve: frozenset[str]
    copies: dict[str, int]
    refused: dict[str, str]
    mark: str

    @property
    def idle(self) -> list[str]:
        """Nodes in service that hold nothing and are not left free for failures."""
        return [
            node.name
            for node in self.problem.nodes
            if node.in_service and node.name not in self.projects and node.name not in self.reserve
        ]

    def nodes_of(self, project: str) -> frozenset[str]:
        """The nodes that hold work of a project, alone or with others."""
        return frozenset(name for name, projects in self.projects.items() if project in projects)

    def owner(self, node: str) -> str:
        """The project that has the node for itself; "" if none has."""
        projects = self.projects.get(node, frozenset())
        return next(iter(projects)) if len(projects) == 1 else ""


def wanted_of(problem: Problem, plan: t.Any) -> Wanted:
    """What the plan wants. ApplyError if it is no plan, or one of another problem."""
    rows = _rows(plan, "placements", ("workload", "node"))
    refusals = _rows(plan, "refused", ("workload", "reason"))
    placements: list[tuple[str, str, list[int]]] = []
    for row in rows:
        gpus = row.get("gpus", [])
        if not isinstance(gpus, list) or not all(isinstance(gpu, int) and not isinstance(gpu, bool) for gpu in gpus):
            raise ApplyError(f"plan.placements[{row['workload']:.80}].gpus: expected numbers of GPUs; {_HINT}")
        placements.append((row["workload"], row["node"], gpus))
    wrong = broken_rules(problem, placements)
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ApplyError(f"The plan does not fit the problem; {_HINT}. {'; '.join(wrong[:SHOWN])}{more}")
    works = {work.name: work for work in problem.workloads}
    copies = collections.Counter(workload for workload, _node, _gpus in placements)
    projects: dict[str, set[str]] = {}
    for workload, node, _gpus in placements:
        projects.setdefault(node, set()).add(works[workload].project)
    content = json.dumps(sorted((workload, node) for workload, node, _gpus in placements))
    return Wanted(
        problem=problem,
        works=works,
        projects={node: frozenset(names) for node, names in projects.items()},
        reserve=_reserve(problem, set(projects)),
        copies=dict(copies),
        refused={
            row["workload"]: row["reason"]
            for row in refusals
            # What waits for another workload is not refused for lack of room; the scheduler knows that itself.
            if row["workload"] in works and not copies[row["workload"]] and not works[row["workload"]].after
        },
        mark=hashlib.sha256(content.encode()).hexdigest()[:12],
    )


def part_of(wanted: Wanted, nodes: t.Container[str], prefix: str, others: t.Sequence[str]) -> Wanted:
    """What a plan for several schedulers wants of one of them, which has these nodes.

    The names of its workloads begin with *prefix*, which falls away; those of the *others* with theirs. ApplyError if
    none of the plan's nodes is its own.
    """
    kept = tuple(node for node in wanted.problem.nodes if node.name in nodes)
    if not kept:
        raise ApplyError("The plan has no node of this scheduler; nodes in the settings file says whose each node is")

    def own(by_name: t.Mapping[str, _Value]) -> dict[str, _Value]:
        return {
            name[len(prefix) :]: value
            for name, value in by_name.items()
            if name.startswith(prefix) and (prefix or not name.startswith(tuple(others)))
        }

    return dataclasses.replace(
        wanted,
        # Its workloads may run on nodes of the others; what is needed of them is in the other fields.
        problem=dataclasses.replace(wanted.problem, nodes=kept, workloads=()),
        works=own(wanted.works),
        projects={name: projects for name, projects in wanted.projects.items() if name in nodes},
        reserve=frozenset(name for name in wanted.reserve if name in nodes),
        copies=own(wanted.copies),
        refused=own(wanted.refused),
    )


def _reserve(problem: Problem, used: set[str]) -> frozenset[str]:
    """Nodes that are left free for failures; all that are free if the plan left others free than we would."""
    reserve = problem.reserved()
    if not reserve & used:
        return reserve
    return frozenset(node.name for node in problem.nodes if node.in_service and node.name not in used)


_HINT = "give the plan that aidc.ops.capacity_plan made of this problem"


def _rows(plan: t.Any, key: str, texts: t.Sequence[str]) -> list[dict[str, t.Any]]:
    rows = plan.get(key) if isinstance(plan, dict) else None
    if not isinstance(rows, list):
        raise ApplyError(f"plan.{key}: expected a list; {_HINT}")
    if plan.get("schema_version") != PLAN_VERSION:
        raise ApplyError(f"plan.schema_version: expected {PLAN_VERSION}, got {str(plan.get('schema_version'))[:40]!r}")
    for number, row in enumerate(rows):
        for text in texts:
            if not isinstance(row, dict) or not isinstance(row.get(text), str):
                raise ApplyError(f"plan.{key}[{number}].{text}: expected a text; {_HINT}")
    return rows

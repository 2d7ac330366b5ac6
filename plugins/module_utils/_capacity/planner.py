# From a problem to a plan: the strategy, its proof, the check, and the reasons.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that is returned has passed the independent check. Same input, same answer, unless time ran out,
which it says."""

from __future__ import annotations

import collections
import time
import typing as t
from dataclasses import dataclass

from . import numeric, tables
from .board import Board
from .case import Case, Placement, prepare
from .exact import Log, Stage, solve
from .explain import Refusal, refusals
from .model import Problem, ProblemError
from .score import SPENT, Values, better, spent, values
from .strategies import STRATEGIES, Weights, run
from .verify import broken_rules, unfair

SCHEMA_VERSION = 1
# What stands in for the exact strategy, and what it begins from.
STAND_INS = ("fragmentation_gradient_by_size", "consolidate", "best_fit")
# Parts of the time: for these, and when the search ends, so that the check and the reasons end in time too.
STAND_IN_TIME = 0.3
CHECK_TIME = 0.93


class PlanError(Exception):
    """A plan could not be made; the message says what to do."""


@dataclass
class Plan:
    """The answer. ``gap_percent`` is that of the first objective whose bound is not reached; None without a bound."""

    problem: Problem
    strategy: str
    note: str
    placements: list[Placement]
    values: Values
    stages: list[Stage]
    refused: list[Refusal]
    seconds: float
    pinned: int

    @property
    def gap_percent(self) -> float | None:
        """The largest gap of the objectives, in percent of the bound."""
        return max((gap_percent(stage) for stage in self.stages), default=None)

    def as_dict(self) -> dict[str, t.Any]:
        """Plain data, as JSON gives it back."""
        problem = self.problem
        used = {one.node for one in self.placements}
        in_service = [node for node in problem.nodes if node.in_service]
        works = {work.name: work for work in problem.workloads}
        return {
            "schema_version": SCHEMA_VERSION,
            "strategy": self.strategy,
            "note": self.note,
            "seconds": round(self.seconds, 3),
            "gap_percent": None if self.gap_percent is None else round(self.gap_percent, 4),
            "objectives": [{"name": name, "value": round(value, 6)} for name, value in self.values],
            "stages": [
                {
                    "objective": stage.objective,
                    "value": round(stage.value, 6),
                    "bound": round(stage.bound, 6),
                    "gap_percent": round(gap_percent(stage), 4),
                    "in_time": stage.in_time,
                }
                for stage in self.stages
            ],
            "placements": [
                {"workload": one.workload, "node": one.node, "gpus": list(one.gpus), "reason": reason}
                for one, reason in zip(self.placements, self._reasons())
            ],
            "refused": [
                {
                    "workload": one.workload,
                    "missing": one.missing,
                    "reason": one.reason,
                    "nearest": one.nearest,
                    "lacks": one.lacks,
                }
                for one in self.refused
            ],
            "idle_nodes": sorted(node.name for node in in_service if node.name not in used),
            "nodes_used": len(used),
            "gpus_in_service": sum(node.gpus for node in in_service),
            "gpus_allocated": round(sum(works[one.workload].gpu_milli for one in self.placements) / 1000, 3),
            "kilowatts": round(spent(self._case(), self.placements, "energy"), 3),
            "price_per_hour": round(spent(self._case(), self.placements, "cost"), 3),
            "moves": int(spent(self._case(), self.placements, "moves")),
            "fleet": tables.fleet(problem),
            "projects": tables.projects(problem, self.placements),
            "reserve": tables.reserve(problem),
            "mig_layouts": tables.mig_layouts(problem, self.placements),
            "power_choices": [one.as_dict() for one in problem.power_choices],
            "power_limits": tables.power_limits(problem, self.placements),
        }

    def _case(self) -> Case:
        return Case(self.problem, list(self.problem.nodes), [], [], {})

    def _reasons(self) -> t.Iterator[str]:
        """Why each copy is where it is."""
        nodes = {node.name: node for node in self.problem.nodes}
        works = {work.name: work for work in self.problem.workloads}
        used: dict[str, int] = collections.defaultdict(int)
        count = collections.Counter(one.node for one in self.placements)
        for one in self.placements:
            used[one.node] += works[one.workload].gpu_milli
        for number, one in enumerate(self.placements):
            work, node = works[one.workload], nodes[one.node]
            if number < self.pinned:
                yield "it runs there and must not move"
                continue
            parts = []
            if one.node in work.running_on:
                parts.append("it runs there now")
            if work.gang and work.locality != "any":
                parts.append(f"its gang is together in {work.locality} {node.domain(work.locality) or 'unknown'}")
            others = count[one.node] - 1
            if node.gpus:
                parts.append(f"with {others} more the node has {used[one.node] / 1000:g} of {node.gpus} GPUs in use")
            else:
                parts.append(f"the node holds {others} more")
            yield "; ".join(parts)


def gap_percent(stage: Stage) -> float:
    """How far a value is from what no plan exceeds, in percent of the larger of the two."""
    return 100 * max(0.0, stage.bound - stage.value) / max(abs(stage.bound), abs(stage.value), 1e-9)


def make_plan(
    problem: Problem,
    strategy: str = "optimal",
    seconds: float = 60.0,
    weights: Weights | None = None,
    log: Log = None,
) -> Plan:
    """Plan by one strategy. ``optimal`` without its solver takes the best of the others, and says so."""
    began = time.monotonic()
    if strategy not in STRATEGIES:
        raise ProblemError(f"strategy: {strategy!r} is none of {', '.join(STRATEGIES)}")
    if not numeric.HAS_NUMPY:
        raise PlanError("numpy is missing: install it for the Python that runs this (pip install numpy)")
    weights = weights or Weights()
    case = prepare(problem)
    note, stages = "", t.cast("t.List[Stage]", [])
    if strategy != "optimal":
        board, in_time = run(case, strategy, weights, seconds)
    else:
        name, board, in_time = _best(case, weights, STAND_IN_TIME * seconds)
        if not numeric.HAS_HIGHSPY:
            note = f"highspy is missing, so there is no bound; the best of {', '.join(STAND_INS)} was taken: {name}"
            strategy = name
        else:
            left = max(1.0, CHECK_TIME * seconds - (time.monotonic() - began))
            solution = solve(case, [board.placements], left, log)
            stages = solution.stages
            if better(values(case, board.placements), values(case, solution.board.placements)):
                note = f"{name} was better than what the exact search found in its time"
            else:
                board = solution.board
            in_time = in_time and solution.filled and all(stage.in_time for stage in stages)
            stages = _final(stages, values(case, board.placements), case)
    if not in_time:
        note = (note + "; " if note else "") + "time ran out, so another run may find another plan"
    wrong = broken_rules(problem, board.placements)
    if wrong:
        raise PlanError(
            f"the plan of {strategy} breaks rules, so it is not returned; please report this: {'; '.join(wrong[:5])}"
        )
    if problem.policy.objectives[0] == "fairness":
        swaps = unfair(problem, board.placements)
        if swaps:
            note = (note + "; " if note else "") + f"a swap would be fairer: {swaps[0]}"
    return Plan(
        problem=problem,
        strategy=strategy,
        note=note,
        placements=board.placements,
        values=values(case, board.placements),
        stages=stages,
        refused=refusals(board),
        seconds=time.monotonic() - began,
        pinned=len(case.pinned),
    )


def _best(case: Case, weights: Weights, seconds: float) -> tuple[str, Board, bool]:
    """The best of the stand-ins, its name, and whether all came to their end in that time."""
    ends, every = time.monotonic() + seconds, True
    spends = any(name in SPENT for name in case.problem.policy.objectives)
    chosen: tuple[str, Board, Values] | None = None
    for name in STAND_INS if spends or not numeric.HAS_HIGHSPY else STAND_INS[:1]:
        board, in_time = run(case, name, weights, ends - time.monotonic())
        every = every and in_time
        worth = values(case, board.placements)
        if chosen is None or better(worth, chosen[2]):
            chosen = (name, board, worth)
    if chosen is None:
        raise AssertionError("no stand-in was tried")
    return chosen[0], chosen[1], every


def _final(stages: t.Sequence[Stage], reached: Values, case: Case) -> list[Stage]:
    """Stages with what the plan reached in the end; what stays anyway is in value and bound alike."""
    before = dict(values(case, case.pinned))
    after = dict(reached)
    found = []
    for stage in stages:
        if stage.objective.startswith("fairness") or stage.objective not in after:
            found.append(stage)
            continue
        offset = before.get(stage.objective, 0.0)
        value = after[stage.objective]
        found.append(stage._replace(value=value, bound=max(stage.bound + offset, value)))
    return found

# Tests of latency classes: what somebody waits for shares a GPU by time with its kin only.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import PLAIN
from ansible_collections.aidc.ops.plugins.module_utils._capacity.verify import broken_rules
from ansible_collections.aidc.ops.plugins.module_utils._schedule.model import timed
from ansible_collections.aidc.ops.plugins.module_utils._schedule.schedule import checked

SLOWLY = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def work(name: str, share: int, latency: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "gpus": 1, "gpu_share_milli": share, "latency_class": latency, **more}


def problem(gpus: list[int], works: list[dict[str, Any]], **more: Any) -> Problem:
    row: dict[str, Any] = {"cpu_milli": 64000, "memory_mib": 64000, "gpu_model": "M", **more}
    nodes = [{**row, "name": f"n{number}", "gpus": count} for number, count in enumerate(gpus)]
    return read_problem({"schema_version": 1, "nodes": nodes, "workloads": works})


@pytest.mark.parametrize("strategy", ["optimal", *PLAIN])
def test_a_gpu_of_interactive_work_has_no_other(strategy: str) -> None:
    """Shares of 0.3 and 0.4 would be together on one GPU; the third takes the second GPU, and the batch job waits."""
    works = [work("web", 300, "interactive", copies=2), work("api", 400, "interactive"), work("job", 700, "batch")]
    plan = make_plan(problem([2], works), strategy)
    of = {one.workload: one.gpus for one in plan.placements}
    assert of["web"] != of.get("job") != of["api"]
    if strategy == "optimal":
        assert not plan.refused
    alone = make_plan(problem([1], works[:1] + works[2:]), strategy)
    assert len({one.workload for one in alone.placements}) == 1, "0.6 or 0.7 of the GPU, not both"


def test_why_it_is_refused() -> None:
    works = [work("web", 300, "interactive"), work("job", 600, may_move=False, running_on=["n0"])]
    plan = make_plan(problem([1], works))
    (refusal,) = plan.refused
    assert refusal.reason.startswith("needs 30 % of a GPU that only interactive work shares; 1 node could hold it")


def test_whole_gpus_and_mig_instances_are_apart_anyway() -> None:
    mig = [
        {**work("web", 1000, "interactive"), "mig_profile": "1g.10gb"},
        {**work("job", 1000), "mig_profile": "1g.10gb"},
    ]
    plan = make_plan(problem([1], mig, mig_slices=7, gpu_memory_mib=80 * 1024))
    assert not plan.refused
    assert all(not one.kin for one in problem([1], [work("web", 1000, "interactive")]).workloads)


def test_the_check_sees_it() -> None:
    given_problem = problem([1], [work("web", 300, "interactive"), work("job", 300)])
    assert broken_rules(given_problem, [("web", "n0", (0,)), ("job", "n0", (0,))]) == [
        "n0: GPU 0 is shared by interactive and other work"
    ]


def test_a_schedule_keeps_them_apart_too() -> None:
    works = [work("web", 300, "interactive", duration_hours=2.0), work("job", 300, duration_hours=1.0)]
    runs = checked(timed(problem([1], works), {}, [], 0.0), "fifo").runs
    first, second = sorted(runs, key=lambda run: run.start)
    assert second.start == first.end


@st.composite
def small(draw: Any) -> Problem:
    works = [
        work(
            f"w{number}",
            draw(st.sampled_from([250, 330, 500, 700])),
            draw(st.sampled_from(["", "interactive"])),
            copies=draw(st.integers(1, 2)),
            cpu_milli=draw(st.sampled_from([0, 30000])),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    stays = draw(st.booleans())
    if stays:
        works.append(work("stays", 250, draw(st.sampled_from(["", "interactive"])), may_move=False, running_on=["n0"]))
    return problem(draw(st.sampled_from([[1], [2], [1, 1], [2, 1]])), works)


def most_by_trying(given_problem: Problem) -> float:
    """The most GPU that can be in use: every way of all copies is tried."""
    works = {one.name: one for one in given_problem.workloads}
    copies = [one.name for one in given_problem.workloads if one.may_move for _unused in range(one.copies)]
    stays = [one.name for one in given_problem.workloads if not one.may_move]
    spots = [(node.name, (gpu,)) for node in given_problem.nodes for gpu in range(node.gpus)]
    best = 0.0
    for places in itertools.product([None, *spots], repeat=len(copies)):
        placements = [(name, *place) for name, place in zip(copies, places, strict=True) if place is not None]
        for gpu in range(given_problem.nodes[0].gpus) if stays else [0]:
            every = [*placements, *((name, "n0", (gpu,)) for name in stays)]
            if not broken_rules(given_problem, every):
                best = max(best, sum(works[name].gpu_milli for name, _node, _gpus in every) / 1000)
    return best


@pytest.mark.slow
@SLOWLY
@given(given_problem=small())
def test_the_plan_is_the_best_there_is(given_problem: Problem) -> None:
    plan = make_plan(given_problem, seconds=100)
    most = most_by_trying(given_problem)
    assert dict(plan.values)["allocation"] == pytest.approx(most)
    assert plan.stages[0].bound >= most - 1e-6

# Random fleets: no plan of any strategy breaks a rule, no bound is beaten, and corrupted plans are recognised.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import PLAIN
from ansible_collections.aidc.ops.plugins.module_utils._capacity.verify import broken_rules, unfair

SLOWLY = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@st.composite
def problems(draw: Any) -> Problem:
    nodes = []
    for number in range(draw(st.integers(1, 6))):
        gpus = draw(st.sampled_from([0, 1, 2, 4]))
        nodes.append(
            {
                "name": f"n{number}",
                "cpu_milli": draw(st.sampled_from([4000, 8000, 16000])),
                "memory_mib": draw(st.sampled_from([8000, 32000])),
                "network_mbit": draw(st.sampled_from([1000, 10000])),
                "gpus": gpus,
                "gpu_model": draw(st.sampled_from(["A", "B"])) if gpus else "",
                "gpu_memory_mib": 16000,
                "rack": draw(st.sampled_from(["", "r1", "r2"])),
                "leaf": draw(st.sampled_from(["l1", "l2"])),
                "feed": draw(st.sampled_from(["f1", "f2"])),
                "nvlink_domain": draw(st.sampled_from(["", "d1"])),
                "idle_watts": 100.0,
                "gpu_watts": draw(st.sampled_from([50.0, 300.0])),
                "gpu_idle_watts": draw(st.sampled_from([0.0, 20.0])),
                "in_service": draw(st.sampled_from([True, True, True, False])),
            }
        )
    models = sorted({node["gpu_model"] for node in nodes if node["gpus"]})
    works: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 8))):
        gpus = draw(st.sampled_from([0, 1, 1, 1, 2]))
        gang = draw(st.booleans())
        works.append(
            {
                "name": f"w{number}",
                "project": draw(st.sampled_from(["", "p", "q"])),
                "copies": draw(st.integers(1, 4)),
                "cpu_milli": draw(st.sampled_from([0, 500, 1500, 4000])),
                "memory_mib": draw(st.sampled_from([0, 1000, 9000])),
                "network_mbit": draw(st.sampled_from([0, 0, 400])),
                "gpus": gpus,
                "gpu_share_milli": draw(st.sampled_from([1000, 250, 330, 510])) if gpus == 1 else 1000,
                "gpu_models": [draw(st.sampled_from(models))] if models and gpus and draw(st.booleans()) else [],
                "gpu_memory_mib": draw(st.sampled_from([0, 4000])),
                "gang": gang,
                "locality": draw(st.sampled_from(["any", "rack", "leaf", "nvlink"])) if gang else "any",
                "most_per_node": draw(st.sampled_from([0, 0, 1, 2])),
                "most_per_rack": 0 if gang else draw(st.sampled_from([0, 0, 1])),
                "workload_class": draw(st.sampled_from(["", "quick", "slow"])),
                "latency_class": draw(st.sampled_from(["", "", "interactive"])),
                "priority": draw(st.integers(-1, 1)),
                "duration_hours": 2.0,
                "deadline_hours": draw(st.sampled_from([0.0, 5.0])),
                "running_on": draw(st.sampled_from([[], [nodes[0]["name"]]])),
                "may_move": draw(st.booleans()),
                "preemptible": draw(st.booleans()),
            }
        )
    objectives = draw(
        st.sampled_from(
            [
                ["allocation"],
                ["priority", "allocation"],
                ["fairness", "allocation", "energy"],
                ["deadline", "allocation", "fragmentation"],
                ["allocation", "moves", "cost"],
                ["moves", "allocation"],
            ]
        )
    )
    return read_problem(
        {
            "schema_version": 1,
            "nodes": nodes,
            "workloads": works,
            "projects": [{"name": ""}] * 0
            + (
                [{"name": "p", "quota_gpu_milli": 1500}, {"name": "q", "floor_gpu_milli": 1000}]
                if all(w["project"] for w in works)
                else []
            ),
            "feeds": [{"name": "f1", "limit_watts": draw(st.sampled_from([150.0, 800.0]))}],
            "policy": {
                "objectives": objectives,
                "reserve_per_rack": draw(st.sampled_from([0, 0, 1])),
                "power_limits": draw(st.sampled_from([None, {"slowdown_percent": 10}])),
            },
            "power_curves": [curve("A", "quick", 200), curve("A", "slow", 100), curve("B", "slow", 150)],
        }
    )


def curve(model: str, workload: str, limit: float) -> dict[str, Any]:
    """A GPU that may have that limit, and 400 W of its own."""
    points = [{"limit_watts": watts, "seconds": 10, "mean_watts": watts} for watts in (limit, 400)]
    return {"model": model, "workload": workload, "origin": "made up", "points": points}


@pytest.mark.slow
@SLOWLY
@given(problem=problems(), strategy=st.sampled_from(PLAIN))
def test_no_plan_breaks_a_rule_and_none_beats_the_bound(problem: Problem, strategy: str) -> None:
    # make_plan itself refuses a plan that breaks a rule, so both plans have passed the check.
    best = make_plan(problem, seconds=100)
    other = make_plan(problem, strategy)
    assert broken_rules(problem, best.placements) == broken_rules(problem, other.placements) == []
    first = best.stages[0] if best.stages else None
    if first is not None and first.objective in dict(other.values):
        assert dict(other.values)[first.objective] <= first.bound + 1e-4
    placed = sum(one.missing for one in best.refused) + len(best.placements)
    assert placed == sum(work.copies for work in problem.workloads)
    assert all(one.reason for one in best.refused)


@st.composite
def shared(draw: Any) -> Problem:
    """Projects that want more than there is."""
    nodes = [
        {
            "name": f"n{number}",
            "cpu_milli": 16000,
            "memory_mib": 64000,
            "gpus": draw(st.integers(1, 3)),
            "gpu_model": "A",
        }
        for number in range(draw(st.integers(1, 3)))
    ]
    works = [
        {
            "name": f"{project}{number}",
            "project": project,
            "copies": draw(st.integers(1, 3)),
            "cpu_milli": draw(st.sampled_from([0, 1000])),
            "gpus": 1,
            "gpu_share_milli": draw(st.sampled_from([1000, 500])),
        }
        for project in "pqr"
        for number in range(draw(st.integers(0, 2)))
    ]
    projects = [{"name": name, "weight": draw(st.sampled_from([1.0, 2.0]))} for name in "pqr"]
    policy = {"objectives": ["fairness", "allocation"]}
    return read_problem(
        {"schema_version": 1, "nodes": nodes, "workloads": works, "projects": projects, "policy": policy}
    )


@SLOWLY
@given(problem=shared())
def test_a_proven_least_share_cannot_be_raised_and_a_smaller_one_is_recognised(problem: Problem) -> None:
    best = make_plan(problem, seconds=100)
    least = best.stages[0]
    if least.objective == "fairness" and least.bound - least.value < 1e-6:
        assert unfair(problem, best.placements) == []
    # Take all from one project and give it to nobody: where another has something to spare for it, that is seen.
    works = {work.name: work for work in problem.workloads}
    has: collections.Counter[str] = collections.Counter()
    for one in best.placements:
        has[works[one.workload].project] += works[one.workload].gpu_milli
    for name in "pqr":
        kept = [one for one in best.placements if works[one.workload].project != name]
        mine = [works[one.workload] for one in best.placements if works[one.workload].project == name]
        spare = [
            works[one.workload] for one in kept if has[works[one.workload].project] > works[one.workload].gpu_milli
        ]
        if any(
            less.cpu_milli <= more.cpu_milli and less.gpu_share_milli <= more.gpu_share_milli
            for less in mine
            for more in spare
        ) and all(has[other.project] for other in problem.workloads):
            assert unfair(problem, kept)


@SLOWLY
@given(problem=problems(), place=st.integers(0, 100), what=st.sampled_from(["node", "gpu", "twice", "work", "none"]))
def test_corrupted_plans_are_recognised(problem: Problem, place: int, what: str) -> None:
    placements: list[Any] = list(make_plan(problem, "first_fit").placements)
    if not placements:
        return
    number = place % len(placements)
    one = placements[number]
    if what == "node":
        placements[number] = one._replace(node="nowhere")
    elif what == "gpu":
        placements[number] = one._replace(gpus=(*one.gpus, 99))
    elif what == "work":
        placements[number] = one._replace(workload="nothing")
    elif what == "twice":
        copies = next(work.copies for work in problem.workloads if work.name == one.workload)
        placements += [one] * copies
    else:
        full = [node.name for node in problem.nodes if node.gpus < len(one.gpus) or not node.in_service]
        if not full or (not one.gpus and all(node.in_service for node in problem.nodes)):
            return
        target = next((n.name for n in problem.nodes if not n.in_service), full[0])
        placements[number] = one._replace(node=target)
    assert broken_rules(problem, placements)

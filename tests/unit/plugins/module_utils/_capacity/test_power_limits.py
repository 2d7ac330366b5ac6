# Tests of power limits in plans: chosen from curves, a setting of a node, counted against ceilings, proven.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.power import node_watts
from ansible_collections.aidc.ops.plugins.module_utils._capacity.verify import broken_rules
from ansible_collections.aidc.ops.plugins.module_utils._schedule.model import timed

SLOWLY = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def curve(model: str, workload: str, *points: tuple[float, float]) -> dict[str, Any]:
    """Points of (limit, seconds), each drawing its limit."""
    rows = [{"limit_watts": limit, "seconds": seconds, "mean_watts": limit} for limit, seconds in points]
    return {"model": model, "workload": workload, "origin": "our lab", "points": rows}


CURVES = [
    # 5 % slower with 250 W, and 20 % with 150 W: 262.5, 180 and 400 W s for each W s of the work.
    curve("M", "steady", (150, 120), (250, 105), (400, 100)),
    curve("M", "hungry", (300, 104), (400, 100)),
]


def node(name: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "cpu_milli": 64000, "memory_mib": 64000, "gpus": 4, "gpu_model": "M"}
    return {**row, "feed": "f", "idle_watts": 200.0, "gpu_watts": 400.0, "gpu_idle_watts": 50.0, **more}


def work(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "cpu_milli": 100, "memory_mib": 100, "gpus": 1, **more}


def problem(nodes: list[dict[str, Any]], works: list[dict[str, Any]], **more: Any) -> Problem:
    policy = {"power_limits": {"slowdown_percent": 5}, **more.pop("policy", {})}
    given = {"schema_version": 1, "nodes": nodes, "workloads": works, "policy": policy, "power_curves": CURVES}
    return read_problem({**given, **more})


def test_a_limit_is_chosen_for_each_model_and_class() -> None:
    works = [work("a", workload_class="steady"), work("b", workload_class="hungry"), work("c", workload_class="odd")]
    found = {one.workload_class: one for one in problem([node("n")], works).power_choices}
    assert (found["steady"].limit_watts, round(found["steady"].performance, 4)) == (250, 0.9524)
    assert found["steady"].energy == pytest.approx(105 * 250 / (100 * 400))
    assert (found["hungry"].limit_watts, found["hungry"].origin) == (300, "our lab")
    assert found["odd"].limit_watts is None and "nobody measured 'M' under 'odd'" in found["odd"].reason


def test_prices_choose_too() -> None:
    """A GPU hour of 1 and a kWh of 20: 105 s x (1 + 5) = 630, 120 x (1 + 3) = 480, 100 x (1 + 8) = 900."""
    prices = {"power_limits": {"energy_price": 20.0, "gpu_hour_price": 1.0}}
    (choice,) = problem([node("n")], [work("a", workload_class="steady")], policy=prices).power_choices
    assert choice.limit_watts == 150


def test_what_the_gpus_take_counts() -> None:
    wide = {"power_limits": {"slowdown_percent": 50}}
    nodes = [node("a", gpu_limit_min_watts=200.0, gpu_limit_max_watts=400.0), node("b", gpu_limit_max_watts=700.0)]
    (choice,) = problem(nodes, [work("a", workload_class="steady")], policy=wide).power_choices
    assert choice.limit_watts == 250, "150 W is the best, and too low for the GPUs of one node"
    high = [node("a", gpu_limit_min_watts=500.0)]
    (choice,) = problem(high, [work("a", workload_class="steady")], policy=wide).power_choices
    assert choice.limit_watts is None and "is one that the GPU takes (500 to inf W)" in choice.reason


def test_a_lower_limit_lets_more_run_under_a_feed() -> None:
    """A node of 200 W and GPUs that add 400, or 200 under 250 W: 1,000 W hold 2 of them, or 4."""
    feeds = [{"name": "f", "limit_watts": 1000.0}]
    plain = make_plan(problem([node("n")], [work("a", copies=4)], feeds=feeds))
    limited = problem([node("n")], [work("a", copies=4, workload_class="steady")], feeds=feeds)
    assert len(plain.placements) == 2 and len(make_plan(limited).placements) == 4
    assert len(make_plan(limited, "first_fit").placements) == 4
    told = make_plan(limited).as_dict()
    assert told["kilowatts"] == 1.0
    assert told["power_limits"] == [
        {"node": "n", "limit_watts": 250, "performance": 0.9524, "reason": "a lets it be no lower"}
    ]


def test_work_without_a_limit_lifts_that_of_its_node() -> None:
    feeds = [{"name": "f", "limit_watts": 1200.0}]
    works = [work("a", copies=3, workload_class="steady"), work("b", may_move=False, running_on=["n"])]
    plan = make_plan(problem([node("n")], works, feeds=feeds))
    assert sum(one.workload == "a" for one in plan.placements) == 1, "200 + 2 x 400 W; a third one needs 1,400 W"
    rows = plan.as_dict()["power_limits"]
    assert rows == [{"node": "n", "limit_watts": None, "performance": 1.0, "reason": "b has no limit there"}]


def test_least_power_keeps_work_under_a_limit_apart_from_other_work() -> None:
    """Together on two nodes of two GPUs either way; apart 200 + 2 x 200 and 200 + 2 x 400 W, mixed 2 x 1,000 W."""
    works = [work("a", copies=2, workload_class="steady"), work("b", copies=2)]
    policy = {"objectives": ["allocation", "energy"]}
    plan = make_plan(problem([node("n", gpus=2), node("m", gpus=2)], works, policy=policy))
    assert plan.as_dict()["kilowatts"] == 1.6
    assert dict(plan.values)["energy"] == pytest.approx(-1.6)
    assert sorted(row["limit_watts"] or 0 for row in plan.as_dict()["power_limits"]) == [0, 250]
    assert plan.gap_percent == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("more", "limit"),
    [
        ({}, 250),
        ({"latency_class": "batch"}, 250),
        ({"latency_class": "interactive"}, None),
        ({"duration_hours": 10.0, "deadline_hours": 10.2}, None),
        ({"duration_hours": 10.0, "deadline_hours": 10.6}, 250),
        # It is late anyway.
        ({"duration_hours": 10.0, "deadline_hours": 9.0}, 250),
    ],
)
def test_nobody_who_waits_is_slowed(more: dict[str, Any], limit: float | None) -> None:
    plan = make_plan(problem([node("n")], [work("a", workload_class="steady", **more)]))
    assert [row["limit_watts"] for row in plan.as_dict()["power_limits"]] == [limit]


def test_without_a_policy_nothing_is_chosen() -> None:
    plan = make_plan(problem([node("n")], [work("a", workload_class="steady")], policy={"power_limits": None}))
    assert plan.as_dict()["power_choices"] == plan.as_dict()["power_limits"] == []


def test_what_is_measured_below_the_limit_counts_as_measured() -> None:
    quiet = problem([node("n", gpu_watts=120.0)], [work("a", workload_class="steady", copies=2)])
    assert make_plan(quiet).as_dict()["kilowatts"] == 0.44
    assert node_watts(quiet.nodes[0], []) == 0


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"policy": {"power_limits": {}}}, "power_limits: give either slowdown_percent, or both"),
        ({"policy": {"power_limits": {"energy_price": 1.0}}}, "give either slowdown_percent, or both"),
        ({"policy": {"power_limits": {"slowdown_percent": 5, "energy_price": 1.0}}}, "give either"),
        ({"policy": {"power_limits": {"energy_price": 1.0, "gpu_hour_price": 0}}}, "gpu_hour_price: has to be above"),
        ({"policy": {"power_limits": {"slowdown_percent": -1}}}, "slowdown_percent: -1 is less than 0"),
        ({"policy": {"power_limits": {"slowdown": 1}}}, "power_limits.slowdown: no such key"),
        ({"policy": {"power_limits": 5}}, "power_limits: expected object or null"),
        ({"power_curves": [{"model": "M"}]}, r"power_curves\[0\].workload: missing"),
        ({"power_curves": [curve("M", "steady", (1, 1))]}, r"power_curves: curves\[0\].points: must be a list of 2"),
        ({"power_curves": [CURVES[0], CURVES[0]]}, "M under steady is there twice"),
        ({"power_curves": {}}, "power_curves: expected array"),
        ({"workloads": [work("a", latency_class="soon")]}, r"latency_class: 'soon' is none of"),
    ],
)
def test_wrong_wishes_and_curves_are_named(more: dict[str, Any], text: str) -> None:
    with pytest.raises(ProblemError, match=text):
        problem([node("n")], [], **more)


def test_the_check_counts_with_limits_too() -> None:
    feeds = [{"name": "f", "limit_watts": 1000.0}]
    limited = problem([node("n")], [work("a", copies=4, workload_class="steady"), work("b", copies=4)], feeds=feeds)
    of_a = [("a", "n", (gpu,)) for gpu in range(4)]
    assert broken_rules(limited, of_a) == []
    assert broken_rules(limited, [*of_a[:3], ("b", "n", (3,))]) == ["feed f: 1800 of 1000 W"]


def test_a_schedule_counts_on_the_limits_of_the_gpus() -> None:
    found = timed(problem([node("n")], [work("a", workload_class="steady", duration_hours=1.0)]), {}, [], 0.0)
    assert all(not job.work.gpu_limits for job in found.jobs)


@st.composite
def small(draw: Any) -> Problem:
    """A few nodes of one or two GPUs, copies of three sorts, and ceilings that bind."""
    nodes = [
        node(f"n{number}", gpus=draw(st.integers(1, 2)), feed=draw(st.sampled_from("fg")))
        for number in range(draw(st.integers(1, 3)))
    ]
    works = [
        work(name, workload_class=name, copies=draw(st.integers(0, 2)) or 1, gpus=draw(st.sampled_from([1, 1, 2])))
        for name in draw(st.sampled_from([["steady"], ["steady", "none"], ["steady", "hungry", "none"]]))
    ]
    feeds = [{"name": "f", "limit_watts": draw(st.sampled_from([450.0, 700.0, 1000.0, 1300.0]))}]
    limit = draw(st.sampled_from([None, 900.0, 1500.0]))
    policy = {"objectives": ["allocation", "energy"], "limit_watts": limit}
    return problem(nodes, works, feeds=feeds, policy=policy)


def best_by_trying(given: Problem) -> tuple[float, float]:
    """The most GPUs that can be in use, and the least power for them in kW: every way of all copies is tried."""
    works = {one.name: one for one in given.workloads}
    copies = [one.name for one in given.workloads for _unused in range(one.copies)]
    best = (0.0, 0.0)
    for places in itertools.product([None, *given.nodes], repeat=len(copies)):
        free = {one.name: list(range(one.gpus)) for one in given.nodes}
        placements = []
        for name, place in zip(copies, places, strict=True):
            if place is not None:
                gpus, free[place.name] = free[place.name][: works[name].gpus], free[place.name][works[name].gpus :]
                placements.append((name, place.name, gpus))
        if broken_rules(given, placements):
            continue
        used = sum(works[name].gpus for name, _node, _gpus in placements)
        watts = sum(
            node_watts(one, [works[name] for name, where, _gpus in placements if where == one.name])
            for one in given.nodes
        )
        best = max(best, (float(used), -watts / 1000))
    return best


@SLOWLY
@given(given_problem=small())
def test_the_plan_is_the_best_there_is(given_problem: Problem) -> None:
    plan = make_plan(given_problem, seconds=100)
    gpus, power = best_by_trying(given_problem)
    stages = {stage.objective: stage for stage in plan.stages}
    if gpus:
        assert stages["allocation"].bound >= gpus - 1e-6
        assert dict(plan.values)["allocation"] == pytest.approx(gpus)
        assert dict(plan.values)["energy"] == pytest.approx(power, abs=1e-6)
        assert stages["energy"].bound >= power - 1e-6

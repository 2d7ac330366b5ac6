# Tests of the planner on cases whose answer a person can check by hand, the infeasible ones among them.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity import linear, numeric
from ansible_collections.aidc.ops.plugins.module_utils._capacity.board import Board
from ansible_collections.aidc.ops.plugins.module_utils._capacity.case import prepare
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import Plan, make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import STRATEGIES, Weights, price
from ansible_collections.aidc.ops.plugins.module_utils._capacity.verify import broken_rules, unfair


def problem(nodes: list[dict[str, Any]], workloads: list[dict[str, Any]], **more: Any) -> Problem:
    rows = [{"cpu_milli": 64000, "memory_mib": 512000, **node} for node in nodes]
    return read_problem({"schema_version": 1, "nodes": rows, "workloads": workloads, **more})


def gpu_nodes(number: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"n{place}", "gpus": 8, "gpu_model": "H100", **more} for place in range(number)]


def plan(asked: Problem, strategy: str = "optimal") -> Plan:
    answer = make_plan(asked, strategy, seconds=120)
    assert broken_rules(asked, answer.placements) == []
    return answer


def where(answer: Plan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in answer.placements:
        found.setdefault(one.workload, []).append(one.node)
    return {name: sorted(nodes) for name, nodes in found.items()}


def reason(answer: Plan, workload: str) -> str:
    return next(one.reason for one in answer.refused if one.workload == workload)


def test_a_million_cores_of_four_nodes_with_a_thousand() -> None:
    nodes = [{"name": f"n{place}", "cpu_milli": 1_000_000} for place in range(4)]
    one = plan(problem(nodes, [{"name": "all", "cpu_milli": 1_000_000_000}]))
    assert reason(one, "all") == (
        "asks for 1,000,000 cores in all and 1,000,000 on one node; 4 nodes have 4,000 together and at most 1,000"
    )
    many = plan(problem(nodes, [{"name": "all", "copies": 1_000_000, "cpu_milli": 1000}]))
    assert len(many.placements) == 4000 and many.refused[0].missing == 996_000
    assert reason(many, "all") == "asks for 1,000,000 cores in all; the 4 nodes that suit it have 4,000"


def test_thirty_cores_on_ten_nodes_of_two() -> None:
    nodes = [{"name": f"n{place}", "cpu_milli": 2000} for place in range(10)]
    one = plan(problem(nodes, [{"name": "job", "cpu_milli": 30_000}]))
    assert one.placements == []
    assert reason(one, "job") == "asks for 30 cores in all and 30 on one node; 10 nodes have 20 together and at most 2"
    copies = plan(problem(nodes, [{"name": "job", "copies": 30, "cpu_milli": 1000, "gang": True}]))
    assert copies.placements == []
    assert reason(copies, "job") == "asks for 30 cores in all; the 10 nodes that suit it have 20"


def test_greedy_is_wrong_and_the_plan_is_right() -> None:
    """Two GPUs of 0.5 and 0.5, 0.6 and 0.4: 2.0 fit in only one way, and first fit takes 0.5 + 0.4 first."""
    shares = {"a": 500, "b": 400, "c": 600, "d": 500}
    works = [{"name": name, "gpus": 1, "gpu_share_milli": share} for name, share in shares.items()]
    asked = problem([{"name": "n0", "gpus": 2, "gpu_model": "A10"}], works)
    assert len(plan(asked, "first_fit").placements) == 3
    best = plan(asked)
    assert len(best.placements) == 4 and best.gap_percent == pytest.approx(0, abs=0.01)
    gpus = {one.workload: one.gpus for one in best.placements}
    assert gpus["a"] == gpus["d"] != gpus["b"] == gpus["c"]


def test_a_gang_stands_in_one_nvlink_domain_or_not_at_all() -> None:
    nodes = [{**node, "nvlink_domain": "x" if place < 2 else "y"} for place, node in enumerate(gpu_nodes(3))]
    gang = {"gang": True, "gpus": 8, "locality": "nvlink"}
    answer = plan(problem(nodes, [{"name": "two", "copies": 2, **gang}, {"name": "three", "copies": 3, **gang}]))
    assert where(answer) == {"two": ["n0", "n1"]}
    alone = plan(problem(nodes, [{"name": "three", "copies": 3, **gang}]))
    assert alone.placements == []
    assert reason(alone, "three").endswith("3 have room, at most 2 of them together (domain x)")


def test_every_scheduler_keeps_to_its_own_nodes() -> None:
    nodes = [{**node, "engine": engine} for node, engine in zip(gpu_nodes(3), ("slurm", "pods", ""), strict=True)]
    works = [
        {"name": "job", "copies": 3, "gpus": 8, "engine": "slurm"},
        {"name": "pod", "copies": 2, "gpus": 8, "engine": "pods"},
    ]
    asked = problem(nodes, works)
    for strategy in STRATEGIES:
        answer = plan(asked, strategy)
        assert len(answer.placements) == 3, strategy
        assert "n1" not in where(answer).get("job", ()) and "n0" not in where(answer).get("pod", ()), strategy
    assert broken_rules(asked, [("pod", "n0", range(8))]) == ["n0: belongs to slurm, and pod to pods"]
    stranger = plan(problem(nodes[:1], works[1:]))
    assert reason(stranger, "pod") == "needs 8 x GPU, a node of pods on one node; no node has all of that"
    stays = [{"name": "pod", "gpus": 1, "engine": "pods", "running_on": ["n0"], "may_move": False}]
    assert where(plan(problem(nodes, stays))) == {"pod": ["n1"]}, "what cannot run there is no reason to stay"


def test_spread_over_nodes_and_racks() -> None:
    nodes = [{**node, "rack": "ab"[place // 2]} for place, node in enumerate(gpu_nodes(4))]
    service = {"name": "web", "copies": 4, "gpus": 1}
    assert where(plan(problem(nodes, [{**service, "most_per_node": 1}])))["web"] == ["n0", "n1", "n2", "n3"]
    answer = plan(problem(nodes, [{**service, "most_per_rack": 1}]))
    assert len(where(answer)["web"]) == 2 and answer.refused[0].missing == 2
    assert "as its spread allows" in reason(answer, "web")


def test_quota_floor_and_weights() -> None:
    works = [{"name": f"{name}{place}", "project": name, "gpus": 1} for name in "ab" for place in range(8)]
    quota = plan(problem(gpu_nodes(1), works[:12], projects=[{"name": "a", "quota_gpu_milli": 2000}, {"name": "b"}]))
    assert sorted(where(quota))[:2] == ["a0", "a1"] and len(where(quota)) == 6
    assert "project a has 2 of its 2 GPUs in use" in reason(quota, "a7")
    floor = plan(problem(gpu_nodes(1), works, projects=[{"name": "a"}, {"name": "b", "floor_gpu_milli": 7000}]))
    assert sum(name.startswith("b") for name in where(floor)) >= 7
    fair = {"policy": {"objectives": ["fairness", "allocation"]}}
    weights = [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]
    shares = plan(problem(gpu_nodes(1), works, projects=weights, **fair))
    assert sum(name.startswith("a") for name in where(shares)) == 6
    assert unfair(shares.problem, shares.placements) == [] and shares.note == ""
    first = plan(problem(gpu_nodes(1), works, projects=weights, **fair), "first_fit")
    assert first.note == "a swap would be fairer: b0 of b could be on n0 instead of a0 of a"


def test_workloads_with_a_deadline_are_counted_whole() -> None:
    """Four copies are one workload: all of it is proven, and three of four copies are three quarters."""
    works = [{"name": "due", "copies": 4, "gpus": 2, "deadline_hours": 5.0, "duration_hours": 2.0}]
    policy = {"policy": {"objectives": ["deadline", "response_time", "allocation"]}}
    done = plan(problem(gpu_nodes(1), works, **policy))
    assert [(stage.value, stage.bound) for stage in done.stages] == [(1, 1), (0.5, 0.5), (8, 8)]
    part = plan(problem(gpu_nodes(1, gpus=6), works, **policy))
    assert part.stages[0].value == pytest.approx(0.75) and part.stages[0].bound == pytest.approx(0.75, abs=1e-3)


def test_the_linear_programme_takes_what_is_worth_most() -> None:
    """Sixteen ask for eight GPUs; the eight with cores are worth more by the weights."""
    works = [{"name": "bare", "copies": 8, "gpus": 1}, {"name": "cores", "copies": 8, "gpus": 1, "cpu_milli": 8000}]
    board = Board(prepare(problem(gpu_nodes(1), works)))
    parts = linear.parts(board, lambda work: price(work, Weights()), lambda node: 0.0, 60.0)
    assert parts is not None
    assert [(number, nodes.tolist(), copies) for number, nodes, copies in parts] == [(1, [True], 8)]


def test_time_that_is_over_is_said_and_what_was_found_is_returned() -> None:
    works = [{"name": f"w{place}", "gpus": 1} for place in range(8)]
    answer = make_plan(problem(gpu_nodes(1), works), "first_fit", seconds=0.0)
    assert answer.placements == [] and answer.note == "time ran out, so another run may find another plan"
    assert len(answer.refused) == 8


def test_priority_goes_before_size() -> None:
    works = [{"name": "large", "gpus": 8}, {"name": "small", "gpus": 1, "priority": 5}]
    by_size = plan(problem(gpu_nodes(1), works))
    assert set(where(by_size)) == {"large"}
    ranked = plan(problem(gpu_nodes(1), works, policy={"objectives": ["priority", "allocation"]}))
    assert set(where(ranked)) == {"small"}
    assert [stage.objective for stage in ranked.stages] == ["priority 5", "priority 0", "allocation"]


def test_a_feed_at_its_ceiling_is_the_reason() -> None:
    nodes = gpu_nodes(3, rack="B", feed="f", idle_watts=1000, gpu_watts=500)
    works = [{"name": f"job{place}", "gpus": 8, "gpu_models": ["H100"]} for place in range(3)]
    answer = plan(problem(nodes, works, feeds=[{"name": "f", "limit_watts": 9999}]))
    assert len(answer.placements) == 1
    assert reason(answer, answer.refused[0].workload) == (
        "needs 8 x H100; 3 nodes could hold it, 2 have room, all in rack B whose power feed is at its ceiling: "
        "f (5,000 of 9,999 W)"
    )


def test_reserve_and_nodes_out_of_service() -> None:
    nodes = gpu_nodes(3, rack="a")
    nodes[0]["in_service"] = False
    answer = plan(problem(nodes, [{"name": "job", "copies": 3, "gpus": 8}], policy={"reserve_per_rack": 1}))
    assert len(answer.placements) == 1
    none = plan(problem(nodes[:1], [{"name": "job", "gpus": 8}]))
    assert reason(none, "job") == "needs 8 x GPU: 1 node could hold it, 1 out of service"


def test_network_is_a_dimension() -> None:
    works = [{"name": f"io{place}", "gpus": 1, "network_mbit": 60_000} for place in range(3)]
    answer = plan(problem(gpu_nodes(1, network_mbit=100_000), works))
    assert len(answer.placements) == 1
    assert "lacks 20,000 Mbit/s" in reason(answer, answer.refused[0].workload)


def test_what_may_not_move_stays_and_the_rest_stays_where_it_can() -> None:
    works = [
        {"name": "fixed", "gpus": 3, "running_on": ["n1"], "may_move": False},
        {"name": "loose", "gpus": 4, "running_on": ["n0"]},
        {"name": "new", "gpus": 5},
    ]
    answer = plan(problem(gpu_nodes(2), works))
    assert where(answer) == {"fixed": ["n1"], "loose": ["n0"], "new": ["n1"]}
    assert answer.as_dict()["placements"][0]["reason"] == "it runs there and must not move"


def test_fewest_nodes_and_least_power() -> None:
    nodes = [
        {**node, "idle_watts": 900 if place == 1 else 1000, "price_per_hour": 1.0}
        for place, node in enumerate(gpu_nodes(3))
    ]
    works = [{"name": f"w{place}", "gpus": 2} for place in range(4)]
    power = plan(problem(nodes, works, policy={"objectives": ["allocation", "energy"]}))
    assert {one.node for one in power.placements} == {"n1"}
    cost = plan(problem(nodes, works, policy={"objectives": ["allocation", "cost"]}))
    assert len({one.node for one in cost.placements}) == 1 and cost.as_dict()["price_per_hour"] == 1


def test_what_runs_stays_where_moves_count() -> None:
    """Both nodes can hold the new one after a move of 2 or of 5; without moves neither can."""
    works = [
        {"name": "a", "gpus": 3, "running_on": ["n0"]},
        {"name": "b", "copies": 2, "gpus": 1, "running_on": ["n0", "n1"]},
        {"name": "c", "gpus": 5, "running_on": ["n1"]},
        {"name": "new", "gpus": 6},
    ]
    few = plan(problem(gpu_nodes(2), works, policy={"objectives": ["allocation", "moves"]}))
    assert len(few.placements) == 5 and few.refused == []
    assert few.stages[-1].objective == "moves" and few.stages[-1].value == -2 <= few.stages[-1].bound
    assert few.as_dict()["moves"] == 2
    none = plan(problem(gpu_nodes(2), works, policy={"objectives": ["moves", "allocation"]}))
    assert none.as_dict()["moves"] == 0 and reason(none, "new")
    for strategy in ("first_fit", "consolidate"):
        kept = plan(problem(gpu_nodes(2), works, policy={"objectives": ["allocation", "moves"]}), strategy)
        assert kept.as_dict()["moves"] == 0 and len(kept.placements) == 4


def test_a_gang_stays_whole_where_moves_count() -> None:
    gang = {"name": "gang", "copies": 2, "gpus": 4, "gang": True, "locality": "rack", "running_on": ["n2", "n3"]}
    nodes = [{**node, "rack": "ab"[place // 2]} for place, node in enumerate(gpu_nodes(4))]
    works = [gang, {"name": "big", "copies": 2, "gpus": 8}]
    for strategy in ("optimal", "first_fit"):
        answer = plan(problem(nodes, works, policy={"objectives": ["allocation", "moves"]}), strategy)
        assert where(answer) == {"gang": ["n2", "n3"], "big": ["n0", "n1"]}


def test_the_plan_says_what_it_was_made_for_and_who_got_what() -> None:
    nodes = [*gpu_nodes(3, rack="a"), {"name": "cpu", "in_service": False}]
    works = [{"name": "w", "project": "p", "copies": 3, "gpus": 8}, {"name": "half", "gpus": 1, "gpu_share_milli": 500}]
    more = {"projects": [{"name": "p", "quota_gpu_milli": 9000}, {"name": "q"}], "policy": {"reserve_per_rack": 1}}
    told = plan(problem(nodes, works, **more)).as_dict()
    assert told["fleet"][0] == {"name": "n0", "gpus": 8, "gpu_model": "H100", "in_service": True}
    assert told["fleet"][3] == {"name": "cpu", "gpus": 0, "gpu_model": "", "in_service": False}
    assert told["projects"] == [
        {"project": "", "gpus_asked": 0.5, "gpus_allocated": 0.5, "gpus_quota": None},
        {"project": "p", "gpus_asked": 24.0, "gpus_allocated": 8.0, "gpus_quota": 9.0},
        {"project": "q", "gpus_asked": 0.0, "gpus_allocated": 0.0, "gpus_quota": None},
    ]
    assert told["reserve"] == [
        {"rack": "", "nodes": 0, "kept_free": [], "gpus_kept_free": 0},
        {"rack": "a", "nodes": 3, "kept_free": ["n0"], "gpus_kept_free": 8},
    ]


def test_few_nodes_of_a_price_are_proven() -> None:
    """Seven of 3 GPUs, two on a node: four nodes. By GPUs alone 21 of 8 would be 2.6, so 3."""
    works = [{"name": "w", "copies": 7, "gpus": 3}]
    nodes = gpu_nodes(6, price_per_hour=2.5)
    answer = plan(problem(nodes, works, policy={"objectives": ["allocation", "cost"]}))
    assert answer.stages[-1].value == answer.stages[-1].bound == -10.0


def test_what_waits_is_not_planned() -> None:
    works = [{"name": "first", "gpus": 1}, {"name": "then", "gpus": 1, "after": ["first"]}]
    answer = plan(problem(gpu_nodes(1), works))
    assert set(where(answer)) == {"first"} and reason(answer, "then") == "waits for first"


def test_the_same_input_has_the_same_answer() -> None:
    works = [{"name": f"w{place}", "gpus": 1, "gpu_share_milli": 100 + 70 * (place % 9)} for place in range(40)]
    asked = problem(gpu_nodes(2), works)
    first, second = plan(asked), plan(asked)
    assert first.placements == second.placements and first.stages == second.stages


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_obeys_the_rules_and_none_beats_the_plan(strategy: str) -> None:
    nodes = [{**node, "rack": "ab"[place % 2]} for place, node in enumerate(gpu_nodes(3))]
    works: list[dict[str, Any]] = [
        {"name": f"w{place}", "gpus": 1, "gpu_share_milli": 300 + 100 * (place % 5)} for place in range(30)
    ]
    works.append({"name": "gang", "copies": 2, "gpus": 4, "gang": True, "locality": "rack", "deadline_hours": 3.0})
    asked = problem(nodes, works)
    best, other = plan(asked), plan(asked, strategy)
    assert best.values[0][1] >= other.values[0][1] - 1e-6
    assert other.strategy == strategy


def test_without_the_solver_the_best_of_the_others_is_taken_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "HAS_HIGHSPY", False)
    answer = plan(problem(gpu_nodes(1), [{"name": "w", "gpus": 1}]))
    assert answer.strategy != "optimal" and answer.stages == [] and answer.gap_percent is None
    assert answer.note.startswith("highspy is missing, so there is no bound")


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(ProblemError, match="strategy: 'magic' is none of optimal"):
        make_plan(problem(gpu_nodes(1), []), "magic")

# Tests of MIG instances in a plan: parts that say what fits, layouts, refusals, and random fleets.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._capacity.mig import SLICES, cut, is_profile, part
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import Plan, make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import PLAIN
from ansible_collections.aidc.ops.plugins.module_utils._capacity.verify import broken_rules
from ansible_collections.aidc.ops.plugins.module_utils._errors import GpuConfigError
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config import mig_layout

H100, A30 = 81559, 24576
# Profile -> (id, slices, places, where an instance may begin), as nvidia-smi mig -lgipp tells of H100 and A30.
PROFILES = {
    7: {
        "1g.10gb": (19, 1, 1, range(7)),
        "1g.20gb": (15, 1, 2, (0, 2, 4, 6)),
        "2g.20gb": (14, 2, 2, (0, 2, 4)),
        "3g.40gb": (9, 3, 4, (0, 4)),
        "4g.40gb": (5, 4, 4, (0,)),
        "7g.80gb": (0, 7, 8, (0,)),
    },
    4: {"1g.6gb": (14, 1, 1, range(4)), "2g.12gb": (5, 2, 2, (0, 2)), "4g.24gb": (0, 4, 4, (0,))},
}
MEMORY = {7: H100, 4: A30}


def node(name: str = "n0", gpus: int = 1, **more: Any) -> dict[str, Any]:
    row = {"name": name, "cpu_milli": 64000, "memory_mib": 512000, "gpus": gpus, "gpu_model": "h100"}
    return {**row, "gpu_memory_mib": H100, "mig_slices": 7, **more}


def work(name: str, profile: str = "", copies: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": name, "gpus": 1, "copies": copies, "cpu_milli": 1000, "mig_profile": profile, **more}


def problem(nodes: list[dict[str, Any]], *works: dict[str, Any], **more: Any) -> Problem:
    return read_problem({"schema_version": 1, "nodes": nodes, "workloads": list(works), **more})


def plan(asked: Problem, strategy: str = "optimal") -> Plan:
    answer = make_plan(asked, strategy, seconds=60)
    assert broken_rules(asked, answer.placements) == []
    return answer


def layouts(answer: Plan) -> list[list[str]]:
    return [row["profiles"] for row in answer.as_dict()["mig_layouts"]]


@pytest.mark.parametrize("slices", SLICES)
def test_parts_add_up_to_a_gpu_exactly_where_there_is_a_layout(slices: int) -> None:
    known = [
        mig_layout.Profile(number, name, taken, places, tuple(starts))
        for name, (number, taken, places, starts) in PROFILES[slices].items()
    ]
    for count in range(1, 9):
        for names in itertools.combinations_with_replacement(PROFILES[slices], count):
            wanted = mig_layout.find(known, names)
            try:
                mig_layout.change([], wanted)
                fits = sum(profile.slices for profile in wanted) <= slices
            except GpuConfigError:
                fits = False
            parts = [part(name, slices, MEMORY[slices]) for name in names]
            assert fits == (sum(filter(None, parts)) <= 1000) and None not in parts, names


@pytest.mark.parametrize(
    ("slices", "memory_mib", "profile", "taken"),
    [
        (7, 40960, "1g.5gb", (1, 1)),
        (7, 40960, "1g.10gb", (1, 2)),
        (7, 40960, "3g.20gb", (3, 4)),
        (7, 81920, "4g.40gb", (4, 4)),
        (7, 95830, "1g.12gb", (1, 1)),
        (7, 95830, "3g.47gb", (3, 4)),
        (7, 143771, "1g.18gb", (1, 1)),
        (7, 143771, "1g.35gb", (1, 2)),
        (7, 143771, "7g.141gb", (7, 8)),
        (7, 183359, "2g.45gb", (2, 2)),
        (7, 275040, "7g.269gb", (7, 8)),
        (4, 24576, "2g.12gb", (2, 2)),
        (4, 97887, "4g.96gb", (4, 4)),
        (7, 81559, "2g.10gb", None),
        (7, 81559, "1g.6gb", None),
        (7, 81559, "1g.18gb", None),
        (4, 24576, "1g.5gb", None),
        (7, 81559, "5g.50gb", None),
        (7, 0, "1g.10gb", None),
        (0, 81559, "1g.10gb", None),
        (7, 81559, "1g.10gb+me", None),
        (7, 81559, "8g.80gb", None),
        (7, 81559, "", None),
    ],
)
def test_what_a_profile_takes(slices: int, memory_mib: int, profile: str, taken: tuple[int, int] | None) -> None:
    assert cut(profile, slices, memory_mib) == taken


def test_names() -> None:
    assert is_profile("1g.5gb") and is_profile("7g.141gb")
    assert not any(map(is_profile, ("", "1g", "1g.10gb+me", "g.10gb", "0g.5gb", "1g.05gb", "1G.10GB", "1g.10gb ")))


def test_seven_small_ones_are_all_that_fit() -> None:
    answer = plan(problem([node()], work("infer", "1g.10gb", 8)))
    assert len(answer.placements) == 7 and layouts(answer) == [["1g.10gb"] * 7]
    (refused,) = answer.refused
    assert refused.missing == 1
    assert refused.reason.startswith(
        "needs a MIG instance 1g.10gb of a GPU, 1 cores; 1 node could hold it, all too full"
    )


def test_two_halves_leave_no_place_although_a_slice_is_left() -> None:
    answer = plan(problem([node()], work("half", "3g.40gb", 2, priority=1), work("small", "1g.10gb"), **BY_PRIORITY))
    assert layouts(answer) == [["3g.40gb", "3g.40gb"]] and [one.workload for one in answer.refused] == ["small"]


BY_PRIORITY = {"policy": {"objectives": ["priority", "allocation"]}}


def test_first_fit_is_wrong_and_the_plan_is_right() -> None:
    """4 + 3 and 4 + 2 + 1 slices fill two GPUs; 2 + 1 + 3 on the first one leave a place for one of the fours."""
    names = ["2g.20gb", "1g.10gb", "3g.40gb", "4g.40gb", "4g.40gb"]
    asked = problem([node(gpus=2)], *(work(f"w{number}", name) for number, name in enumerate(names)))
    assert len(plan(asked, "first_fit").placements) == 4
    answer = plan(asked)
    assert len(answer.placements) == 5 and answer.refused == []
    assert sorted(layouts(answer)) == [["4g.40gb", "2g.20gb", "1g.10gb"], ["4g.40gb", "3g.40gb"]]


def test_whole_gpus_beside_cut_ones_are_told_as_whole() -> None:
    answer = plan(problem([node(gpus=4)], work("infer", "2g.20gb", 3), work("train", copies=2)))
    rows = answer.as_dict()["mig_layouts"]
    assert sorted(row["profiles"] for row in rows) == [[], [], ["2g.20gb"] * 3]
    assert {row["node"] for row in rows} == {"n0"} and len({row["gpu"] for row in rows}) == 3


def test_a_fleet_without_mig_has_no_layouts() -> None:
    answer = plan(problem([node(mig_slices=0)], work("train")))
    assert len(answer.placements) == 1 and layouts(answer) == []


def test_other_shares_stay_away_from_gpus_that_mig_may_cut() -> None:
    answer = plan(problem([node(), node("n1", mig_slices=0)], work("slice", gpu_share_milli=500, copies=3)))
    assert {one.node for one in answer.placements} == {"n1"} and len(answer.placements) == 2


def test_where_no_gpu_may_be_cut_so() -> None:
    answer = plan(problem([node(mig_slices=0), node("n1")], work("large", "1g.35gb")))
    assert answer.placements == []
    assert answer.refused[0].reason == (
        "needs a MIG instance 1g.35gb of a GPU, 1 cores: no node has a GPU that a plan may cut so (mig_slices)"
    )


def test_one_name_on_two_kinds_of_gpus() -> None:
    nodes = [node(), node("n1", gpu_model="a100", gpu_memory_mib=40960)]
    with pytest.raises(ProblemError, match=r"1g\.10gb is not the same part of a100 and h100; choose by gpu_models"):
        problem(nodes, work("infer", "1g.10gb"))
    answer = plan(problem(nodes, work("infer", "1g.10gb", 5, gpu_models=["a100"])))
    # Of 40 GB it is a quarter, of 80 GB an eighth.
    assert {one.node for one in answer.placements} == {"n1"} and layouts(answer) == [["1g.10gb"] * 4]


def test_one_model_with_two_sizes_of_memory() -> None:
    asked = problem(
        [node(gpu_model="a100"), node("n1", gpu_model="a100", gpu_memory_mib=40960)], work("i", "1g.10gb", 9)
    )
    assert [one.node for one in plan(asked).placements] == ["n0"] * 7


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mig_profile": "1g.10gb+me"}, "'1g.10gb+me' is no profile such as 1g.10gb"),
        ({"mig_profile": "{{ lookup('pipe', 'id') }}"}, "is no profile such as 1g.10gb"),
        ({"gpus": 2}, "a copy takes one instance"),
        ({"gpus": 0}, "a copy takes one instance"),
        ({"gpu_share_milli": 100}, "a copy takes one instance"),
        ({"gpu_memory_mib": 100}, "a copy takes one instance"),
        ({"mig_profile": 7}, "expected string, got '7'"),
    ],
)
def test_workloads_that_cannot_be(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ProblemError) as error:
        problem([node()], {**work("infer", "1g.10gb"), **change})
    assert told in str(error.value)


def test_nodes_that_cannot_be() -> None:
    with pytest.raises(ProblemError, match=r"mig_slices: 5 is none of 0, 4, 7"):
        problem([node(mig_slices=5)])
    with pytest.raises(ProblemError, match=r"nodes\[n0\]\.gpu_memory_mib: missing, and what MIG may cut follows"):
        problem([node(gpu_memory_mib=0)])


def test_what_to_buy_may_be_what_can_be_cut() -> None:
    offer = {"name": "cutter", "price": 1.0, "node": node("new")}
    asked = problem([node(mig_slices=0)], work("infer", "1g.10gb", 7), offers=[offer])
    assert asked.workloads[0].gpu_share_milli == 130


def test_what_runs_and_must_not_move_keeps_its_instance() -> None:
    stays = work("infer", "3g.40gb", 1, running_on=["n0"], may_move=False)
    answer = plan(problem([node()], stays, work("next", "4g.40gb"), work("late", "4g.40gb")))
    assert layouts(answer) == [["4g.40gb", "3g.40gb"]] and len(answer.refused) == 1


def test_a_quota_counts_parts() -> None:
    quota = {"projects": [{"name": "p", "quota_gpu_milli": 1000}]}
    answer = plan(problem([node(gpus=2)], work("infer", "1g.10gb", 14, project="p"), **quota))
    assert len(answer.placements) == 7


def test_the_check_knows_places_and_not_parts() -> None:
    asked = problem([node()], work("half", "3g.40gb", 2), work("small", "1g.10gb"))
    # As if an error had made the parts smaller.
    small = replace(asked, workloads=tuple(replace(one, gpu_share_milli=100) for one in asked.workloads))
    placed = [("half", "n0", (0,)), ("half", "n0", (0,)), ("small", "n0", (0,))]
    assert broken_rules(small, placed[:2]) == broken_rules(small, placed[1:]) == []
    assert broken_rules(small, placed) == ["n0: GPU 0 has no layout of 1g.10gb, 3g.40gb, 3g.40gb"]
    elsewhere = replace(asked, nodes=(replace(asked.nodes[0], mig_slices=0),))
    assert broken_rules(elsewhere, placed[:1]) == ["n0: half needs a MIG instance 3g.40gb"]
    shared = replace(asked, workloads=(replace(asked.workloads[0], mig_profile=""),))
    assert broken_rules(shared, placed[:1]) == ["n0: half shares a GPU that only MIG may cut"]


@st.composite
def fleets(draw: Any) -> Problem:
    """Nodes that MIG may cut and others, and what asks for instances, shares and whole GPUs."""
    nodes = []
    for number in range(draw(st.integers(1, 4))):
        slices = draw(st.sampled_from([0, 4, 7, 7]))
        kind = {"gpu_model": f"m{slices}", "gpu_memory_mib": MEMORY.get(slices, H100), "mig_slices": slices}
        cpu = draw(st.sampled_from([4000, 16000]))
        nodes.append(node(f"n{number}", draw(st.integers(1, 4)), cpu_milli=cpu, **kind))
    works = []
    for number in range(draw(st.integers(1, 8))):
        profile = draw(st.sampled_from(["", *PROFILES[7], *PROFILES[4]]))
        share = 1000 if profile else draw(st.sampled_from([1000, 130, 500]))
        copies, cpu = draw(st.integers(1, 6)), draw(st.sampled_from([0, 500, 2500]))
        gang = copies > 1 and draw(st.booleans())
        works.append(work(f"w{number}", profile, copies, cpu_milli=cpu, gpu_share_milli=share, gang=gang))
    return problem(nodes, *works)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(asked=fleets(), strategy=st.sampled_from(PLAIN))
def test_no_plan_breaks_a_rule_and_none_beats_the_bound(asked: Problem, strategy: str) -> None:
    best, other = plan(asked), plan(asked, strategy)
    assert dict(other.values)["allocation"] <= best.stages[0].bound + 1e-4
    # Every layout is one that the module gpu_config finds places for.
    nodes = {one.name: one for one in asked.nodes}
    for row in best.as_dict()["mig_layouts"]:
        slices = nodes[row["node"]].mig_slices
        known = [
            mig_layout.Profile(number, name, taken, places, tuple(starts))
            for name, (number, taken, places, starts) in PROFILES[slices].items()
        ]
        assert mig_layout.change([], mig_layout.find(known, row["profiles"])).create or not row["profiles"]

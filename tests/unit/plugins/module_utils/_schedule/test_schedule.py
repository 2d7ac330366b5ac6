# Small schedules with answers reckoned by hand.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import ProblemError
from ansible_collections.aidc.ops.plugins.module_utils._schedule.figures import figures, missed
from ansible_collections.aidc.ops.plugins.module_utils._schedule.model import HOUR, Run, Timed
from ansible_collections.aidc.ops.plugins.module_utils._schedule.schedule import checked, make_schedule
from ansible_collections.aidc.ops.plugins.module_utils._schedule.verify import broken_rules
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._schedule.fleet import job, nodes, setting, starts


def test_the_short_one_goes_first_where_nobody_has_a_deadline() -> None:
    # One node, whole-node jobs of 6, 2 and 1 hours. By arrival they end at 6, 8, 9: mean 23/3.
    # By Smith's rule at 1, 3, 9: mean 13/3, which is the best there is, so the gap is nothing.
    case = setting(nodes(1), [job("long", 6), job("middle", 2), job("short", 1)])
    assert starts(case, "fifo") == {"long": 0, "middle": 6, "short": 8}
    assert starts(case, "deadline") == {"short": 0, "middle": 1, "long": 3}
    made = make_schedule(case, "deadline")
    assert made["before"]["mean_response_hours"] == pytest.approx(23 / 3)
    assert made["after"]["mean_response_hours"] == pytest.approx(13 / 3)
    assert made["after"]["mean_response_bound_hours"] == pytest.approx(13 / 3)
    assert made["after"]["mean_response_gap_percent"] == pytest.approx(0, abs=1e-9)
    assert made["after"]["makespan_hours"] == 9 and made["after"]["gpu_hours"] == 36


def test_mig_instances_share_a_gpu_where_they_have_a_layout() -> None:
    gpu = {"gpus": 1, "gpu_memory_mib": 81559}
    halves = [job(f"half{number}", 2, 1, mig_profile="3g.40gb") for number in range(3)]
    works = [*halves, job("small", 1, 1, mig_profile="1g.10gb"), job("share", 1, 1, gpu_share_milli=130)]
    case = setting([*nodes(1, **gpu, mig_slices=7), {**nodes(2, **gpu)[1], "gpu_model": "A100"}], works)
    # Two halves leave a slice over and no place. A share of another kind is on the GPU that nobody cuts.
    assert starts(case, "fifo") == {"half0": 0, "half1": 0, "half2": 2, "small": 2, "share": 0}
    runs = checked(case, "fifo").runs
    assert {run.node for run in runs if run.workload != "share"} == {"n1"}
    elsewhere = [run._replace(node="n2" if run.node == "n1" else "n1") for run in runs]
    told = broken_rules(case, elsewhere)
    assert "n2: half0 needs a MIG instance 3g.40gb" in told and "n1: share shares a GPU that only MIG may cut" in told


def test_deadlines_go_first_and_the_earliest_of_them_before_all() -> None:
    works = [job("free", 1), job("late", 2, deadline_hours=8), job("soon", 3, deadline_hours=3)]
    case = setting(nodes(1), works)
    assert starts(case, "deadline") == {"soon": 0, "late": 3, "free": 5}
    made = make_schedule(case, "deadline")
    assert made["schedule"]["missed_deadlines"] == [] and made["before"]["missed_deadlines"] == 1
    assert make_schedule(case, "fifo")["schedule"]["missed_deadlines"] == [
        {"workload": "soon", "deadline_hours": 3.0, "late_hours": 3.0}
    ]


def test_a_deadline_that_cannot_be_kept_is_told_with_its_lateness() -> None:
    made = make_schedule(setting(nodes(1), [job("w", 5, deadline_hours=2)]), "deadline")
    assert made["schedule"]["missed_deadlines"] == [{"workload": "w", "deadline_hours": 2.0, "late_hours": 3.0}]


def test_a_higher_priority_goes_before_a_deadline_and_a_weight_before_a_short_one() -> None:
    case = setting(nodes(1), [job("due", 1, deadline_hours=1), job("first", 1, priority=5)])
    assert starts(case, "deadline") == {"first": 0, "due": 1}
    # Ratio of hours to weight: 3 / 4 is less than 1 / 1.
    works = [job("short", 1, project="b"), job("weighty", 3, project="a")]
    projects = [{"name": "a", "weight": 4.0}, {"name": "b"}]
    case = setting(nodes(1), works, projects=projects)
    assert starts(case, "deadline") == {"weighty": 0, "short": 3}
    # (4 * 3 + 1 * 4) / 5 against (1 * 1 + 4 * 4) / 5.
    made = make_schedule(case, "deadline")
    assert made["after"]["weighted_response_hours"] == pytest.approx(16 / 5)
    assert made["after"]["weighted_response_bound_hours"] == pytest.approx(16 / 5)
    assert made["before"]["weighted_response_hours"] == pytest.approx(17 / 5)


def test_backfill_starts_what_ends_before_the_promise_and_what_leaves_its_spots_alone() -> None:
    # a holds 3 of 4 GPUs until 4; big needs all 4 and is promised 4. c (4 h) ends by then, d (5 h) would delay it.
    works = [job("a", 4, 3), job("big", 2, 4), job("d", 5, 1), job("c", 4, 1)]
    assert starts(setting(nodes(1), works)) == {"a": 0, "big": 4, "c": 0, "d": 6}
    # With a second node of which the promise needs nothing, d starts at once.
    fleet = nodes(1) + [{**nodes(1)[0], "name": "n2", "gpus": 1}]
    assert starts(setting(fleet, works))["d"] == 0


def test_a_gang_starts_together_and_within_its_rack() -> None:
    fleet = [{**one, "rack": rack} for one, rack in zip(nodes(4), ["a", "a", "b", "b"], strict=True)]
    works = [
        job("one", 2, running_on=["n1"]),
        job("two", 3, running_on=["n3"]),
        job("gang", 1, copies=2, gang=True, locality="rack"),
    ]
    assert starts(setting(fleet, works))["gang"] == [2, 2]
    works[-1]["locality"] = "any"
    assert starts(setting(fleet, works))["gang"] == [0, 0]


def test_copies_that_are_no_gang_start_one_by_one() -> None:
    case = setting(nodes(1), [job("many", 2, 2, copies=3)])
    assert starts(case) == {"many": [0, 0, 2]}
    assert figures(case, checked(case, "fifo").runs)["mean_response_hours"] == 4


def test_who_waits_for_others_starts_when_the_last_of_them_ended() -> None:
    works = [job("c", 1, 1, after=["a", "b"]), job("a", 2, 1), job("b", 3, 1), job("d", 1, 1, after=["c"])]
    case = setting(nodes(1), works)
    assert starts(case, "deadline") == {"a": 0, "b": 0, "c": 3, "d": 4}
    # The bound knows that too: nothing can be sooner.
    assert figures(case, checked(case, "deadline").runs)["mean_response_gap_percent"] == 0
    with pytest.raises(ProblemError, match="wait for each other"):
        setting(nodes(1), [job("a", 1, after=["b"]), job("b", 1, after=["a"])])


def test_nothing_starts_before_it_arrives_and_nobody_knows_of_it_before() -> None:
    works = [job("long", 5), job("short", 1, deadline_hours=3)]
    # Nobody keeps the node free for what comes in an hour.
    assert starts(setting(nodes(1), works, {"short": 1}), "deadline") == {"long": 0, "short": 5}
    case = setting(nodes(1), works, {"long": -2})
    made = figures(case, checked(case, "fifo").runs)
    assert made["mean_response_hours"] == pytest.approx((7 + 6) / 2) and made["longest_wait_hours"] == 5


def test_windows_and_nodes_out_of_service_are_kept_free() -> None:
    case = setting(nodes(1), [job("a", 3), job("b", 2)], windows=[("n1", 2, 4)])
    assert starts(case) == {"a": 4, "b": 0}
    # Windows that touch are one, and what is over is none.
    case = setting(nodes(1), [job("a", 1)], windows=[("n1", 1, 2), ("n1", 0, 1), ("n1", -3, -1)])
    assert starts(case) == {"a": 2}
    fleet = nodes(2)
    fleet[0]["in_service"] = False
    assert starts(setting(fleet, [job("a", 1), job("b", 1)])) == {"a": 0, "b": 1}


def test_what_runs_goes_on_unless_its_node_may_not_hold_it() -> None:
    works = [job("new", 1), job("runs", 2, running_on=["n1"])]
    assert starts(setting(nodes(1), works)) == {"runs": 0, "new": 2}
    assert starts(setting(nodes(1), works, windows=[("n1", 1, 3)])) == {"new": 0, "runs": 3}


def test_quota_spread_and_power_hold_at_every_moment() -> None:
    works = [job(name, 1, 2, project="p") for name in "abc"]
    quota = setting(nodes(2), works, projects=[{"name": "p", "quota_gpu_milli": 4000}])
    assert sorted(starts(quota).values()) == [0, 0, 1]
    spread = setting(nodes(1), [job("s", 1, 1, copies=2, most_per_node=1)])
    assert starts(spread) == {"s": [0, 1]}
    racks = setting(nodes(2), [job("s", 1, 1, copies=2, most_per_rack=1)])
    assert starts(racks) == {"s": [0, 1]}
    power = setting(nodes(2, idle_watts=100.0), [job("a", 1), job("b", 1)], policy={"limit_watts": 150.0})
    assert starts(power) == {"a": 0, "b": 1}
    feed = setting(
        nodes(2, idle_watts=100.0, feed="f"), [job("a", 1), job("b", 1)], feeds=[{"name": "f", "limit_watts": 150}]
    )
    assert starts(feed) == {"a": 0, "b": 1}


def test_what_never_runs_says_why() -> None:
    works = [
        {"name": "huge", "cpu_milli": 1_000_000_000, "duration_hours": 1},
        job("wide", 1, copies=3, gang=True),
        job("service", 0, 4),
        job("after", 1, 1, after=["service"]),
        job("and so on", 1, 1, after=["after"]),
        job("full", 1, 4, copies=2, gang=True),
        job("short", 1, 4),
    ]
    made = make_schedule(setting(nodes(2), works), "fifo")["schedule"]
    refused = {one["workload"]: one["reason"] for one in made["refused"]}
    assert refused["huge"] == "a copy needs 1e+06 cores; no node that may be used has that"
    assert "3 copies of 4 GPUs do not fit at once, even on an empty fleet" in refused["wide"]
    assert refused["after"] == refused["and so on"] == "waits for service, which never ends"
    assert refused["full"] == "what runs for good leaves no room for it"
    assert [(row["workload"], row["end_hours"]) for row in made["rows"]] == [("service", None), ("short", 1.0)]


def test_nothing_at_all_is_a_schedule_too() -> None:
    made = make_schedule(setting(nodes(1), []), "deadline")
    assert made["schedule"]["rows"] == [] and made["after"]["mean_response_hours"] == 0


def test_the_same_problem_has_the_same_schedule() -> None:
    works = [job(f"w{number}", number % 5 + 1, number % 4 + 1) for number in range(30)]
    case = setting(nodes(3), works)
    assert make_schedule(case, "deadline") == make_schedule(case, "deadline")


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"arrivals": {"nobody": 1}}, "arrivals: no workload nobody"),
        ({"arrivals": {"w": 1e9}}, r"arrivals\[w\]: it is more than 1000000 hours from now"),
        ({"arrivals": {"w": float("nan")}}, r"arrivals\[w\]"),
        ({"windows": [("n9", 1, 2)]}, "windows: no node 'n9'"),
        ({"windows": [("n1", 2, 1)]}, "it ends before it begins"),
        ({"windows": [("n1", 1, float("inf"))]}, r"windows\[n1\]"),
        ({"works": [job("w", 1e7)]}, r"workloads\[w\].duration_hours: 1e\+07 is more than"),
        ({"works": [job("w", 1, deadline_hours=1e300)]}, "deadline_hours"),
        ({"works": [job("w", -1)]}, "duration_hours: -1 is less than 0"),
        ({"works": [job("w", float("nan"))]}, "expected number"),
        ({"works": [job("w", 1), job("w", 1)]}, "the name is there twice"),
    ],
)
def test_wrong_input_is_explained(more: dict[str, Any], part: str) -> None:
    works = more.pop("works", [job("w", 1)])
    with pytest.raises(ProblemError, match=part):
        setting(nodes(1), works, **more)


@pytest.mark.parametrize(
    ("gpus", "hours", "bound"),
    [
        # Two jobs of half the pool, two hours each, and one more: the pool ends 1, 2, 3; alone each takes 2.
        ([2, 2], [2, 2], 2.0),
        # Jobs of the whole pool are one machine.
        ([4, 4, 4], [1, 2, 3], (1 + 3 + 6) / 3),
        # Eight quarter-pool jobs of 2 h: mean busy times 0.25, 0.75 ... 3.75, mean 2, and half of 2 h.
        ([1] * 8, [2] * 8, 3.0),
    ],
)
def test_the_bound_of_small_cases(gpus: list[int], hours: list[float], bound: float) -> None:
    works = [job(f"w{place}", long, wide) for place, (wide, long) in enumerate(zip(gpus, hours, strict=True))]
    case = setting(nodes(1), works)
    found = figures(case, checked(case, "deadline").runs)
    assert found["mean_response_bound_hours"] == pytest.approx(bound)
    assert found["mean_response_hours"] == pytest.approx(bound)


def test_a_workload_that_does_not_end_has_missed_its_deadline() -> None:
    case: Timed = setting(nodes(1), [job("w", 1, deadline_hours=5)])
    assert missed(case, []) == [{"workload": "w", "deadline_hours": 5.0, "late_hours": None}]
    assert missed(case, [Run("w", "n1", (0, 1, 2, 3), 0, HOUR)]) == []

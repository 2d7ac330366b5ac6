# Random fleets and workloads: no schedule breaks a rule or beats its bound, and corrupted ones are recognised.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._schedule.figures import figures
from ansible_collections.aidc.ops.plugins.module_utils._schedule.model import ENDLESS, HOUR, Timed, Window
from ansible_collections.aidc.ops.plugins.module_utils._schedule.order import ORDERS
from ansible_collections.aidc.ops.plugins.module_utils._schedule.simulate import simulate
from ansible_collections.aidc.ops.plugins.module_utils._schedule.verify import broken_rules
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._schedule.fleet import job, nodes, setting

QUICKLY = settings(
    max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
THOROUGHLY = settings(QUICKLY, max_examples=1500)


@st.composite
def settings_in_time(draw: Any) -> Timed:
    fleet: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 4))):
        gpus = draw(st.sampled_from([0, 1, 2, 4]))
        fleet.append(
            {
                "name": f"n{number}",
                "cpu_milli": draw(st.sampled_from([4000, 8000])),
                "memory_mib": 32000,
                "network_mbit": draw(st.sampled_from([1000, 10000])),
                "gpus": gpus,
                "gpu_model": draw(st.sampled_from(["A", "B"])) if gpus else "",
                "rack": draw(st.sampled_from(["", "r1"])),
                "feed": draw(st.sampled_from(["f1", "f2"])),
                "nvlink_domain": draw(st.sampled_from(["", "d1"])),
                "idle_watts": 100.0,
                "gpu_watts": draw(st.sampled_from([50.0, 300.0])),
                "in_service": draw(st.sampled_from([True, True, True, False])),
            }
        )
    works: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 9))):
        gpus = draw(st.sampled_from([0, 1, 1, 1, 2]))
        gang = draw(st.booleans())
        running = draw(st.sampled_from([[], [], [fleet[0]["name"]]]))
        works.append(
            {
                "name": f"w{number}",
                "project": draw(st.sampled_from(["p", "q"])),
                "copies": draw(st.integers(1, 3)),
                "cpu_milli": draw(st.sampled_from([0, 500, 1500, 4000])),
                "memory_mib": draw(st.sampled_from([0, 9000])),
                "network_mbit": draw(st.sampled_from([0, 0, 400])),
                "gpus": gpus,
                "gpu_share_milli": draw(st.sampled_from([1000, 250, 510])) if gpus == 1 else 1000,
                "gang": gang,
                "locality": draw(st.sampled_from(["any", "rack", "nvlink"])) if gang else "any",
                "most_per_node": draw(st.sampled_from([0, 0, 1])),
                "most_per_rack": 0 if gang else draw(st.sampled_from([0, 0, 1])),
                "priority": draw(st.integers(0, 1)),
                "duration_hours": draw(st.sampled_from([0.5, 1.0, 1.0, 2.0, 5.0, 0.0])),
                "deadline_hours": draw(st.sampled_from([0.0, 2.0, 6.0])),
                "running_on": running,
                "after": [f"w{draw(st.integers(0, number - 1))}"] if number and draw(st.integers(0, 4)) == 0 else [],
            }
        )
    hours = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 3.0])
    begin = draw(st.lists(st.tuples(st.integers(0, len(fleet) - 1), hours), max_size=3))
    return setting(
        fleet,
        works,
        {work["name"]: draw(hours) for work in works},
        [(fleet[place]["name"], start, start + 1.5) for place, start in begin],
        projects=[{"name": "p", "quota_gpu_milli": 2500, "weight": 3.0}, {"name": "q"}],
        feeds=[{"name": "f1", "limit_watts": draw(st.sampled_from([250.0, 5000.0]))}],
        policy={"reserve_per_rack": draw(st.sampled_from([0, 0, 0, 1]))},
    )


def is_sound(case: Timed, order: str) -> None:
    outcome = simulate(case, order)
    assert broken_rules(case, outcome.runs) == []
    copies = dict.fromkeys((job.work.name for job in case.jobs), 0)
    for run in outcome.runs:
        copies[run.workload] += 1
    for one in case.jobs:
        assert (copies[one.work.name] == one.work.copies) != (one.work.name in outcome.refused)
    assert all(outcome.refused.values())
    found = figures(case, outcome.runs)
    assert found["mean_response_hours"] >= found["mean_response_bound_hours"] - 1e-6
    assert found["weighted_response_hours"] >= found["weighted_response_bound_hours"] - 1e-6


@QUICKLY
@given(case=settings_in_time(), order=st.sampled_from(ORDERS))
def test_no_schedule_breaks_a_rule_or_beats_its_bound(case: Timed, order: str) -> None:
    is_sound(case, order)


@pytest.mark.slow
@THOROUGHLY
@given(case=settings_in_time(), order=st.sampled_from(ORDERS))
def test_none_of_very_many_does(case: Timed, order: str) -> None:
    is_sound(case, order)


CORRUPTIONS = ["node", "gpu", "work", "twice", "early", "longer", "window", "away"]


def corrupted(case: Timed, place: int, what: str) -> tuple[Timed, list[Any]] | None:
    """The schedule with one fault in it; None where that would be no fault."""
    runs: list[Any] = list(simulate(case, "deadline").runs)
    if not runs:
        return None
    at = place % len(runs)
    one = runs[at]
    job_of = {one.work.name: one for one in case.jobs}
    if what == "node":
        runs[at] = one._replace(node="nowhere")
    elif what == "gpu":
        runs[at] = one._replace(gpus=(*one.gpus, 99))
    elif what == "work":
        runs[at] = one._replace(workload="nothing")
    elif what == "twice":
        runs += [one] * job_of[one.workload].work.copies
    elif what == "early":
        runs[at] = one._replace(start=min(0, job_of[one.workload].arrival) - 1)
    elif what == "longer":
        runs[at] = one._replace(end=one.end + 1)
    elif what == "window":
        windows = {**case.windows, one.node: [Window(one.node, one.start, one.start + 1)]}
        return Timed(case.problem, case.nodes, case.jobs, windows), runs
    else:
        return Timed(case.problem, tuple(n for n in case.nodes if n.name != one.node), case.jobs, case.windows), runs
    return case, runs


@QUICKLY
@given(case=settings_in_time(), place=st.integers(0, 100), what=st.sampled_from(CORRUPTIONS))
def test_corrupted_schedules_are_recognised(case: Timed, place: int, what: str) -> None:
    made = corrupted(case, place, what)
    assert made is None or broken_rules(*made)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        # Each of these fits its node and time, and breaks one rule only.
        ({"a": (0, 2)}, "GPU 0 is used to 2000 of 1000"),
        ({"late": (0, 1)}, "before it arrives"),
        ({"next": (1, 2)}, "before a ended"),
        ({"gang": (5, 6)}, "of a gang do not start together"),
        ({"b": (9, 10)}, "runs in the window"),
        ({"busy": (8, 9)}, "project p: 2000 of 1000"),
    ],
)
def test_each_rule_is_told(change: dict[str, tuple[int, int]], part: str) -> None:
    works = [
        job("a", 2, 1),
        job("b", 1, 1),
        job("late", 1, 1),
        job("next", 1, 1, after=["a"]),
        job("gang", 1, 1, copies=2, gang=True),
        job("quota", 1, 1, project="p"),
        job("busy", 1, 1, project="p"),
    ]
    quota = [{"name": "p", "quota_gpu_milli": 1000}]
    case = setting(nodes(1), works, {"late": 4}, [("n1", 9, 11)], projects=quota)
    good = {run.workload + str(run.gpus): run for run in simulate(case, "fifo").runs}
    assert broken_rules(case, list(good.values())) == []
    ((name, (start, end)),) = change.items()
    runs = list(good.values())
    at = next(place for place, run in enumerate(runs) if run.workload == name)
    runs[at] = runs[at]._replace(start=start * HOUR, end=end * HOUR)
    if name == "a":
        runs[at] = runs[at]._replace(gpus=(0,))
        other = next(place for place, run in enumerate(runs) if run.workload == "b")
        runs[other] = runs[other]._replace(gpus=(0,), start=0, end=HOUR)
    if name == "busy":
        other = next(place for place, run in enumerate(runs) if run.workload == "quota")
        runs[other] = runs[other]._replace(start=8 * HOUR, end=9 * HOUR)
    wrong = broken_rules(case, runs)
    assert any(part in one for one in wrong), wrong


@pytest.mark.slow
def test_ten_thousand_jobs_on_twelve_hundred_nodes_take_less_than_a_minute_of_processor_time() -> None:
    fleet = [
        {**one, "gpus": 8, "cpu_milli": 96000, "gpu_model": "H100" if place % 3 else "A100"}
        for place, one in enumerate(nodes(1200))
    ]
    works = [
        job(
            f"w{number}",
            0.25 + number * 7919 % 1000 / 40,
            (1, 1, 1, 2, 4, 8)[number % 6],
            copies=1 + 3 * (number % 6 == 5),
            gang=True,
            cpu_milli=8000,
            deadline_hours=40 if number % 5 == 0 else 0,
        )
        for number in range(10_000)
    ]
    arrivals = {f"w{number}": number / 1000 for number in range(10_000)}
    case = setting(fleet, works, arrivals, [(f"n{number}", 10, 12) for number in range(1, 1200, 10)])
    for order in ORDERS:
        began = time.process_time()
        runs = simulate(case, order).runs
        assert broken_rules(case, runs) == [] and max(run.end for run in runs) < ENDLESS
        assert time.process_time() - began < 60
        # The fleet was short: else this would prove little.
        assert figures(case, runs)["mean_wait_hours"] > 1

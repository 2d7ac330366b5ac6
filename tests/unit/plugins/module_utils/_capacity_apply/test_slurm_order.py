# Tests of the order of waiting jobs by their nice values.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, marks
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, Change
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import LONGEST_NICE
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import plan, problem, work
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_fake import Job
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_site import (
    NAMES,
    Site,
    told,
)

ORDER = ApplyPolicy(order=True)
SLOWLY = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(_runner, "run", made.slurm.run)
    return made


def given_jobs(site: Site, **priorities: int) -> None:
    """Jobs of the account vision that wait; j1=900 is job 1 with the priority 900."""
    site.slurm.jobs = {name[1:]: Job("vision", priority=priority) for name, priority in priorities.items()}


def of(*rows: dict[str, Any]) -> dict[str, Any]:
    return problem(NAMES, [work(f"job/{number}", "vision", **row) for number, row in enumerate(rows, 1)])


def placing(*placed: int, refused: tuple[int, ...] = ()) -> dict[str, Any]:
    where = [(f"job/{number}", "gpu1") for number in placed]
    return plan(where, {f"job/{number}": "no room" for number in refused})


def of_jobs(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return told([one for one in changes if one.thing.startswith("job ")])


def sequence(site: Site) -> list[str]:
    """The jobs as Slurm looks at them."""
    return sorted(site.slurm.jobs, key=lambda number: (-site.slurm.jobs[number].priority, int(number)))


def make(site: Site, change: Change) -> None:
    assert carry_out.in_slurm(change, site.inputs)


def test_what_has_a_place_is_before_what_has_none(site: Site) -> None:
    given_jobs(site, j1=9000, j2=9100, j3=8000)
    made_of, made = of({}, {}, {}), placing(1, 3, refused=(2,))
    assert of_jobs(site.compare(made_of, made, ApplyPolicy()).changes) == []
    # 8000 has to be more than 9100 less that.
    assert of_jobs(site.apply(made_of, made, ORDER)) == [("raise_nice", "job 2", "nice 0", "nice 2048")]
    assert sequence(site) == ["1", "3", "2"]
    assert site.slurm.jobs["2"].comment == "aidc.ops:plan_nice=0.2048.9100.9100"
    assert of_jobs(site.apply(made_of, made, ApplyPolicy())) == [("lower_nice", "job 2", "nice 2048", "nice 0")]
    assert (site.slurm.jobs["2"].priority, site.slurm.jobs["2"].comment) == (9100, "")


def test_priority_and_deadline_of_the_problem(site: Site) -> None:
    given_jobs(site, j1=10000, j2=10001, j3=10002, j4=10003, j5=10004)
    rows = ({"priority": 5}, {"priority": 1}, {"priority": 5, "deadline_hours": 9}, {"deadline_hours": 1}, {})
    site.apply(of(*rows), placing(1, 2, 3, 4, 5), ORDER)
    assert sequence(site) == ["3", "1", "2", "4", "5"]
    assert [site.slurm.jobs[number].nice for number in ("3", "1")] == [0, 0], "as few jobs as it takes"
    assert len({job.nice for job in site.slurm.jobs.values()}) <= 4


def test_the_order_of_equal_jobs_is_slurm_s_own(site: Site) -> None:
    given_jobs(site, j1=5000, j2=4000, j3=6000, j4=7000)
    site.apply(of({}, {}, {}, {}), placing(1, 2, refused=(3, 4)), ORDER)
    assert sequence(site) == ["1", "2", "4", "3"]
    assert site.slurm.jobs["3"].nice == site.slurm.jobs["4"].nice > 0


def test_what_is_in_order_is_left_alone(site: Site) -> None:
    given_jobs(site, j1=5000, j2=4000)
    assert of_jobs(site.compare(of({}, {}), placing(1, refused=(2,)), ORDER).changes) == []


def test_jobs_that_were_put_back_come_forward_when_the_plan_has_a_place(site: Site) -> None:
    given_jobs(site, j1=5000, j2=6000)
    site.apply(of({}, {}), placing(1, refused=(2,)), ORDER)
    assert of_jobs(site.apply(of({}, {}), placing(1, 2), ORDER)) == [("lower_nice", "job 2", "nice 1024", "nice 0")]
    assert sequence(site) == ["2", "1"]


def test_the_tasks_of_an_array_stay_together(site: Site) -> None:
    given_jobs(site, j1=5000, j2=6000, j3=6000)
    site.slurm.jobs["2"].array, site.slurm.jobs["3"].array = "2_[4-9]", "2_3"
    rows = ({"priority": 1}, {}, {})
    assert of_jobs(site.compare(of(*rows), placing(1, 3, refused=(2,)), ORDER).changes) == [
        ("raise_nice", "job 2", "nice 0", "nice 1024"),
        ("raise_nice", "job 3", "nice 0", "nice 1024"),
    ]


def test_a_nice_value_of_the_owner_stays(site: Site) -> None:
    given_jobs(site, j1=5000, j2=6000)
    site.slurm.jobs["2"].nice, site.slurm.jobs["2"].comment = 100, "ask Kim"
    (change,) = of_jobs(site.apply(of({}, {}), placing(1, refused=(2,)), ORDER))
    assert change == ("raise_nice", "job 2", "nice 100", "nice 1124")
    assert site.slurm.jobs["2"].comment.startswith("ask Kim aidc.ops:plan_nice=100.1124.")
    site.apply(of({}, {}), placing(1, refused=(2,)), ApplyPolicy())
    assert (site.slurm.jobs["2"].nice, site.slurm.jobs["2"].comment) == (100, "ask Kim")


def test_what_others_decided_stays(site: Site) -> None:
    """An administrator's nice below 0; a value that somebody changed after us; a job that is held, or runs."""
    given_jobs(site, j1=5000, j2=6000, j3=7000, j4=0, j5=8000)
    site.slurm.jobs["2"].nice = -50
    mark = marks.with_nice("", marks.NiceMark(0, 512, 7000, 7000))
    site.slurm.jobs["3"].nice, site.slurm.jobs["3"].comment = 7, mark
    site.slurm.jobs["4"].reason, site.slurm.jobs["4"].comment = "JobHeldUser", mark
    site.slurm.jobs["5"].state, site.slurm.jobs["5"].nodes = "RUNNING", ["gpu1"]
    site.slurm.jobs["5"].comment = mark
    before = {number: dataclasses.replace(job) for number, job in site.slurm.jobs.items()}
    made_of, made = of({}, {}, {}, {}, {}), placing(1, refused=(2, 3, 4, 5))
    found = site.compare(made_of, made, ORDER)
    assert of_jobs(found.changes) == []
    assert "job 2, job 3: somebody else decided on the nice value, so it stays as it is." in found.notes
    assert site.slurm.jobs == before
    (change,) = of_jobs(site.apply(made_of, made, ApplyPolicy()))
    assert change == ("forget", "job 3", "marked as put back", "not marked")
    before["3"].comment = ""
    assert site.slurm.jobs == before


def test_a_job_that_is_released_is_ordered_in_the_next_run(site: Site) -> None:
    given_jobs(site, j1=4294901700, j2=4294901800)
    made_of, refusing = of({}, {"priority": -1}), placing(1, refused=(2,))
    site.apply(made_of, refusing, ApplyPolicy(order=True, hold=True))
    assert site.slurm.jobs["2"].priority == 0 and site.slurm.jobs["2"].nice == 0, "held, so there is nothing to order"
    found = site.compare(made_of, placing(1, 2), ORDER)
    assert [one[0] for one in of_jobs(found.changes)] == ["release"]
    assert [(one.kind, one.thing) for one in found.later] == [("order", "job 2")]
    for change in found.changes:
        make(site, change)
    assert [one[:2] for one in of_jobs(site.apply(made_of, placing(1, 2), ORDER))] == [("raise_nice", "job 2")]


def test_holding_keeps_in_mind_what_the_nice_value_was(site: Site) -> None:
    given_jobs(site, j1=5000, j2=6000)
    made_of, made = of({}, {}), placing(1, refused=(2,))
    site.apply(made_of, made, ORDER)
    site.apply(made_of, made, ApplyPolicy(order=True, hold=True))
    job = site.slurm.jobs["2"]
    assert marks.has_hold(job.comment) and marks.nice_of(job.comment) is not None and job.priority == 0
    for change in site.compare(made_of, made, ApplyPolicy()).changes:
        make(site, change)
    assert job.priority and job.nice == 1024 and not marks.has_hold(job.comment)
    site.apply(made_of, made, ApplyPolicy())
    assert (job.nice, job.comment) == (0, "")


def test_a_scheduler_that_takes_minutes_to_count_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """priority/multifactor: the priority is the old one until PriorityCalcPeriod is over."""
    given_jobs(site, j1=5000, j2=6000)
    made_of, made = of({}, {}), placing(1, refused=(2,))
    (change,) = [one for one in site.compare(made_of, made, ORDER).changes if one.kind == "raise_nice"]
    make(site, change)
    counted = site.slurm.jobs["2"].priority
    site.slurm.jobs["2"].priority = 6000
    assert of_jobs(site.compare(made_of, made, ORDER).changes) == []
    site.slurm.jobs["2"].priority = counted
    assert of_jobs(site.compare(made_of, made, ORDER).changes) == []
    # Both have waited for longer.
    site.slurm.jobs["1"].priority += 300
    site.slurm.jobs["2"].priority += 310
    assert of_jobs(site.compare(made_of, made, ORDER).changes) == []
    site.slurm.jobs["1"].priority += 700
    assert of_jobs(site.compare(made_of, made, ORDER).changes) == [], "less would do, and this does"


def test_priorities_that_leave_little_room(site: Site) -> None:
    given_jobs(site, j1=100, j2=900, j3=3000)
    made_of = of({"priority": 2}, {"priority": 1}, {})
    found = site.compare(made_of, placing(1, 2, refused=(3,)), ORDER)
    assert any("leave no room for an order among those that have a place" in note for note in found.notes)
    site.apply(made_of, placing(1, 2, refused=(3,)), ORDER)
    assert sequence(site) == ["2", "1", "3"] and site.slurm.jobs["3"].priority == 2, "as far down as it goes"
    given_jobs(site, j1=2, j2=900)
    found = site.compare(of({}, {}), placing(1, refused=(2,)), ORDER)
    assert of_jobs(found.changes) == []
    assert [(one.kind, one.thing) for one in found.refused] == [("order", "the waiting jobs")]


def test_what_is_there_gives_way_where_it_takes_the_room(site: Site) -> None:
    """2 would do for job 2 now; with the 1024 that it has, nothing could be put behind it."""
    given_jobs(site, j1=1000, j2=1000, j3=1900)
    site.apply(of({}, {}, {}), placing(1, refused=(2, 3)), ORDER)
    assert site.slurm.jobs["2"].nice == site.slurm.jobs["3"].nice == 1024
    site.apply(of({"priority": 1}, {}, {}), placing(1, 2, refused=(3,)), ORDER)
    assert sequence(site) == ["1", "2", "3"] and site.slurm.jobs["2"].nice == 2


def test_values_that_slurm_does_not_take(site: Site) -> None:
    given_jobs(site, j1=5000, j2=2**32 - 1)
    site.slurm.jobs["2"].nice = LONGEST_NICE
    found = site.compare(of({}, {}), placing(1, refused=(2,)), ORDER)
    assert of_jobs(found.changes) == [] and [one.kind for one in found.refused] == ["order"]
    for nice in (-1, LONGEST_NICE + 1):
        with pytest.raises(EngineError, match="cannot be the nice value of a job"):
            site.inputs.nice("1", nice, "")
    with pytest.raises(EngineError, match="is not the number of a job"):
        site.inputs.nice("1,2", 1, "")


def test_a_job_that_is_gone_falls_away(site: Site) -> None:
    given_jobs(site, j1=5000, j2=6000)
    (change,) = [one for one in site.compare(of({}, {}), placing(1, refused=(2,)), ORDER).changes if one.comment]
    del site.slurm.jobs["2"]
    assert not site.inputs.nice("2", int(change.value), change.comment)


PLACES = st.tuples(st.booleans(), st.integers(-2, 2), st.sampled_from([0.0, 1.0, 2.5]))


@st.composite
def queues(draw: Any) -> list[tuple[Job, Any, Any]]:
    """Jobs, each with its places in two plans; with priorities as one of Slurm's two plugins gives them."""
    plugin = draw(st.sampled_from([st.integers(4294000000, 4294967000), st.integers(3, 20000)]))
    job = st.builds(
        Job,
        account=st.just("vision"),
        state=st.sampled_from(["PENDING", "PENDING", "PENDING", "RUNNING"]),
        priority=st.one_of(plugin, plugin, st.just(0)),
        nice=st.sampled_from([0, 0, 0, 7, -7]),
        comment=st.sampled_from(["", "ask Kim"]),
    )
    return list(draw(st.lists(st.tuples(job, PLACES, PLACES), min_size=1, max_size=6)))


@SLOWLY
@given(queues())
def test_any_jobs(rows: list[tuple[Job, Any, Any]]) -> None:
    """Two plans, one after the other, then none: a second run changes nothing, and nothing is left behind."""
    site = Site()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_runner, "run", site.slurm.run)
        site.slurm.jobs = {str(number): dataclasses.replace(row[0]) for number, row in enumerate(rows, 1)}
        for which in (1, 2):
            works = [{"priority": row[which][1], "deadline_hours": row[which][2]} for row in rows]
            numbers = range(1, len(rows) + 1)
            placed = [number for number in numbers if rows[number - 1][which][0]]
            refused = tuple(number for number in numbers if number not in placed)
            site.apply(of(*works), placing(*placed, refused=refused), ORDER)
            free = {number for number, job in enumerate(site.slurm.jobs.values(), 1) if in_order(job)}
            front = [site.slurm.jobs[str(number)].priority for number in placed if number in free]
            back = [site.slurm.jobs[str(number)].priority for number in refused if number in free]
            assert min(front, default=2**33) > max(back, default=0)
            for number in numbers:
                job, first = site.slurm.jobs[str(number)], rows[number - 1][0]
                assert job.nice >= first.nice and marks.without_nice(job.comment) == first.comment
        site.apply(of(*works), placing(*placed, refused=refused), ApplyPolicy())
        for number, (first, _one, _two) in enumerate(rows, 1):
            job = site.slurm.jobs[str(number)]
            assert (job.nice, job.comment, job.priority) == (first.nice, first.comment, first.priority)


def in_order(job: Job) -> bool:
    return job.state == "PENDING" and job.priority > 0 and job.nice >= 0

# Tests of what a plan changes in Slurm, on a Slurm in memory that is asked through its commands.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, StaleError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import (
    node,
    plan,
    problem,
    work,
)
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_fake import (
    Job,
    Reservation,
)
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_site import (
    CHAT,
    NAMES,
    PLAN,
    VISION,
    Site,
    told,
)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(_runner, "run", made.slurm.run)
    return made


def test_a_plan_on_a_fresh_cluster(site: Site) -> None:
    site.slurm.jobs = {"1": Job("vision"), "2": Job("chat")}
    assert told(site.apply()) == [
        ("weight", "nodes gpu[1-2]", "weight 1", "weight 10"),
        ("weight", "nodes gpu[3-4]", "weight 1", "weight 1000"),
        ("reservation", "reservation aidc_plan_chat", "", "nodes gpu2"),
        ("reservation", "reservation aidc_plan_vision", "", "nodes gpu1"),
        ("power_down", "nodes gpu[3-4]", "on", "off"),
    ]
    assert [
        "create",
        "reservation",
        "ReservationName=aidc_plan_vision",
        "Nodes=gpu1",
        "Accounts=vision",
        "Flags=MAGNETIC,FLEX,IGNORE_JOBS,NO_HOLD_JOBS_AFTER",
        "StartTime=now",
        "EndTime=now+365days",
    ] in site.slurm.changes
    assert [site.slurm.nodes[name].state for name in NAMES] == ["IDLE", "IDLE", *["IDLE+POWERED_DOWN"] * 2]


def test_nodes_change_hands(site: Site) -> None:
    """Each reservation gives nodes up before another takes them, and one without a node in common is made anew."""
    site.apply(policy=ApplyPolicy())
    swapped = plan([("job/1", "gpu2"), ("job/2", "gpu1")])
    assert told(site.apply(made=swapped, policy=ApplyPolicy())) == [
        ("end_reservation", "reservation aidc_plan_chat", "nodes gpu2", ""),
        ("end_reservation", "reservation aidc_plan_vision", "nodes gpu1", ""),
        ("reservation", "reservation aidc_plan_chat", "", "nodes gpu1"),
        ("reservation", "reservation aidc_plan_vision", "", "nodes gpu2"),
    ]
    wide = [work("job/1", "vision", copies=2), CHAT]
    wider = plan([("job/1", "gpu2"), ("job/1", "gpu3"), ("job/2", "gpu1")])
    assert told(site.apply(problem(NAMES, wide), wider, ApplyPolicy())) == [
        ("weight", "nodes gpu3", "weight 1000", "weight 10"),
        ("reservation", "reservation aidc_plan_vision", "nodes gpu2", "nodes gpu[2-3]"),
    ]
    moved = plan([("job/1", "gpu3"), ("job/1", "gpu4"), ("job/2", "gpu2")])
    changes = told(site.apply(problem(NAMES, wide), moved, ApplyPolicy()))
    assert [one for one in changes if one[0] != "weight"] == [
        ("narrow_reservation", "reservation aidc_plan_vision", "nodes gpu[2-3]", "nodes gpu3"),
        ("end_reservation", "reservation aidc_plan_chat", "nodes gpu1", ""),
        ("reservation", "reservation aidc_plan_chat", "", "nodes gpu2"),
        ("reservation", "reservation aidc_plan_vision", "nodes gpu3", "nodes gpu[3-4]"),
    ]
    assert sorted(site.slurm.reservations["aidc_plan_vision"].nodes) == ["gpu3", "gpu4"]


def test_a_node_of_two_projects_is_nobodys(site: Site) -> None:
    site.apply(policy=ApplyPolicy())
    shared = plan([("job/1", "gpu1"), ("job/2", "gpu1")])
    kinds = [one[:2] for one in told(site.apply(made=shared, policy=ApplyPolicy()))]
    assert ("end_reservation", "reservation aidc_plan_vision") in kinds and not site.slurm.reservations


def test_a_reservation_in_use_is_ended_by_its_time(site: Site) -> None:
    site.apply(policy=ApplyPolicy())
    site.slurm.jobs["7"] = Job("vision", "RUNNING", ["gpu1"], reservation="aidc_plan_vision")
    site.apply(made=plan([("job/2", "gpu2")]), policy=ApplyPolicy())
    assert site.slurm.reservations["aidc_plan_vision"].state == "INACTIVE"
    assert site.slurm.jobs["7"].state == "RUNNING"


def test_a_reservation_that_a_person_changed_is_put_right(site: Site) -> None:
    site.apply(policy=ApplyPolicy())
    site.slurm.reservations["aidc_plan_vision"].accounts = "chat"
    site.slurm.reservations["aidc_plan_chat"].flags = "SPEC_NODES"
    assert len(site.apply(policy=ApplyPolicy())) == 2
    assert site.slurm.reservations["aidc_plan_vision"].accounts == "vision"


def test_nothing_of_others_is_touched(site: Site) -> None:
    site.slurm.reservations = {
        "maintenance": Reservation(["gpu3"], "root", "MAINT,IGNORE_JOBS,SPEC_NODES"),
        "course": Reservation(["gpu1"], "teachers", "SPEC_NODES"),
    }
    site.slurm.jobs = {
        "1": Job("vision", reason="JobHeldUser", priority=0),
        "2": Job("chat", reason="JobHeldAdmin", priority=0, comment="ask Kim"),
        "3": Job("chat", reason="JobHeldAdmin", priority=0),
    }
    works = [VISION, CHAT, work("job/3", "chat")]
    found = site.compare(problem(NAMES, works), plan([("job/1", "gpu1"), ("job/2", "gpu2")], {"job/3": "no room"}))
    assert not [one for one in found.changes if one.kind in ("hold", "release", "forget")]
    assert [one.thing for one in found.changes if one.kind == "reservation"] == ["reservation aidc_plan_chat"]
    assert any("gpu1: stays in the reservation course" in note for note in found.notes)
    site.apply(problem(NAMES, works), plan([("job/1", "gpu1"), ("job/2", "gpu2")], {"job/3": "no room"}))
    assert set(site.slurm.reservations) == {"maintenance", "course", "aidc_plan_chat"}


def test_hold_and_release(site: Site) -> None:
    works = [VISION, work("job/5", "chat"), work("job/6", "chat", after=["job/1"])]
    made_of = problem(NAMES, works)
    site.slurm.jobs = {"1": Job("vision"), "5": Job("chat", comment="ask Kim"), "6": Job("chat")}
    refusing = plan([("job/1", "gpu1")], {"job/5": "no GPU is free", "job/6": "waits for job/1"})
    off = site.compare(made_of, refusing, ApplyPolicy())
    assert not [one for one in off.changes if one.kind == "hold"]
    assert "The plan has no place for job 5; policy.hold is off, so they wait on." in off.notes
    changes = site.apply(made_of, refusing)
    assert ("hold", "job 5", "waits", "held") in told(changes) and "job 6" not in str(told(changes))
    assert site.slurm.jobs["5"].priority == 0 and site.slurm.jobs["5"].comment == "ask Kim aidc.ops:plan_hold"
    placing = plan([("job/1", "gpu1"), ("job/5", "gpu2")])
    assert ("release", "job 5", "held", "waits") in told(site.apply(made_of, placing))
    assert site.slurm.jobs["5"].priority and site.slurm.jobs["5"].comment == "ask Kim"
    site.apply(made_of, refusing)
    kinds = [(one.kind, one.why) for one in site.apply(made_of, refusing, ApplyPolicy(power_off=True))]
    assert ("release", "the policy holds no jobs") in kinds


def test_what_a_person_did_to_a_job_that_we_held(site: Site) -> None:
    made_of, refusing = problem(NAMES, [VISION]), plan([], {"job/1": "no room"})
    site.slurm.jobs = {"1": Job("vision")}
    site.apply(made_of, refusing)
    job = site.slurm.jobs["1"]
    job.reason = "JobHeldUser"
    found = site.compare(made_of, plan([("job/1", "gpu1")]))
    assert not [one for one in found.changes if one.kind == "release"]
    assert "job 1: its owner holds it, so it is not released." in found.notes
    job.priority, job.reason = 9, "Priority"
    found = site.compare(made_of, refusing)
    assert not [one for one in found.changes if one.kind == "hold"] and "not held again" in str(found.notes)
    job.state, job.nodes = "RUNNING", ["gpu1"]
    changes = site.apply(made_of, plan([("job/1", "gpu1")]))
    assert [one.kind for one in changes if one.thing == "job 1"] == ["forget"] and job.comment == ""


def test_requeue_once_for_each_plan(site: Site) -> None:
    made_of = problem(NAMES, [work("job/1", "vision"), CHAT])
    site.slurm.jobs = {"1": Job("vision", "RUNNING", ["gpu2"]), "2": Job("chat", "RUNNING", ["gpu2"])}
    off = site.compare(made_of, PLAN, ApplyPolicy())
    assert not [one for one in off.changes if one.kind == "requeue"] and "policy.requeue is off" in str(off.notes)
    changes = site.apply(made_of, PLAN)
    assert [one[1:] for one in told(changes) if one[0] == "requeue"] == [("job 1", "runs on gpu2", "waits for gpu1")]
    job = site.slurm.jobs["1"]
    assert (job.state, job.restarts) == ("PENDING", 1) and job.comment.startswith("aidc.ops:plan_requeue=")
    # It starts at the wrong place again; that is not done twice for one plan.
    job.state, job.nodes = "RUNNING", ["gpu2"]
    assert site.apply(made_of, PLAN) == []
    other = plan([("job/1", "gpu3"), ("job/2", "gpu2")])
    assert "requeue" in [one.kind for one in site.compare(made_of, other).changes]


def test_a_requeue_that_was_interrupted_is_done(site: Site) -> None:
    """The mark was set, the job was not ended yet."""
    site.slurm.jobs = {"1": Job("vision", "RUNNING", ["gpu2"]), "2": Job("chat", "RUNNING", ["gpu2"])}
    (change,) = [one for one in site.compare().changes if one.kind == "requeue"]
    site.inputs.comment("1", change.value)
    assert change in site.compare().changes


@pytest.mark.parametrize(
    ("more", "job", "why"),
    [
        ({"preemptible": False}, {}, "must not be interrupted"),
        ({"may_move": False}, {}, "must not be interrupted"),
        ({}, {"requeue": 0}, "without --requeue"),
        ({}, {"batch": 0}, "no batch job"),
    ],
)
def test_jobs_that_are_never_requeued(site: Site, more: dict[str, Any], job: dict[str, Any], why: str) -> None:
    site.slurm.jobs = {"1": Job("vision", "RUNNING", ["gpu2"], **job)}
    found = site.compare(problem(NAMES, [work("job/1", "vision", **more), CHAT]))
    assert [(one.kind, one.thing) for one in found.refused] == [("requeue", "job 1")] and why in found.refused[0].why


def test_what_has_ended_falls_away_with_a_note(site: Site) -> None:
    found = site.compare(made=plan([("job/1", "gpu1")], {"job/2": "no room"}))
    assert "No longer there, so nothing is done about them: job/1, job/2." in found.notes
    assert not [one for one in found.changes if one.thing.startswith("job ")]


def test_tasks_of_an_array_are_found_by_both_names(site: Site) -> None:
    site.slurm.jobs = {"12": Job("vision", array="9_[3-4]"), "11": Job("vision", array="9_2")}
    made_of = problem(NAMES, [work("job/9_2", "vision"), work("job/12", "vision")])
    changes = site.apply(made_of, plan([], {"job/9_2": "no room", "job/12": "no room"}))
    assert [one.thing for one in changes if one.kind == "hold"] == ["job 11", "job 12"]


def test_marks_of_running_tasks_stay_while_others_of_their_array_are_held(site: Site) -> None:
    """Slurm sets the comment of all tasks when it is set for those that wait."""
    site.slurm.jobs = {"9": Job("vision", array="9_[3-4]"), "11": Job("vision", "RUNNING", ["gpu1"], array="9_2")}
    made_of = problem(NAMES, [work("job/9", "vision"), work("job/11", "vision")])
    refusing = plan([("job/11", "gpu1")], {"job/9": "no room"})
    site.apply(made_of, refusing)
    site.slurm.jobs["11"].comment = site.slurm.jobs["9"].comment
    assert site.apply(made_of, refusing) == []
    placing = plan([("job/11", "gpu1"), ("job/9", "gpu1")])
    assert [one.kind for one in site.compare(made_of, placing).changes] == ["release"]


def test_a_job_in_parts_is_requeued_once(site: Site) -> None:
    site.slurm.jobs = {"1": Job("vision", "RUNNING", ["gpu3", "gpu4"])}
    made_of = problem(NAMES, [work("job/1", "vision"), work("job/1/part2", "vision", gpus=2), CHAT])
    made = plan([("job/1", "gpu1"), ("job/2", "gpu2")])
    made["placements"].append({"workload": "job/1/part2", "node": "gpu1", "gpus": [1, 2]})
    changes = site.apply(made_of, made)
    assert [one.thing for one in changes if one.kind == "requeue"] == ["job 1"]


def test_power(site: Site) -> None:
    site.slurm.nodes["gpu1"].state = "IDLE+POWERED_DOWN"
    site.slurm.nodes["gpu3"].state = "MIXED"
    found = site.compare()
    kinds = [(one.kind, one.names) for one in found.changes]
    assert kinds[0] == ("power_up", ("gpu1",)) and kinds[-1] == ("power_down", ("gpu4",))
    assert "gpu3: not switched off while something runs there, or reserves it." in found.notes
    site.slurm.reservations["maintenance"] = Reservation(["gpu4"], "root", "MAINT,SPEC_NODES")
    assert not [one for one in site.compare().changes if one.kind == "power_down"]
    site.slurm.reservations.clear()
    assert not [one for one in site.compare(policy=ApplyPolicy()).changes if one.kind == "power_down"]
    del site.slurm.settings["SuspendProgram"]
    found = site.compare()
    assert not [one for one in found.changes if one.kind.startswith("power")]
    assert [(one.kind, one.thing) for one in found.refused] == [
        ("power_up", "nodes gpu1"),
        ("power_down", "nodes gpu[3-4]"),
    ]
    assert "SuspendProgram is not set" in found.refused[0].why


def test_what_is_left_free_for_failures_stays_on(site: Site) -> None:
    made_of = problem(NAMES, [VISION, CHAT], policy={"reserve_per_rack": 1})
    kept = read_problem(made_of).reserved()
    used = [name for name in NAMES if name not in kept]
    changes = site.apply(made_of, plan([("job/1", used[0]), ("job/2", used[1])]))
    assert changes[-1].names == (used[2],)
    assert {site.slurm.nodes[name].weight for name in kept} == {2000}
    # A plan that left another node free: none is switched off then.
    other = plan([("job/1", next(iter(kept))), ("job/2", used[1])])
    assert not [one for one in site.compare(made_of, other).changes if one.kind == "power_down"]


def test_no_more_nodes_go_than_the_policy_lets(site: Site) -> None:
    policy = ApplyPolicy(power_off=True, requeue=True, most_out=1)
    site.slurm.jobs = {"1": Job("vision", "RUNNING", ["gpu2"]), "2": Job("chat", "RUNNING", ["gpu2"])}
    found = site.compare(policy=policy)
    assert [one.thing for one in found.changes if one.out] == ["job 1"]
    assert [(one.kind, one.thing) for one in found.later] == [("power_down", "nodes gpu[3-4]")]
    for _run in range(3):
        for change in site.compare(policy=policy).changes:
            carry_out.in_slurm(change, site.inputs)
    found = site.compare(policy=policy)
    assert found.changes == found.later == []
    assert site.slurm.nodes["gpu3"].state == site.slurm.nodes["gpu4"].state == "IDLE+POWERED_DOWN"


def test_limits(site: Site) -> None:
    projects = [
        {"name": "vision", "quota_gpu_milli": 16000},
        {"name": "chat", "quota_gpu_milli": 4500},
        {"name": "lab", "quota_gpu_milli": 0},
        {"name": "free"},
    ]
    made_of = problem(NAMES, [VISION, CHAT], projects=projects)
    found = site.compare(made_of)
    assert len(found.refused) == 3 and "Slurm keeps no accounts here" in found.refused[0].why
    site.slurm.accounting(vision="cpu=9,gres/gpu=8", chat="", free="gres/gpu=1")
    changes = site.apply(made_of)
    assert [one for one in told(changes) if "limit" in one[0]] == [
        ("raise_limit", "account vision", "8 GPUs", "16 GPUs"),
        ("lower_limit", "account chat", "no limit of GPUs", "4 GPUs"),
    ]
    assert site.slurm.limits == {"vision": "cpu=9,gres/gpu=16", "chat": "gres/gpu=4", "free": "gres/gpu=1"}
    found = site.compare(made_of)
    assert [(one.thing, one.why) for one in found.refused] == [
        ("account lab", "Slurm has no such account; make it with sacctmgr")
    ]
    assert "chat: a limit of Slurm is in whole GPUs, so its quota is 4." in found.notes


def _lost(site: Site) -> None:
    del site.slurm.nodes["gpu1"]


def _drained(site: Site) -> None:
    site.slurm.nodes["gpu1"].state, site.slurm.nodes["gpu1"].reason = "IDLE+DRAIN", "aidc.ops:7 gpu_fell_off_bus"


def _off_and_drained(site: Site) -> None:
    site.slurm.nodes["gpu1"].state = "IDLE+DRAIN+POWERED_DOWN"


def _silent(site: Site) -> None:
    site.slurm.nodes["gpu1"].state = "DOWN*"


def _fewer(site: Site) -> None:
    site.slurm.nodes["gpu1"].gres = "gpu:h100:7"


def _none(site: Site) -> None:
    site.slurm.nodes["gpu1"].gres = "(null)"


def _others(site: Site) -> None:
    site.slurm.nodes["gpu1"].gres = "gpu:a100:8"


@pytest.mark.parametrize(
    ("happens", "difference"),
    [
        (_lost, "gpu1: the scheduler does not know it any more"),
        (_drained, "gpu1: out of service now (aidc.ops:7 gpu_fell_off_bus)"),
        (_off_and_drained, "gpu1: out of service now (no reason given)"),
        (_silent, "gpu1: out of service now (no reason given)"),
        (_fewer, "gpu1: 7 GPUs now, the plan counts on 8"),
        (_none, "gpu1: 0 GPUs now, the plan counts on 8"),
        (_others, "gpu1: GPUs are a100 now, the plan counts on h100"),
    ],
)
def test_a_plan_of_another_fleet_is_refused(site: Site, happens: Callable[[Site], None], difference: str) -> None:
    happens(site)
    with pytest.raises(StaleError) as caught:
        site.compare()
    assert caught.value.differences == [difference] and difference in str(caught.value)


def test_a_fleet_that_grew_is_no_reason_to_refuse(site: Site) -> None:
    site.slurm.nodes["gpu9"] = site.slurm.nodes["gpu1"]
    site.slurm.nodes["gpu2"].gres = "gpu:9"
    rows = [node("gpu1", gpu_model="NVIDIA H100 80GB HBM3"), *NAMES[1:3], node("gpu4", in_service=False)]
    found = site.compare(problem(rows, [VISION, CHAT]), policy=ApplyPolicy())
    assert "The plan does not know gpu9; such nodes are left as they are." in found.notes
    assert "In service again, and not used by the plan: gpu4." in found.notes
    assert not [one for one in found.changes if {"gpu4", "gpu9"} & set(one.names)]


@pytest.mark.parametrize(
    "project", ["a b", "-chat", "x,root", "vision Users=kim", "x" * 200, "{{ 7 * 7 }}", "vi\nsion"]
)
def test_projects_that_no_account_can_be(site: Site, project: str) -> None:
    quotas = [{"name": project, "quota_gpu_milli": 1000}]
    made_of = problem(NAMES, [work("job/1", project)], projects=quotas)
    site.slurm.accounting()
    found = site.compare(made_of, plan([("job/1", "gpu1")]))
    assert [(one.kind, one.why) for one in found.refused] == [
        ("limit", "no account of Slurm can have this name"),
        ("reservation", "no account of Slurm can have this name"),
    ]
    assert not [one for one in found.changes if one.kind == "reservation"]


def test_no_project_is_shut_out_of_its_own_nodes(site: Site) -> None:
    site.slurm.jobs = {"1": Job("physics", "RUNNING", ["gpu1"]), "2": Job("chat")}
    found = site.compare()
    (refused,) = found.refused
    assert refused.thing == "reservation aidc_plan_vision" and "job/1, which is of account 'physics'" in refused.why
    assert [one.thing for one in found.changes if one.kind == "reservation"] == ["reservation aidc_plan_chat"]

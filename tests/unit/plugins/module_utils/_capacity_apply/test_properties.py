# Random plans over random states of Slurm: stopping anywhere is harmless, and no project loses nodes on the way.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, slurm_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, Difference
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted, wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmInputs
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import (
    node,
    plan,
    problem,
    work,
)
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_fake import (
    FakeSlurm,
    Job,
    Reservation,
)

SLOWLY = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
NAMES = [f"n{number}" for number in range(1, 7)]
PROJECTS = ("a", "b", "c")
INPUTS = SlurmInputs("/bin/scontrol", "/bin/squeue", 5)


@st.composite
def situations(draw: Any) -> tuple[FakeSlurm, Wanted, ApplyPolicy]:
    """A Slurm in some state, what a plan wants of it, and a policy."""
    reserve = draw(st.integers(0, 1))
    rows = [node(name, rack="r1" if name < "n4" else "r2") for name in NAMES]
    owners = draw(st.lists(st.sampled_from(PROJECTS), min_size=1, max_size=7))
    quotas = [{"name": name, "quota_gpu_milli": draw(st.sampled_from([None, 8000, 9000]))} for name in PROJECTS]
    quotas[0]["weight"] = draw(st.sampled_from([1, 2.5]))
    works = [work(f"job/{number}", owner, preemptible=draw(st.booleans())) for number, owner in enumerate(owners, 1)]
    made_of = read_problem(problem(rows, works, projects=quotas, policy={"reserve_per_rack": reserve}))
    places = [name for name in NAMES if name not in made_of.reserved()]
    chosen = {one["name"]: draw(st.sampled_from([*places, ""])) for one in works}
    made = plan(
        [(name, place) for name, place in chosen.items() if place],
        {name: "no room" for name, place in chosen.items() if not place},
    )
    slurm = FakeSlurm(NAMES)
    slurm.accounting(a="gres/gpu=8", b="")
    held = {name: draw(st.sampled_from(["", *PROJECTS])) for name in NAMES}
    for owner in PROJECTS:
        mine = [name for name in NAMES if held[name] == owner]
        if mine:
            slurm.reservations[f"aidc_plan_{owner}"] = Reservation(mine, owner)
    slurm.reservations["theirs"] = Reservation(["n6"], "root", "MAINT,SPEC_NODES")
    for name in NAMES:
        slurm.nodes[name].weight = draw(st.sampled_from([1, 10, 1000]))
        slurm.nodes[name].features = draw(st.sampled_from([[], ["ib"], ["ib", "aidc_plan_a"], ["aidc_plan_c"]]))
        slurm.nodes[name].active = list(slurm.nodes[name].features)
        slurm.nodes[name].state = draw(st.sampled_from(["IDLE", "IDLE", "MIXED", "IDLE+POWERED_DOWN"]))
    for number, owner in enumerate(owners, 1):
        job = Job(owner)
        kind = draw(st.sampled_from(["waits", "waits", "runs", "ours", "theirs", "gone"]))
        if kind == "runs":
            job.state, job.nodes, job.reason = "RUNNING", [draw(st.sampled_from(NAMES))], "None"
            job.reservation = draw(st.sampled_from(["", f"aidc_plan_{owner}"]))
        elif kind in ("ours", "theirs"):
            job.priority, job.reason = 0, "JobHeldAdmin"
            job.comment = "aidc.ops:plan_hold" if kind == "ours" else ""
        if kind != "gone":
            slurm.jobs[str(number)] = job
    some = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
    slurm.partitions = {"main": draw(some), "of_a": draw(some), "of_b": draw(some)}
    slurm.qos = {"q": draw(st.sampled_from(["", "cpu=4,gres/gpu=7", "gres/gpu=9"]))}
    names = ("hold", "requeue", "power_off", "shares", "order", "features")
    flags: dict[str, Any] = {name: draw(st.booleans()) for name in names}
    flags["partitions"] = draw(st.sampled_from([{}, {"a": "of_a", "b": "of_b"}, {"c": "of_b", "b": "none"}]))
    flags["qos"] = draw(st.sampled_from([{}, {"c": "q"}]))
    return slurm, wanted_of(made_of, made), ApplyPolicy(**flags, most_out=draw(st.sampled_from([1, 20])))


def compared(slurm: FakeSlurm, wanted: Wanted, policy: ApplyPolicy) -> Difference:
    with mock.patch.object(_runner, "run", slurm.run):
        return slurm_diff.difference(wanted, INPUTS.now(PROJECTS, policy.qos.values(), bool(policy.partitions)), policy)


def applied(slurm: FakeSlurm, found: Difference, stop: int | None = None) -> None:
    with mock.patch.object(_runner, "run", slurm.run):
        for change in found.changes[:stop]:
            assert carry_out.in_slurm(change, INPUTS)


def to_the_end(slurm: FakeSlurm, wanted: Wanted, policy: ApplyPolicy) -> int:
    """Apply until nothing is left; how many runs that took."""
    for run in range(20):
        found = compared(slurm, wanted, policy)
        if not found.changes:
            assert not found.later
            return run
        applied(slurm, found)
    raise AssertionError("it does not come to an end")


def outcome(slurm: FakeSlurm) -> Any:
    """What the scheduler goes by. A reservation that has ended is gone."""
    active = {name: sorted(one.nodes) for name, one in slurm.reservations.items() if one.state == "ACTIVE"}
    jobs = {number: (job.state, job.priority == 0, job.nice, job.comment) for number, job in slurm.jobs.items()}
    nodes = {name: (one.state, one.weight, sorted(one.active)) for name, one in slurm.nodes.items()}
    partitions = {name: sorted(nodes) for name, nodes in slurm.partitions.items()}
    return active, jobs, nodes, slurm.limits, slurm.shares, slurm.qos, partitions


def usable(slurm: FakeSlurm) -> dict[str, set[str]]:
    """Project -> nodes that no other project has for itself."""
    taken = {
        name: project
        for project in PROJECTS
        for name in getattr(slurm.reservations.get(f"aidc_plan_{project}"), "nodes", ())
        if slurm.reservations[f"aidc_plan_{project}"].state == "ACTIVE"
    }
    return {project: {name for name in NAMES if taken.get(name, project) == project} for project in PROJECTS}


def awake(slurm: FakeSlurm) -> set[str]:
    return {name for name, one in slurm.nodes.items() if "DOWN" not in one.state}


def partitions(slurm: FakeSlurm) -> dict[str, set[str]]:
    return {name: set(nodes) for name, nodes in slurm.partitions.items()}


def features(slurm: FakeSlurm) -> set[str]:
    return {name for one in slurm.nodes.values() for name in one.active}


@SLOWLY
@given(situations(), st.integers(0, 30))
def test_stopping_anywhere_and_going_on_comes_to_the_same_end(
    situation: tuple[FakeSlurm, Wanted, ApplyPolicy], stop: int
) -> None:
    slurm, wanted, policy = situation
    straight = copy.deepcopy(slurm)
    to_the_end(straight, wanted, policy)
    applied(slurm, compared(slurm, wanted, policy), stop)
    to_the_end(slurm, wanted, policy)
    assert outcome(slurm) == outcome(straight)


@SLOWLY
@given(situations())
def test_capacity_on_the_way(situation: tuple[FakeSlurm, Wanted, ApplyPolicy]) -> None:
    slurm, wanted, policy = situation
    found = compared(slurm, wanted, policy)
    assert len({name for change in found.changes for name in change.out}) <= policy.most_out
    steps = [(usable(slurm), awake(slurm))]
    parts = [partitions(slurm)]
    kept = features(slurm) & {f"aidc_plan_{wanted.owner(name)}" for name in NAMES} if policy.features else set()
    theirs_on = {name: "ib" in one.active for name, one in slurm.nodes.items()}
    theirs = {number: copy.copy(job) for number, job in slurm.jobs.items() if job.priority == 0 and not job.comment}
    for number in range(len(found.changes)):
        applied(slurm, Difference([found.changes[number]]))
        assert features(slurm) >= kept, "a job that asks for what no node has is put aside"
        assert {name: "ib" in one.active for name, one in slurm.nodes.items()} == theirs_on
        steps.append((usable(slurm), awake(slurm)))
        parts.append(partitions(slurm))
    first, last = steps[0], steps[-1]
    for nodes, on in steps:
        for project in PROJECTS:
            assert nodes[project] >= first[0][project] or nodes[project] >= last[0][project]
        assert on >= first[1] or on >= last[1]
    for present in parts:
        assert set().union(*present.values()) >= set().union(*parts[0].values()), "no node is left without a partition"
        assert present["main"] == parts[0]["main"]
        for name, nodes in present.items():
            assert nodes and (nodes >= parts[0][name] or nodes >= parts[-1][name])
    assert last[1] >= set(wanted.projects) | wanted.reserve, "what is used, or left free for failures, is on"
    assert slurm.reservations["theirs"] == Reservation(["n6"], "root", "MAINT,SPEC_NODES")
    assert {number: slurm.jobs[number] for number in theirs} == theirs
    for job in slurm.jobs.values():
        assert job.restarts == 0 or policy.requeue

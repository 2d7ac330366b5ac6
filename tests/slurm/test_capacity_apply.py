# A plan applied to a real slurmctld: what it then lets run where, and what it does to jobs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from slurm_server import SlurmServer

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    StaleError,
)
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.modules import capacity_apply, capacity_plan, capacity_problem
from ansible_collections.aidc.ops.tests.slurm.site import Layout, Site

FIRST: Layout = {"vision": ("gpu1", "gpu2", "gpu3"), "chat": ("gpu4", "gpu5")}


@pytest.fixture
def site(server: SlurmServer, engine: SlurmEngine) -> t.Iterator[Site]:
    """The fixture ``engine`` gives the environment, and ends the jobs."""
    made = Site(server)
    yield made
    # One that a job runs in would stay for the next test.
    server.run("scancel", f"--user={getpass.getuser()}")
    server.wait(lambda: not server.run("squeue", "--noheader").strip(), "the jobs are gone")
    for name in made.inputs.now([]).reservations:
        made.inputs.end_reservation(name)
    made.inputs.weigh(server.names, 1)
    for name in server.names:
        server.run("scontrol", "update", f"NodeName={name}", "AvailableFeatures=", "ActiveFeatures=")
    server.run("scontrol", "update", "PartitionName=main", f"Nodes={','.join(server.names)}")
    for name in set(made.inputs.now([], partitions=True).partitions) - {"main"}:
        server.run("scontrol", "delete", f"PartitionName={name}")


Call = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def call(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls a module's main with arguments, on this Slurm; its answer."""
    settings = {
        "schema_version": 1,
        **dict.fromkeys(("ledger", "evidence_dir", "ticket_dir"), "/none"),
        "engine": {name: site.server.command(name) for name in ("scontrol", "squeue", "sinfo")},
    }
    path = tmp_path / "controller.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.setenv("AIDC_OPS_CONFIG", str(path))
    monkeypatch.delenv("AIDC_OPS_PROMETHEUS_URL", raising=False)

    def run(main: t.Callable[[], None], check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        given = {"_ansible_check_mode": check, "_ansible_diff": True, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_from_what_slurm_says_to_what_slurm_does(site: Site, call: Call) -> None:
    stays = site.pending("--account=other", "--nodelist=gpu3")
    assert site.runs(stays) == ["gpu3"]
    # Jobs wait, although there is room for them.
    site.server.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        jobs = {project: site.pending(f"--account={project}") for project in ("vision", "chat")}
        problem = call(capacity_problem.main, accounting_days=0)["problem"]
        plan = call(capacity_plan.main, problem=problem, seconds=10)["plan"]
        on = {one["workload"]: one["node"] for one in plan["placements"]}
        assert on[f"job/{stays}"] == "gpu3" and plan["refused"] == []
        nodes = {project: on[f"job/{number}"] for project, number in jobs.items()}
        assert len({"gpu3", *nodes.values()}) == 3

        shown = call(capacity_apply.main, problem=problem, plan=plan, check=True)
        assert shown["changed"] and f"reservation aidc_plan_vision: nodes {nodes['vision']}\n" in shown["diff"]["after"]
        assert site.reservations() == {}, "check mode changes nothing"
        made = call(capacity_apply.main, problem=problem, plan=plan)
        assert made["changes"] == shown["changes"] and made["made"] == len(made["changes"])
        assert site.reservations() == {
            "aidc_plan_chat": [nodes["chat"]],
            "aidc_plan_other": ["gpu3"],
            "aidc_plan_vision": [nodes["vision"]],
        }
        # There is a core left for it.
        intruder = site.submit("--account=chat", f"--nodelist={nodes['vision']}", "--mem=10")
    finally:
        site.server.run("scontrol", "update", "PartitionName=main", "State=UP")
    for project, number in jobs.items():
        assert site.runs(number) == [nodes[project]]
    assert site.runs(stays) == ["gpu3"]
    told = site.server.run("squeue", "--noheader", f"--jobs={intruder}", "--format=%T %r")
    assert told.startswith("PENDING ReqNodeNotAvail"), told
    site.server.run("scancel", intruder)
    assert site.runs(site.submit("--account=vision", "--mem=10", "--time=10")) == [nodes["vision"]]

    for check in (False, True):
        again = call(capacity_apply.main, problem=problem, plan=plan, check=check)
        assert (again["changed"], again["changes"], again["diff"]["after"]) == (False, [], "")
    seen = {row["name"]: row for row in call(capacity_problem.main, accounting_days=0)["problem"]["nodes"]}
    assert all(seen[name]["in_service"] for name in site.server.alive), "a reservation takes nothing out of service"

    before = site.reservations()
    site.server.run("scontrol", "update", "NodeName=gpu[7-8]", "State=DRAIN", "Reason=fan")
    for check in (True, False):
        stale = call(capacity_apply.main, problem=problem, plan=plan, check=check)
        assert stale["failed"] and "made for another fleet" in stale["msg"]
        assert stale["differences"] == [f"{name}: out of service now (fan)" for name in ("gpu7", "gpu8")]
    assert site.reservations() == before
    site.server.run("scontrol", "update", "NodeName=gpu[7-8]", "State=RESUME")
    lost = ("gpu7", "gpu8")
    site.server.wait(lambda: all(site.inputs.now([]).nodes[name].serviceable for name in lost), "they registered again")


def test_jobs_obey_the_layout(site: Site) -> None:
    stays = site.submit("--account=other", "--nodelist=gpu1", "--exclusive")
    assert site.runs(stays) == ["gpu1"]
    kinds = [one.kind for one in site.apply(FIRST)]
    assert kinds == ["weight", "weight", "reservation", "reservation"]
    assert site.reservations() == {"aidc_plan_chat": list(FIRST["chat"]), "aidc_plan_vision": list(FIRST["vision"])}
    assert site.runs(stays) == ["gpu1"], "what ran there goes on"
    for _job in range(2):
        assert set(site.runs(site.submit("--account=vision", "--exclusive"))) <= set(FIRST["vision"])
    ours = {name for nodes in FIRST.values() for name in nodes}
    assert not set(site.runs(site.submit("--account=other", "--exclusive"))) & ours
    assert not set(site.runs(site.submit("--account=vision", "--exclusive"))) & ours, "beyond its own, not others'"
    assert set(site.runs(site.submit("--account=chat", "--exclusive", "--nodes=2"))) == set(FIRST["chat"])
    assert site.compare(FIRST).changes == []
    refused = [(one.kind, one.why) for one in site.compare(FIRST).refused]
    assert [kind for kind, _why in refused] == ["power_down"] and "SuspendProgram is not set" in refused[0][1]


def test_nodes_change_hands_while_jobs_run(site: Site) -> None:
    site.apply(FIRST)
    job = site.submit("--account=vision", "--exclusive")
    where = site.runs(job)
    swapped: Layout = {"vision": ("gpu4", "gpu5"), "chat": ("gpu1", "gpu2", "gpu3")}
    site.apply(swapped)
    assert site.reservations() == {"aidc_plan_chat": list(swapped["chat"]), "aidc_plan_vision": list(swapped["vision"])}
    assert site.runs(job) == where, "a reservation may end while its jobs run"
    narrow: Layout = {"vision": ("gpu4",), "chat": ("gpu1", "gpu5")}
    kinds = [one.kind for one in site.apply(narrow)]
    assert kinds.count("narrow_reservation") == 2 and kinds.count("reservation") == 1
    site.apply({})
    assert site.reservations() == {}
    assert site.runs(job) == where


def test_hold_and_release(site: Site) -> None:
    mine = site.submit("--account=vision", "--begin=now+1hour", "--job-name=a|AdminComment=aidc.ops:plan_hold")
    theirs = site.submit("--account=vision", "--begin=now+1hour")
    site.server.run("scontrol", "uhold", theirs)
    refusing = {mine: ("vision", ""), theirs: ("vision", "")}
    assert [one.thing for one in site.apply(FIRST, jobs=refusing) if one.kind == "hold"] == [f"job {mine}"]
    shown = site.server.run("scontrol", "--oneliner", "show", "job", mine)
    assert " Priority=0 " in shown and "Reason=JobHeldAdmin" in shown and "AdminComment=aidc.ops:plan_hold" in shown
    placing = {mine: ("vision", "gpu1"), theirs: ("vision", "gpu1")}
    assert [one.thing for one in site.apply(FIRST, jobs=placing) if one.kind == "release"] == [f"job {mine}"]
    jobs = site.inputs.now([]).jobs
    assert (jobs[mine].held, jobs[mine].comment) == (False, "")
    assert (jobs[theirs].held, jobs[theirs].reason) == (True, "JobHeldUser")


def test_the_order_of_waiting_jobs(site: Site) -> None:
    """Submitted last, started first; the values of others stay, and ours go back to what they were."""
    order = ApplyPolicy(order=True)
    words = ("--account=vision", "--begin=now+1hour")
    first, second, third = site.submit(*words, "--nice=1"), site.submit(*words), site.submit(*words)
    held = site.submit(*words, "--hold")
    jobs = {first: ("vision", ""), second: ("vision", ""), third: ("vision", "gpu1"), held: ("vision", "")}
    before = site.inputs.now([]).jobs
    assert before[first].nice == 1 and before[first].priority > before[third].priority
    changes = [one for one in site.apply(FIRST, order, jobs) if one.kind == "raise_nice"]
    assert {one.thing for one in changes} == {f"job {first}", f"job {second}"}
    after = site.inputs.now([]).jobs
    assert after[third].priority > max(after[first].priority, after[second].priority)
    assert min(after[first].priority, after[second].priority) > 0
    assert (after[third].nice, after[held].held, after[held].nice) == (0, True, 0)
    assert after[first].nice - 1 == after[second].nice > 0
    site.apply(FIRST, ApplyPolicy(), jobs)
    again = site.inputs.now([]).jobs
    for number in (first, second, third, held):
        assert (again[number].nice, again[number].comment, again[number].priority) == (
            before[number].nice,
            "",
            before[number].priority,
        )


def test_features(site: Site) -> None:
    site.server.run("scontrol", "update", "NodeName=gpu1", "AvailableFeatures=ib,hbm3", "ActiveFeatures=ib")
    features = ApplyPolicy(features=True)
    assert [one.thing for one in site.apply(FIRST, features) if one.kind == "feature"] == [
        "nodes gpu[1-3]",
        "nodes gpu[4-5]",
    ]
    nodes = site.inputs.now([]).nodes
    assert (nodes["gpu1"].features, nodes["gpu1"].active) == (
        ("ib", "hbm3", "aidc_plan_vision"),
        ("ib", "aidc_plan_vision"),
    )
    job = site.submit("--account=chat", "--exclusive", "--constraint=aidc_plan_chat")
    assert set(site.runs(job)) <= set(FIRST["chat"])
    swapped: Layout = {"vision": ("gpu4", "gpu5"), "chat": ("gpu1", "gpu2", "gpu3")}
    waits = site.submit("--account=chat", "--exclusive", "--constraint=aidc_plan_chat", "--nodes=2")
    site.apply(swapped, features)
    # On the way the nodes that chat had and those that it gets have the feature, so it was never put aside.
    assert set(site.runs(waits)) <= {*FIRST["chat"], *swapped["chat"]}
    later = site.submit("--account=chat", "--exclusive", "--constraint=aidc_plan_chat")
    assert set(site.runs(later)) <= set(swapped["chat"])
    site.apply(swapped, ApplyPolicy())
    nodes = site.inputs.now([]).nodes
    assert (nodes["gpu1"].features, nodes["gpu1"].active) == (("ib", "hbm3"), ("ib",))
    assert nodes["gpu2"].features == nodes["gpu4"].active == ()


def test_partitions_follow_the_plan(site: Site) -> None:
    """Jobs that name the partition of their project run on its nodes; what runs on a node that leaves goes on."""
    for name, nodes in (("of_vision", "gpu[2-6]"), ("of_chat", "gpu[1-2]"), ("of_lab", "gpu7")):
        site.server.run("scontrol", "create", f"PartitionName={name}", f"Nodes={nodes}", "State=UP", "MaxTime=90")
    policy = ApplyPolicy(partitions={"vision": "of_vision", "chat": "of_chat", "lab": "of_lab"})
    projects = [{"name": name} for name in ("vision", "chat", "lab")]
    stays = site.submit("--account=chat", "--partition=of_chat", "--nodelist=gpu2", "--exclusive")
    assert site.runs(stays) == ["gpu2"]
    found = site.compare(FIRST, policy, projects=projects)
    assert any("no node for lab, so the partition of_lab stays as it is" in note for note in found.notes)

    def changed() -> list[tuple[str, str]]:
        return [(one.kind, one.thing) for one in site.apply(FIRST, policy) if one.kind.endswith("_partition")]

    expected = [
        ("widen_partition", "nodes gpu1"),
        ("widen_partition", "nodes gpu[4-5]"),
        ("narrow_partition", "nodes gpu[1-2]"),
        ("narrow_partition", "nodes gpu[4-6]"),
    ]
    assert changed() == expected
    present = site.inputs.now([], partitions=True).partitions
    assert (present["of_vision"], present["of_chat"], present["of_lab"]) == (
        FIRST["vision"],
        FIRST["chat"],
        ("gpu7",),
    )
    assert set(present["main"]) == set(site.server.names), "other partitions stay"
    shown = site.server.run("scontrol", "--oneliner", "show", "partition", "of_chat")
    assert " MaxTime=01:30:00 " in shown, "nothing else of it is changed"
    assert site.runs(stays) == ["gpu2"], "what runs there goes on"
    for _job in range(2):
        job = site.submit("--account=chat", "--partition=of_chat", "--exclusive")
        assert set(site.runs(job)) <= set(FIRST["chat"])
    refused = site.compare(FIRST, ApplyPolicy(partitions={"vision": "none"})).refused
    assert [(one.thing, one.why) for one in refused] == [
        ("partition none", "Slurm has no such partition; make it in slurm.conf")
    ]


def test_partitions_of_slurm_conf_come_back_and_the_plan_is_applied_anew(site: Site) -> None:
    policy = ApplyPolicy(partitions={"vision": "main"}, most_out=30)
    site.server.run("scontrol", "create", "PartitionName=all", f"Nodes={','.join(site.server.names)}")
    site.apply(FIRST, policy)
    # The plan does not know them.
    silent = tuple(set(site.server.names) - set(site.server.alive))

    def main() -> set[str]:
        return set(site.inputs.now([], partitions=True).partitions["main"])

    assert main() == {*FIRST["vision"], *silent}
    site.server.run("scontrol", "reconfigure")
    site.server.wait(lambda: main() == set(site.server.names), "Slurm has read slurm.conf again")
    site.server.run("scontrol", "create", "PartitionName=all", f"Nodes={','.join(site.server.names)}")
    site.apply(FIRST, policy)
    assert main() == {*FIRST["vision"], *silent}
    site.server.run("scontrol", "delete", "PartitionName=all")
    alone = site.compare({"vision": ("gpu1",)}, policy)
    assert [one for one in alone.changes if one.kind == "narrow_partition"] == []
    assert any("as it would be in none otherwise" in note for note in alone.notes)


def test_qos_without_accounting(site: Site) -> None:
    """This Slurm keeps no accounts, so it has no QOS either."""
    projects = [{"name": "vision", "quota_gpu_milli": 8000}, {"name": "chat"}]
    found = site.compare(FIRST, ApplyPolicy(qos={"vision": "cv"}), projects=projects)
    refused = [(one.thing, one.why) for one in found.refused if one.kind == "limit"]
    assert [thing for thing, _why in refused] == ["account vision", "QOS cv"]
    assert all("keeps no accounts here" in why for _thing, why in refused)


def test_shares_without_accounting(site: Site) -> None:
    """This Slurm keeps no accounts."""
    found = site.compare(FIRST, ApplyPolicy(shares=True), projects=[{"name": "vision"}, {"name": "chat"}])
    refused = [(one.thing, one.why) for one in found.refused if one.kind == "share"]
    assert [thing for thing, _why in refused] == ["account vision", "account chat"]
    assert all("keeps no accounts here" in why for _thing, why in refused)


def test_requeue_once(site: Site) -> None:
    site.inputs.weigh(site.server.names, 50)
    site.inputs.weigh(["gpu9"], 1)
    job = site.submit("--account=vision", "--requeue", "--exclusive")
    assert site.runs(job) == ["gpu9"], "the node of the least weight"
    jobs = {job: ("vision", "gpu1")}
    changes = site.compare(FIRST, jobs=jobs).changes
    assert [one.kind for one in changes][-1] == "requeue"
    for change in changes:
        assert carry_out.in_slurm(change, site.inputs)
    site.server.wait(lambda: site.inputs.now([]).jobs[job].restarts == 1, f"job {job} was ended")
    assert site.compare(FIRST, jobs=jobs).changes == []
    # Slurm lets it wait for two minutes.
    site.server.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    assert set(site.runs(job)) <= set(FIRST["vision"]), "it starts where the plan wants it"
    assert site.compare(FIRST, jobs=jobs).changes == []


def test_reservations_of_others_stay(site: Site) -> None:
    told = ("ReservationName=course", "Nodes=gpu2", "Users=root", "StartTime=now+1hour", "Duration=60")
    site.server.run("scontrol", "create", "reservation", *told)
    site.apply(FIRST)
    assert site.reservations()["aidc_plan_vision"] == ["gpu1", "gpu3"]
    assert site.inputs.now([]).reservations["course"].nodes == ("gpu2",)


def test_a_lost_node_is_caught(site: Site) -> None:
    site.apply(FIRST)
    site.server.run("scontrol", "update", "NodeName=gpu2", "State=DRAIN", "Reason=fan")
    with pytest.raises(StaleError) as caught:
        site.compare(FIRST)
    assert caught.value.differences == ["gpu2: out of service now (fan)"]

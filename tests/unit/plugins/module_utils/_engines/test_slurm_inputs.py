# Tests of reading and setting what steers Slurm's scheduler: texts of 22.05, hostile ones, and refusals.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._engines import slurm_inputs
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmInputs
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError, EngineError
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result

NODES = (Path(__file__).parents[3] / "fixtures" / "slurm" / "nodes_22.05.txt").read_text("utf-8")
LINE = "NodeName=gpu1 Arch=x86_64 Gres={gres} OS=Linux 6.1 RealMemory=1 State={state} TmpDisk=0 Weight=7 Owner=N/A "
PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=NO QoS=N/A "
    "MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED {nodes} PriorityJobFactor=1 "
    "PriorityTier=1 State=UP TotalCPUs=12 TotalNodes=3 JobDefaults=(null) TRES=cpu=12,mem=3000M,node=3,billing=12\n"
)
JOB = "7|7_[1-4]|PENDING|Resources|429|5|vision|1|1|1||ask Kim\n"


def test_recorded_nodes() -> None:
    nodes = slurm_inputs.parse_nodes(NODES)
    assert {name: (one.serviceable, one.busy, one.weight) for name, one in nodes.items()} == {
        "gpu1": (False, True, 1),
        "gpu2": (True, True, 1),
        "gpu3": (False, False, 1),
        "gpu4": (False, False, 1),
    }
    assert nodes["gpu4"].reason == "disk [odd] State=IDLE Reason=x, ask Kim"


@pytest.mark.parametrize(
    ("state", "serviceable", "powered_off", "busy"),
    [
        ("IDLE", True, False, False),
        ("MIXED", True, False, True),
        ("IDLE+RESERVED", True, False, False),
        ("IDLE~", True, True, False),
        ("IDLE+CLOUD+POWERED_DOWN", True, True, False),
        ("IDLE+POWERING_DOWN", True, True, False),
        ("IDLE*+POWERED_DOWN", True, True, False),
        ("MIXED+POWER_DOWN", True, True, True),
        ("IDLE+POWERED_DOWN+POWER_UP", True, False, False),
        ("IDLE*+POWERING_UP", True, False, False),
        ("IDLE+DRAIN+POWERED_DOWN", False, True, False),
        ("DOWN+POWERED_DOWN", False, True, False),
        ("IDLE+DRAIN", False, False, False),
        ("IDLE*", False, False, False),
    ],
)
def test_states(state: str, serviceable: bool, powered_off: bool, busy: bool) -> None:
    line = LINE.format(gres="gpu:h100:8(S:0-1),shard:16", state=state)
    node = slurm_inputs.parse_nodes(f"{line}Reason=Weight=9 State=IDLE Gres=gpu:1 [kim@2026-01-01T00:00:00]\n")["gpu1"]
    assert (node.serviceable, node.powered_off, node.busy) == (serviceable, powered_off, busy)
    assert (node.gpus, node.weight, node.reason) == ({"h100": 8}, 7, "Weight=9 State=IDLE Gres=gpu:1")


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (slurm_inputs.parse_nodes, "Node gpu1 not found\n", "no node"),
        (slurm_inputs.parse_nodes, "NodeName=gpu1 State=IDLE\n", "no node"),
        (slurm_inputs.parse_nodes, LINE.format(gres="gpu:a:b:c:1", state="IDLE"), "gres of node gpu1"),
        (slurm_inputs.parse_reservations, "slurm_load_reservations error\n", "no reservation"),
        (slurm_inputs.parse_reservations, "ReservationName=a Nodes=n[1-9999999] State=ACTIVE\n", "more than"),
        (slurm_inputs.parse_jobs, "squeue: error\n", "no job"),
        (slurm_inputs.parse_jobs, "7|7|PENDING|x\n", "no job"),
        (slurm_inputs.parse_settings, "", "no configuration"),
        (slurm_inputs.parse_accounts, "sacctmgr: error\n", "no account"),
        (slurm_inputs.parse_accounts, "a|many|gres/gpu=8\n", "no account"),
        (slurm_inputs.parse_accounts, "a|1\n", "no account"),
        (slurm_inputs.parse_partitions, "slurm_load_partitions error\n", "no partition"),
        (slurm_inputs.parse_partitions, "PartitionName=a State=UP TotalNodes=1\n", "no partition"),
        (slurm_inputs.parse_partitions, "PartitionName=a MaxNodes=1 Nodes=n[1-9999999] State=UP\n", "more than"),
        (slurm_inputs.parse_qos, "sacctmgr: error\n", "no QOS"),
        (slurm_inputs.parse_qos, "|gres/gpu=8\n", "no QOS"),
        (slurm_inputs.parse_qos, "a|gres/gpu=8|1\n", "no QOS"),
    ],
)
def test_what_is_no_answer_of_slurm(parse: Callable[[str], Any], text: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        parse(text)


def test_jobs() -> None:
    job = slurm_inputs.parse_jobs(JOB)["7"]
    assert (job.array_id, job.account, job.restarts, job.can_requeue) == ("7_[1-4]", "vision", 1, True)
    assert (job.pending, job.running, job.held, job.nodes, job.comment) == (True, False, False, (), "ask Kim")
    assert (job.priority, job.nice) == (429, 5)
    text = "8|8|RUNNING|None|0|-9|(null)|0|1|0|gpu[1-2]|a | 9|9|b\nline 2\n"
    text += "10|10|PENDING|JobHeldAdmin|0|0|a|0|1|1||(null)\n"
    jobs = slurm_inputs.parse_jobs(text)
    assert set(jobs) == {"8", "10"}
    assert jobs["8"].comment == "a | 9|9|b\nline 2" and jobs["8"].nodes == ("gpu1", "gpu2") and jobs["8"].running
    assert jobs["8"].nice == -9 and jobs["10"].priority == 0
    assert not jobs["8"].held and not jobs["8"].can_requeue and jobs["8"].account == ""
    assert jobs["10"].held and jobs["10"].comment == ""
    assert slurm_inputs.parse_jobs("") == {}


def test_reservations() -> None:
    text = (
        "ReservationName=course StartTime=x Nodes=gpu[1-2] NodeCnt=2 Flags=MAINT,SPEC_NODES Users=kim "
        "Accounts=a,b State=INACTIVE \nReservationName=lic Nodes=(null) Flags=ANY_NODES Accounts=(null) State=ACTIVE \n"
    )
    found = slurm_inputs.parse_reservations(text)
    assert found["course"].nodes == ("gpu1", "gpu2") and found["course"].accounts == ("a", "b")
    assert not found["course"].active and found["lic"].active and found["lic"].nodes == found["lic"].accounts == ()
    assert slurm_inputs.parse_reservations("No reservations in the system\n") == {}


def test_partitions() -> None:
    lines = {
        "main": "Nodes=gpu[1-3]",
        "sets": "NodeSets=gs Nodes=gpu[1-2],store1",
        "empty": "Nodes=(null)",
        "all": "Nodes=ALL",
    }
    text = "".join(PARTITION.format(name=name, nodes=nodes) for name, nodes in lines.items())
    assert slurm_inputs.parse_partitions(text) == {
        "main": ("gpu1", "gpu2", "gpu3"),
        "sets": ("gpu1", "gpu2", "store1"),
        "empty": (),
        "all": ("ALL",),
    }
    assert slurm_inputs.parse_partitions("No partitions in the system\n") == {}


@pytest.mark.parametrize(
    ("lacks", "why"),
    [
        ("AccountingStorageType", "keeps no accounts"),
        ("AccountingStorageEnforce", "does not enforce limits"),
        ("AccountingStorageTRES", "does not count GPUs"),
    ],
)
def test_where_limits_would_do_nothing(lacks: str, why: str) -> None:
    settings = {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageEnforce": "associations,limits",
        "AccountingStorageTRES": "cpu,gres/gpu",
    }
    assert slurm_inputs.why_no_limits(settings) == ""
    del settings[lacks]
    assert why in slurm_inputs.why_no_limits(settings)


def test_limits() -> None:
    limits, shares = slurm_inputs.parse_accounts("a|1|cpu=3,gres/gpu=8\nb|parent|\n\nc|40|gres/gpu:h100=4\n")
    assert limits == {"a": 8, "b": None, "c": None} and shares == {"a": 1, "b": None, "c": 40}


def test_limits_of_qos() -> None:
    text = "a|cpu=3,gres/gpu=8\nb|\n\nc|gres/gpu:h100=4\n"
    assert slurm_inputs.parse_qos(text) == {"a": 8, "b": None, "c": None}


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("AccountingStorageType", "accounting_storage/none", "keeps no accounts"),
        ("PriorityType", "priority/basic", "does not go by fair shares"),
        ("PriorityWeightFairShare", "0", "does not go by fair shares"),
    ],
)
def test_where_shares_would_do_nothing(key: str, value: str, why: str) -> None:
    settings = {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "PriorityType": "priority/multifactor",
        "PriorityWeightFairShare": "1000",
    }
    assert slurm_inputs.why_no_shares(settings) == ""
    assert why in slurm_inputs.why_no_shares({**settings, key: value})


def test_features() -> None:
    line = LINE.format(gres="gpu:1 AvailableFeatures=ib,hbm3 ActiveFeatures=ib", state="IDLE")
    node = slurm_inputs.parse_nodes(f"{line}Reason=x ActiveFeatures=y [kim@2026-01-01T00:00:00]\n")["gpu1"]
    assert (node.features, node.active) == (("ib", "hbm3"), ("ib",))
    recorded = slurm_inputs.parse_nodes(NODES)["gpu1"]
    assert recorded.features == recorded.active == ()
    assert slurm_inputs.why_no_features({}) == ""
    assert "NodeFeaturesPlugins=helpers" in slurm_inputs.why_no_features({"NodeFeaturesPlugins": "helpers"})


def test_nothing_hostile_reaches_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: Any, timeout: float, env: Any = None) -> Result:
        raise AssertionError(f"{argv} was run")

    monkeypatch.setattr(_runner, "run", run)
    inputs = SlurmInputs("scontrol", "squeue", 5)
    calls: list[Callable[[], Any]] = [
        lambda: inputs.hold("7 Priority=9", ""),
        lambda: inputs.release("jobname=x", ""),
        lambda: inputs.requeue("7,8", ""),
        lambda: inputs.weigh(["ALL"], 1),
        lambda: inputs.power(["n1,n2"], False),
        lambda: inputs.reserve("a b", "vision", ["n1"]),
        lambda: inputs.reserve("a", "-vision", ["n1"]),
        lambda: inputs.reserve("a", "vision,root", ["n1"]),
        lambda: inputs.reserve("a", "vision", []),
        lambda: inputs.end_reservation("a Users=kim"),
        lambda: inputs.limit("vision\n", 1),
        lambda: inputs.share("vision set", 1),
        lambda: inputs.limit_qos("vision set", 1),
        lambda: inputs.move("vision State=DOWN", ["n1"], True),
        lambda: inputs.nice("7 Priority=9", 1, ""),
        lambda: inputs.feature(["n1"], "aidc_plan_a,b", True),
        lambda: inputs.feature(["n1"], "ib", False),
    ]
    for call in calls:
        with pytest.raises(EngineError):
            call()


def test_failures_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = SlurmInputs("/bin/scontrol", "squeue", 5)
    monkeypatch.setattr(_runner, "run", lambda *_argv: Result(1, "", "Unable to contact slurm controller"))
    with pytest.raises(EngineError, match=r"refused '/bin/scontrol show config': Unable to contact"):
        inputs.now([])
    with pytest.raises(EngineError, match="Unable to contact"):
        inputs.hold("7", "x")

    def hangs(*_argv: Any) -> Result:
        raise CommandError("it did not answer within 5 s")

    monkeypatch.setattr(_runner, "run", hangs)
    with pytest.raises(EngineError, match="did not answer within 5 s"):
        inputs.now([])
    monkeypatch.setattr(_runner, "run", lambda *_argv: Result(1, "", "Invalid job id specified for job 7"))
    assert not inputs.hold("7", "x") and not inputs.release("7", "x") and not inputs.requeue("7", "x")


def test_a_reservation_that_vanishes_while_it_is_changed_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    states, calls = ["INACTIVE", "ACTIVE"], []

    def run(argv: Any, timeout: float, env: Any = None) -> Result:
        calls.append(argv[1])
        if argv[1] == "--oneliner":
            return Result(0, f"ReservationName=a Nodes=n1 Flags=FLEX Accounts=p State={states[0]}\n", "")
        return Result(argv[1] == "update", "", "slurm_update error: Requested reservation is invalid")

    monkeypatch.setattr(_runner, "run", run)
    SlurmInputs("scontrol", "squeue", 5).reserve("a", "p", ["n1"])
    assert calls == ["--oneliner", "update", "create"]
    states.pop(0)
    with pytest.raises(EngineError, match="reservation is invalid"):
        SlurmInputs("scontrol", "squeue", 5).reserve("a", "p", ["n1"])


def test_a_field_that_squeue_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: Any, timeout: float, env: Any = None) -> Result:
        if argv[0] == "squeue":
            return Result(0, JOB, "squeue: error: Invalid job format specification: admin_comment")
        return Result(0, "ClusterName = test\n", "")

    monkeypatch.setattr(_runner, "run", run)
    with pytest.raises(EngineError, match=r"cannot tell all of a job: .*admin_comment"):
        SlurmInputs("scontrol", "squeue", 5).now([])


@pytest.mark.parametrize(
    ("refused", "calls"),
    [
        ([], ["delete"]),
        (["Requested reservation is invalid"], ["delete"]),
        (["Requested reservation is in use"], ["delete", "update"]),
        # It began in this second.
        (["Requested reservation is in use", "Invalid time specified"], ["delete", "update", "update"]),
    ],
)
def test_the_end_of_a_reservation(monkeypatch: pytest.MonkeyPatch, refused: list[str], calls: list[str]) -> None:
    seen: list[str] = []

    def run(argv: Any, timeout: float, env: Any = None) -> Result:
        seen.append(argv[1])
        return Result(1, "", refused[len(seen) - 1]) if len(seen) <= len(refused) else Result(0, "", "")

    monkeypatch.setattr(_runner, "run", run)
    monkeypatch.setattr(slurm_inputs.time, "sleep", lambda _seconds: None)
    SlurmInputs("scontrol", "squeue", 5).end_reservation("a")
    assert seen == calls


@pytest.mark.parametrize("refused", [["Access denied"], ["Requested reservation is in use", "Access denied"]])
def test_a_reservation_that_cannot_be_ended(monkeypatch: pytest.MonkeyPatch, refused: list[str]) -> None:
    monkeypatch.setattr(_runner, "run", lambda *_argv: Result(1, "", refused.pop(0)))
    with pytest.raises(EngineError, match="Access denied"):
        SlurmInputs("scontrol", "squeue", 5).end_reservation("a")

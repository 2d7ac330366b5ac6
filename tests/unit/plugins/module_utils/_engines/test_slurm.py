# Tests of the Slurm engine: recorded answers, other owners, and a scontrol that fails.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, EngineJob, open_engine, slurm
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import expand
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import (
    SlurmEngine,
    parse_jobs,
    parse_nodes,
    parse_owned_jobs,
    parse_reservations,
)
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result

FIXTURES = Path(__file__).parents[3] / "fixtures" / "slurm"
NODES = (FIXTURES / "nodes_22.05.txt").read_text("utf-8")
JOBS = (FIXTURES / "jobs_22.05.txt").read_text("utf-8")


def test_recorded_nodes() -> None:
    nodes = parse_nodes(NODES, parse_jobs(JOBS))
    shown = {name: (node.out, node.drained, node.automatic, node.reason, node.jobs) for name, node in nodes.items()}
    assert shown == {
        "gpu1": (True, False, False, "aidc.ops:3 gpu_fell_off_bus", (1,)),
        "gpu2": (False, False, False, "", (1,)),
        "gpu3": (True, True, True, "Not responding", ()),
        "gpu4": (True, True, False, "disk [odd] State=IDLE Reason=x, ask Kim", ()),
    }
    assert nodes["gpu1"].states == ("mixed", "drain")


@pytest.mark.parametrize(
    ("state", "out", "drained"),
    [
        ("IDLE", False, False),
        ("MIXED", False, False),
        ("ALLOCATED", False, False),
        ("IDLE+DRAIN", True, True),
        ("ALLOCATED+DRAIN", True, False),
        ("MIXED+COMPLETING+DRAIN", True, False),
        ("DOWN", True, True),
        ("DOWN*+DRAIN", True, True),
        ("IDLE*", True, True),
        ("DRAINED*", True, True),
        ("IDLE~", True, True),
        ("UNKNOWN*", True, True),
        ("FUTURE", True, True),
        ("IDLE+DRAIN+INVALID_REG", True, True),
        ("IDLE+RESERVED", False, False),
        ("IDLE+CLOUD+POWERED_DOWN", True, True),
    ],
)
def test_states(state: str, out: bool, drained: bool) -> None:
    node = parse_nodes(f"NodeName=a Arch=x State={state} ThreadsPerCore=1\n", {})["a"]
    assert (node.out, node.drained) == (out, drained)


@pytest.mark.parametrize(
    ("state", "reason", "automatic"),
    [
        ("DOWN*", "Not responding", True),
        ("DOWN", "Node unexpectedly rebooted", True),
        ("IDLE+DRAIN+INVALID_REG", "gres/gpu count reported lower than configured (7 < 8)", True),
        ("DOWN", "", True),
        ("IDLE+DRAIN", "Not responding to pings, says Kim", False),
        ("DOWN", "Kim pulled the plug", False),
        ("IDLE+DRAIN", "", False),
    ],
)
def test_what_the_scheduler_did_by_itself(state: str, reason: str, automatic: bool) -> None:
    line = f"NodeName=a State={state} X=1" + (f" Reason={reason} [slurm@2026-11-21T06:16:33]" if reason else "")
    node = parse_nodes(line, {})["a"]
    assert (node.automatic, node.reason) == (automatic, reason)


@pytest.mark.parametrize(
    "text", ["slurm_load_node error: x", "NodeName=a", "State=IDLE", "Reason=NodeName=a State=IDLE"]
)
def test_an_answer_that_is_something_else_is_an_error(text: str) -> None:
    with pytest.raises(EngineError, match="no node"):
        parse_nodes(text, {})


def test_jobs() -> None:
    assert parse_jobs("7|gpu[1-2]\n8|gpu2,store1\n9|\n\n") == {"gpu1": [7], "gpu2": [7, 8], "store1": [8]}
    with pytest.raises(EngineError, match="no job"):
        parse_jobs("x|gpu1\n")


class Cluster:
    """A scontrol that remembers; stands where programs are run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = {"gpu1": ["IDLE", ""], "gpu2": ["IDLE+DRAIN", "Kim works here"], "gpu3": ["IDLE", ""]}
        self.jobs = ""
        self.changes: list[list[str]] = []
        self.result: Result | None = None
        self.refusal: Result | None = None
        self.shown = "No reservations in the system\n"
        monkeypatch.setattr(slurm._runner, "run", self.run)

    def run(self, argv: list[str], timeout: float) -> Result:
        if self.result is not None:
            return self.result
        if argv[0] == "squeue":
            return Result(0, self.jobs, "")
        if argv[1] in ("update", "requeue", "create", "delete"):
            self.changes.append(list(argv[1:] if argv[1] != "update" else argv[2:]))
            if self.refusal is not None:
                return self.refusal
            if argv[1] == "update" and argv[2].startswith("NodeName="):
                self.update(argv[2:])
            return Result(0, "", "")
        if argv[3] != "node":
            return Result(0, self.shown, "")
        if len(argv) > 4:
            names = expand(argv[4])
            unknown = [f"Node {name} not found\n" for name in names if name not in self.state]
            if unknown:
                return Result(1, "".join(unknown), "")
        lines = [
            f"NodeName={name} State={state} X=1" + (f" Reason={reason} [root@2026-11-21T06:16:33]" if reason else "")
            for name, (state, reason) in self.state.items()
        ]
        return Result(0, "\n".join(lines), "")

    def update(self, words: list[str]) -> None:
        values = dict(word.split("=", 1) for word in words)
        for name in expand(values["NodeName"]):
            self.state[name] = {
                "RESUME": ["IDLE", ""],
                "DRAIN": ["IDLE+DRAIN", values.get("Reason", "")],
                "DOWN": ["DOWN+DRAIN", values.get("Reason", "")],
            }[values["State"]]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


@pytest.fixture
def engine(cluster: Cluster) -> SlurmEngine:
    return SlurmEngine("scontrol", "squeue", 5)


def test_drain_and_resume(cluster: Cluster, engine: SlurmEngine) -> None:
    assert engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 x"})
    assert cluster.changes == [["NodeName=gpu1", "State=DRAIN", "Reason=aidc.ops:7 x"]]
    assert not engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 renamed"}), "the owner has it already"
    for token in ("aidc.ops:77", "aidc.ops:", "aidc.ops"):
        with pytest.raises(ForeignDrainError, match="gpu1 is out"):
            engine.resume("gpu1", token)
    assert engine.resume("gpu1", "aidc.ops:7")
    assert not engine.resume("gpu1", "aidc.ops:7")
    assert len(cluster.changes) == 2


def test_the_others_are_drained_before_it_complains(cluster: Cluster, engine: SlurmEngine) -> None:
    with pytest.raises(ForeignDrainError) as caught:
        engine.drain(["gpu2", "gpu1"], {"gpu1": "aidc.ops:7 x", "gpu2": "aidc.ops:8 x"})
    assert caught.value.nodes == ("gpu2",)
    assert cluster.state["gpu2"] == ["IDLE+DRAIN", "Kim works here"]
    assert cluster.state["gpu1"][0] == "IDLE+DRAIN"


def test_an_unknown_node_stops_everything(cluster: Cluster, engine: SlurmEngine) -> None:
    with pytest.raises(EngineError, match="does not know gpu9"):
        engine.drain(["gpu1", "gpu9"], {"gpu1": "aidc.ops:7 x", "gpu9": "aidc.ops:7 x"})
    assert cluster.changes == []


@pytest.mark.parametrize("reason", ["aidc.ops:7 x' State=IDLE", "aidc.ops:7\nx", "aidc.ops:7 " + "x" * 200, ""])
def test_a_reason_that_could_be_misread_is_refused(cluster: Cluster, engine: SlurmEngine, reason: str) -> None:
    with pytest.raises(EngineError, match="cannot be a reason"):
        engine.drain(["gpu1"], {"gpu1": reason})
    assert cluster.changes == []


def test_evict_ends_jobs_on_an_own_node_only(cluster: Cluster, engine: SlurmEngine) -> None:
    with pytest.raises(ForeignDrainError):
        engine.evict("gpu1", "aidc.ops:7")
    with pytest.raises(ForeignDrainError):
        engine.evict("gpu2", "aidc.ops:7")
    engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 x"})
    assert not engine.evict("gpu1", "aidc.ops:7"), "nothing runs there"
    cluster.jobs = "5|gpu1\n"
    assert engine.evict("gpu1", "aidc.ops:7")
    assert cluster.changes[-1] == ["NodeName=gpu1", "State=DOWN", "Reason=aidc.ops:7 x"]


def test_a_dry_run_changes_nothing(cluster: Cluster) -> None:
    engine = SlurmEngine("scontrol", "squeue", 5, dry_run=True)
    assert engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 x"})
    assert cluster.changes == []


def test_a_failure_says_what_slurm_said(cluster: Cluster, engine: SlurmEngine) -> None:
    cluster.result = Result(1, "", "slurm_load_node error: Unable to contact slurm controller")
    with pytest.raises(EngineError, match="Unable to contact slurm controller"):
        engine.nodes()


def test_a_missing_program_says_so() -> None:
    with pytest.raises(EngineError, match="/none/squeue cannot be started"):
        SlurmEngine("/none/scontrol", "/none/squeue", 5).nodes()


def test_gate_and_engine_mean_the_same_owner() -> None:
    """The two rooms import nothing of each other, so each has the prefix."""
    from ansible_collections.aidc.ops.plugins.module_utils._cases import model

    assert model.OWNER_PREFIX == OWNER_PREFIX


def test_only_known_engines_open() -> None:
    class Options:
        kind = "pbs"
        scontrol = squeue = "x"
        timeout_seconds = 1.0

    with pytest.raises(EngineError, match="no engine 'pbs'"):
        open_engine(Options())


def test_the_nodes_of_one_reason_are_drained_by_one_command(cluster: Cluster, engine: SlurmEngine) -> None:
    cluster.state = {f"gpu{number}": ["IDLE", ""] for number in range(1, 41)}
    names = list(cluster.state)
    assert engine.drain(names, dict.fromkeys(names, "aidc.ops:7 rack"))
    assert cluster.changes == [["NodeName=gpu[1-9],gpu[10-40]", "State=DRAIN", "Reason=aidc.ops:7 rack"]]
    assert {reason for _state, reason in cluster.state.values()} == {"aidc.ops:7 rack"}


def test_each_reason_has_a_command_of_its_own(cluster: Cluster, engine: SlurmEngine) -> None:
    cluster.state = {f"gpu{number}": ["IDLE", ""] for number in range(1, 5)}
    reasons = {"gpu1": "aidc.ops:1 a", "gpu2": "aidc.ops:2 a", "gpu3": "aidc.ops:1 a", "gpu4": "aidc.ops:4 a"}
    assert engine.drain(list(reasons), reasons)
    assert sorted(change[0] for change in cluster.changes) == ["NodeName=gpu2", "NodeName=gpu4", "NodeName=gpu[1,3]"]
    assert {name: reason for name, (_state, reason) in cluster.state.items()} == reasons


def test_the_failure_of_one_command_does_not_keep_the_others(
    cluster: Cluster, engine: SlurmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.state = {f"gpu{number}": ["IDLE", ""] for number in range(1, 4)}
    reasons = {name: f"aidc.ops:{name[3:]} a" for name in cluster.state}

    def run(argv: list[str], timeout: float) -> Result:
        return Result(1, "", "Invalid user") if "NodeName=gpu1" in argv else cluster.run(argv, timeout)

    monkeypatch.setattr(slurm._runner, "run", run)
    with pytest.raises(EngineError, match=r"NodeName=gpu1.*Invalid user"):
        engine.drain(list(reasons), reasons)
    assert [cluster.state[name][0] for name in reasons] == ["IDLE", "IDLE+DRAIN", "IDLE+DRAIN"]


@pytest.mark.parametrize("name", ["ALL", "gpu[1-2]", "gpu1,gpu2", "gpu1 State=DOWN"])
def test_a_name_that_would_mean_more_is_refused(cluster: Cluster, engine: SlurmEngine, name: str) -> None:
    with pytest.raises(EngineError, match="not the name of a node"):
        engine.drain([name], {name: "aidc.ops:7 x"})
    with pytest.raises(EngineError, match="not the name of a node"):
        engine.resume(name, "aidc.ops:7")
    assert cluster.changes == []


def test_nothing_to_do(cluster: Cluster, engine: SlurmEngine) -> None:
    assert not engine.drain([], {})
    assert engine.jobs([]) == []


def test_without_force_jobs_are_awaited(cluster: Cluster, engine: SlurmEngine) -> None:
    engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 x"})
    cluster.jobs = "5|gpu1\n"
    assert not engine.evict("gpu1", "aidc.ops:7", force=False)
    assert engine.notes() == ["gpu1: 1 jobs run until they end by themselves."]
    assert len(cluster.changes) == 1


def test_jobs_with_their_owners() -> None:
    text = "7|gpu[1-2]|alice|1|1|train | NodeList=gpu9\n8|gpu3|bob|0|1|srun\n9|gpu3|bob|1|0|a\n10||bob|1|1|b\n\n"
    assert parse_owned_jobs(text) == [
        EngineJob("7", "train | NodeList=gpu9", "alice", ("gpu1", "gpu2"), True),
        EngineJob("8", "srun", "bob", ("gpu3",), False),
        EngineJob("9", "a", "bob", ("gpu3",), False),
        EngineJob("10", "b", "bob", (), True),
    ]
    for broken in ("x|gpu1|a|1|1|b", "7|gpu1|a|1|1"):
        with pytest.raises(EngineError, match="no job"):
            parse_owned_jobs(broken)


def test_jobs_are_asked_for_the_named_nodes(cluster: Cluster, engine: SlurmEngine) -> None:
    cluster.jobs = "7|gpu[1-2]|alice|1|1|train\n"
    assert [job.id for job in engine.jobs(["gpu1", "gpu2"])] == ["7"]


def test_requeue(cluster: Cluster, engine: SlurmEngine) -> None:
    assert engine.requeue("7")
    assert cluster.changes == [["requeue", "7"]]
    cluster.refusal = Result(1, "", "Invalid job id specified")
    assert not engine.requeue("8")
    cluster.refusal = Result(1, "", "Access/permission denied")
    with pytest.raises(EngineError, match="denied"):
        engine.requeue("8")
    for odd in ("", "7 8", "default/pod", "-1", "7;x"):
        with pytest.raises(EngineError, match="not the id"):
            engine.requeue(odd)


RESERVED = "ReservationName=aidc_ops_7 StartTime=x Nodes=gpu[1,3] NodeCnt=2 Flags=MAINT,IGNORE_JOBS Users=root\n"


def test_reserve(cluster: Cluster, engine: SlurmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm.getpass, "getuser", lambda: "aidc-ops")
    assert engine.reserve(["gpu3", "gpu1"], "aidc.ops:7", 90)
    assert cluster.changes == [
        [
            "create",
            "reservation",
            "ReservationName=aidc_ops_7",
            "StartTime=now",
            "Duration=2",
            "Users=aidc-ops",
            "Nodes=gpu[1,3]",
            "Flags=MAINT,IGNORE_JOBS",
        ]
    ]
    cluster.shown = RESERVED
    assert not engine.reserve(["gpu1", "gpu3"], "aidc.ops:7", 90)
    assert engine.reserve(["gpu1"], "aidc.ops:7", 90)
    assert cluster.changes[-1] == ["ReservationName=aidc_ops_7", "Nodes=gpu1"]
    with pytest.raises(ForeignDrainError):
        engine.reserve(["gpu2"], "aidc.ops:8", 90)
    assert not engine.unreserve("aidc.ops:8")
    assert engine.unreserve("aidc.ops:7")
    assert cluster.changes[-1] == ["delete", "ReservationName=aidc_ops_7"]
    for odd in ("aidc.ops:", "Kim", "aidc.ops:7 8", "aidc.ops:a,b"):
        with pytest.raises(EngineError, match="owner's mark"):
            engine.unreserve(odd)


def test_reservations() -> None:
    assert parse_reservations(RESERVED + "ReservationName=x Nodes=(null)\n") == {
        "aidc_ops_7": ["gpu1", "gpu3"],
        "x": [],
    }
    with pytest.raises(EngineError, match="no reservation"):
        parse_reservations("slurm_load_reservations error: x")


def test_scale_out_of_a_job_array(cluster: Cluster, engine: SlurmEngine) -> None:
    cluster.shown = "JobId=7 ArrayJobId=7 ArrayTaskId=2-9%2 ArrayTaskThrottle=2 JobName=x UserId=a(1)\n"
    assert engine.scale_out("7", 3, 4) == 4
    assert cluster.changes == [["JobId=7", "ArrayTaskThrottle=4"]]
    assert engine.scale_out("7", 3, 1) == 2, "a limit below it takes nothing away"
    assert len(cluster.changes) == 1
    cluster.shown = "JobId=7 JobName=x UserId=a(1)\n"
    with pytest.raises(EngineError, match="no job array"):
        engine.scale_out("7", 3, 4)
    for workload, by in (("default/deployment/x", 1), ("7", 0)):
        with pytest.raises(EngineError):
            engine.scale_out(workload, by, 4)

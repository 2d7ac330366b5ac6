# Tests of the Slurm engine: recorded answers, other owners, and a scontrol that fails.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import model
from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, open_engine, slurm
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine, parse_jobs, parse_nodes
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
        monkeypatch.setattr(slurm._runner, "run", self.run)

    def run(self, argv: list[str], timeout: float) -> Result:
        if self.result is not None:
            return self.result
        if argv[0] == "squeue":
            return Result(0, self.jobs, "")
        if argv[1] == "update":
            self.changes.append(list(argv[2:]))
            name = argv[2].partition("=")[2]
            values = dict(word.split("=", 1) for word in argv[3:])
            self.state[name] = {
                "RESUME": ["IDLE", ""],
                "DRAIN": ["IDLE+DRAIN", values.get("Reason", "")],
                "DOWN": ["DOWN+DRAIN", values.get("Reason", "")],
            }[values["State"]]
            return Result(0, "", "")
        lines = [
            f"NodeName={name} State={state} X=1" + (f" Reason={reason} [root@2026-11-21T06:16:33]" if reason else "")
            for name, (state, reason) in self.state.items()
        ]
        return Result(0, "\n".join(lines), "")


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
    assert model.OWNER_PREFIX == OWNER_PREFIX


def test_only_known_engines_open() -> None:
    class Options:
        kind = "pbs"
        scontrol = squeue = "x"
        timeout_seconds = 1.0

    with pytest.raises(EngineError, match="no engine 'pbs'"):
        open_engine(Options())

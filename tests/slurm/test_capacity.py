# The capacity problem of a real Slurm: nodes with GPUs, jobs that run and wait, and a plan for them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import time
import typing as t

import pytest
from slurm_server import SlurmServer

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.build import Sources, build
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.live import read_state
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import EngineSettings
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

Read = t.Callable[..., EngineState]


@pytest.fixture(scope="module")
def gpus(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SlurmServer]:
    """Three nodes that live, gpu1 and gpu2 with four GPUs; gpu4 never comes up."""
    with SlurmServer(tmp_path_factory.mktemp("capacity"), 4, 3, gpus=4) as made:
        yield made


@pytest.fixture
def read(gpus: SlurmServer, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Read]:
    for name in ("SLURM_CONF", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, gpus.env[name])
    commands = {name: gpus.command(name) for name in ("scontrol", "squeue", "sinfo")}

    def do(accounting_days: int = 0, timeout: float = 20) -> EngineState:
        return read_state(EngineSettings(timeout_seconds=timeout, **commands), time.time(), accounting_days)

    yield do
    gpus.run("scancel", f"--user={getpass.getuser()}")
    gpus.wait(lambda: not gpus.run("squeue", "--noheader").strip(), "the jobs are gone")


def submit(server: SlurmServer, *words: str, runs: bool = True) -> str:
    """Number of a job that runs (or waits) until it is ended."""
    number = server.run("sbatch", "--parsable", "--output=/dev/null", *words, "--wrap=sleep 600").strip()
    if runs:
        server.wait(lambda: server.run("squeue", "--noheader", "--states=R", f"--jobs={number}"), f"job {number} runs")
    return number


def test_nodes(gpus: SlurmServer, read: Read) -> None:
    state = read()
    rows = {row["name"]: row for row in state.nodes}
    assert rows["gpu1"] == {
        "name": "gpu1",
        "cpu_milli": 4000,
        "memory_mib": 1000,
        "in_service": True,
        "gpus": 4,
        "gpu_model": "h100",
    }
    assert "gpus" not in rows["gpu3"] and not rows["gpu4"]["in_service"]
    assert state.node_handles["gpu1"]["partitions"] == ["main"] and state.workloads == []


def test_jobs_become_a_plan(gpus: SlurmServer, read: Read) -> None:
    running = submit(gpus, "--nodes=2", "--gres=gpu:h100:2", "--ntasks-per-node=1", "--time=60", "--mem=100")
    uneven = submit(gpus, "--gpus=1", "--nodelist=gpu1", "--time=30", "--mem=10")
    waiting = submit(gpus, "--nodes=2", "--gpus-per-node=4", "--time=120", "--mem=200", runs=False)
    held = submit(gpus, "--hold", "--gpus=1", runs=False)
    array = submit(gpus, "--array=0-9%2", "--gpus-per-node=h100:4", "--nodes=1", "--mem=10", runs=False)
    after = submit(gpus, f"--dependency=afterok:{running}", "--mem=10", runs=False)
    state = read()
    rows = {row["name"]: row for row in state.workloads}
    assert f"job/{held}" not in rows and any("are held and not planned" in note for note in state.notes)
    row = rows[f"job/{running}"]
    assert (row["running_on"], row["gpus"], row["gang"], row["may_move"]) == (["gpu1", "gpu2"], 2, True, False)
    assert 0.9 < row["duration_hours"] <= 1.0 and row["memory_mib"] == 100
    assert (rows[f"job/{uneven}"]["gpus"], rows[f"job/{uneven}"]["running_on"]) == (1, ["gpu1"])
    row = rows[f"job/{waiting}"]
    assert (row["copies"], row["gpus"], row["gang"], row["duration_hours"]) == (2, 4, True, 2.0)
    assert rows[f"job/{array}"]["copies"] == 2 and rows[f"job/{array}"]["gpus"] == 4
    assert rows[f"job/{after}"]["after"] == [f"job/{running}"]
    assert state.handles[f"job/{waiting}"]["state"] == "pending"

    now = time.time()
    built = build(Sources(states={"engine": state}, at=now, now=now))
    plan = make_plan(read_problem(built.problem), "first_fit", 10).as_dict()
    placed = {(one["workload"], one["node"]) for one in plan["placements"]}
    assert {(f"job/{running}", "gpu1"), (f"job/{running}", "gpu2"), (f"job/{uneven}", "gpu1")} <= placed
    assert f"job/{waiting}" in {one["workload"] for one in plan["refused"]}


def test_what_runs_on_a_drained_node_is_not_planned(gpus: SlurmServer, read: Read) -> None:
    number = submit(gpus, "--nodelist=gpu2", "--gpus-per-node=1", "--mem=10")
    gpus.run("scontrol", "update", "NodeName=gpu2", "State=DRAIN", "Reason=Kim works here")
    try:
        state = read()
    finally:
        gpus.run("scontrol", "update", "NodeName=gpu2", "State=RESUME")
    assert f"job/{number}" not in state.handles
    assert not next(row for row in state.nodes if row["name"] == "gpu2")["in_service"]
    assert state.node_handles["gpu2"]["reason"] == "Kim works here"


def test_without_accounting_there_is_a_note(gpus: SlurmServer, read: Read) -> None:
    assert "How long jobs take is not known" in read(accounting_days=30).notes[-1]


def test_a_controller_that_stops_is_no_empty_queue(gpus: SlurmServer, read: Read) -> None:
    gpus.stop_controller()
    try:
        with pytest.raises(EngineError):
            read(timeout=3)
    finally:
        gpus.start_controller()
    gpus.wait(lambda: "gpu1" in gpus.run("sinfo", "--states=idle", "--noheader", "--Node"), "gpu1 is idle")

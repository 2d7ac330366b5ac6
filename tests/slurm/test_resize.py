# Limits of jobs and partitions on a real slurmctld.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from slurm_server import SlurmServer

from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import slurm
from ansible_collections.aidc.ops.tests.slurm.test_engine import batch


def held(server: SlurmServer, *words: str) -> str:
    """A job that stays pending; its number."""
    line = ["sbatch", "--parsable", "--hold", "--output=/dev/null", *words, "--wrap=sleep 600"]
    return server.run(*line).strip()


def partition(server: SlurmServer) -> str:
    """The name of the first partition."""
    return server.run("sinfo", "--noheader", "--format=%R").split()[0]


def test_a_pending_job(server: SlurmServer, engine: SlurmEngine) -> None:
    number = held(server, "--time=60", "--nodes=1", "--job-name=NumNodes=9 x")
    wishes = {"time_limit": 1500, "nodes": 2, "cpus": 2}
    dry = SlurmEngine(server.command("scontrol"), server.command("squeue"), 10, dry_run=True)
    assert slurm.resize(dry, f"job/{number}", wishes, True).changed
    assert slurm.resize(engine, f"job/{number}", {"time_limit": 60, "nodes": 1}, False).changed is False
    outcome = slurm.resize(engine, f"job/{number}", wishes, False)
    assert outcome.before["time_limit"] == "01:00:00" and outcome.changed
    assert not slurm.resize(engine, number, wishes, False).changed
    shown = server.run("squeue", "--noheader", f"--jobs={number}", "--format=%l %D %C").split()
    assert shown == ["1-01:00:00", "2", "2"]


def test_memory_of_a_pending_job(server: SlurmServer, engine: SlurmEngine) -> None:
    number = held(server)
    wish = {"memory": slurm.mebibytes("1G", "memory")}
    assert slurm.resize(engine, number, wish, False).changed
    assert not slurm.resize(engine, number, wish, False).changed
    assert server.run("squeue", "--noheader", f"--jobs={number}", "--format=%m").strip() in ("1G", "1024M")


def test_a_part_of_a_refused_change(server: SlurmServer, engine: SlurmEngine) -> None:
    number = held(server, "--time=60")
    with pytest.raises(
        EngineError, match=r"not available now .*; changed all the same: time_limit 00:30:00, cpus 4000$"
    ):
        slurm.resize(engine, number, {"time_limit": 30, "cpus": 4000}, False)


def test_a_running_job(server: SlurmServer, engine: SlurmEngine) -> None:
    number = batch(server, "--time=60")
    assert slurm.resize(engine, number, {"time_limit": 90}, False).changed
    assert server.run("squeue", "--noheader", f"--jobs={number}", "--format=%l").strip() == "1:30:00"
    with pytest.raises(ResizeError, match="is RUNNING; only its time limit can be changed then, cpus"):
        slurm.resize(engine, number, {"cpus": 2}, False)
    server.run("scancel", number)
    server.wait(lambda: not server.run("squeue", "--noheader", f"--jobs={number}").strip(), "the job is gone")
    with pytest.raises(ResizeError, match=r"has ended|has no job"):
        slurm.resize(engine, number, {"time_limit": 60}, False)


def test_all_tasks_of_an_array(server: SlurmServer, engine: SlurmEngine) -> None:
    number = held(server, "--array=0-3", "--time=60")
    assert slurm.resize(engine, number, {"time_limit": 90}, False).changed
    assert not slurm.resize(engine, number, {"time_limit": 90}, False).changed


def test_a_name_that_pretends(server: SlurmServer, engine: SlurmEngine) -> None:
    number = held(server, "--time=60", "--job-name=x RunTime=0 TimeLimit=9 TimeMin=N/A")
    with pytest.raises(EngineError, match="looks like a limit of Slurm"):
        slurm.resize(engine, number, {"time_limit": 90}, False)


def test_a_partition(server: SlurmServer, engine: SlurmEngine) -> None:
    name = f"partition/{partition(server)}"
    wishes = {"max_time": 240, "max_nodes": 4}
    before = slurm.resize(engine, name, wishes, False).before
    try:
        assert not slurm.resize(engine, name, wishes, False).changed
        shown = server.run("scontrol", "--oneliner", "show", "partition", partition(server))
        assert "MaxNodes=4 MaxTime=04:00:00" in shown
    finally:
        old = {
            "max_time": slurm.minutes(before["max_time"], "x"),
            "max_nodes": slurm.count(before["max_nodes"], "max_nodes"),
        }
        slurm.resize(engine, name, old, False)
    assert slurm.resize(engine, name, old, False).before == before


def test_what_is_not_there(engine: SlurmEngine) -> None:
    with pytest.raises(ResizeError, match="Slurm has no job 4000000"):
        slurm.resize(engine, "job/4000000", {"time_limit": 60}, False)
    with pytest.raises(ResizeError, match="Slurm has no partition none"):
        slurm.resize(engine, "partition/none", {"max_time": 60}, False)

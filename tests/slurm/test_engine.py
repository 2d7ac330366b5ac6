# The Slurm engine against a real slurmctld and slurmd.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import re

import pytest
from slurm_server import SlurmServer

from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError

REASON = "aidc.ops:7 gpu_fell_off_bus"
TOKEN = "aidc.ops:7"


def batch(server: SlurmServer, *words: str, wait: int = 1) -> str:
    """Submits a job that runs until it is ended, and waits until so many of it run; its number."""
    number = server.run("sbatch", "--parsable", "--output=/dev/null", *words, "--wrap=sleep 600").strip()
    states = ["squeue", "--noheader", "--states=R", f"--jobs={number}"]
    server.wait(lambda: len(server.run(*states).splitlines()) == wait, f"job {number} runs")
    return number


def test_drain_and_resume(server: SlurmServer, engine: SlurmEngine) -> None:
    assert engine.drain(["gpu1"], {"gpu1": REASON})
    node = engine.nodes()["gpu1"]
    assert (node.states, node.reason, node.drained, node.automatic) == (("idle", "drain"), REASON, True, False)
    assert not engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 renamed"})
    with pytest.raises(ForeignDrainError):
        engine.resume("gpu1", "aidc.ops:77")
    assert engine.resume("gpu1", TOKEN)
    assert not engine.resume("gpu1", TOKEN)
    server.wait(lambda: not engine.nodes()["gpu1"].out, "gpu1 has registered again")


def test_the_drain_of_a_person_is_respected(server: SlurmServer, engine: SlurmEngine) -> None:
    server.run("scontrol", "update", "NodeName=gpu2", "State=DRAIN", "Reason=Kim works here")
    with pytest.raises(ForeignDrainError) as caught:
        engine.drain(["gpu1", "gpu2"], {"gpu1": REASON, "gpu2": "aidc.ops:8 x"})
    assert caught.value.reasons == {"gpu2": "Kim works here"}
    assert engine.nodes()["gpu1"].reason == REASON
    with pytest.raises(ForeignDrainError):
        engine.resume("gpu2", TOKEN)
    assert engine.nodes()["gpu2"].reason == "Kim works here"


def test_many_nodes_in_one_call(server: SlurmServer, engine: SlurmEngine) -> None:
    names = server.alive
    assert engine.drain(names, dict.fromkeys(names, REASON))
    assert {engine.nodes()[name].reason for name in names} == {REASON}
    own = {name: f"aidc.ops:{at} x" for at, name in enumerate(names, 100)}
    assert engine.drain(names, own)
    nodes = engine.nodes()
    assert {name: nodes[name].reason for name in names} == own
    with pytest.raises(EngineError, match="does not know gpu99"):
        engine.drain(["gpu1", "gpu99"], dict.fromkeys(("gpu1", "gpu99"), REASON))
    with pytest.raises(EngineError, match="not the name of a node"):
        engine.drain(["ALL"], {"ALL": REASON})


def test_nodes_that_do_not_answer_are_nobodys(engine: SlurmEngine) -> None:
    node = engine.nodes()["gpu25"]
    assert node.out and node.automatic and node.drained


def test_jobs(server: SlurmServer, engine: SlurmEngine) -> None:
    first = batch(server, "--nodes=2", "--nodelist=gpu[1-2]", "--job-name=a | NodeList=gpu9 Requeue=0", "--requeue")
    second = batch(server, "--nodelist=gpu3", "--no-requeue")
    jobs = {job.id: job for job in engine.jobs(["gpu1", "gpu2", "gpu3"])}
    assert set(jobs) == {first, second}
    assert (jobs[first].nodes, jobs[first].owner) == (("gpu1", "gpu2"), getpass.getuser())
    assert jobs[first].name == "a | NodeList=gpu9 Requeue=0"
    assert jobs[first].can_requeue and not jobs[second].can_requeue
    assert engine.nodes()["gpu1"].jobs == (int(first),)
    assert engine.requeue(first)
    with pytest.raises(EngineError, match="disabled for job"):
        engine.requeue(second)
    assert not engine.requeue("4000000")


def test_evict(server: SlurmServer, engine: SlurmEngine) -> None:
    batch(server, "--nodelist=gpu1", "--no-requeue")
    with pytest.raises(ForeignDrainError):
        engine.evict("gpu1", TOKEN)
    engine.drain(["gpu1"], {"gpu1": REASON})
    assert not engine.evict("gpu1", TOKEN, force=False)
    assert engine.notes() == ["gpu1: 1 jobs run until they end by themselves."]
    assert engine.evict("gpu1", TOKEN)
    server.wait(lambda: engine.nodes()["gpu1"].drained, "the node is empty")
    assert not engine.evict("gpu1", TOKEN)
    assert engine.resume("gpu1", TOKEN)


def test_reservation(server: SlurmServer, engine: SlurmEngine) -> None:
    try:
        assert engine.reserve(["gpu1", "gpu3"], TOKEN, 90)
        assert not engine.reserve(["gpu3", "gpu1"], TOKEN, 90)
        shown = server.run("scontrol", "--oneliner", "show", "reservation", "aidc_ops_7")
        assert "Nodes=gpu[1,3]" in shown and re.search(r"Flags=MAINT,\S*IGNORE_JOBS", shown)
        number = server.run("sbatch", "--parsable", "--output=/dev/null", "--nodelist=gpu1", "--wrap=sleep 600").strip()
        server.wait(
            lambda: "reserved" in server.run("squeue", "--noheader", f"--jobs={number}", "--format=%t %r").lower(),
            "a job of nobody in particular is kept away",
        )
        inside = batch(server, "--nodelist=gpu3", "--reservation=aidc_ops_7")
        assert inside, "our own is not"
        server.run("scancel", number, inside)
        assert engine.reserve(["gpu1", "gpu2"], TOKEN, 90)
        assert engine._reservations() == {"aidc_ops_7": ["gpu1", "gpu2"]}
    finally:
        ended = engine.unreserve(TOKEN)
    assert ended and not engine.unreserve(TOKEN)


def test_scale_out(server: SlurmServer, engine: SlurmEngine) -> None:
    number = batch(server, "--array=0-9%2", wait=2)
    assert engine.scale_out(number, 1, 5) == 3
    server.wait(lambda: len(server.run("squeue", "--noheader", "--states=R").splitlines()) == 3, "three tasks run")
    assert engine.scale_out(number, 9, 5) == 5
    assert engine.scale_out(number, 1, 2) == 5


def test_a_controller_that_stops(server: SlurmServer, engine: SlurmEngine) -> None:
    quick = SlurmEngine(server.command("scontrol"), server.command("squeue"), 1)
    server.stop_controller()
    try:
        with pytest.raises(EngineError):
            quick.nodes()
        with pytest.raises(EngineError):
            quick.drain(["gpu1"], {"gpu1": REASON})
    finally:
        server.start_controller()
    server.wait(lambda: "gpu1" in server.run("sinfo", "--states=idle", "--noheader", "--Node"), "gpu1 is idle")
    assert engine.drain(["gpu1"], {"gpu1": REASON})

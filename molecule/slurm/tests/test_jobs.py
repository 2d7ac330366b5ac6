# Jobs and accounting: GPUs that a job asks for are the ones that it sees, and what it used is on record.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of what users notice."""

from __future__ import annotations

import pytest
from slurm_helpers import NODES, as_user, container, node, output, reason, submit, wait_for_state
from waiting import wait_for

SHOW = "echo $CUDA_VISIBLE_DEVICES"


@pytest.fixture(autouse=True)
def quiet_cluster() -> None:
    for name in NODES:
        wait_for_state(name, "IDLE")


@pytest.mark.parametrize("name", NODES)
def test_a_job_sees_as_many_gpus_as_it_asked_for(name: str) -> None:
    seen = output(submit(f"--nodelist={name} --gres=gpu:2", SHOW)).strip().split(",")
    assert len(seen) == 2
    assert set(seen) < {str(number) for number in range(8)}


def test_a_job_may_ask_for_a_model() -> None:
    model = node("gpu2")["Gres"].split(":")[1]
    seen, where = output(submit(f"--gres=gpu:{model}:3", f"{SHOW}; echo $SLURMD_NODENAME")).split()
    assert (len(seen.split(",")), where) == (3, "gpu2")


def test_two_jobs_on_a_node_do_not_share_gpus() -> None:
    # On a busy machine it takes seconds to submit the second one.
    jobs = [submit("--nodelist=gpu1 --gres=gpu:4", f"{SHOW}; sleep 10") for _number in range(2)]
    running = "squeue --noheader --states=RUNNING --nodelist=gpu1"
    wait_for(lambda: container("ctl").check_output(running).count("gpu1") == 2, 20, "both jobs run at the same time")
    first, second = (set(output(job).strip().split(",")) for job in jobs)
    assert (len(first), len(second), first & second) == (4, 4, set())


@pytest.mark.parametrize("gres", ["gpu:v100:1", "gpu:9", "tpu:1"])
def test_what_no_node_has_is_refused(gres: str) -> None:
    done = as_user("alice", f"sbatch --gres={gres} --wrap true")
    assert done.rc != 0
    assert "Requested node configuration is not available" in done.stderr or "Invalid generic resource" in done.stderr


def test_a_user_without_an_account_is_refused() -> None:
    done = as_user("bob", "sbatch --wrap true")
    assert done.rc != 0
    assert "Invalid account" in done.stderr


def test_root_may_run_jobs() -> None:
    assert output(submit("--gres=gpu:1", SHOW, user="root")).strip().isdigit()


def test_accounting_has_the_gpus_of_a_job() -> None:
    job = submit("--gres=gpu:2", "true")
    output(job)

    def accounted() -> str:
        command = "sacct --noheader --parsable2 --allocations --jobs=%s --format=user,account,state,alloctres"
        return str(container("ctl").check_output(command, job))

    wait_for(lambda: "COMPLETED" in accounted(), 60, "the end of the job reaches the database")
    assert accounted().startswith("alice|aidc|COMPLETED|")
    assert "gres/gpu=2" in accounted()


def test_an_operator_drains_and_resumes_and_a_user_does_not() -> None:
    drain = "scontrol update nodename=gpu2 state=drain reason='GPU 3 is hot'"
    assert as_user("alice", drain).rc != 0
    assert node("gpu2")["State"] == "IDLE"
    assert as_user("oncall", drain).rc == 0
    assert (node("gpu2")["State"], reason("gpu2")) == ("IDLE+DRAIN", "GPU 3 is hot")
    assert as_user("oncall", "scontrol update nodename=gpu2 state=resume").rc == 0
    wait_for_state("gpu2", "IDLE")

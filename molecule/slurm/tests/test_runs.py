# The play again: hardware that changed, was lost, or belongs to a host outside of the run; a drained node; a bad file.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of later runs. The changes stay at the end, so that the next run of the play is one too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from slurm_helpers import as_user, container, node, play, reason, submit, wait_for_state

MODELS = {
    "h100": "NVIDIA H200",
    "h200": "NVIDIA H100 80GB HBM3",
    "a100": "NVIDIA L40S",
    "l40s": "NVIDIA A100-SXM4-80GB",
}
ONLY_LINES = ("--check", "--diff", "--tags", "slurm_configure")


def change_model(name: str) -> str:
    """Put GPUs of another model into a node and return their name in Slurm."""
    model = MODELS[node(name)["Gres"].split(":")[1]]
    container(name).check_output("gpusim init --model %s --gpus 8 --node %s", model, name)
    return model.split()[1].lower()


@pytest.fixture
def lost_gpu() -> Iterator[str]:
    host = container("gpu1")
    host.check_output("gpusim inject xid79 --gpu 3 --no-log")
    yield "gpu1"
    host.check_output("gpusim boot")


def test_a_lost_gpu_does_not_shrink_the_node(lost_gpu: str) -> None:
    status, text = play(*ONLY_LINES, "--limit", lost_gpu)
    assert status == 0, text
    assert "gpu1 shows 7 working GPUs, its record has 8" in text
    assert "changed=0" in text


def test_a_bad_option_is_refused_and_the_cluster_keeps_its_file() -> None:
    before = container("gpu2").file("/etc/slurm/slurm.conf").content
    status, text = play("--tags", "slurm_configure", "--extra-vars", '{"slurm_options": {"NoSuchOption": 1}}')
    assert status != 0
    assert "Parsing error at unrecognized key: NoSuchOption" in text
    for name in ("ctl", "gpu2"):
        assert container(name).file("/etc/slurm/slurm.conf").content == before


def test_changed_hardware_is_found_and_nobody_is_disturbed() -> None:
    """One run for all of it, since a run takes long: a new model on gpu1, a job on it, and a drained gpu2."""
    assert as_user("oncall", "scontrol update nodename=gpu2 state=drain reason='aidc.ops:7 gpu_xid'").rc == 0
    job = submit("--nodelist=gpu1 --gres=gpu:1", "sleep 600")
    wait_for_state("gpu1", "MIXED")
    new = change_model("gpu1")

    status, text = play(*ONLY_LINES, "--limit", "gpu1")
    assert status != 0
    assert "The hardware of gpu1 is not what the controller has in its records" in text

    status, text = play()
    assert status == 0, text
    for name in ("ctl", "gpu1", "gpu2"):
        lines = container(name).file("/etc/slurm/gres.conf").content_string.splitlines()
        assert f"NodeName=gpu1 Name=gpu Type={new} File=/dev/nvidia[0-7]" in lines
    assert (node("gpu2")["State"], reason("gpu2")) == ("IDLE+DRAIN", "aidc.ops:7 gpu_xid")
    assert (node("gpu1")["State"], node("gpu1")["Gres"]) == ("MIXED", f"gpu:{new}:8")
    assert _state(job) == "RUNNING"

    as_user("oncall", f"scancel {job}; scontrol update nodename=gpu2 state=resume")
    wait_for_state("gpu1", "IDLE")
    wait_for_state("gpu2", "IDLE")


def test_partitions_change_without_a_restart() -> None:
    def started() -> str:
        return str(
            container("ctl").check_output("systemctl show --value --property=ActiveEnterTimestampMonotonic slurmctld")
        )

    before = started()
    night = {"name": "night", "nodes": ["gpu2"], "options": {"MaxTime": "8:00:00"}}
    partitions = json.dumps({"slurm_partitions": [{"name": "gpu", "default": True}, night]})
    status, text = play("--tags", "slurm_configure", "--extra-vars", partitions)
    assert status == 0, text
    shown: Any = container("ctl").check_output("sinfo --noheader --partition=night --format='%%R %%l %%N'")
    assert shown == "night 8:00:00 gpu2"
    assert started() == before


def _state(job: str) -> str:
    return str(container("ctl").check_output("squeue --noheader --jobs=%s --format=%%T", job))

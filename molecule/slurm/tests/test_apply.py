# A plan applied to the real cluster: the partition of a project, and the limits of its account and its QOS.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the playbook apply. Slurm listens inside its container only, so its commands lead through it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm_helpers import NODES, as_user, commands, container, node, wait_for_state
from waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
POLICY = {"partitions": {"vision": "cv"}, "qos": {"vision": "cv"}}
QUIET = ("sacctmgr", "--immediate", "--quiet")


def slurm(*words: str) -> str:
    """Output of a command on the controller."""
    return str(container("ctl").check_output(" ".join(["%s"] * len(words)), *words)).strip()


class Applying:
    """A plan for two GPUs of gpu2, and what Slurm goes by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {
            "schema_version": 1,
            **dict.fromkeys(("ledger", "evidence_dir", "ticket_dir"), "/none"),
            "engine": commands(folder, "scontrol", "squeue", "sinfo", "sacctmgr"),
        }
        del settings["engine"]["sacctmgr"]
        self._write("controller", settings)

    def plan(self, quota_gpu_milli: int) -> None:
        rows = []
        for name in NODES:
            model = node(name)["Gres"].split(":")[1]
            rows.append({"name": name, "cpu_milli": 16000, "memory_mib": 64000, "gpus": 8, "gpu_model": model})
        work = {"name": "demand/vision", "project": "vision", "gpus": 2}
        project = {"name": "vision", "quota_gpu_milli": quota_gpu_milli}
        self._write("problem", {"schema_version": 1, "nodes": rows, "workloads": [work], "projects": [project]})
        placement = {"workload": "demand/vision", "node": "gpu2", "gpus": [0, 1]}
        self._write("plan", {"schema_version": 1, "placements": [placement], "refused": []})

    def apply(self, *arguments: str, **policy: Any) -> str:
        """Run the playbook; its output."""
        variables = {
            "apply_config": str(self.folder / "controller.json"),
            **{f"apply_{name}_path": str(self.folder / f"{name}.json") for name in ("problem", "plan")},
            "apply_policy": {**POLICY, **policy},
        }
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        done = subprocess.run(
            [program, "aidc.ops.apply", *arguments, "--extra-vars", json.dumps(variables)],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self) -> tuple[str, str, str]:
        """Limits of the account and of the QOS, and the nodes of the partition."""
        show = ("sacctmgr", "--noheader", "--parsable2", "show")
        account = slurm(*show, "association", "account=vision", "user=", "format=grptres")
        qos = slurm(*show, "qos", "name=cv", "format=grptres")
        return account, qos, slurm("sinfo", "--noheader", "--partition=cv", "--format=%N")

    def _write(self, name: str, content: Any) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def applying(tmp_path: Path) -> Iterator[Applying]:
    for name in NODES:
        wait_for_state(name, "IDLE")
    slurm(*QUIET, "add", "account", "vision", "Description=test", "Organization=test")
    slurm(*QUIET, "add", "qos", "cv")
    slurm(*QUIET, "modify", "qos", "where", "name=cv", "set", "GrpTRES=cpu=12,gres/gpu=1")
    slurm(*QUIET, "add", "user", "alice", "Account=vision", "QOS=cv")
    slurm("scontrol", "create", "PartitionName=cv", "Nodes=gpu1", "State=UP")
    yield Applying(tmp_path)
    slurm("scancel", "--user=alice")
    wait_for(lambda: not slurm("squeue", "--noheader"), 60, "the jobs are gone")
    for name in NODES:
        wait_for_state(name, "IDLE", "IDLE+RESERVED")
    container("ctl").run("scontrol delete ReservationName=aidc_plan_vision")
    slurm("scontrol", "delete", "PartitionName=cv")
    slurm(*QUIET, "delete", "user", "where", "name=alice", "account=vision")
    slurm(*QUIET, "delete", "qos", "where", "name=cv")
    slurm(*QUIET, "delete", "account", "where", "name=vision")


def submit() -> str:
    """A job of the project for two GPUs, and for its partition and QOS."""
    options = "--parsable --output=/dev/null --account=vision --partition=cv --qos=cv --gres=gpu:2"
    done = as_user("alice", f"sbatch {options} --wrap 'sleep 600'")
    assert done.rc == 0, done.stderr
    return str(done.stdout.strip())


def told(job: str) -> str:
    return slurm("squeue", "--noheader", f"--jobs={job}", "--format=%T %R")


def test_jobs_obey_the_partition_and_the_qos(applying: Applying) -> None:
    before = applying.state()
    assert before == ("", "cpu=12,gres/gpu=1", "gpu1")
    applying.plan(2000)
    shown = applying.apply("--check", "--diff")
    for words in ("QOS cv: 2 GPUs", "nodes gpu2: partition cv", "nodes gpu1: -"):
        assert words in shown, shown
    assert applying.state() == before, "check mode changes nothing"
    assert "changed=1" in applying.apply()
    assert applying.state() == ("gres/gpu=2", "cpu=12,gres/gpu=2", "gpu2")
    again = applying.apply()
    assert "changed=0" in again and "Nothing has to be changed." in again

    first = submit()
    wait_for(lambda: told(first) == "RUNNING gpu2", 60, "the job runs where the plan has work of its project")
    second = submit()
    wait_for(lambda: told(second) == "PENDING (QOSGrpGRES)", 60, "a job waits for the limit of the QOS")
    applying.plan(4000)
    assert "raise qos limit" in applying.apply()
    assert applying.state() == ("gres/gpu=4", "cpu=12,gres/gpu=4", "gpu2")
    wait_for(lambda: told(second) == "RUNNING gpu2", 60, "there is room in the limit")


def test_a_qos_and_a_partition_that_are_not_there(applying: Applying) -> None:
    applying.plan(2000)
    output = applying.apply(partitions={"vision": "none"}, qos={"vision": "none"})
    assert "refused: partition partition none: Slurm has no such partition; make it in slurm.conf" in output
    assert "refused: limit QOS none: Slurm has no such QOS; make it with sacctmgr" in output
    assert applying.state() == ("gres/gpu=2", "cpu=12,gres/gpu=1", "gpu1"), "all else is done"

# Tests of the limits of jobs and partitions of Slurm, on a scontrol in memory that writes as the real one does.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import slurm
from ansible_collections.aidc.ops.plugins.module_utils._resize.outcome import Outcome

JOB = (
    "JobId=12 JobName=train UserId=kim(1000) GroupId=kim(1000) MCS_label=N/A Priority=1 Nice=0 Account=(null) "
    "QOS=(null) JobState=PENDING Reason=Resources Dependency=(null) Requeue=1 Restarts=0 Reboot=0 ExitCode=0:0 "
    "RunTime=00:00:00 TimeLimit=01:00:00 TimeMin=N/A SubmitTime=2026-01-01T00:00:00 Partition=gpu NumNodes=1-1 "
    "NumCPUs=4 NumTasks=4 CPUs/Task=1 ReqB:S:C:T=0:0:*:* TRES=cpu=4,mem=4G,node=1 Socks/Node=* "
    "MinCPUsNode=1 MinMemoryNode=4G MinTmpDiskNode=0 Features=(null) Comment=x Command=(null) WorkDir=/"
)
PARTITION = (
    "PartitionName=gpu AllowGroups=ALL Hidden=NO MaxNodes=UNLIMITED MaxTime=1-00:00:00 MinNodes=0 LLN=NO State=UP"
)


class Scontrol:
    """Keeps the lines of one job and one partition.

    ``deaf``: takes changes and forgets them. ``refuses``: the word at which it stops, with those before it made.
    """

    def __init__(self) -> None:
        self.lines = {"job": [JOB], "partition": [PARTITION]}
        self.changes: list[tuple[str, ...]] = []
        self.deaf = False
        self.refuses = ""

    def run(self, argv: Sequence[str], timeout: float) -> _runner.Result:
        if argv[1] == "--oneliner":
            kind, name = argv[3:]
            if name not in ("12", "gpu"):
                said = {"job": "Invalid job id specified", "partition": f"Partition {name} not found"}
                return _runner.Result(1, "", said[kind])
            return _runner.Result(0, "\n".join(self.lines[kind]) + "\n", "")
        self.changes.append(tuple(argv[2:]))
        kind = "job" if argv[2].startswith("JobId=") else "partition"
        for word in () if self.deaf else argv[3:]:
            key, value = word.split("=")
            if key == self.refuses:
                return _runner.Result(1, "", f"{key} invalid for job 12")
            # It converts where no digit is lost by that.
            value = {"65536": "64G"}.get(value, value)
            key_in_line = "MinMemory(?:Node|CPU)" if key == "MinMemoryNode" else key
            self.lines[kind] = [re.sub(rf" {key_in_line}=\S+", f" {key}={value}", line) for line in self.lines[kind]]
        return _runner.Result(0, "", "")


@pytest.fixture
def scontrol(monkeypatch: pytest.MonkeyPatch) -> Scontrol:
    made = Scontrol()
    monkeypatch.setattr(_runner, "run", made.run)
    return made


def resize(workload: str, dry: bool = False, **wishes: int) -> Outcome:
    return slurm.resize(SlurmEngine("scontrol", "squeue", 5, dry), workload, wishes, dry)


def test_all_limits_of_a_job_in_one_command(scontrol: Scontrol) -> None:
    wishes = {"time_limit": 1500, "nodes": 2, "cpus": 8, "memory": 65536}
    dry = resize("job/12", dry=True, **wishes)
    assert dry.changed and not scontrol.changes
    outcome = resize("job/12", **wishes)
    assert outcome.before == {"time_limit": "01:00:00", "nodes": "1-1", "cpus": "4", "memory": "4G"}
    assert scontrol.changes == [
        ("JobId=12", "TimeLimit=1-01:00:00", "NumNodes=2-2", "NumCPUs=8", "MinMemoryNode=65536")
    ]
    for workload in ("job/12", "12"):
        assert not resize(workload, **wishes).changed
    assert len(scontrol.changes) == 1


def test_what_is_the_same_is_not_written(scontrol: Scontrol) -> None:
    assert not resize("12", time_limit=60, nodes=1, cpus=4, memory=4096).changed
    outcome = resize("12", time_limit=60, cpus=5)
    assert scontrol.changes == [("JobId=12", "NumCPUs=5")]
    assert outcome.after == {"time_limit": "01:00:00", "cpus": "5"}


def test_a_partition(scontrol: Scontrol) -> None:
    assert not resize("partition/gpu", max_time=1440, max_nodes=-1).changed
    outcome = resize("partition/gpu", max_time=240, max_nodes=4)
    assert scontrol.changes == [("PartitionName=gpu", "MaxTime=0-04:00:00", "MaxNodes=4")]
    assert "Slurm forgets this" in outcome.notes[0]
    assert resize("partition/gpu", max_time=-1).after == {"max_time": "UNLIMITED"}


def test_a_running_job_has_only_its_time(scontrol: Scontrol) -> None:
    scontrol.lines["job"] = [JOB.replace("PENDING", "RUNNING")]
    assert resize("12", time_limit=90).changed
    with pytest.raises(ResizeError, match="job 12 is RUNNING; only its time limit can be changed then, cpus, memory"):
        resize("12", cpus=8, memory=1)
    scontrol.lines["job"] = [JOB.replace("PENDING", "COMPLETED")]
    with pytest.raises(ResizeError, match="job 12 has ended"):
        resize("12", time_limit=90)


def test_tasks_of_an_array_that_differ(scontrol: Scontrol) -> None:
    scontrol.lines["job"] = [JOB, JOB.replace("TimeLimit=01:00:00", "TimeLimit=02:00:00")]
    assert resize("12", time_limit=60).before == {"time_limit": "01:00:00,02:00:00"}
    assert not resize("12", time_limit=60).changed


def test_memory_by_cpu_is_another_limit(scontrol: Scontrol) -> None:
    scontrol.lines["job"] = [JOB.replace("MinMemoryNode=4G", "MinMemoryCPU=4G")]
    outcome = resize("12", memory=4096)
    assert outcome.before == {"memory": "CPU=4G"} and outcome.changed
    assert not resize("12", memory=4096).changed


def test_a_name_cannot_pretend_to_be_a_limit(scontrol: Scontrol) -> None:
    scontrol.lines["job"] = [JOB.replace("JobName=train", "JobName=x RunTime=0 TimeLimit=9 TimeMin=N/A")]
    with pytest.raises(EngineError, match="name or comment of job/12 looks like a limit"):
        resize("job/12", time_limit=60)
    scontrol.lines["job"] = ["something else"]
    with pytest.raises(EngineError, match="a line about job 12 that is not understood"):
        resize("job/12", time_limit=60)
    scontrol.lines["job"] = []
    with pytest.raises(EngineError, match="says nothing about job 12"):
        resize("job/12", time_limit=60)


def test_a_change_that_is_not_shown_afterwards(scontrol: Scontrol) -> None:
    scontrol.deaf = True
    with pytest.raises(EngineError, match="shows time_limit 01:00:00 in place of 0-01:30:00"):
        resize("job/12", time_limit=90)


def test_a_change_of_which_a_part_is_made(scontrol: Scontrol) -> None:
    scontrol.refuses = "NumNodes"
    with pytest.raises(EngineError, match=r"NumNodes invalid for job 12; changed all the same: time_limit 0-01:30:00$"):
        resize("12", time_limit=90, nodes=2)
    with pytest.raises(EngineError, match=r"NumNodes invalid for job 12$"):
        resize("12", nodes=2)


@pytest.mark.parametrize(
    ("workload", "wishes", "message"),
    [
        ("job/99", {"time_limit": 1}, "Slurm has no job 99"),
        ("partition/none", {"max_time": 1}, "Slurm has no partition none"),
        ("job/12; rm", {"time_limit": 1}, "neither job/<number> nor partition/<name>"),
        ("models/deployment/chat", {"time_limit": 1}, "neither job/<number>"),
        ("partition/gpu", {"time_limit": 1}, "time_limit cannot be set for partition/gpu; it has max_time, max_nodes"),
        ("12", {"max_nodes": 1}, "max_nodes cannot be set for 12; it has time_limit"),
    ],
)
def test_what_there_is_not(scontrol: Scontrol, workload: str, wishes: dict[str, int], message: str) -> None:
    with pytest.raises(ResizeError, match=message):
        resize(workload, **wishes)
    assert not scontrol.changes


def test_an_engine_that_refuses(scontrol: Scontrol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _runner, "run", lambda argv, timeout: _runner.Result(1, "", "Unable to contact slurm controller")
    )
    with pytest.raises(EngineError, match="Unable to contact"):
        resize("12", time_limit=1)


@pytest.mark.parametrize(
    ("text", "number"),
    [("90", 90), ("1:30", 2), ("1:00:00", 60), ("12:30:01", 751), ("2-0", 2880), ("1-2:30", 1590), ("1-00:00:00", 1440)]
    + [("UNLIMITED", -1), ("infinite", -1), (" 5 ", 5)],
)
def test_times(text: str, number: int) -> None:
    assert slurm.minutes(text, "time_limit") == number


@pytest.mark.parametrize(
    "given", [7200, 1.5, "0", "", "-1", "NaN", "1h", "tomorrow", None, True, "1-2-3", "99999999999"]
)
def test_times_that_are_none(given: Any) -> None:
    with pytest.raises(ResizeError, match=r"time_limit is .*write it in quotes"):
        slurm.minutes(given, "time_limit")


@pytest.mark.parametrize(("text", "number"), [("64G", 65536), ("65536", 65536), ("1.5g", 1536), ("1TB", 2**20), (9, 9)])
def test_sizes(text: str, number: int) -> None:
    assert slurm.mebibytes(text, "memory") == number


@pytest.mark.parametrize("given", ["0", "", "-1G", "NaN", "1K", "64Gi", True, "1e3"])
def test_sizes_that_are_none(given: Any) -> None:
    with pytest.raises(ResizeError, match="memory is"):
        slurm.mebibytes(given, "memory")


@pytest.mark.parametrize(("given", "where"), [(0, "nodes"), (-1, "cpus"), ("UNLIMITED", "nodes"), ("x", "max_nodes")])
def test_counts_that_are_none(given: Any, where: str) -> None:
    with pytest.raises(ResizeError, match=f"{where} is .*whole number from 1 on"):
        slurm.count(given, where)
    assert slurm.count("UNLIMITED", "max_nodes") == -1

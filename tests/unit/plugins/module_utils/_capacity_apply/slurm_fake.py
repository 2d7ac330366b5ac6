# A Slurm in memory for tests of what steers its scheduler: answers scontrol, squeue and sacctmgr as 22.05 does.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress, expand
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result


@dataclass
class Node:
    state: str = "IDLE"
    reason: str = ""
    weight: int = 1
    gres: str = "gpu:h100:8(S:0-1)"
    features: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)


@dataclass
class Reservation:
    nodes: list[str]
    accounts: str
    flags: str = "FLEX,IGNORE_JOBS,SPEC_NODES,NO_HOLD_JOBS_AFTER_END,MAGNETIC"
    state: str = "ACTIVE"


@dataclass
class Job:
    account: str
    state: str = "PENDING"
    nodes: list[str] = field(default_factory=list)
    reason: str = "Resources"
    priority: int = 4294901756
    restarts: int = 0
    requeue: int = 1
    batch: int = 1
    comment: str = ""
    array: str = ""
    reservation: str = ""
    nice: int = 0
    full: int = 0


class Refused(Exception):
    """What a command writes to stderr."""


class FakeSlurm:
    """``run`` stands in for _runner.run. ``fail_at`` makes the change of that number (from 0 on) fail."""

    def __init__(self, nodes: Sequence[str] = ()) -> None:
        self.nodes = {name: Node() for name in nodes}
        self.reservations: dict[str, Reservation] = {}
        self.jobs: dict[str, Job] = {}
        self.limits: dict[str, str] = {}
        self.shares: dict[str, str] = {}
        self.qos: dict[str, str] = {}
        self.partitions = {"main": list(nodes)}
        self.settings = {"ClusterName": "test", "SuspendProgram": "/sbin/off", "ResumeProgram": "/sbin/on"}
        self.calls: list[list[str]] = []
        self.changes: list[list[str]] = []
        self.fail_at: int | None = None

    def accounting(self, **limits: str) -> None:
        self.limits = limits
        self.settings["AccountingStorageType"] = "accounting_storage/slurmdbd"
        self.settings["AccountingStorageEnforce"] = "associations,limits,qos"
        self.settings["AccountingStorageTRES"] = "cpu,mem,energy,node,billing,fs/disk,vmem,pages,gres/gpu"
        self.settings["PriorityType"] = "priority/multifactor"
        self.settings["PriorityWeightFairShare"] = "1000"

    def run(self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> Result:
        program, *words = argv
        self.calls.append(list(argv))
        program = program.rpartition("/")[2]
        try:
            if program == "squeue":
                return Result(0, self._squeue(words), "")
            if program == "sacctmgr":
                return Result(0, self._sacctmgr(words), "")
            words = [word for word in words if word not in ("--all", "--oneliner")]
            if words[0] == "show":
                return Result(0, self._show(words[1]), "")
            self._begin(words)
            self._change(words)
            return Result(0, "", "")
        except Refused as error:
            return Result(1, "", f"slurm_update error: {error}\n")

    def _begin(self, words: list[str]) -> None:
        if self.fail_at == len(self.changes):
            raise Refused("Unable to contact slurm controller (connect failure)")
        self.changes.append(words)

    def _show(self, what: str) -> str:
        if what == "config":
            lines = [f"{key:<23} = {value}" for key, value in self.settings.items()]
            missing = {"SuspendProgram", "ResumeProgram", "AccountingStorageType"} - set(self.settings)
            lines += [f"{key:<23} = (null)" for key in sorted(missing)]
            return "Configuration data as of 2026-01-01T00:00:00\n" + "\n".join(lines) + "\n"
        if what == "partition":
            return "".join(self._partition_line(name, nodes) for name, nodes in self.partitions.items())
        if what == "node":
            return "".join(self._node_line(name, node) for name, node in self.nodes.items())
        if not self.reservations:
            return "No reservations in the system\n"
        return "".join(
            f"ReservationName={name} StartTime=2026-01-01T00:00:00 EndTime=2027-01-01T00:00:00 Duration=365-00:00:00 "
            f"Nodes={compress(one.nodes)} NodeCnt={len(one.nodes)} CoreCnt=1 Features=(null) PartitionName=(null) "
            f"Flags={one.flags} TRES=cpu=1 Users=(null) Groups=(null) Accounts={one.accounts or '(null)'} "
            f"Licenses=(null) State={one.state} BurstBuffer=(null) Watts=n/a MaxStartDelay=(null) \n"
            for name, one in self.reservations.items()
        )

    def _node_line(self, name: str, node: Node) -> str:
        reason = f"Reason={node.reason} [root@2026-01-01T00:00:00]" if node.reason else ""
        return (
            f"NodeName={name} Arch=x86_64 CoresPerSocket=1 CPUAlloc=0 CPUTot=4 "
            f"AvailableFeatures={','.join(node.features) or '(null)'} "
            f"ActiveFeatures={','.join(node.active) or '(null)'} Gres={node.gres} "
            f"NodeAddr={name} OS=Linux 6.1 #1 SMP RealMemory=1000 State={node.state} "
            f"ThreadsPerCore=1 TmpDisk=0 Weight={node.weight} Owner=N/A Partitions=main {reason}\n"
        )

    def _partition_line(self, name: str, nodes: list[str]) -> str:
        return (
            f"PartitionName={name} AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=NO QoS=N/A "
            "DefaultTime=NONE Hidden=NO MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0 LLN=NO "
            f"Nodes={','.join(nodes) or '(null)'} PriorityJobFactor=1 PriorityTier=1 State=UP TotalCPUs=4 "
            f"TotalNodes={len(nodes)} DefMemPerNode=UNLIMITED TRES=cpu=4,node={len(nodes)}\n"
        )

    def _squeue(self, words: list[str]) -> str:
        form = next(word for word in words if word.startswith("--Format="))
        assert form.endswith("NodeList:|,admin_comment:"), "the free text of administrators is the last field"
        return "".join(
            "|".join(
                (
                    number,
                    job.array or number,
                    job.state,
                    job.reason,
                    str(job.priority),
                    str(job.nice),
                    job.account or "(null)",
                    str(job.restarts),
                    str(job.requeue),
                    str(job.batch),
                    compress(job.nodes) if job.nodes else "",
                    job.comment or "(null)",
                )
            )
            + "\n"
            for number, job in self.jobs.items()
        )

    def _sacctmgr(self, words: list[str]) -> str:
        told = dict(word.partition("=")[::2] for word in words)
        if "qos" in words:
            return self._sacctmgr_qos(words, told)
        assert told["cluster"] == "test"
        if "show" in words:
            return "".join(
                f"{name}|{self.shares.get(name, '1')}|{self.limits[name]}\n"
                for name in told["account"].split(",")
                if name in self.limits
            )
        self._begin(words)
        if "Fairshare" in told:
            self.shares[told["name"]] = told["Fairshare"]
            return " Modified account associations...\n"
        others = [one for one in self.limits[told["name"]].split(",") if one and not one.startswith("gres/gpu=")]
        self.limits[told["name"]] = ",".join([*others, told["GrpTRES"]])
        return " Modified account associations...\n"

    def _sacctmgr_qos(self, words: list[str], told: dict[str, str]) -> str:
        assert told["name"], "without a name it would be all of them"
        if "show" in words:
            return "".join(f"{name}|{self.qos[name]}\n" for name in told["name"].split(",") if name in self.qos)
        self._begin(words)
        others = [one for one in self.qos[told["name"]].split(",") if one and not one.startswith("gres/gpu=")]
        self.qos[told["name"]] = ",".join([*others, told["GrpTRES"]])
        return " Modified qos...\n"

    def _change(self, words: list[str]) -> None:
        verb = words[0]
        told: dict[str, Any] = dict(word.partition("=")[::2] for word in words[1:])
        if verb in ("release", "requeue"):
            self._job_verb(verb, words[-1])
        elif "PartitionName" in told:
            nodes = expand(told["Nodes"])
            if told["PartitionName"] not in self.partitions or not set(nodes) <= set(self.nodes):
                raise Refused("Invalid partition or node name specified")
            self.partitions[told["PartitionName"]] = nodes
        elif "NodeName" in told:
            for name in expand(told["NodeName"]):
                self._node(self.nodes[name], told)
        elif "JobId" in told:
            job = self._job(told["JobId"])
            job.comment = told.get("AdminComment", job.comment)
            if "Nice" in told:
                # Also to a job that is held, which releases it.
                job.full = job.full or job.priority + job.nice
                job.nice = int(told["Nice"])
                job.priority = max(job.full - job.nice, 2)
            if "Priority" in told:
                job.priority, job.reason = int(told["Priority"]), "JobHeldAdmin"
        elif verb == "delete":
            self._delete(told["ReservationName"])
        elif told.get("EndTime") == "now":
            self.reservations[told["ReservationName"]].state = "INACTIVE"
        else:
            self._reserve(verb, told)

    def _node(self, node: Node, told: dict[str, Any]) -> None:
        if "Weight" in told:
            node.weight = int(told["Weight"])
        elif "AvailableFeatures" in told:
            features, active = ([*filter(None, told[f"{key}Features"].split(","))] for key in ("Available", "Active"))
            if not set(active) <= set(features):
                raise Refused("Active features not subset of available features")
            node.features, node.active = features, active
        elif told["State"] == "POWER_DOWN":
            node.state = f"{node.state}+POWERED_DOWN" if node.state == "IDLE" else f"{node.state}+POWER_DOWN"
        elif told["State"] == "POWER_UP":
            node.state = "IDLE"
        else:
            raise Refused(f"Invalid node state specified: {told['State']}")

    def _job(self, number: str) -> Job:
        if number not in self.jobs:
            raise Refused("Invalid job id specified")
        return self.jobs[number]

    def _job_verb(self, verb: str, number: str) -> None:
        job = self._job(number)
        if verb == "release":
            job.full, job.priority, job.reason = 4294901700, 4294901700 - job.nice, "Resources"
            return
        if not job.requeue:
            raise Refused("Requested operation is presently disabled")
        job.state, job.nodes, job.reason = "PENDING", [], "BeginTime"
        job.restarts += 1

    def _delete(self, name: str) -> None:
        if any(job.reservation == name and job.state == "RUNNING" for job in self.jobs.values()):
            raise Refused("Requested reservation is in use")
        del self.reservations[name]

    def _reserve(self, verb: str, told: dict[str, Any]) -> None:
        name, nodes = told["ReservationName"], expand(told["Nodes"])
        if (name in self.reservations) == (verb == "create"):
            raise Refused("Requested reservation is invalid")
        if not nodes:
            raise Refused("Slurm would take any nodes")
        for other, one in self.reservations.items():
            shared = {"MAINT", "OVERLAP"} & set(one.flags.split(","))
            if other != name and one.state == "ACTIVE" and not shared and set(nodes) & set(one.nodes):
                raise Refused("Requested reservation overlaps another")
        self.reservations[name] = Reservation(nodes, told["Accounts"])

# A Slurm under test with plans for it, which are compared with it and applied to it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

from slurm_server import SlurmServer

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, slurm_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, Change, Difference
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import expand
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import PREFIX, SlurmInputs

ALL = ApplyPolicy(hold=True, requeue=True, power_off=True)
# Project -> the nodes that the plan gives to it.
Layout = t.Mapping[str, t.Sequence[str]]


class Site:
    """The cluster, and plans for all of its nodes that answer."""

    def __init__(self, server: SlurmServer) -> None:
        self.server = server
        self.inputs = SlurmInputs(server.command("scontrol"), server.command("squeue"), 10)

    def compare(
        self,
        layout: Layout,
        policy: ApplyPolicy = ALL,
        jobs: t.Mapping[str, tuple[str, str]] | None = None,
        projects: t.Sequence[t.Mapping[str, t.Any]] = (),
    ) -> Difference:
        """``jobs``: number -> project, and its node or "" where the plan has no place for it."""
        nodes = [{"name": name, "cpu_milli": 4000, "memory_mib": 1000} for name in self.server.alive]
        works = [{"name": f"demand/{project}", "project": project, "copies": len(on)} for project, on in layout.items()]
        works += [{"name": f"job/{number}", "project": project} for number, (project, _node) in (jobs or {}).items()]
        placed = [(f"demand/{project}", name) for project, on in layout.items() for name in on]
        placed += [(f"job/{number}", name) for number, (_project, name) in (jobs or {}).items() if name]
        refused = [f"job/{number}" for number, (_project, name) in (jobs or {}).items() if not name]
        plan = {
            "schema_version": 1,
            "placements": [{"workload": work, "node": name, "gpus": []} for work, name in placed],
            "refused": [{"workload": work, "reason": "no room"} for work in refused],
        }
        problem = {"schema_version": 1, "nodes": nodes, "workloads": works, "projects": list(projects)}
        wanted = wanted_of(read_problem(problem), plan)
        accounts = [project["name"] for project in projects]
        now = self.inputs.now(accounts, policy.qos.values(), bool(policy.partitions))
        return slurm_diff.difference(wanted, now, policy)

    def apply(self, layout: Layout, policy: ApplyPolicy = ALL, jobs: t.Any = None) -> list[Change]:
        """All changes made; a second comparison finds none, as soon as what has to end has ended."""
        changes = self.compare(layout, policy, jobs).changes
        for change in changes:
            assert carry_out.in_slurm(change, self.inputs), change
        self.server.wait(lambda: not self.compare(layout, policy, jobs).changes, "nothing is left to change", 10)
        return changes

    def submit(self, *words: str) -> str:
        told = ("--parsable", "--output=/dev/null", *words, "--wrap=sleep 600")
        return self.server.run("sbatch", *told).strip()

    def pending(self, *words: str) -> str:
        """The number of a job of three cores: two of them have no room on one node."""
        return self.submit("--ntasks=3", "--nodes=1", "--mem=100", "--time=60", *words)

    def runs(self, number: str) -> list[str]:
        """Wait until the job runs; its nodes."""
        show = ("squeue", "--noheader", "--states=R", f"--jobs={number}", "--format=%N")
        self.server.wait(lambda: self.server.run(*show).strip(), f"job {number} runs")
        return expand(self.server.run(*show).strip())

    def reservations(self) -> dict[str, list[str]]:
        return {
            name: list(one.nodes)
            for name, one in self.inputs.now([]).reservations.items()
            if one.active and name.startswith(PREFIX)
        }

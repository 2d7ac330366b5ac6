# Tests of asking the schedulers: scripts in the place of Slurm's commands, an API server in memory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.live import read_state
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import EngineSettings
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import ApiRefused
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_sources.kube_shapes import (
    deployment,
    node,
    pod,
)
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_sources.slurm_shapes import OLD, Shapes

NOW = 1_800_000_000.0


class Commands:
    """Slurm's commands as scripts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = EngineSettings(
            scontrol=str(folder / "scontrol"), squeue=str(folder / "squeue"), sinfo=str(folder / "sinfo")
        )
        slurm = Shapes(OLD)
        (folder / "nodes.json").write_text(slurm.answer("nodes", slurm.node("a")))
        (folder / "jobs.json").write_text(slurm.answer("jobs", slurm.job(7)))
        self.write("scontrol", "echo \"scontrol: unrecognized option '--json'\" >&2; exit 1")
        self.write("sinfo", f"cat {folder}/nodes.json")
        self.write("squeue", f"cat {folder}/jobs.json")

    def write(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.folder}/calls\n{body}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def slurm(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def test_slurm_is_asked_for_nodes_and_then_for_jobs(slurm: Commands) -> None:
    state = read_state(slurm.options, NOW)
    assert set(state.handles) == {"job/7"} and [row["name"] for row in state.nodes] == ["a"]
    assert slurm.calls() == ["scontrol --all --json show nodes", "sinfo --all --json", "squeue --all --json"]


def test_the_accounting(slurm: Commands) -> None:
    slurm.write("sacct", "for i in $(seq 20); do echo 'vision|1800|120'; done")
    assert read_state(slurm.options, NOW, 30).workloads[0]["duration_hours"] == 0.5
    assert "--starttime=now-30days --endtime=now --state=CD,TO" in slurm.calls()[-1]


def test_a_site_without_accounting_gets_a_note(slurm: Commands) -> None:
    slurm.write("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    state = read_state(slurm.options, NOW, 30)
    assert state.workloads[0]["duration_hours"] == 2.0
    assert "so their limits count: Slurm refused" in state.notes[-1] and "is disabled" in state.notes[-1]


def test_jobs_that_cannot_be_had_are_no_empty_queue(slurm: Commands) -> None:
    slurm.write("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(EngineError, match="squeue --all --json': slurm_load_jobs error"):
        read_state(slurm.options, NOW)
    (slurm.folder / "squeue").unlink()
    with pytest.raises(EngineError, match="cannot be started"):
        read_state(slurm.options, NOW)


class Server:
    """An API server in memory that knows lists only."""

    def __init__(self, refuse: str = "") -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refuse = refuse

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        self.asked.append((path, query))
        if path == self.refuse:
            raise ApiRefused("Kubernetes refused GET (HTTP 403): forbidden", 403)
        things = {"nodes": [node("a")], "deployments": [deployment("tagger")], "pods": [pod("x", "a", gpus=1)]}
        return things.get(path.rpartition("/")[2], [])


def test_kubernetes_is_asked_for_nodes_first_and_for_pods_last() -> None:
    server = Server()
    options = EngineSettings(kind="kubernetes")
    state = read_state(options, NOW, 30, lambda _options: server)  # type: ignore[arg-type,return-value]
    assert set(state.handles) == {"vision/deployment/tagger", "vision/pod/x"}
    paths = [path.rpartition("/")[2] for path, _query in server.asked]
    assert paths == ["nodes", "deployments", "statefulsets", "jobs", "pods"]
    assert server.asked[-1][1] == {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}


def test_a_list_that_is_refused_is_no_empty_one() -> None:
    server = Server("/apis/batch/v1/jobs")
    with pytest.raises(EngineError, match="forbidden"):
        read_state(EngineSettings(kind="kubernetes"), NOW, 0, lambda _options: server)  # type: ignore[arg-type,return-value]

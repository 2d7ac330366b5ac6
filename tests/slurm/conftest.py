# Starts one real Slurm for all tests of this folder, and gives every node back after each of them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import typing as t
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# Before anything of a collection is imported.
init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")])

from slurm_server import SlurmServer

from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SlurmServer]:
    with SlurmServer(tmp_path_factory.mktemp("slurm"), 25, 24) as made:
        yield made


@pytest.fixture
def engine(server: SlurmServer, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[SlurmEngine]:
    """One that asks this Slurm."""
    for name in ("SLURM_CONF", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, server.env[name])
    yield SlurmEngine(server.command("scontrol"), server.command("squeue"), 10)
    server.run("scancel", f"--user={getpass.getuser()}")
    for name in server.alive:
        if "DRAIN" in server.run("scontrol", "--oneliner", "show", "node", name):
            server.run("scontrol", "update", f"NodeName={name}", "State=RESUME")
    server.wait(lambda: not server.run("squeue", "--noheader").strip(), "the jobs are gone")
    idle = ["sinfo", "--noheader", "--states=idle", "--format=%D"]
    server.wait(lambda: server.run(*idle).strip() == str(len(server.alive)), "the nodes are idle again")

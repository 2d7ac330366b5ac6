# Nodes that a plan leaves idle are switched off by a real Slurm's power saving, and on again when a plan needs them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from slurm_server import SlurmServer

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.slurm.site import ALL, Layout, Site


def test_a_slurm_whose_power_saving_is_off_says_so(server: SlurmServer, engine: SlurmEngine) -> None:
    with pytest.raises(EngineError, match="its power saving is off where SuspendTime is set neither"):
        Site(server).inputs.power(["gpu1"], False)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Site]:
    """Four nodes, in a Slurm that can switch them."""
    with SlurmServer(tmp_path / "slurm", 4, 4, saving=True) as server:
        for name in ("SLURM_CONF", "LD_LIBRARY_PATH"):
            monkeypatch.setenv(name, server.env[name])
        yield Site(server)


def is_on(site: Site, name: str) -> bool:
    """Whether the node's slurmd is there: Slurm's word alone would not show that anything was switched."""
    return (site.server.folder / "run" / f"slurmd.{name}.pid").exists()


def test_idle_nodes_go_off_and_come_back(site: Site) -> None:
    small: Layout = {"vision": ("gpu1",)}
    job = site.submit("--account=other", "--nodelist=gpu4")
    assert site.runs(job) == ["gpu4"]
    off = [change for change in site.apply(small) if change.kind == "power_down"]
    assert [change.names for change in off] == [("gpu2", "gpu3")], "gpu4 runs a job, so it stays on"
    site.server.wait(lambda: not is_on(site, "gpu2") and not is_on(site, "gpu3"), "the idle nodes are off")
    assert is_on(site, "gpu1") and is_on(site, "gpu4")
    show = ("scontrol", "--oneliner", "show", "node", "gpu[2-3]")
    site.server.wait(lambda: site.server.run(*show).count("POWERED_DOWN") == 2, "Slurm says so")
    assert site.compare(small).changes == []

    large: Layout = {"vision": ("gpu1", "gpu2", "gpu3")}
    up = [change for change in site.compare(large).changes if change.kind == "power_up"]
    assert [change.names for change in up] == [("gpu2", "gpu3")]
    for change in site.compare(large).changes:
        assert carry_out.in_slurm(change, site.inputs), change
    site.server.wait(lambda: is_on(site, "gpu2") and is_on(site, "gpu3"), "the nodes are on again")
    wanted = site.submit("--account=vision", "--nodes=3", "--exclusive")
    assert site.runs(wanted) == ["gpu1", "gpu2", "gpu3"]
    assert [change.kind for change in site.compare(large, ALL).changes] == []

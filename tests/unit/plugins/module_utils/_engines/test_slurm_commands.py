# Tests of reading Slurm's nodes through its commands, with scripts in their place.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import slurm_commands
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "slurm"
OLD = "echo \"scontrol: unrecognized option '--json'\" >&2; exit 1"


class Slurm:
    """The two commands as scripts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("scontrol", OLD)
        self.write("sinfo", "echo nobody asked me >&2; exit 1")

    def write(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.folder}/calls\n{body}\n')
        path.chmod(0o755)

    def nodes(self, timeout: float = 10) -> list[str]:
        found = slurm_commands.nodes(str(self.folder / "scontrol"), str(self.folder / "sinfo"), timeout)
        return [one.node.name for one in found]

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path)


def test_scontrol_is_enough_where_it_can_speak_json(slurm: Slurm) -> None:
    slurm.write("scontrol", f"cat {FIXTURES}/scontrol_nodes_24.11.json")
    assert slurm.nodes() == ["cpu1", "gpu1", "gpu2", "gpu3"]
    assert slurm.calls() == ["scontrol --all --json show nodes"]


def test_sinfo_of_an_old_release_stands_in(slurm: Slurm) -> None:
    slurm.write("sinfo", f"cat {FIXTURES}/sinfo_22.05.json")
    assert slurm.nodes() == ["cpu1", "gpu1", "gpu2", "gpu3"]
    assert slurm.calls() == ["scontrol --all --json show nodes", "sinfo --all --json"]


def test_success_without_a_controller_is_a_failure(slurm: Slurm) -> None:
    slurm.write("sinfo", f"cat {FIXTURES}/no_controller_22.05.json")
    with pytest.raises(EngineError, match=r"sinfo --all --json: Slurm could not answer: Unspecified error"):
        slurm.nodes()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "Slurm refused .*: Unable to contact"),
        ("exit 3", "no reason given"),
        ("echo '{\"nodes\": ['", "is no JSON"),
        ("printf '\\377\\376'", "is no JSON"),
        ("true", "is no JSON"),
    ],
)
def test_every_failure_says_which_command_failed(slurm: Slurm, body: str, message: str) -> None:
    slurm.write("scontrol", body)
    with pytest.raises(EngineError, match=message) as caught:
        slurm.nodes()
    assert "scontrol --all --json show nodes" in str(caught.value)
    assert slurm.calls() == ["scontrol --all --json show nodes"]


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Slurm cannot be asked: .*/nothing cannot be started"):
        slurm_commands.nodes(str(tmp_path / "nothing"), "sinfo", 5)


def test_a_command_that_hangs_costs_the_timeout(slurm: Slurm) -> None:
    slurm.write("scontrol", "exec sleep 30")
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"did not answer within 0\.3 s"):
        slurm.nodes(timeout=0.3)
    assert time.monotonic() - began < 5

# Tests of molecule/shared/engine.py: what is written for which machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import engine
import pytest


def which(*installed: str):
    return lambda name: f"/usr/bin/{name}" if name in installed else None


def test_cgroup_v2_leaves_the_runtime_to_the_engine(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    machine = engine.detect(tmp_path, uid=1000, which=which("podman", "crun"))
    assert machine.cgroups == "v2"
    assert machine.rootless
    conf = tomllib.loads(engine.settings(machine))
    assert conf["containers"] == {"default_ulimits": [], "base_hosts_file": "none"}
    assert "engine" not in conf


@pytest.mark.parametrize("unified", [True, False])
def test_older_cgroups_need_runc(tmp_path: Path, unified: bool) -> None:
    if unified:
        (tmp_path / "unified").mkdir()
        (tmp_path / "unified" / "cgroup.controllers").touch()
    machine = engine.detect(tmp_path, uid=0, which=which("podman", "crun", "runc"))
    assert machine.cgroups == ("hybrid" if unified else "v1")
    assert tomllib.loads(engine.settings(machine))["engine"]["runtime"] == "runc"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(engine.EngineError, match="apt-get install podman"):
        engine.detect(tmp_path, uid=0, which=which())
    with pytest.raises(engine.EngineError, match="install runc"):
        engine.settings(engine.Machine("hybrid", rootless=False, runtimes=("crun",)))
    with pytest.raises(engine.EngineError, match="run as root"):
        engine.settings(engine.Machine("v1", rootless=True, runtimes=("runc",)))


def test_the_file_is_only_written_when_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "new" / "containers.conf"
    assert engine.write(path, "a = 1\n")
    assert not engine.write(path, "a = 1\n")
    assert engine.write(path, "a = 2\n")
    assert path.read_text() == "a = 2\n"


def test_a_persons_own_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERS_CONF", "/etc/mine.conf")
    engine.ensure(tmp_path / "containers.conf")
    assert os.environ["CONTAINERS_CONF"] == "/etc/mine.conf"
    assert not (tmp_path / "containers.conf").exists()

# Tests of the program that builds Kubernetes for the tests: where it puts things, and what it says when it cannot.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from pathlib import Path

import kubernetes_build
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


def fill(folder: Path, says: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in kubernetes_build.PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"AIDC_OPS_KUBERNETES_CACHE": "/a"}, "/a/1.20.2"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/aidc_ops/kubernetes/1.20.2"),
        ({"HOME": "/x"}, f"{Path.home()}/.cache/aidc_ops/kubernetes/1.20.2"),
    ],
)
def test_where_the_programs_are(env: dict[str, str], folder: str) -> None:
    assert str(kubernetes_build.programs(env)) == folder


@pytest.mark.parametrize(
    ("env", "known", "address"),
    [
        ({}, "", "http://deb.debian.org/debian"),
        ({}, "https://a.example/ubuntu/\nhttps://b.example/debian/\n", "https://b.example/debian"),
        ({}, "https://b.example/debian-security/\n", "http://deb.debian.org/debian"),
        ({"AIDC_OPS_LAB_MIRROR": "http://c.example/debian/"}, "https://b.example/debian/", "http://c.example/debian"),
    ],
)
def test_which_mirror(env: dict[str, str], known: str, address: str) -> None:
    assert kubernetes_build.mirror(env, known) == address


def test_the_sources_are_verified() -> None:
    for line in kubernetes_build.sources("http://x/debian").splitlines():
        assert "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://x/debian bookworm main" in line


def test_nothing_is_done_when_the_programs_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDC_OPS_KUBERNETES_CACHE", str(tmp_path))
    assert kubernetes_build.main(["--where"]) == 1
    fill(tmp_path / "1.20.2", "x")
    assert kubernetes_build.main(["--where"]) == 0
    assert kubernetes_build.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"[kubernetes] ready: {tmp_path}/1.20.2"
    (tmp_path / "1.20.2" / "kubemark").unlink()
    assert kubernetes_build.missing(tmp_path / "1.20.2") == ["kubemark"]


def test_programs_that_are_of_another_version_are_not_kept(tmp_path: Path) -> None:
    fill(tmp_path / "made", "Kubernetes v1.19.0")
    made = {name: tmp_path / "made" / name for name in kubernetes_build.PROGRAMS}
    with pytest.raises(kubernetes_build.BuildError, match=r"not start as version 1\.20\.2"):
        kubernetes_build.place(made, tmp_path / "cache" / "1.20.2")
    assert not (tmp_path / "cache" / "1.20.2").exists()
    fill(tmp_path / "made", "Kubernetes v1.20.2")
    kubernetes_build.place(made, tmp_path / "cache" / "1.20.2")
    assert kubernetes_build.missing(tmp_path / "cache" / "1.20.2") == []


def test_a_failed_command_is_shown_with_the_end_of_its_output(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    builder = kubernetes_build.Builder(tmp_path, tmp_path / "log", "http://x/debian")
    with pytest.raises(kubernetes_build.BuildError, match=r"(?s)sh -c.*    no space left.*All of its output:"):
        builder._run(["sh", "-c", "echo no space left; exit 3"], tmp_path)


def test_the_guide_shows_the_rights_that_the_tests_use() -> None:
    """tests/kubernetes applies the file to a real server, so the guide has to show that and nothing else."""
    guide = (ROOT / "docs" / "docsite" / "rst" / "guide_engines.rst").read_text("utf-8")
    part = guide.partition("\nRights in Kubernetes\n")[2]
    lines = part.split(".. code-block:: yaml\n", 1)[1].splitlines()
    shown = itertools.takewhile(lambda line: not line or line.startswith("   "), lines)
    rights = (ROOT / "docs" / "kubernetes" / "rights.yml").read_text("utf-8")
    assert list(yaml.safe_load_all("\n".join(line[3:] for line in shown))) == list(yaml.safe_load_all(rights))

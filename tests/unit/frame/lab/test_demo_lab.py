# Tests of the pure parts of tools/demo_lab.py, and of the lines that tools/demo_progress.py prints.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

import demo_lab
import pytest
from demo_progress import DemoError, Progress

OUTPUT = """\
TASK [aidc.ops.slurm : Start] **************************************************
fatal: [ctl]: FAILED! => {"msg": "no such unit"}

PLAY RECAP *********************************************************************
ctl                        : ok=10   changed=0    unreachable=0    failed=1
gpu1                       : ok=9    changed=2    unreachable=0    failed=0

TASKS RECAP ********************************************************************
"""


def test_a_failed_run_shows_task_and_message() -> None:
    text = demo_lab.failures(OUTPUT)
    assert "aidc.ops.slurm : Start" in text
    assert "no such unit" in text


def test_a_run_that_died_otherwise_shows_its_last_lines() -> None:
    assert demo_lab.failures("a\nsyntax error near b\n").endswith("syntax error near b")


def test_the_recap_is_cut_out() -> None:
    assert [line.split()[0] for line in demo_lab.recap(OUTPUT).splitlines()] == ["ctl", "gpu1"]
    assert demo_lab.recap("nothing") == ""


def test_the_digest_follows_the_files(tmp_path: Path) -> None:
    (tmp_path / "roles" / "x" / "__pycache__").mkdir(parents=True)
    (tmp_path / "roles" / "x" / "a.yml").write_text("1")
    first = demo_lab.source_digest(tmp_path)
    (tmp_path / "roles" / "x" / "__pycache__" / "a.pyc").write_text("1")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("1")
    assert demo_lab.source_digest(tmp_path) == first
    assert demo_lab.source_digest(tmp_path, ["other"]) != first
    (tmp_path / "roles" / "x" / "a.yml").write_text("2")
    assert demo_lab.source_digest(tmp_path) != first


def test_packed_files_come_out_again() -> None:
    with tarfile.open(fileobj=io.BytesIO(demo_lab.pack({"a/b.yml": b"x"}))) as archive:
        entry = archive.extractfile("a/b.yml")
        assert entry is not None
        assert entry.read() == b"x"


def test_progress_says_when_a_step_fails() -> None:
    out = io.StringIO()
    progress = Progress(out)
    with progress.step("First"):
        pass

    def second() -> None:
        with progress.step("Second"):
            progress.status("at this")
            raise DemoError("no")

    with pytest.raises(DemoError):
        second()
    lines = out.getvalue().splitlines()
    assert "First: done" in lines[1]
    assert "Second: FAILED" in lines[3]
    assert lines[3].endswith("at this")


def test_only_one_run_uses_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_lab, "CACHE", tmp_path)
    monkeypatch.setattr(demo_lab, "LOGS", tmp_path)
    first, second = (demo_lab.Lab(Progress(io.StringIO()), env={}) for _unused in range(2))
    with first.lock(), pytest.raises(DemoError, match="another run uses the lab"):
        second.lock()
    second.lock().close()


def test_the_simulator_is_compiled_after_the_images_however_quick_the_packages_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_lab, "LOGS", tmp_path)
    monkeypatch.setattr(demo_lab.engine, "ensure", lambda _path: None)
    monkeypatch.setattr(demo_lab.disks, "check_rights", lambda _nodes, _user: None)
    done: list[str] = []

    def program(_lab: object, name: str, *_arguments: str) -> str:
        time.sleep(0.2 if name == "image.py" else 0)
        done.append(name)
        return ""

    monkeypatch.setattr(demo_lab.Lab, "_program", program)
    demo_lab.Lab(Progress(io.StringIO()), env={}).prepare_host()
    assert done == ["wheels.py", "image.py", "simulator.py"]


@pytest.mark.parametrize(("unit", "written", "expected"), [(1, "0\n", 0), (0, "2\n", 2), (143, None, 143)])
def test_the_playbook_has_its_own_exit_status_if_it_got_that_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: int, written: str | None, expected: int
) -> None:
    monkeypatch.setattr(demo_lab, "LOGS", tmp_path)
    lab = demo_lab.Lab(Progress(io.StringIO()), env={})
    monkeypatch.setattr(lab.host, "ok", lambda *_command: True)
    monkeypatch.setattr(lab, "stream", lambda *_arguments: unit)
    monkeypatch.setattr(lab, "succeeds", lambda *_command: written is not None)
    monkeypatch.setattr(lab, "exec", lambda _node, *command, **_more: written if command[0] == "cat" else "")
    assert lab.playbook("aidc.ops.site", log="site")[0] == expected


def test_servers_of_the_lab_are_asked_with_a_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo_lab, "LOGS", tmp_path)
    lab = demo_lab.Lab(Progress(io.StringIO()), env={})
    lab.addresses = {"ctl": "192.0.2.9"}
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(lab.host, "run", lambda *command, **_more: commands.append(command) or "[]")
    assert lab.ask(9093, "api/v2/alerts", "--data", "@-", stdin="[]") == "[]"
    (command,) = commands
    assert command[:4] == ("podman", "exec", "-i", "aidc-lab-ctl")
    assert command[-1] == "https://192.0.2.9:9093/api/v2/alerts"
    for name in ("ca.crt", "ctl.crt", "ctl.key"):
        assert f"{demo_lab.PKI}/{name}" in command
    assert "--insecure" not in command

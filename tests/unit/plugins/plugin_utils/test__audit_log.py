# Tests of the audit log as a file.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import multiprocessing
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils import _audit_log as audit_log
from ansible_collections.aidc.ops.plugins.plugin_utils._audit_log import AuditLog, verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines(path: Path) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def fill(path: Path, run: str, number: int, chain: bool = True) -> AuditLog:
    log = AuditLog(str(path), chain)
    for position in range(number):
        log.write({"run": run, "event": "task", "text": f"{position} é\n"})
    return log


def test_lines_are_appended(path: Path) -> None:
    fill(path, "a", 2).close()
    fill(path, "b", 1, chain=False).close()
    assert [line["run"] for line in lines(path)] == ["a", "a", "b"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert "sequence" not in lines(path)[2] and "previous" not in lines(path)[2]


def test_what_is_empty_is_left_out(path: Path) -> None:
    AuditLog(str(path), False).write(
        {"run": "a", "none": None, "text": "", "list": [], "dict": {}, "no": False, "nil": 0}
    )
    assert lines(path) == [{"run": "a", "no": False, "nil": 0}]


def test_a_file_that_was_moved_away_is_opened_anew(path: Path) -> None:
    log = fill(path, "a", 2)
    path.rename(path.with_suffix(".1"))
    log.write({"run": "a", "event": "after"})
    assert len(lines(path)) == 1 and len(lines(path.with_suffix(".1"))) == 2
    path.unlink()
    path.write_text("")
    log.write({"run": "a", "event": "after"})
    assert len(lines(path)) == 1
    with open(path, "r+b") as file:
        file.truncate()
    log.write({"run": "a", "event": "after"})
    assert path.read_bytes()[:1] == b"{", "written at the new end, not where the old one was"


def test_long_lines_lose_what_is_least_needed(path: Path) -> None:
    log = AuditLog(str(path), True)
    log.write({"run": "a", "host": "h", "arguments": {"x": "y" * 20_000}, "diff": [1], "message": "why"})
    (line,) = lines(path)
    assert line["shortened"] is True and line["diff"] == [1] and line["message"] == "why" and "arguments" not in line
    assert len(path.read_bytes()) < audit_log.MAX_LINE_BYTES


def test_what_is_no_json_becomes_text(path: Path) -> None:
    AuditLog(str(path), False).write({"run": Path("/x")})
    assert lines(path) == [{"run": "/x"}]


def _many(path: str, run: str) -> None:
    fill(Path(path), run, 300)


def test_the_lines_of_several_processes_never_mix(path: Path) -> None:
    processes = [multiprocessing.Process(target=_many, args=(str(path), f"run{number}")) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = lines(path)
    assert len(found) == 1200
    for number in range(4):
        assert [line["sequence"] for line in found if line["run"] == f"run{number}"] == list(range(300))
    assert list(verify(path.read_bytes().splitlines())) == []


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    log = AuditLog("/dev/full", True)
    for lost in (1, 2):
        with pytest.raises(OSError, match="No space left"):
            log.write({"run": "a"})
        assert log.lost == lost
    log = fill(path, "a", 1)
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:10]))
    with pytest.raises(OSError, match="cut off"):
        log.write({"run": "a", "event": "half"})
    monkeypatch.undo()
    log.write({"run": "a", "event": "whole"})
    first, half, whole = path.read_bytes().splitlines()
    assert len(half) == 10 and json.loads(whole)["event"] == "whole" and json.loads(first)["sequence"] == 0
    assert log.lost == 1


@pytest.mark.parametrize("kind", ["directory", "pipe", "link", "missing directory"])
def test_what_is_no_file_is_an_error(kind: str, path: Path) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/null")
    else:
        path = path / "x"
    with pytest.raises(OSError):  # noqa: PT011 (each kind has its own)
        AuditLog(str(path), True).write({"run": "a"})


@pytest.fixture
def whole(path: Path) -> list[bytes]:
    """Three runs, the second and third at the same time."""
    fill(path, "a", 3)
    second, third = AuditLog(str(path), True), AuditLog(str(path), True)
    for _round in range(3):
        second.write({"run": "b"})
        third.write({"run": "c"})
    return path.read_bytes().splitlines()


def test_a_whole_log_has_no_problem(whole: list[bytes]) -> None:
    assert list(verify(whole)) == []


@pytest.mark.parametrize("number", range(1, 6))
def test_a_line_that_is_gone_shows(whole: list[bytes], number: int) -> None:
    del whole[number]
    assert list(verify(whole))


@pytest.mark.parametrize("number", range(6))
def test_a_line_that_was_changed_shows(whole: list[bytes], number: int) -> None:
    whole[number] = whole[number].replace(b'"run"', b'"x":1,"run"')
    assert list(verify(whole))


def test_a_run_that_is_gone_shows(whole: list[bytes]) -> None:
    assert list(verify(whole[:2] + whole[3:])), "its end"
    assert list(verify([whole[0], *whole[3:]]))


def test_the_second_half_of_a_rotated_log_has_no_problem(whole: list[bytes]) -> None:
    assert list(verify(whole[2:])) == []
    assert list(verify(whole[5:7])) == ["line 2: run c has no beginning, unless that is in an older file"]


@pytest.mark.parametrize(
    "line", [b"nonsense", b"[]", b'{"run": [1], "sequence": "x", "previous": {}}', b'{"run": "a"}']
)
def test_odd_lines_are_told(whole: list[bytes], line: bytes) -> None:
    assert len(list(verify([*whole, line]))) == 1


def test_the_verifier_as_a_program(path: Path, whole: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_log.main([str(path)]) == 0
    assert "whole" in capsys.readouterr().out
    path.write_bytes(b"\n".join(whole[:1] + whole[2:]) + b"\n")
    assert audit_log.main([str(path)]) == 1
    assert "1 lines of run a are missing" in capsys.readouterr().out

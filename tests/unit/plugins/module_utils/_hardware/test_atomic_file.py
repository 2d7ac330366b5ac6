# Tests of replacing a file as a whole: content, mode, leftovers, and every way it cannot be done.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import atomic_file
from ansible_collections.aidc.ops.plugins.module_utils._hardware.atomic_file import FileError, Found, find, write


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert find(str(path)) == Found(None, None)
    write(str(path), "größer\n", 0o640)
    assert find(str(path)) == Found("größer\n", 0o640)
    write(str(path), "", 0o600)
    assert find(str(path)) == Found("", 0o600)
    assert os.listdir(tmp_path) == ["record.json"]


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(str(tmp_path / "a"), "x", 0o644)
    finally:
        os.umask(before)
    assert find(str(tmp_path / "a")).mode == 0o644


def test_a_reader_keeps_the_old_text(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(str(path), "old", 0o644)
    with open(path, encoding="utf-8") as reader:
        write(str(path), "new", 0o644)
        assert reader.read() == "old"
    assert path.read_text(encoding="utf-8") == "new"


def test_bytes_that_are_no_text_are_only_another_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    assert find(str(tmp_path / "a")).text == "\ufffd\ufffd"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("old", encoding="utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_file.os, "fsync", full)
    with pytest.raises(FileError, match="a cannot be written: No space left on device"):
        write(str(path), "new", 0o644)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_cannot_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("folder", "is no regular file"),
        ("pipe", "is no regular file"),
        ("plain/a", "cannot be read: Not a directory"),
        ("none/a", "there is no directory .*none; create it first"),
    ):
        with pytest.raises(FileError, match=message):
            find(str(tmp_path / name))
    assert find(str(tmp_path / "none/a"), may_be_made=True) == Found(None, None)
    with pytest.raises(FileError, match="none/a cannot be written: No such file"):
        write(str(tmp_path / "none/a"), "x", 0o644)


@pytest.mark.parametrize("text", ["x" * 2_000_000, "{{ 7 * 7 }}\n"])
def test_any_text_comes_back_whole(tmp_path: Path, text: Any) -> None:
    write(str(tmp_path / "a"), text, 0o644)
    assert find(str(tmp_path / "a")).text == text

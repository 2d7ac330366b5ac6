# Tests of the markers of destructive attempts.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import attempts


def test_only_one_may_begin(tmp_path: Path) -> None:
    path = attempts.marker_path(str(tmp_path / "new" / "state"), "reboot", "aidc.ops:17:reboot:1")
    assert attempts.read(path) is None
    assert attempts.begin(path, {"token": "a"})
    assert not attempts.begin(path, {"token": "b"})
    assert attempts.read(path) == {"token": "a"}
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_attempts_do_not_share_a_marker(tmp_path: Path) -> None:
    names = {
        attempts.marker_path(str(tmp_path), action, token)
        for action in ("reboot", "gpu_reset")
        for token in ("aidc.ops:1", "aidc.ops:2", "aidc.ops.1")
    }
    assert len(names) == 6


@pytest.mark.parametrize("token", ["", "../x", "a/b", ".hidden", "a b", "a\n", "x" * 129, "{{ x }}"])
def test_token_that_is_no_name_is_refused(token: str) -> None:
    with pytest.raises(attempts.AttemptError, match="token"):
        attempts.marker_path("/state", "reboot", token)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff"])
def test_half_written_marker_is_a_marker(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reboot.x.json"
    path.write_text(text)
    assert attempts.read(str(path)) == {}
    assert not attempts.begin(str(path), {"token": "x"})


def test_outcome_replaces_the_marker_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "gpu_reset.x.json")
    attempts.begin(path, {"token": "x"})
    attempts.finish(path, {"token": "x", "rc": 0})
    assert json.loads(Path(path).read_text()) == {"token": "x", "rc": 0}
    assert [entry.name for entry in tmp_path.iterdir()] == ["gpu_reset.x.json"]


def test_withdrawn_attempt_may_be_made(tmp_path: Path) -> None:
    path = str(tmp_path / "reboot.x.json")
    attempts.begin(path, {})
    attempts.withdraw(path)
    assert attempts.begin(path, {})


def test_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(attempts.AttemptError, match="file/state"):
        attempts.begin(str(tmp_path / "file" / "state" / "x.json"), {})


def test_marker_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "reboot.x.json").mkdir()
    with pytest.raises(attempts.AttemptError, match="cannot read"):
        attempts.read(str(tmp_path / "reboot.x.json"))

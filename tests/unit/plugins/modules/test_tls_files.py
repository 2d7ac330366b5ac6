# Tests of the module tls_files: what it writes and removes, and that nobody else can read a key at any moment.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import tls_files

Call = Callable[..., dict[str, Any]]
CERTIFICATE = {"name": "tls.crt", "content": "certificate\n"}
KEY = {"name": "tls.key", "content": "secret\n", "mode": "0440"}


@pytest.fixture
def place(call: Call, tmp_path: Path) -> Call:
    def run(check: bool = False, **given: Any) -> dict[str, Any]:
        mine = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getegid()).gr_name}
        return call(tls_files.main, check=check, config=None, **{"directory": str(tmp_path / "tls"), **mine, **given})

    return run


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_check_run_run_check(place: Call, tmp_path: Path) -> None:
    given = {"files": [CERTIFICATE, KEY], "absent": ["ca.crt"]}
    first = place(check=True, **given)
    assert (first["changed"], first["written"], first["removed"]) == (True, ["tls.crt", "tls.key"], [])
    assert not (tmp_path / "tls").exists()
    assert place(**given)["changed"]
    assert (tmp_path / "tls" / "tls.crt").read_text() == "certificate\n"
    assert (mode(tmp_path / "tls" / "tls.crt"), mode(tmp_path / "tls" / "tls.key")) == (0o444, 0o440)
    assert sorted(path.name for path in (tmp_path / "tls").iterdir()) == ["tls.crt", "tls.key"]
    assert not place(**given)["changed"]
    assert not place(check=True, **given)["changed"]


def test_only_what_differs_is_written(place: Call, tmp_path: Path) -> None:
    place(files=[CERTIFICATE, KEY])
    before = (tmp_path / "tls" / "tls.crt").stat().st_ino
    (tmp_path / "tls" / "tls.key").chmod(0o644)
    assert place(files=[CERTIFICATE, KEY])["written"] == ["tls.key"]
    assert mode(tmp_path / "tls" / "tls.key") == 0o440
    assert (tmp_path / "tls" / "tls.crt").stat().st_ino == before
    # The same length, another content.
    assert place(files=[{**CERTIFICATE, "content": "certificatE\n"}, KEY])["written"] == ["tls.crt"]


def test_what_is_no_longer_used_is_removed(place: Call, tmp_path: Path) -> None:
    place(files=[CERTIFICATE, KEY])
    assert place(check=True, absent=["tls.key"])["removed"] == ["tls.key"]
    assert (tmp_path / "tls" / "tls.key").exists()
    answer = place(absent=["tls.key", "never"])
    assert (answer["changed"], answer["removed"]) == (True, ["tls.key"])
    assert not (tmp_path / "tls" / "tls.key").exists()


def test_a_link_is_replaced_and_never_followed(place: Call, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not ours\n")
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "tls.key").symlink_to(other)
    assert place(files=[KEY])["written"] == ["tls.key"]
    assert other.read_text() == "not ours\n"
    assert not (tmp_path / "tls" / "tls.key").is_symlink()


def test_a_key_is_never_open_to_others(place: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    replace = os.replace

    def look(beside: str, path: str) -> None:
        seen.append((mode(Path(beside)), Path(beside).read_text()))
        replace(beside, path)

    begun = []
    monkeypatch.setattr(tls_files.os, "replace", look)
    chmod = os.chmod
    monkeypatch.setattr(
        tls_files.os, "chmod", lambda path, to: (begun.append(os.stat(path).st_mode & 0o077), chmod(path, to))
    )
    place(files=[KEY])
    assert seen == [(0o440, "secret\n")]
    # The directory and the file both began without any right for others.
    assert begun == [0, 0]


def test_what_failed_leaves_the_old_file_and_nothing_else(
    place: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(files=[CERTIFICATE])

    def full(_beside: str, _path: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tls_files.os, "replace", full)
    assert "No space left" in place(files=[{**CERTIFICATE, "content": "new\n"}])["msg"]
    assert [path.name for path in (tmp_path / "tls").iterdir()] == ["tls.crt"]
    assert (tmp_path / "tls" / "tls.crt").read_text() == "certificate\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to root")
def test_the_directory_gets_its_mode_back(place: Call, tmp_path: Path) -> None:
    place(files=[CERTIFICATE], directory_mode="0750")
    assert mode(tmp_path / "tls") == 0o750
    (tmp_path / "tls").chmod(0o777)
    assert not place(files=[CERTIFICATE])["changed"]
    assert place(check=True, files=[CERTIFICATE], directory_mode="0750")["changed"]
    assert place(files=[CERTIFICATE], directory_mode="0750")["changed"]
    assert mode(tmp_path / "tls") == 0o750


def test_a_group_that_is_not_there_yet_is_a_change_in_check_mode_alone(place: Call, tmp_path: Path) -> None:
    assert place(check=True, files=[CERTIFICATE], group="no-such-group")["changed"]
    assert "no group 'no-such-group'" in place(files=[CERTIFICATE], group="no-such-group")["msg"]
    assert not (tmp_path / "tls").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"directory": "somewhere"}, "absolute path"),
        ({"files": [{**KEY, "name": "../passwd"}]}, "files[0].name: expected the name of a file"),
        ({"files": [{**KEY, "name": ""}]}, "files[0].name"),
        ({"absent": ["/etc/passwd"]}, "absent[0]: expected the name of a file"),
        ({"files": [KEY, KEY]}, "files[1].name: tls.key is named twice"),
        ({"files": [KEY], "absent": ["tls.key"]}, "absent[0]: tls.key is named twice"),
        ({"files": [{**KEY, "content": ""}]}, "files[0].content: tls.key has 0 bytes"),
        ({"files": [{**KEY, "content": "x" * (1024 * 1024 + 1)}]}, "1048577 bytes"),
        ({"files": [{**KEY, "mode": "rw"}]}, "files[0].mode: expected a mode in octal"),
        ({"files": [{**KEY, "mode": "4755"}]}, "files[0].mode: expected a mode in octal"),
        ({"owner": "no-such-user"}, "no owner 'no-such-user'"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    place: Call, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    assert message in place(**given)["msg"]
    assert not (tmp_path / "tls").exists()


def test_what_is_in_the_way_is_said_before_anything_is_written(place: Call, tmp_path: Path) -> None:
    (tmp_path / "tls" / "tls.key").mkdir(parents=True)
    assert "is a directory" in place(files=[CERTIFICATE, KEY])["msg"]
    assert not (tmp_path / "tls" / "tls.crt").exists()
    (tmp_path / "file").write_text("")
    assert "is not a directory" in place(directory=str(tmp_path / "file"), files=[KEY])["msg"]
    assert "File exists" in place(directory=str(tmp_path / "file" / "tls"), files=[KEY])["msg"]


def test_directories_above_are_made(place: Call, tmp_path: Path) -> None:
    assert place(directory=str(tmp_path / "web" / "deep" / "tls"), files=[KEY])["changed"]
    assert (tmp_path / "web" / "deep" / "tls" / "tls.key").read_text() == "secret\n"

# Tests of the module dataset_copy with the real rsync: what arrives, what is refused, what is never removed.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import json
import os
import random
import types
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.module_utils._dataset_copy import carry, rsync
from ansible_collections.aidc.ops.plugins.modules import dataset_copy

# Each runs the real program several times.
pytestmark = pytest.mark.slow

Answer = dict[str, t.Any]
MIB = 1024 * 1024
# Every host is this machine; what would be a remote shell is one.
SSH = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do
    case $1 in -o|-l) shift 2 ;; *) shift ;; esac
done
shift
exec sh -c "$*"
"""


class Nodes:
    """Two nodes, a and b, that are folders; the module runs on b."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.mine, self.other = folder / "b" / "set" / "0", folder / "a" / "set" / "0"
        (folder / "b").mkdir()
        put(self.other / "one.bin", b"1" * 70000)
        put(self.other / "deep" / "two.txt", b"two")
        (self.other / "link").symlink_to("one.bin")

    def call(self, check: bool = False, **arguments: t.Any) -> Answer:
        given = {"root": str(self.folder / "b"), "dest": str(self.mine), "_ansible_check_mode": check, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            dataset_copy.main()
        return dict(json.loads(self.capsys.readouterr().out))

    def bring(self, check: bool = False, **arguments: t.Any) -> Answer:
        return self.call(check, **{"source": str(self.other), **arguments})

    def remove(self, check: bool = False, **arguments: t.Any) -> Answer:
        return self.call(check, **{"keep": str(self.other), "state": "absent", **arguments})

    def beside(self, end: str) -> Path:
        return self.mine.with_name(f".0.aidc_ops_{end}")

    def state(self) -> list[str]:
        """All that is on b."""
        return sorted(str(path.relative_to(self.folder / "b")) for path in (self.folder / "b").rglob("*"))


def put(path: Path, content: bytes, when: int = 1_700_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (when, when))


@pytest.fixture
def nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Nodes:
    program = tmp_path / "bin" / "ssh"
    put(program, SSH.encode())
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return Nodes(tmp_path, capsys)


ALL = ["set", "set/0", "set/0/deep", "set/0/deep/two.txt", "set/0/link", "set/0/one.bin"]


@pytest.mark.parametrize("host", ["", "a:", "data@a:", "[::1]:"])
def test_check_run_run_check(nodes: Nodes, host: str) -> None:
    source = f"{host}{nodes.other}"
    check = nodes.bring(True, source=source)
    assert (check["changed"], check["bytes"], check["copied_bytes"]) == (True, 70003 + len("one.bin"), 0)
    assert check["diff"]["before_header"] == check["diff"]["after_header"] == str(nodes.mine)
    assert (check["diff"]["before"], check["diff"]["after"]) == ({"state": "absent"}, {"state": "present"})
    assert nodes.state() == []
    first = nodes.bring(source=source)
    assert (first["changed"], first["proved"], first["resumed"]) == (True, True, False)
    assert (first["copied_bytes"], first["files"], first["real_path"]) == (70003, 5, str(nodes.mine))
    assert nodes.state() == ALL
    assert (nodes.mine / "one.bin").stat().st_mtime == 1_700_000_000
    assert os.readlink(nodes.mine / "link") == "one.bin"
    for mode in (False, True):
        again = nodes.bring(mode, source=source)
        assert (again["changed"], again["proved"], again["copied_bytes"]) == (False, True, 0)
    assert nodes.bring(source=source, checksum=True)["changed"] is False


@pytest.mark.parametrize("grace", [5.0, 0.0], ids=["asked to end", "killed"])
def test_a_copy_that_is_cut_off_goes_on_where_it_was(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, grace: float
) -> None:
    monkeypatch.setattr(rsync, "_GRACE_SECONDS", grace)
    content = random.Random(1).randbytes(4 * MIB)
    put(nodes.other / "big", content)
    source = f"a:{nodes.other}"
    cut = nodes.bring(source=source, bytes_per_second=MIB, timeout=2)
    assert cut["failed"] and "not done within 2 s" in cut["msg"] and "goes on with it" in cut["msg"]
    assert not nodes.mine.exists()
    assert 0 < (nodes.beside("partial") / "big").stat().st_size < len(content)
    done = nodes.bring(source=source)
    assert (done["changed"], done["resumed"]) == (True, True)
    assert done["copied_bytes"] < 4 * MIB - MIB // 4
    assert (nodes.mine / "big").read_bytes() == content
    assert not nodes.beside("partial").exists()


def test_what_is_there_and_differs_is_never_overwritten(nodes: Nodes) -> None:
    put(nodes.mine / "one.bin", b"mine")
    before = nodes.state()
    refused = nodes.bring()
    assert refused["failed"]
    assert "is there and not what" in refused["msg"] and "one.bin" in refused["msg"]
    assert nodes.state() == before and (nodes.mine / "one.bin").read_bytes() == b"mine"


def test_contents_are_compared_only_if_asked_for(nodes: Nodes) -> None:
    nodes.bring()
    put(nodes.mine / "one.bin", b"2" * 70000)
    assert nodes.bring()["changed"] is False
    assert "one.bin" in nodes.bring(checksum=True)["msg"]
    # Another time is seen anyway.
    put(nodes.mine / "one.bin", b"1" * 70000, 1_600_000_000)
    assert nodes.bring()["failed"]


def test_what_went_wrong_on_the_way_is_sent_again(nodes: Nodes) -> None:
    put(nodes.beside("partial") / "one.bin", b"2" * 70000)
    put(nodes.beside("partial") / "stale", b"from another time")
    done = nodes.bring(checksum=True)
    assert (done["changed"], done["resumed"]) == (True, True)
    assert nodes.state() == ALL and (nodes.mine / "one.bin").read_bytes() == b"1" * 70000


def test_an_empty_directory_is_no_copy(nodes: Nodes) -> None:
    nodes.mine.mkdir(parents=True)
    assert nodes.bring()["changed"] is True
    assert nodes.state() == ALL


def test_the_copy_gets_its_name_only_when_it_is_equal(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(given: rsync.Rsync, folder: str) -> None:
        raise AssertionError("a copy that is not equal came this far")

    real = rsync.Rsync.copy

    def copy(self: rsync.Rsync, *arguments: t.Any) -> int:
        sent = real(self, *arguments)
        put(nodes.other / "late", b"written meanwhile")
        return sent

    monkeypatch.setattr(carry, "_to_disk", change)
    monkeypatch.setattr(rsync.Rsync, "copy", copy)
    failed = nodes.bring()
    assert "is not equal to it" in failed["msg"] and "late" in failed["msg"]
    assert not nodes.mine.exists()


def test_no_room(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: str) -> types.SimpleNamespace:
        return types.SimpleNamespace(f_frsize=10, f_bavail=7000)

    monkeypatch.setattr(carry.os, "statvfs", full)
    for check in (True, False):
        failed = nodes.bring(check)
        # 70010 bytes, and a block for each of 5.
        assert "needs 70060 bytes, and 70000 are free" in failed["msg"] and "free 60 there" in failed["msg"]
    assert nodes.state() == []
    # What an interrupted copy brought need not fit a second time.
    put(nodes.beside("partial") / "deep" / "two.txt", b"two")
    assert nodes.bring()["changed"] is True


def test_sources_that_are_none(nodes: Nodes) -> None:
    for host in ("", "a:"):
        missing = nodes.bring(source=f"{host}{nodes.folder}/none")
        assert missing["failed"] and "No such file or directory" in missing["msg"]
        assert "Not a directory" in nodes.bring(source=f"{host}{nodes.other}/one.bin")["msg"]
    (nodes.folder / "empty").mkdir()
    assert "is empty; is the filesystem mounted" in nodes.bring(source=str(nodes.folder / "empty"))["msg"]
    os.mkfifo(nodes.other / "pipe")
    refused = nodes.bring()
    assert "pipe" in refused["msg"] and "no file, directory or link" in refused["msg"]
    assert not nodes.mine.exists()


@pytest.mark.parametrize("host", ["", "a:"])
def test_hostile_names_are_names(nodes: Nodes, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "$(touch x)",
        "; touch x #",
        "-e sh",
        "--delete",
        "a b'c\"d",
        "`touch x`",
        "{{ 7 + 7 }}",
        "ü",
        "$HOME",
        "~",
    ]
    name = "/".join(names)
    monkeypatch.chdir(nodes.folder)
    source, dest = nodes.folder / "a" / name, nodes.folder / "b" / name
    for file in (b"-rf", b"a\nb", b"\xff\xfe", b"$(touch x)", b"*"):
        put(Path(os.fsdecode(os.path.join(os.fsencode(source), file))), b"content")
    given = {"dest": str(dest), "root": str(nodes.folder / "b")}
    assert nodes.bring(source=f"{host}{source}", **given)["changed"] is True
    assert sorted(os.listdir(os.fsencode(dest))) == sorted(os.listdir(os.fsencode(source)))
    assert nodes.bring(source=f"{host}{source}", **given)["changed"] is False
    assert nodes.remove(keep=f"{host}{source}", **given)["changed"] is True
    assert not dest.exists() and dest.parent.exists() and not (nodes.folder / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"source": "a"}, "neither an absolute path nor host:path"),
        ({"source": "a:relative"}, "neither an absolute path nor host:path"),
        ({"source": "a::module/x"}, "neither an absolute path"),
        ({"source": "rsync://a/x"}, "neither an absolute path"),
        ({"source": "-oProxyCommand=x:/p"}, "neither an absolute path"),
        ({"source": "-l@a:/p"}, "neither an absolute path"),
        ({"source": "a b:/p"}, "neither an absolute path"),
        ({"source": "a;b:/p"}, "neither an absolute path"),
        ({"source": ""}, "neither an absolute path"),
        ({"source": "a:/"}, "/ is no place"),
        ({"source": "a:/p/../q"}, "goes up with .."),
        ({"source": "a:/p/*"}, "stand for other names"),
        ({"source": "a:/p\n"}, "no text"),
        ({"source": "/"}, "/ is no place"),
        ({"dest": "set/0"}, "no absolute path"),
        ({"dest": "~/set"}, "no absolute path"),
        ({"dest": "{b}"}, "is not below root"),
        ({"dest": "{b}x/y"}, "is not below root"),
        ({"dest": "{b}/../a/set"}, "goes up with .."),
        ({"dest": "{b}/out/x"}, "a link leads"),
        ({"dest": "{b}/alias"}, "is a link"),
        ({"dest": "{b}/x\x00y"}, "no text"),
        ({"dest": "{b}/.x.aidc_ops_partial/y"}, "gives to copies that are not complete"),
        ({"dest": "{b}/" + "x" * 250}, "is longer than"),
        ({"dest": "/etc/x", "root": "/etc"}, "nothing is ever removed"),
        ({"dest": "/x", "root": "/"}, "root: / is no place"),
        ({"root": "{b}/none", "dest": "{b}/none/x"}, "is no directory on this node"),
        ({"source": "{b}/set"}, "one is in the other"),
        ({"source": "{b}/set/0/x"}, "one is in the other"),
        ({"source": "{b}/alias", "dest": "{b}/real"}, "one directory"),
        ({"bytes_per_second": 1023}, "bytes_per_second has to be at least 1024"),
        ({"timeout": 0}, "timeout has to be at least 1 second"),
    ],
)
def test_what_is_refused(nodes: Nodes, arguments: dict[str, t.Any], says: str) -> None:
    here = nodes.folder / "b"
    (here / "real").mkdir()
    (here / "out").symlink_to(nodes.folder / "a")
    (here / "alias").symlink_to("real")
    before = nodes.state()
    given = {
        name: value.replace("{b}", str(here)) if isinstance(value, str) else value for name, value in arguments.items()
    }
    answer = nodes.bring(**given)
    assert answer["failed"] and says in answer["msg"], answer
    assert nodes.state() == before


def test_every_call_of_rsync_is_fixed(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    real = rsync.run_group

    def run(argv: list[str], *rest: t.Any, **more: t.Any) -> t.Any:
        calls.append(argv)
        return real(argv, *rest, **more)

    monkeypatch.setattr(rsync, "run_group", run)
    nodes.bring(bytes_per_second=3 * MIB + 5)
    assert [argv[-2:] for argv in calls] == [[f"{nodes.other}/", f"{nodes.beside('partial')}/"]] * 3
    assert all(argv[-3] == "--" and "-s" in argv and argv[argv.index("-e") + 1].startswith("ssh -o") for argv in calls)
    limits = [[word for word in argv if word.startswith("--bwlimit")] for argv in calls]
    assert limits == [[], ["--bwlimit=3072"], []]


def test_a_node_without_rsync(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(nodes.folder / "bin"))
    assert "install the package rsync" in nodes.bring()["msg"]


def test_two_at_the_same_time(nodes: Nodes) -> None:
    nodes.beside("partial").mkdir(parents=True)
    handle = os.open(nodes.beside("partial"), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "in work by another run" in nodes.bring()["msg"]
        assert "in work by another run" in nodes.remove()["msg"]
    finally:
        os.close(handle)
    assert nodes.bring()["changed"] is True


@pytest.mark.parametrize("host", ["", "a:"])
def test_an_equal_copy_lets_this_one_go(nodes: Nodes, host: str) -> None:
    nodes.bring()
    keep = f"{host}{nodes.other}"
    check = nodes.remove(True, keep=keep)
    assert (check["changed"], nodes.state()) == (True, ALL)
    assert (check["diff"]["before"], check["diff"]["after"]) == ({"state": "present"}, {"state": "absent"})
    assert nodes.remove(keep=keep)["changed"] is True
    assert nodes.state() == ["set"]
    for mode in (False, True):
        # There is nothing to prove any more, so the other copy need not be there.
        assert nodes.remove(mode, keep="a:/none")["changed"] is False


def test_the_last_good_copy_stays(nodes: Nodes) -> None:
    nodes.bring()
    extra = {"a": nodes.mine / "only.here", "b": nodes.other / "only.there"}
    for path in extra.values():
        put(path, b"x")
        for check in (True, False):
            refused = nodes.remove(check)
            assert refused["failed"] and f"stays, for {nodes.other} is not equal" in refused["msg"]
        path.unlink()
    put(nodes.other / "one.bin", b"3" * 70000)
    assert nodes.remove(True)["changed"] is True
    assert "one.bin" in nodes.remove(checksum=True)["msg"]
    for keep in ("a:/none", str(nodes.folder / "none")):
        assert "cannot be compared" in nodes.remove(keep=keep)["msg"]
    (nodes.folder / "unmounted").mkdir()
    assert "is not equal" in nodes.remove(keep=str(nodes.folder / "unmounted"))["msg"]
    assert nodes.state() == ALL


def test_one_directory_under_two_names_is_one_copy(nodes: Nodes) -> None:
    nodes.bring()
    alias = nodes.folder / "alias"
    alias.symlink_to(nodes.folder / "b")
    assert "one directory" in nodes.remove(keep=str(alias / "set" / "0"))["msg"]
    # Of another node nobody can say what its paths lead to; here they lead back.
    for keep in (alias / "set" / "0", nodes.mine):
        refused = nodes.remove(keep=f"a:{keep}")
        assert refused["failed"] and "cannot be compared" in refused["msg"]
    assert nodes.state() == ALL


def test_what_a_cut_off_removal_left(nodes: Nodes) -> None:
    nodes.bring()
    # Cut off before the last look: a copy like any other.
    nodes.mine.rename(nodes.beside("leaving"))
    assert "end it with state=absent" in nodes.bring()["msg"]
    assert nodes.remove(True)["changed"] is True and nodes.beside("leaving").exists()
    assert nodes.remove(keep="a:/none")["failed"]
    assert nodes.state() == ALL
    # Cut off after it: only the rest of the work.
    nodes.mine.rename(nodes.beside("gone"))
    put(nodes.beside("partial") / "x", b"x")
    assert nodes.remove(True, keep="a:/none")["changed"] is True
    assert nodes.remove(keep="a:/none")["changed"] is True
    assert nodes.state() == ["set"]
    # Both at once cannot be told apart.
    nodes.bring()
    put(nodes.beside("leaving") / "x", b"x")
    assert "are both there" in nodes.remove()["msg"]


def test_a_file_is_no_piece(nodes: Nodes) -> None:
    put(nodes.mine, b"a file")
    assert "is no piece" in nodes.bring()["msg"] and "is no piece" in nodes.remove()["msg"]
    assert nodes.mine.read_bytes() == b"a file"

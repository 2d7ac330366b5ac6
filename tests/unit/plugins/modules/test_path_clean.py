# Tests of the module path_clean: what it removes, in which order, and everything that it must never touch.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._repair import denied_paths, tree_clean
from ansible_collections.aidc.ops.plugins.module_utils._repair.tree_clean import Tree, Unclean, Wanted
from ansible_collections.aidc.ops.plugins.modules import path_clean

Call = Callable[..., dict[str, Any]]
DAY = 86400
ALL = Wanted(("*",), 0)


def put(path: Path, age_days: float = 30, size: int = 4096) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - age_days * DAY
    os.utime(path, (then, then))
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    put(folder / "old", 30)
    put(folder / "deep" / "er" / "older", 60)
    put(folder / "new", 0)
    put(folder / "keep.log", 90)
    return folder


@pytest.fixture
def clean(call: Call, tmp_path: Path) -> Call:
    def run(path: Path, check: bool = False, allowed: list[str] | None = None, **entry: Any) -> dict[str, Any]:
        given = [{"path": str(path), **entry}]
        roots = [str(tmp_path)] if allowed is None else allowed
        return call(path_clean.main, check=check, config=None, allowed=roots, paths=given)

    return run


def names(answer: dict[str, Any]) -> list[str]:
    return [Path(one["path"]).name for one in answer["removed"]]


def test_check_run_run_check(clean: Call, scratch: Path) -> None:
    check = clean(scratch, check=True)
    assert (check["changed"], names(check)) == (True, ["keep.log", "older", "old"])
    assert len(list(scratch.rglob("*"))) == 6
    first = clean(scratch)
    assert (first["changed"], first["removed_count"], first["removed"]) == (True, 3, check["removed"])
    assert first["freed_bytes"] == check["freed_bytes"] >= 3 * 4096
    assert sorted(path.name for path in scratch.rglob("*") if path.is_file()) == ["new"]
    for mode in (False, True):
        assert clean(scratch, check=mode)["changed"] is False


def test_patterns_and_age(clean: Call, scratch: Path) -> None:
    assert names(clean(scratch, patterns=["old*"], older_than="45d")) == ["older"]
    assert names(clean(scratch, patterns=["n?w", "none"], older_than="0")) == ["new"]


def test_the_newest_are_kept_up_to_a_size(clean: Call, tmp_path: Path) -> None:
    for number in range(5):
        put(tmp_path / "cache" / f"f{number}", 10 + number)
    answer = clean(tmp_path / "cache", keep_bytes=2 * 4096)
    assert names(answer) == ["f4", "f3", "f2"]
    assert answer["targets_met"] and clean(tmp_path / "cache", keep_bytes=2 * 4096)["changed"] is False


def test_new_files_count_but_stay(clean: Call, scratch: Path) -> None:
    answer = clean(scratch, keep_bytes=0, patterns=["new", "old"])
    assert names(answer) == ["old"]
    assert answer["targets_met"] is False


def test_it_ends_when_enough_is_free(clean: Call, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = len(list(scratch.rglob("*")))

    def free(_tree: Tree) -> tuple[int, int]:
        return 1000 + 4096 * (start - len(list(scratch.rglob("*")))), 100000

    monkeypatch.setattr(Tree, "free", free)
    check = clean(scratch, check=True, target_free_percent=8)
    assert (names(check), check["targets_met"]) == (["keep.log", "older"], True)
    answer = clean(scratch, target_free_percent=8)
    assert names(answer) == ["keep.log", "older"]
    assert answer["paths"][0]["free_percent_before"] == 1.0
    assert answer["paths"][0]["free_percent_after"] == pytest.approx(9.19, abs=0.01)
    assert answer["targets_met"] and clean(scratch, target_free_percent=8)["changed"] is False
    assert clean(scratch, target_free_percent=90)["targets_met"] is False


def test_a_directory_that_is_not_there_is_clean(clean: Call, tmp_path: Path) -> None:
    answer = clean(tmp_path / "none")
    assert (answer["changed"], answer["paths"][0]["missing"]) == (False, True)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/etc",
            "/etc/ssl",
            "/home",
            "/home/kim/data",
            "/usr/share/doc",
            "/root",
            "/var",
            "/var/lib",
            "/var/log",
        ),
        *("/proc/1", "/sys", "/dev/shm", "/run/lock", "/boot", "/var/lib/dpkg/info", "/var/lib/aidc_ops/attempts"),
        *("//etc", "/var/../etc", "/tmp/../usr", "/opt", "/mnt", "/bin", "/lib/modules"),
    ],
)
def test_the_system_is_never_cleaned(clean: Call, path: str) -> None:
    answer = clean(Path(path), allowed=[path], older_than="0")
    assert answer["failed"] and answer["msg"].startswith("nothing was removed: ")
    answer = clean(Path(path), allowed=["/"], older_than="0")
    assert answer["failed"]


def test_a_path_outside_is_refused(clean: Call, scratch: Path, tmp_path: Path) -> None:
    assert "none of the allowed" in clean(scratch, allowed=[str(tmp_path / "other")])["msg"]
    assert "none of the allowed" in clean(scratch, allowed=[str(scratch / "deep")])["msg"]
    assert "none of the allowed" in clean(scratch, allowed=[])["msg"]
    # A name that only begins alike is another one.
    put(tmp_path / "scratch2" / "file")
    assert "none of the allowed" in clean(tmp_path / "scratch2", allowed=[str(scratch)])["msg"]


def test_a_link_out_of_what_is_allowed_is_refused(clean: Call, scratch: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "file")
    (scratch / "link").symlink_to(tmp_path / "outside")
    assert "none of the allowed" in clean(scratch / "link", allowed=[str(scratch)])["msg"]
    (scratch / "etc").symlink_to("/etc")
    assert "in /etc" in clean(scratch / "etc", allowed=[str(scratch), "/etc"])["msg"]
    assert outside.exists()


def test_links_are_not_followed_and_stay(clean: Call, scratch: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "file")
    (scratch / "directory").symlink_to(tmp_path / "outside")
    (scratch / "file").symlink_to(outside)
    (scratch / "dangling").symlink_to("/none")
    os.mkfifo(scratch / "fifo")
    assert names(clean(scratch, older_than="0")) == ["keep.log", "older", "old", "new"]
    assert outside.exists() and (scratch / "file").is_symlink() and (scratch / "fifo").exists()


def test_an_allowed_directory_may_be_a_link(clean: Call, scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "name").symlink_to(scratch)
    assert len(names(clean(tmp_path / "name" / "deep", allowed=[str(tmp_path / "name")]))) == 1


def test_hostile_names(clean: Call, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    for name in (b"-rf", b"a\nb", b"\xff\xfe", b"{{ 7 * 7 }}", b"$(reboot)", b" ", b"*", b".hidden", "ü".encode()):
        folder.mkdir(exist_ok=True)
        path = os.path.join(os.fsencode(folder), name)
        with open(path, "wb"):
            os.utime(path, (1, 1))
    answer = clean(folder)
    assert answer["removed_count"] == 9
    assert "\\xff\\xfe" in str([one["path"] for one in answer["removed"]]).replace("\\\\", "\\")
    assert os.listdir(folder) == []


def test_a_file_with_other_names_frees_nothing(clean: Call, tmp_path: Path) -> None:
    one = put(tmp_path / "x" / "one")
    os.link(one, tmp_path / "two")
    answer = clean(tmp_path / "x")
    assert (answer["removed_count"], answer["freed_bytes"]) == (1, 0)


def test_a_path_below_another_mount_is_not_entered(clean: Call, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tree_clean._place

    def place(handle: int) -> tuple[int | None, int]:
        inode = os.fstat(handle).st_ino
        return (999, 1) if inode == (scratch / "deep").stat().st_ino else real(handle)

    monkeypatch.setattr(tree_clean, "_place", place)
    answer = clean(scratch)
    assert names(answer) == ["keep.log", "old"]
    assert answer["paths"][0]["skipped"] == [str(scratch / "deep")]
    assert "is a mount point" in clean(scratch / "deep")["msg"]


def test_a_file_that_was_replaced_meanwhile_stays(scratch: Path) -> None:
    with Tree(str(scratch)) as tree:
        found, _size = tree.find(ALL, 100, time.monotonic() + 10)
        (scratch / "old").unlink()
        put(scratch / "old", 0)
        assert [one.parts[-1] for one in found if not tree.remove(one)] == ["old"]
    assert (scratch / "old").exists()


def test_a_directory_that_became_a_link_is_left_alone(scratch: Path, tmp_path: Path) -> None:
    victim = put(tmp_path / "victim" / "er" / "older", 60)
    with Tree(str(scratch)) as tree:
        found, _size = tree.find(ALL, 100, time.monotonic() + 10)
        (scratch / "deep").rename(scratch / "moved")
        (scratch / "deep").symlink_to(tmp_path / "victim")
        for one in found:
            tree.remove(one)
        assert len(tree.problems) == 1
    assert victim.exists()
    with pytest.raises(Unclean, match="without following links"):
        Tree(str(scratch / "deep"))


def test_somebody_who_swaps_directories_all_the_time_gains_nothing(clean: Call, tmp_path: Path) -> None:
    victim = put(tmp_path / "victim" / "file")
    folder = tmp_path / "x"
    put(folder / "real" / "file")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            try:
                os.rename(folder / "real", folder / "away")
                os.symlink(tmp_path / "victim", folder / "real")
                os.unlink(folder / "real")
                os.rename(folder / "away", folder / "real")
            except OSError:
                pass

    # A process of its own would be fairer; a thread swaps often enough.
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _round in range(30):
            with Tree(str(folder)) as tree:
                for one in tree.find(ALL, 10, time.monotonic() + 5)[0]:
                    tree.remove(one)
    finally:
        stop.set()
        thread.join()
    assert victim.exists()


def test_a_tree_that_is_too_deep_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_clean, "MAX_DEPTH", 3)
    put(tmp_path / "x" / "1" / "2" / "3" / "4" / "file")
    put(tmp_path / "x" / "1" / "2" / "3" / "file")
    with Tree(str(tmp_path / "x")) as tree:
        found, _size = tree.find(ALL, 10, time.monotonic() + 5)
        assert [one.parts for one in found] == [("1", "2", "3", "file")]
        assert "too deep" in tree.problems[0]


def test_only_the_oldest_are_remembered(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / "x" / f"f{number:02}", 100 - number)
    with Tree(str(tmp_path / "x")) as tree:
        found, size = tree.find(ALL, 3, time.monotonic() + 5)
    assert [one.parts[0] for one in found] == ["f00", "f01", "f02"]
    assert size >= 20 * 4096


def test_the_time_is_limited(scratch: Path) -> None:
    with Tree(str(scratch)) as tree:
        assert tree.find(ALL, 10, time.monotonic() - 1)[0] == []
        assert "time was up" in tree.problems[0]


@pytest.mark.parametrize(
    "entry",
    [
        {"older_than": "soon"},
        {"older_than": "-1d"},
        {"patterns": ["../*"]},
        {"patterns": [""]},
        {"keep_bytes": -1},
        {"target_free_percent": 101},
    ],
)
def test_what_cannot_be_meant_removes_nothing(clean: Call, scratch: Path, entry: dict[str, Any]) -> None:
    assert clean(scratch, **entry)["failed"]
    assert len(list(scratch.rglob("*"))) == 6


def test_one_wrong_path_keeps_all(call: Call, scratch: Path, tmp_path: Path) -> None:
    paths = [{"path": str(scratch)}, {"path": "/etc"}]
    assert call(path_clean.main, config=None, allowed=[str(tmp_path)], paths=paths)["failed"]
    assert len(list(scratch.rglob("*"))) == 6


def test_every_part_of_the_system_of_this_machine_is_denied() -> None:
    for name in ("bin", "boot", "dev", "etc", "home", "lib", "proc", "root", "run", "sbin", "sys", "usr"):
        assert denied_paths.denial(f"/{name}") and denied_paths.denial(f"/{name}/x/y")
    assert denied_paths.denial("/scratch") is None
    assert denied_paths.denial("/var/log/pods") is None
    assert denied_paths.denial("/homes") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_real_mount_is_not_entered(scratch: Path, tmp_path: Path) -> None:
    """In a mount namespace of its own, so that nothing is left behind."""
    script = (
        "mount --bind $1/victim $1/scratch/deep || exit 77\n"
        'exec "$2" -c "\nimport sys, time\n'
        "from ansible_collections.aidc.ops.plugins.module_utils._repair.tree_clean import Tree, Wanted\n"
        "with Tree(sys.argv[1]) as tree:\n"
        "    for one in tree.find(Wanted(('*',), 0), 10, time.monotonic() + 5)[0]:\n"
        "        tree.remove(one)\n"
        "    print(tree.skipped)\n"
        '" $1/scratch\n'
    )
    victim = put(tmp_path / "victim" / "file")
    import sys

    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4] / ".ansible" / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (1, 77) and "ermi" in done.stderr:
        pytest.skip("this machine does not let us mount")
    assert done.returncode == 0, done.stderr
    assert str(scratch / "deep") in done.stdout
    assert victim.exists() and not (scratch / "old").exists()

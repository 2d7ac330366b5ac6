# Tests of the module filesystem_repair, on real filesystems in files where this machine has loop devices.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.filesystems import Mount
from ansible_collections.aidc.ops.plugins.module_utils._repair.fs_check import check_of, fstab_options, verdict
from ansible_collections.aidc.ops.plugins.modules import filesystem_repair

Call = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("kind", "rc", "clean", "corrected", "told"),
    [
        ("ext4", 0, True, False, False),
        ("ext4", 1, True, True, False),
        ("ext4", 2, True, True, False),
        ("ext4", 3, True, True, False),
        ("ext4", 4, False, False, True),
        ("ext4", 5, False, True, True),
        ("ext4", 8, None, False, True),
        ("ext4", 12, None, False, True),
        ("ext4", 32, None, False, True),
        ("ext4", -9, None, False, True),
        ("xfs", 0, True, False, False),
        ("xfs", 1, False, False, True),
        ("xfs", 2, None, False, True),
        ("xfs", 127, None, False, True),
        ("btrfs", 0, True, False, False),
        ("btrfs", 1, False, False, True),
    ],
)
def test_what_an_exit_status_means(kind: str, rc: int, clean: bool | None, corrected: bool, told: bool) -> None:
    found = verdict(check_of(kind, read_only=False), rc)
    assert (found.clean, found.corrected, found.reason is not None) == (clean, corrected, told)


def test_nothing_but_ext_is_ever_written_to() -> None:
    assert check_of("ext4", read_only=False).arguments == ("-f", "-p")
    assert check_of("ext4", read_only=True).arguments == ("-f", "-n")
    assert check_of("xfs", read_only=False) == check_of("xfs", read_only=True)
    assert "-n" in check_of("xfs", read_only=False).arguments
    assert "--readonly" in check_of("btrfs", read_only=False).arguments
    for kind in ("", "vfat", "zfs_member"):
        with pytest.raises(ValueError, match="are not checked"):
            check_of(kind, read_only=True)


FSTAB = """
# /scratch is on the array
UUID=1 / ext4 defaults 0 1
/dev/md0 /scratch xfs rw,noatime 0 0
/dev/sr0 /media/cd iso9660 ro,user 0 0
/dev/md1 /with\\040space/ ext4 defaults
broken
"""


@pytest.mark.parametrize(
    ("point", "options"),
    [
        ("/", ["defaults"]),
        ("/scratch", ["rw", "noatime"]),
        ("/media/cd", ["ro", "user"]),
        ("/with space", ["defaults"]),
        ("/none", None),
    ],
)
def test_fstab(point: str, options: list[str] | None) -> None:
    assert fstab_options(FSTAB, point) == options


class Place:
    """A mount point in a table; the program mount changes the table."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.point = folder / "mnt"
        self.point.mkdir()
        self.access = folder / "access"
        self.access.write_text("ro")
        self.fstab = folder / "fstab"
        self.fstab.write_text(f"/dev/md0 {self.point} ext4 defaults 0 0\n")
        self.calls = folder / "calls"
        programs = folder / "bin"
        programs.mkdir()
        self.program = programs / "mount"
        self.program.write_text(f'#!/bin/sh\necho "$*" >> {self.calls}\nprintf rw > {self.access}\n')
        self.program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        monkeypatch.setattr(filesystem_repair, "mounts", self._mounts)

    def _mounts(self) -> list[Mount]:
        return [Mount("9:0", "/", str(self.point), "ext4", "/dev/md0", [self.access.read_text(), "noatime"])]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.fixture
def remount(call: Call, place: Place) -> Call:
    def run(check: bool = False, **more: Any) -> dict[str, Any]:
        given = {"state": "remounted", "path": str(place.point), "fstab": str(place.fstab), "timeout": 20}
        return call(filesystem_repair.main, check=check, config=None, **{**given, **more})

    return run


def test_remount_check_run_run_check(remount: Call, place: Place) -> None:
    check = remount(check=True)
    assert (check["changed"], check["writable"], place.calls.exists()) == (True, False, False)
    first = remount()
    assert (first["changed"], first["writable"], first["kind"]) == (True, True, "ext4")
    assert remount()["changed"] is False
    assert remount(check=True)["changed"] is False
    assert place.calls.read_text().splitlines() == [f"-o remount,rw -- {place.point}"]
    assert list(place.point.iterdir()) == []


def test_a_filesystem_that_refuses_is_told(remount: Call, place: Place) -> None:
    place.program.write_text("#!/bin/sh\necho 'mount: cannot remount /dev/md0 read-write' >&2; exit 32\n")
    answer = remount()
    assert answer["failed"] and "cannot remount /dev/md0 read-write" in answer["msg"]


def test_a_mount_that_lies_is_told(remount: Call, place: Place) -> None:
    place.program.write_text("#!/bin/sh\nexit 0\n")
    assert "read-only still" in remount()["msg"]


def test_a_filesystem_that_cannot_be_written_to_is_told(
    remount: Call, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_unused: object, **_more: object) -> int:
        raise OSError(5, "Input/output error")

    place.access.write_text("rw")
    monkeypatch.setattr(filesystem_repair.os, "fsync", broken)
    answer = remount()
    assert answer["failed"] and "cannot be written to: Input/output error" in answer["msg"]
    assert list(place.point.iterdir()) == []


def test_only_what_should_be_writable_is(remount: Call, place: Place) -> None:
    place.fstab.write_text("")
    assert "is not in" in remount()["msg"]
    place.fstab.write_text(f"/dev/md0 {place.point} ext4 ro,noatime 0 0\n")
    assert "on purpose" in remount()["msg"]
    place.fstab.unlink()
    assert "cannot be read" in remount()["msg"]
    assert not place.calls.exists()


def test_the_way_to_a_mount_point_may_be_a_link(remount: Call, place: Place) -> None:
    (place.point.parent / "way").symlink_to(place.point.parent)
    point = place.point.parent / "way" / "mnt"
    place.fstab.write_text(f"/dev/md0 {point} ext4 defaults 0 0\n")
    assert remount(path=str(point))["writable"]


def test_what_is_not_mounted_is_refused(remount: Call, place: Place) -> None:
    place.fstab.write_text("/dev/md0 /none ext4 defaults 0 0\n")
    assert "nothing is mounted" in remount(path="/none")["msg"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"device": "/dev/null"}, "has to agree"),
        ({"device": "/dev/null", "confirmed": True}, "no block device"),
        ({"device": "/none", "confirmed": True}, "cannot be opened"),
        ({"confirmed": True}, "device"),
        ({"device": "/dev/null", "timeout": 0}, "timeout must be"),
    ],
)
def test_what_cannot_be_checked(call: Call, arguments: dict[str, Any], text: str) -> None:
    answer = call(filesystem_repair.main, config=None, state="checked", **arguments)
    assert answer["failed"] and text in answer["msg"]


class Disk:
    """A filesystem in a file behind a loop device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder / "image"
        self.image.write_bytes(b"")
        os.truncate(self.image, 16 << 20)
        self._run("mkfs.ext4", "-q", "-F", str(self.image))
        done = subprocess.run(["losetup", "--show", "-f", str(self.image)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"this machine has no loop devices: {done.stderr.strip()}")
        self.device = done.stdout.strip()

    @staticmethod
    def _run(*argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True)

    def damage(self) -> None:
        """A wrong counter, which e2fsck corrects without asking."""
        self._run("debugfs", "-w", "-R", "set_inode_field <11> links_count 5", self.device)

    def ruin(self) -> None:
        """A root directory that is none, about which e2fsck wants to be asked."""
        self._run("debugfs", "-w", "-R", "clri <2>", self.device)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or shutil.which("debugfs") is None:
        pytest.skip("loop devices need root, and e2fsprogs")
    found = Disk(tmp_path)
    yield found
    subprocess.run(["losetup", "-d", found.device], check=False)


@pytest.fixture
def check_disk(call: Call, disk: Disk) -> Call:
    def run(check: bool = False, **more: Any) -> dict[str, Any]:
        given = {"state": "checked", "device": disk.device, "confirmed": True, "timeout": 60}
        return call(filesystem_repair.main, check=check, config=None, **{**given, **more})

    return run


def test_check_of_a_clean_filesystem(check_disk: Call) -> None:
    for mode in (True, False):
        answer = check_disk(check=mode)
        assert (answer["changed"], answer["clean"], answer["kind"]) == (False, True, "ext4")


def test_check_run_run_check_of_a_damaged_one(check_disk: Call, disk: Disk) -> None:
    disk.damage()
    check = check_disk(check=True)
    assert (check["changed"], check["clean"]) == (True, False)
    first = check_disk()
    assert (first["changed"], first["clean"], first["corrected"], first["status"]) == (True, True, True, 1), first
    for mode in (False, True):
        again = check_disk(check=mode)
        assert (again["changed"], again["clean"]) == (False, True)


def test_a_ruined_one_is_left_to_a_person(check_disk: Call, disk: Disk) -> None:
    disk.ruin()
    answer = check_disk()
    assert answer["failed"] and answer["clean"] is False and "a person has to decide" in answer["msg"]


def test_a_mounted_one_is_refused(check_disk: Call, disk: Disk) -> None:
    point = disk.folder / "mnt"
    point.mkdir()
    subprocess.run(["mount", disk.device, str(point)], check=True)
    try:
        assert f"mounted at {point}" in check_disk()["msg"]
    finally:
        subprocess.run(["umount", str(point)], check=True)


def test_one_without_a_filesystem_is_refused(check_disk: Call, disk: Disk) -> None:
    disk.image.write_bytes(b"\0" * (16 << 20))
    assert "are not checked" in check_disk()["msg"]


def test_a_real_remount(call: Call, disk: Disk) -> None:
    point = disk.folder / "mnt"
    point.mkdir()
    fstab = disk.folder / "fstab"
    fstab.write_text(f"{disk.device} {point} ext4 defaults 0 0\n")
    subprocess.run(["mount", "-o", "ro", disk.device, str(point)], check=True)
    try:
        given = {"state": "remounted", "path": str(point), "fstab": str(fstab), "timeout": 30}
        assert call(filesystem_repair.main, check=True, config=None, **given)["changed"]
        assert call(filesystem_repair.main, config=None, **given)["changed"]
        assert call(filesystem_repair.main, config=None, **given)["changed"] is False
        (point / "file").write_text("x")
    finally:
        subprocess.run(["umount", str(point)], check=True)


@pytest.mark.parametrize(("kind", "megabytes"), [("xfs", 320), ("btrfs", 160)])
def test_other_kinds_are_only_looked_at(call: Call, disk: Disk, kind: str, megabytes: int) -> None:
    if shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(f"the tools of {kind} are not installed")
    os.truncate(disk.image, megabytes << 20)
    subprocess.run(["losetup", "-c", disk.device], check=True)
    subprocess.run([f"mkfs.{kind}", "-f", disk.device], check=True, capture_output=True)
    given = {"state": "checked", "device": disk.device, "confirmed": True, "timeout": 60, "config": None}
    for mode in (True, False):
        answer = call(filesystem_repair.main, check=mode, **given)
        assert (answer["changed"], answer["clean"], answer["kind"]) == (False, True, kind), answer
    if kind == "xfs":
        with open(disk.device, "r+b") as handle:
            # The header of the first free space tree.
            handle.seek(512)
            handle.write(b"\0" * 512)
        answer = call(filesystem_repair.main, **given)
        assert answer["failed"] and answer["clean"] is False and "found errors" in answer["msg"]

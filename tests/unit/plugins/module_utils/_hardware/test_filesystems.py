# Tests of the mounted filesystems.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import filesystems as fs
from ansible_collections.aidc.ops.plugins.module_utils._hardware.sysfs import Unreadable

Lay = Callable[[Mapping[str, Any]], str]


def line(
    device: str, root: str, point: str, kind: str, source: str, super_options: str = "rw", mount: str = "rw"
) -> str:
    return f"30 1 {device} {root} {point} {mount},relatime shared:1 - {kind} {source} {super_options}\n"


MOUNTS = (
    line("0:22", "/", "/proc", "proc", "proc")
    + line("254:0", "/", "/", "ext4", "/dev/vda")
    + line("0:50", "/", "/mnt/data", "autofs", "systemd-1")
    + line("0:51", "/", "/mnt/data", "nfs4", "10.0.0.5:/export/data", "rw,vers=4.2,hard,proto=tcp")
    + line("0:60", "/", "/lustre", "lustre", "10.0.0.1@o2ib:10.0.0.2@o2ib:/scratch", "rw,flock")
    + line("0:61", "/", "/weka", "wekafs", "backend/fs1")
    + line("0:62", "/", "/home", "fuse.sshfs", "kim@host:")
    + line("254:0", "/var/lib/x", "/run/x", "ext4", "/dev/vda")
    + line("0:70", "/@", "/srv", "btrfs", "/dev/nvme1n1")
    + line("0:39", "/", "/run/shm", "tmpfs", "shm")
    + line("0:40", "/", "/var/lib/containers/merged", "overlay", "overlay")
)


def test_only_what_is_backed_by_something_and_no_bind_mounts() -> None:
    found = fs.real_mounts(fs.parse_mountinfo(MOUNTS.encode()))
    assert [(mount.point, mount.kind) for mount in found] == [
        ("/", "ext4"),
        ("/mnt/data", "nfs4"),
        ("/lustre", "lustre"),
        ("/weka", "wekafs"),
        ("/home", "fuse.sshfs"),
        ("/srv", "btrfs"),
    ]


def test_mount_over_another_hides_it() -> None:
    hidden = line("8:1", "/", "/data", "xfs", "/dev/sda1") + line("0:9", "/", "/data", "tmpfs", "none")
    assert fs.real_mounts(fs.parse_mountinfo(hidden.encode())) == []


def test_two_mounts_of_one_server_are_both_reported() -> None:
    both = line("0:51", "/", "/a", "nfs", "s:/x") + line("0:51", "/", "/b", "nfs", "s:/x")
    assert [mount.point for mount in fs.real_mounts(fs.parse_mountinfo(both.encode()))] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("mount", "filesystem", "options"),
    [
        ("rw", "rw,seclabel", ["rw", "relatime", "seclabel"]),
        ("ro", "rw", ["ro", "relatime"]),
        ("rw", "ro,errors=remount-ro", ["ro", "relatime", "errors=remount-ro"]),
        ("rw", "", ["rw", "relatime"]),
    ],
)
def test_options(mount: str, filesystem: str, options: list[str]) -> None:
    (found,) = fs.parse_mountinfo(line("8:1", "/", "/", "xfs", "/dev/sda1", filesystem, mount).encode())
    assert found.options == options


def test_blanks_and_bytes_of_no_encoding_in_a_path() -> None:
    raw = line("8:1", "/", r"/mnt/a\040b\134c", "xfs", r"//srv/my\040share").encode().replace(b"/mnt", b"/m\xe9t")
    (mount,) = fs.parse_mountinfo(raw)
    assert os.fsencode(mount.point) == b"/m\xe9t/a b\\c"
    shown = fs.entry(mount)
    assert (shown["mount"], shown["source"]) == ("/m\ufffdt/a b\\c", "//srv/my share")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"1 2 3\n",
        b"30 1 8:1 / /data rw shared:1 xfs /dev/sda1 rw\n",
        b"30 1 8:1 / /data rw - xfs\n",
        b"- - - - - - - \n",
        b"\xff\xfe\x00" * 50,
    ],
)
def test_lines_that_are_none_are_skipped(raw: bytes) -> None:
    assert (
        fs.real_mounts(fs.parse_mountinfo(raw + line("8:2", "/", "/ok", "xfs", "/dev/sdb").encode()))[0].point == "/ok"
    )


def test_optional_fields_of_a_mount_vary() -> None:
    raw = b"30 1 8:1 / /none rw - xfs /dev/sda1 rw\n31 1 8:2 / /two rw master:1 propagate_from:2 - xfs /dev/sdb1 rw\n"
    assert [mount.point for mount in fs.parse_mountinfo(raw)] == ["/none", "/two"]


def test_mounts_are_those_of_the_running_system(lay: Lay, reports: Any) -> None:
    root = lay({"proc/self/mountinfo": MOUNTS})
    assert len(fs.read_mounts("/", reports, root)) == 6
    with pytest.raises(Unreadable, match="mountinfo: No such file"):
        fs.read_mounts("/", reports, os.path.join(root, "proc"))


def test_size_and_space(tmp_path: Path) -> None:
    full = SimpleNamespace(f_blocks=1000, f_bavail=10, f_frsize=4096)
    empty = SimpleNamespace(f_blocks=0, f_bavail=0, f_frsize=4096)
    assert fs.ask([str(tmp_path)], lambda point: full) == [{"size_bytes": 4096000, "available_bytes": 40960}]
    assert fs.ask([str(tmp_path)], lambda point: empty) == [{"size_bytes": None, "available_bytes": None}]


def test_a_file_is_no_filesystem_and_an_error_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def statvfs(point: str) -> Any:
        if point.endswith("stale"):
            raise OSError(116, "Stale file handle", point)
        return os.statvfs(point)

    (tmp_path / "stale").mkdir()
    points = [str(tmp_path / name) for name in ("file", "stale", "missing", "")]
    file, stale, missing, good = fs.ask(points, statvfs)
    assert file is None
    assert stale == {"error": "Stale file handle"}
    assert missing == {"error": "No such file or directory"}
    assert good is not None and good["size_bytes"] > 0

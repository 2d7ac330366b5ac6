# What the storage node offers, seen from outside.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Testinfra tests of the scenario storage."""

from __future__ import annotations

import time
from typing import Any

import pytest
import testinfra


@pytest.fixture(scope="module")
def store() -> Any:
    return testinfra.get_host("podman://aidc-storage-store1")


@pytest.fixture(scope="module")
def reader() -> Any:
    return testinfra.get_host("podman://aidc-storage-reader")


@pytest.fixture(scope="module")
def server(store: Any) -> str:
    return str(store.check_output("hostname -I").split()[0])


def test_scratch_is_a_writable_xfs_file_system(store: Any) -> None:
    mount = store.mount_point("/scratch")
    assert mount.exists
    assert mount.filesystem == "xfs"
    assert {"rw", "noatime"} <= set(mount.options)
    assert store.file("/scratch").mode == 0o1777
    assert store.run("sudo -u nobody touch /scratch/by-nobody && rm /scratch/by-nobody").rc == 0


def test_scratch_comes_back_at_boot(store: Any) -> None:
    fields = [line.split() for line in store.file("/etc/fstab").content_string.splitlines() if " /scratch " in line]
    assert [field[:3] for field in fields] == [["/dev/vdb", "/scratch", "xfs"]]
    assert "nofail" in fields[0][3].split(",")


def test_somebody_elses_data_is_untouched(store: Any) -> None:
    assert store.check_output("blkid -p -s LABEL -o value /dev/vdc") == "precious"
    assert not store.mount_point("/elsewhere").exists


def test_a_client_writes_and_reads(store: Any, reader: Any, server: str) -> None:
    # The client program makes new files only, and the server remembers names: each run has its own.
    name = f"file-{time.time_ns()}"
    assert reader.run("echo from-reader > /tmp/out").rc == 0
    written = reader.run(f"nfs-cp /tmp/out 'nfs://{server}/data/{name}?version=4'")
    assert written.rc == 0, written.stderr
    assert store.file(f"/scratch/data/{name}").content_string == "from-reader\n"
    read = reader.run(f"nfs-cat 'nfs://{server}/data/{name}?version=4'")
    assert read.stdout == "from-reader\n", read.stderr


def test_a_read_only_export_is_read_only(store: Any, reader: Any, server: str) -> None:
    assert store.run("echo weights > /scratch/models/m").rc == 0
    assert reader.run(f"nfs-cat 'nfs://{server}/models/m?version=4'").stdout == "weights\n"
    assert reader.run("echo x > /tmp/x").rc == 0
    assert reader.run(f"nfs-cp /tmp/x 'nfs://{server}/models/x?version=4'").rc != 0
    assert not store.file("/scratch/models/x").exists


def test_an_export_is_closed_to_others(reader: Any, server: str) -> None:
    assert reader.run(f"nfs-ls 'nfs://{server}/private?version=4'").rc != 0


def test_nothing_else_listens(store: Any, server: str) -> None:
    lines = [line.split() for line in store.check_output("ss -Hlntu").splitlines()]
    # SSH belongs to the image, not to the roles.
    listening = {fields[4] for fields in lines if not fields[4].endswith(":22")}
    assert listening == {f"[::ffff:{server}]:2049"}

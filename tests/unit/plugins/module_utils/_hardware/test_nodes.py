# Tests of reading a whole node: what hangs or breaks costs its own part only.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import filesystems, nodes

KEYS = [
    *("node", "os", "cpus", "numa_nodes", "memory", "nvswitches", "nics", "infiniband_ports", "disks", "filesystems"),
    *("pcie_links", "clock", "problems"),
]


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that lets the node have mounts: (filesystem, mount point)."""

    def have(*found: tuple[str, str]) -> None:
        made = [filesystems.Mount(device, "/", point, "nfs", "server:/x", ["rw"]) for device, point in found]
        monkeypatch.setitem(nodes._READERS, "filesystems", lambda root, report: made)

    return have


def messages(answer: dict[str, Any], part: str) -> list[tuple[str | None, str]]:
    return [(item["device"], item["message"]) for item in answer["problems"] if item["part"] == part]


def test_recorded_machine(recorded: Callable[[str], str]) -> None:
    answer = nodes.read_parts(recorded("virtual_machine"), 20)
    assert list(answer) == KEYS
    assert [cpu["threads"] for cpu in answer["cpus"]] == [2]
    assert [nic["name"] for nic in answer["nics"]] == ["eth0"]
    assert [disk["name"] for disk in answer["disks"]] == ["vda"]
    assert answer["memory"]["total_bytes"] == 24684092 * 1024
    assert (answer["nvswitches"], answer["pcie_links"], answer["infiniband_ports"]) == ([], [], [])
    assert answer["os"]["kernel"] == os.uname().release
    assert json.loads(json.dumps(answer)) == answer


def test_parts_that_are_not_wanted_are_null(recorded: Callable[[str], str]) -> None:
    answer = nodes.read_parts(recorded("virtual_machine"), 20, ["cpus"])
    assert [key for key in KEYS if answer[key] is not None] == ["cpus", "problems"]
    assert answer["problems"] == []


def test_this_machine_as_it_is() -> None:
    answer = nodes.read_parts("/", 20)
    assert list(answer) == KEYS
    assert answer["memory"]["total_bytes"] > 0
    assert sum(cpu["threads"] for cpu in answer["cpus"]) >= 1
    assert all(set(problem) == {"part", "device", "message"} for problem in answer["problems"])


def test_without_a_tree_every_part_says_so(tmp_path: Any) -> None:
    answer = nodes.read_parts(str(tmp_path), 20)
    assert set(answer["node"]) == {"id", "id_source", "hostname", *nodes.NODE_KEYS}
    assert answer["memory"] == {"total_bytes": None, "dimms": None, "edac": None}
    for part in ("cpus", "numa_nodes", "nvswitches", "nics", "infiniband_ports", "disks", "pcie_links"):
        assert answer[part] is None, part
        assert len(messages(answer, part)) == 1
    assert messages(answer, "nics") == [(None, f"there is no {tmp_path}/sys/class to read")]


@pytest.mark.slow
def test_part_that_hangs_or_breaks_hides_nothing_else(
    recorded: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(root: str, report: Any) -> None:
        time.sleep(60)

    def fail(root: str, report: Any) -> None:
        raise KeyError("oops")

    def die(root: str, report: Any) -> None:
        os._exit(3)

    monkeypatch.setitem(nodes._READERS, "pcie_links", hang)
    monkeypatch.setitem(nodes._READERS, "node", hang)
    monkeypatch.setitem(nodes._READERS, "cpus", fail)
    monkeypatch.setitem(nodes._READERS, "disks", die)
    begin = time.monotonic()
    answer = nodes.read_parts(recorded("virtual_machine"), 3)
    assert time.monotonic() - begin < 20
    assert (answer["pcie_links"], answer["cpus"], answer["disks"]) == (None, None, None)
    assert answer["node"] == dict.fromkeys(nodes.NODE_KEYS)
    assert [nic["name"] for nic in answer["nics"]] == ["eth0"]
    assert messages(answer, "pcie_links") == [(None, "no answer within 1.5 seconds")]
    assert messages(answer, "cpus") == [(None, "cannot be read: KeyError: 'oops'")]
    assert messages(answer, "disks") == [(None, "the reading process died")]


def test_reports_of_a_reader_are_problems(recorded: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    def read(root: str, report: Any) -> list[Any]:
        report("0000:05:00.0", "it smokes")
        return []

    monkeypatch.setitem(nodes._READERS, "nvswitches", read)
    answer = nodes.read_parts(recorded("virtual_machine"), 20, ["nvswitches"])
    assert answer["nvswitches"] == []
    assert answer["problems"] == [{"part": "nvswitches", "device": "0000:05:00.0", "message": "it smokes"}]


@pytest.mark.slow
def test_dead_mounts_cost_one_timeout_together(
    mounts: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def ask(points: list[str]) -> list[Any]:
        if points[0].startswith("/dead"):
            time.sleep(60)
        return [{"size_bytes": 10, "available_bytes": 5} for _point in points]

    monkeypatch.setattr(filesystems, "ask", ask)
    dead = [(f"0:{number}", f"/dead{number}") for number in range(20)]
    mounts(("8:1", "/"), *dead, ("0:1", "/dead1/again"))
    begin = time.monotonic()
    answer = nodes.read_parts("/", 3, ["filesystems"])
    assert time.monotonic() - begin < 20
    good, *bad = answer["filesystems"]
    assert (good["mount"], good["size_bytes"], good["available_bytes"], good["error"]) == ("/", 10, 5, None)
    assert len(bad) == 21
    assert {(one["size_bytes"], one["error"]) for one in bad} == {(None, "no answer within 1.5 seconds")}
    assert len(messages(answer, "filesystems")) == 21
    assert ("/dead1/again", "no answer within 1.5 seconds") in messages(answer, "filesystems")


@pytest.mark.slow
def test_real_statvfs_that_sleeps_is_left_behind(
    mounts: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    real, there = os.statvfs, tmp_path / "there"
    there.mkdir()

    def statvfs(point: str) -> Any:
        if point == str(tmp_path):
            time.sleep(60)
        return real(point)

    monkeypatch.setattr(filesystems.ask, "__defaults__", (statvfs,))
    mounts(("0:1", str(tmp_path)), ("0:2", str(there)))
    found = nodes.read_parts("/", 3, ["filesystems"])["filesystems"]
    assert len(found) == 2
    hung, good = found[0], found[1]
    assert hung["error"] == "no answer within 1.5 seconds"
    assert good["error"] is None and good["size_bytes"] > 0


def test_errors_of_mounts_are_problems_and_files_are_left_out(mounts: Callable[..., None], tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    mounts(("0:1", str(tmp_path / "file")), ("0:2", str(tmp_path / "gone")), ("0:3", str(tmp_path)))
    answer = nodes.read_parts("/", 20, ["filesystems"])
    assert [one["mount"] for one in answer["filesystems"]] == [str(tmp_path / "gone"), str(tmp_path)]
    assert messages(answer, "filesystems") == [(str(tmp_path / "gone"), "No such file or directory")]


@pytest.mark.slow
def test_adapter_that_hangs_keeps_what_the_kernel_knows(
    recorded: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "ask_nic", lambda root, name: time.sleep(60))
    answer = nodes.read_parts(recorded("virtual_machine"), 3, ["nics"])
    assert len(answer["nics"]) == 1
    nic = answer["nics"][0]
    assert (nic["name"], nic["driver"], nic["speed_mbps"]) == ("eth0", "virtio_net", None)
    assert messages(answer, "nics") == [("eth0", "no answer within 1.5 seconds")]


@pytest.mark.slow
def test_port_that_hangs_is_named(recorded: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = nodes.ask_port

    def ask(root: str, device: str, port: int) -> Any:
        if (device, port) == ("mlx4_0", 2):
            time.sleep(60)
        return real(root, device, port)

    monkeypatch.setattr(nodes, "ask_port", ask)
    answer = nodes.read_parts(recorded("infiniband"), 3, ["infiniband_ports"])
    assert [port["state"] for port in answer["infiniband_ports"]] == ["ACTIVE", "ACTIVE", None, "ACTIVE"]
    assert messages(answer, "infiniband_ports") == [("mlx4_0/2", "no answer within 1.5 seconds")]


def _denied(name: str, timeout: float) -> int:
    raise PermissionError("it is not for you")


@pytest.mark.parametrize(
    ("wear", "expected", "problems"),
    [
        (lambda name, timeout: 7, 7, []),
        (lambda name, timeout: None, None, []),
        (_denied, None, [("nvme0n1", "cannot be read: PermissionError: it is not for you")]),
    ],
)
def test_wear_of_the_running_system_s_drives(
    monkeypatch: pytest.MonkeyPatch, wear: Any, expected: int | None, problems: list[tuple[str, str]]
) -> None:
    drives = [{"name": name, "wear_percent": None} for name in ("nvme0n1", "sda")]
    monkeypatch.setitem(nodes._READERS, "disks", lambda root, report: drives)
    monkeypatch.setattr(nodes, "wear_percent", wear)
    answer = nodes.read_parts("//", 20, ["disks"])
    assert [disk["wear_percent"] for disk in answer["disks"]] == [expected, None]
    assert messages(answer, "disks") == problems


def test_drives_below_another_root_are_not_asked(
    recorded: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "wear_percent", lambda name, timeout: 7)
    answer = nodes.read_parts(recorded("rack_server"), 20, ["disks"])
    assert [(disk["name"], disk["wear_percent"]) for disk in answer["disks"]] == [("nvme0n1", None)]

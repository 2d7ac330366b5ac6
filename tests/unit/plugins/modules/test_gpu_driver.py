# Tests of the module gpu_driver, on a made-up /proc that stand-ins for modprobe and systemctl change.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._repair.holders import gpu_holders, holders_text
from ansible_collections.aidc.ops.plugins.module_utils._repair.kernel_modules import parse_modules, strangers
from ansible_collections.aidc.ops.plugins.modules import gpu_driver

Call = Callable[..., dict[str, Any]]

MODULES = """nvidia_uvm 4964352 0 - Live 0x0000000000000000 (POE)
nvidia_peermem 16384 0 - Live 0x0000000000000000 (POE)
nvidia_drm 126976 0 - Live 0x0000000000000000 (POE)
nvidia_modeset 1830912 1 nvidia_drm, Live 0x0000000000000000 (POE)
nvidia 105054208 3 nvidia_uvm,nvidia_peermem,nvidia_modeset, Live 0x0000000000000000 (POE)
ib_core 507904 1 nvidia_peermem, Live 0x0000000000000000
"""
MODPROBE = """#!/bin/sh
echo "modprobe $*" >> {folder}/calls
if [ -e {folder}/busy ] && [ "$*" = "-r $(cat {folder}/busy)" ]; then
  echo "modprobe: FATAL: Module $2 is in use." >&2
  exit 1
fi
if [ "$1" = -r ]; then
  grep -v "^$2 " {proc}/modules > {folder}/rest; cp {folder}/rest {proc}/modules
  [ "$2" = nvidia ] && rm -rf {root}/sys/module/nvidia
else
  echo "$1 1 0 - Live 0x0" >> {proc}/modules
  [ "$1" = nvidia ] && mkdir -p {root}/sys/module/nvidia && cp {folder}/next {root}/sys/module/nvidia/version
fi
exit 0
"""
SYSTEMCTL = """#!/bin/sh
case "$1" in
  is-active) [ -e {folder}/active/$3 ]; exit ;;
  stop) rm -f {folder}/active/$2 ;;
  start) [ -e {folder}/broken.$2 ] && exit 1; touch {folder}/active/$2 ;;
esac
echo "systemctl $*" >> {folder}/calls
"""
UNITS = ["exporter.service", "dcgm.service", "off.service", "nvidia-persistenced.service"]
RUNNING = [UNITS[0], UNITS[1], UNITS[3]]


class Node:
    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.proc = self.root / "proc"
        self.proc.mkdir(parents=True)
        (self.proc / "modules").write_text(MODULES)
        version = self.root / "sys" / "module" / "nvidia" / "version"
        version.parent.mkdir(parents=True)
        version.write_text("570.1\n")
        (folder / "next").write_text("580.2\n")
        (folder / "active").mkdir()
        for unit in RUNNING:
            (folder / "active" / unit).touch()
        programs = folder / "bin"
        programs.mkdir()
        for name, text in (("modprobe", MODPROBE), ("systemctl", SYSTEMCTL)):
            (programs / name).write_text(text.format(folder=folder, root=self.root, proc=self.proc))
            (programs / name).chmod(0o755)

    def hold(self, pid: int, name: str, unit: str | None, device: str = "/dev/nvidia0") -> None:
        place = self.proc / str(pid)
        (place / "fd").mkdir(parents=True)
        (place / "fd" / "3").symlink_to("/dev/null")
        (place / "fd" / "4").symlink_to(device)
        (place / "comm").write_text(f"{name}\n")
        (place / "cgroup").write_text(f"0::/system.slice/{unit}\n" if unit else "0::/user.slice\n")

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def loaded(self) -> set[str]:
        return {line.split()[0] for line in (self.proc / "modules").read_text().splitlines()}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    found = Node(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return found


@pytest.fixture
def reload(call: Call, node: Node) -> Call:
    def run(check: bool = False, **more: Any) -> dict[str, Any]:
        given = {
            "token": "aidc.ops:17:reload_driver:1",
            "units": UNITS,
            "root": str(node.root),
            "state_dir": str(node.folder / "attempts"),
            "timeout": 20,
        }
        return call(gpu_driver.main, check=check, config=None, **{**given, **more})

    return run


ORDER = ["nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia_peermem", "nvidia"]


def test_check_run_run_check(reload: Call, node: Node) -> None:
    check = reload(check=True)
    assert (check["changed"], check["modules"], check["units"]) == (True, ORDER, RUNNING)
    assert check["version_before"] == "570.1"
    assert node.calls() == [] and not (node.folder / "attempts").exists()
    first = reload(expected_version="580.2")
    assert (first["changed"], first["reloaded"], first["version"]) == (True, True, "580.2")
    for mode in (False, True):
        again = reload(check=mode)
        assert (again["changed"], again["reloaded"], again["version"]) == (False, True, "580.2")
    assert node.calls() == [
        *(f"systemctl stop {unit}" for unit in RUNNING),
        *(f"modprobe -r {name}" for name in ORDER),
        *(f"modprobe {name}" for name in reversed(ORDER)),
        *(f"systemctl start {unit}" for unit in reversed(RUNNING)),
    ]
    assert set(ORDER) <= node.loaded()


def test_a_driver_that_is_not_loaded_is_loaded(reload: Call, node: Node) -> None:
    (node.proc / "modules").write_text("ib_core 1 0 - Live 0x0\n")
    answer = reload(units=[])
    assert (answer["reloaded"], answer["modules"]) == (True, [])
    assert node.calls() == ["modprobe nvidia"]


@pytest.mark.parametrize("check", [True, False])
def test_a_process_that_computes_is_named_and_nothing_is_touched(reload: Call, node: Node, check: bool) -> None:
    node.hold(7, "dcgm", "dcgm.service")
    node.hold(4242, "python3", None, "/dev/nvidia-uvm")
    node.hold(4243, "sh", None, "/dev/null")
    answer = reload(check=check)
    assert answer["failed"] and answer["refused"] and "python3 (4242)" in answer["msg"]
    assert [holder["pid"] for holder in answer["holders"]] == [4242]
    assert node.calls() == [] and not (node.folder / "attempts").exists()


def test_a_process_that_is_left_when_its_unit_has_stopped(reload: Call, node: Node) -> None:
    node.hold(7, "dcgm", "dcgm.service")
    answer = reload()
    assert answer["failed"] and answer["refused"] and answer["holders"][0]["unit"] == "dcgm.service"
    assert not [call for call in node.calls() if call.startswith("modprobe -r")]
    assert sorted(path.name for path in (node.folder / "active").iterdir()) == sorted(RUNNING)


def test_a_module_in_use_brings_all_back(reload: Call, node: Node) -> None:
    (node.folder / "busy").write_text("nvidia_peermem")
    answer = reload()
    assert answer["failed"] and answer["refused"] and "nvidia_peermem is in use" in answer["msg"]
    assert set(ORDER) <= node.loaded()
    assert sorted(path.name for path in (node.folder / "active").iterdir()) == sorted(RUNNING)
    assert reload()["failed"]
    assert node.calls().count("modprobe -r nvidia_drm") == 1


def test_another_module_on_the_driver_is_a_reason_to_refuse(reload: Call, node: Node) -> None:
    (node.proc / "modules").write_text(MODULES.replace("nvidia_uvm,", "nvidia_uvm,gdrdrv,"))
    answer = reload()
    assert answer["refused"] and "gdrdrv" in answer["msg"] and node.calls() == []
    assert reload(check=True, modules=["gdrdrv", *ORDER])["changed"]


def test_the_wrong_version_is_told(reload: Call, node: Node) -> None:
    answer = reload(expected_version="590.1")
    assert answer["failed"] and "version 580.2, not 590.1" in answer["msg"] and answer["reloaded"]
    assert sorted(path.name for path in (node.folder / "active").iterdir()) == sorted(RUNNING)


def test_a_unit_that_does_not_start_is_told(reload: Call, node: Node) -> None:
    (node.folder / "broken.dcgm.service").touch()
    answer = reload()
    assert answer["failed"] and answer["units_failed"] == ["dcgm.service"] and answer["reloaded"]
    assert (node.folder / "active" / "exporter.service").exists()


def test_an_attempt_that_died_is_mended(reload: Call, node: Node) -> None:
    marker = node.folder / "attempts" / "gpu_driver.aidc.ops:17:reload_driver:1.json"
    marker.parent.mkdir()
    marker.write_text(json.dumps({"started_at": 1, "modules": ORDER, "units": RUNNING}))
    (node.proc / "modules").write_text("")
    (node.folder / "active" / "dcgm.service").unlink()
    answer = reload()
    assert answer["failed"] and "ended before its outcome was known" in answer["msg"] and not answer["reloaded"]
    assert set(ORDER) <= node.loaded() and (node.folder / "active" / "dcgm.service").exists()
    assert not [call for call in node.calls() if "stop" in call or "-r" in call]
    assert json.loads(marker.read_text())["finished_at"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"units": ["-H"]},
        {"units": ["a b"]},
        {"modules": ["--force"]},
        {"modules": []},
        {"timeout": 0},
        {"token": "../x"},
    ],
)
def test_what_cannot_be_meant(reload: Call, node: Node, arguments: dict[str, Any]) -> None:
    assert reload(**arguments)["failed"]
    assert node.calls() == []


def test_a_broken_table_of_modules_is_read_as_far_as_it_goes() -> None:
    found = parse_modules(MODULES + "half a line\nx y z -\n")
    assert found["nvidia"].users == ("nvidia_uvm", "nvidia_peermem", "nvidia_modeset")
    assert strangers(["ib_core"], found) == ["nvidia_peermem"]
    assert "half" not in found and "x" not in found


def test_holders(node: Node) -> None:
    node.hold(5, "nv-hostengine", "nvidia-dcgm.service", "/dev/nvidiactl")
    (node.proc / "6" / "fd").mkdir(parents=True)
    (node.proc / "self").mkdir()
    assert gpu_holders(str(node.root)) == [{"pid": 5, "name": "nv-hostengine", "unit": "nvidia-dcgm.service"}]
    assert gpu_holders(str(node.folder / "none")) == []
    assert holders_text([{"pid": 1, "name": "a"}] * 70).endswith("and 6 more")
    assert os.getpid() not in [holder["pid"] for holder in gpu_holders()]

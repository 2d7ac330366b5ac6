# Tests of reading the AMD GPUs of a node with everything tied together.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import amd_node
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import ReadError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_keys import GPU_KEYS


def allowed(path: str, mode: int) -> bool:
    return True


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with two GPUs that the driver has."""
    for bus, width in (("05", 16), ("26", 8)):
        folder = tmp_path / f"sys/bus/pci/devices/0000:{bus}:00.0"
        folder.mkdir(parents=True)
        for name, text in {
            "vendor": "0x1002",
            "class": "0x120000",
            "numa_node": "1",
            "unique_id": f"af54e92b0a5d57{bus}",
            "mem_info_vram_total": "206141652992",
            "current_link_width": str(width),
            "max_link_width": "16",
        }.items():
            (folder / name).write_text(text + "\n")
        (folder / "driver").symlink_to("../../drivers/amdgpu")
    return tmp_path


@pytest.fixture(autouse=True)
def _no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ROCm is on this machine."""
    monkeypatch.setattr(amd_node, "_LIBRARY", "/nonexistent")
    monkeypatch.setattr(amd_node, "_PROGRAM", "/nonexistent/rocm-smi")
    monkeypatch.setattr(amd_node.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "amdsmi", None)


class SmiError(Exception):
    err_code = 2


class Smi:
    """A library that knows addresses and power, and hangs on some GPUs."""

    AmdSmiException = SmiError

    def __init__(self, *addresses: str, hang: str = "") -> None:
        self.addresses, self.hang = addresses, hang

    def amdsmi_init(self) -> None:
        pass

    def amdsmi_shut_down(self) -> None:
        pass

    def amdsmi_get_processor_handles(self) -> list[int]:
        return list(range(len(self.addresses)))

    def amdsmi_get_lib_version(self) -> dict[str, int]:
        return {"major": 25, "minor": 3, "release": 0}

    def amdsmi_get_gpu_device_bdf(self, handle: int) -> str:
        return self.addresses[handle]

    def amdsmi_get_power_info(self, handle: int) -> dict[str, int]:
        if str(handle) in self.hang:
            time.sleep(60)
        return {"current_socket_power": 100 + handle}


def program(folder: Path, script: str) -> str:
    path = folder / "rocm-smi"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(path)


def use_program(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    path = program(folder, script)
    monkeypatch.setattr(amd_node.shutil, "which", lambda name: path)


def test_nothing_is_asked_on_a_node_without_amd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_program(monkeypatch, tmp_path, f"touch {tmp_path}/asked")
    answer = amd_node.read_amd_node(str(tmp_path / "empty"), 10)
    assert (answer["available"], answer["gpus"], answer["problems"]) == (False, [], [])
    assert "no AMD GPU" in answer["reason"]
    assert not (tmp_path / "asked").exists()


def test_with_the_library(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setitem(sys.modules, "amdsmi", Smi("0000:26:00.0", "0000:05:00.0"))
    answer = amd_node.read_amd_node(str(root), 10, allowed)
    assert (answer["available"], answer["library_version"], answer["problems"]) == (True, "25.3.0", [])
    first, second = answer["gpus"]
    assert sorted(first) == sorted(GPU_KEYS)
    assert [(gpu["index"], gpu["device"], gpu["power_usage_watts"]) for gpu in (first, second)] == [
        (0, "gpu:0000:05:00", 101.0), (1, "gpu:0000:26:00", 100.0),
    ]  # fmt: skip
    assert (second["pcie"]["width"], second["pcie"]["max_width"], second["numa_node"]) == (8, 16, 1)
    assert (second["uuid"], second["memory_total_bytes"]) == ("GPU-af54e92b0a5d5726", 206141652992)


@pytest.mark.slow
def test_a_gpu_that_hangs_costs_only_itself(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setitem(sys.modules, "amdsmi", Smi("0000:05:00.0", "0000:26:00.0", hang="0"))
    begin = time.monotonic()
    answer = amd_node.read_amd_node(str(root), 2, allowed)
    assert time.monotonic() - begin < 10
    assert [gpu["error"] for gpu in answer["gpus"]] == ["no answer within 1 seconds while reading GPU 0", None]
    assert answer["gpus"][1]["power_usage_watts"] == 101.0
    assert answer["problems"] == [
        {"part": "gpus", "device": "gpu:0000:05:00", "message": "no answer within 1 seconds while reading GPU 0"}
    ]


def test_partitions_of_a_gpu_are_one_gpu(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    parts = [f"0000:05:00.{part}" for part in range(8)] + ["0000:26:00.0"]
    monkeypatch.setitem(sys.modules, "amdsmi", Smi(*parts))
    answer = amd_node.read_amd_node(str(root), 10, allowed)
    assert [gpu["power_usage_watts"] for gpu in answer["gpus"]] == [100.0, 108.0]


def test_what_only_one_side_knows(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """A GPU that the library does not show is not lost sight of, nor is one that the kernel's tree does not have."""
    monkeypatch.setitem(sys.modules, "amdsmi", Smi("0000:05:00.0", "0001:99:00.0", "?"))
    answer = amd_node.read_amd_node(str(root), 10, allowed)
    assert [(gpu["device"], gpu["index"], gpu["error"]) for gpu in answer["gpus"]] == [
        ("gpu:0000:05:00", 0, None),
        ("gpu:0000:26:00", 1, "the driver's library does not show this GPU"),
        ("gpu:0001:99:00", 2, None),
        (None, 3, None),
    ]
    assert [problem["device"] for problem in answer["problems"]] == ["gpu:0000:26:00"]


def test_with_the_program(monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path) -> None:
    document = {"card0": {"PCI Bus": "0000:05:00.0", "Card Series": "AMD Instinct MI300X"},
                "card1": {"PCI Bus": "0000:26:00.0"}, "system": {"Driver version": "6.7.0"}}  # fmt: skip
    use_program(monkeypatch, tmp_path, f"echo \"$@\" > {tmp_path}/asked; cat <<'E'\n{json.dumps(document)}\nE\n")
    answer = amd_node.read_amd_node(str(root), 10, allowed)
    assert (answer["driver_version"], answer["library_version"], answer["problems"]) == ("6.7.0", None, [])
    assert [gpu["model"] for gpu in answer["gpus"]] == ["AMD Instinct MI300X", None]
    assert answer["gpus"][1]["pcie"]["width"] == 8
    assert "--showbus" in (tmp_path / "asked").read_text() and "--json" in (tmp_path / "asked").read_text()


def test_a_program_that_does_not_know_an_option(monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path) -> None:
    script = """case "$*" in
*--showallinfo*) echo '{"card0": {"PCI Bus": "0000:05:00.0", "VBIOS version": "113-X"}}';;
*) echo "usage: rocm-smi [-h]" >&2; exit 2;;
esac
"""
    use_program(monkeypatch, tmp_path, script)
    assert amd_node.read_amd_node(str(root), 10, allowed)["gpus"][0]["vbios_version"] == "113-X"


def test_without_library_and_program_the_kernel_is_the_answer(root: Path) -> None:
    (root / "sys/module/amdgpu").mkdir(parents=True)
    (root / "sys/module/amdgpu/version").write_text("6.12.12\n")
    answer = amd_node.read_amd_node(str(root), 10, allowed)
    assert (answer["available"], answer["driver_version"]) == (True, "6.12.12")
    assert [(gpu["device"], gpu["error"]) for gpu in answer["gpus"]] == [
        ("gpu:0000:05:00", None), ("gpu:0000:26:00", None),
    ]  # fmt: skip
    (problem,) = answer["problems"]
    assert problem["device"] is None and "neither the Python library amdsmi nor the program" in problem["message"]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo 'ERROR:root:Driver not initialized (amdgpu not found in modules)' >&2", "Driver not initialized"),
        ('printf \'{"card0": {"PCI Bus": \'', "not whole"),
        ("printf '\\377\\376 no JSON at all'", "rocm-smi says"),
        ("sleep 60", "did not answer within 0.8 s"),
        ("exit 1", "says nothing"),
    ],
)
def test_a_program_that_fails(
    monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path, script: str, text: str
) -> None:
    use_program(monkeypatch, tmp_path, script)
    begin = time.monotonic()
    with pytest.raises(ReadError, match=text):
        amd_node.read_amd_node(str(root), 2, allowed)
    assert time.monotonic() - begin < 10


def test_a_library_that_hangs_at_the_start(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    smi = Smi()
    monkeypatch.setattr(smi, "amdsmi_init", lambda: time.sleep(60), raising=False)
    monkeypatch.setitem(sys.modules, "amdsmi", smi)
    with pytest.raises(
        ReadError, match=r"the AMD driver hangs: no answer within 0\.5 seconds while starting the library"
    ):
        amd_node.read_amd_node(str(root), 1, allowed)


def test_the_driver_is_not_loaded(root: Path) -> None:
    for bus in ("05", "26"):
        (root / f"sys/bus/pci/devices/0000:{bus}:00.0/driver").unlink()
    with pytest.raises(ReadError, match=r"\(0000:05:00.0\), but the amdgpu kernel driver is not loaded"):
        amd_node.read_amd_node(str(root), 10, allowed)


def test_the_driver_did_not_take_one_gpu(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    (root / "sys/bus/pci/devices/0000:26:00.0/driver").unlink()
    monkeypatch.setitem(sys.modules, "amdsmi", Smi("0000:05:00.0"))
    answer = amd_node.read_amd_node(str(root), 10, allowed)
    assert [gpu["error"] for gpu in answer["gpus"]] == [
        None, "the amdgpu driver did not take this GPU: look at the kernel log",
    ]  # fmt: skip


def test_no_permission(root: Path) -> None:
    (root / "dev").mkdir()
    (root / "dev/kfd").touch()
    asked = []

    def may_use(path: str, mode: int) -> bool:
        asked.append((path, mode))
        return False

    with pytest.raises(ReadError, match=r"no permission to use .*/dev/kfd: run this task as root"):
        amd_node.read_amd_node(str(root), 10, may_use)
    assert asked == [(str(root / "dev/kfd"), os.R_OK | os.W_OK)]


def test_failures_become_problems(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    def fail(handle: int) -> Any:
        error = SmiError("Error code: 8 | TIMEOUT")
        error.err_code = 8
        raise error

    smi = Smi("0000:05:00.0", "0000:26:00.0")
    monkeypatch.setattr(smi, "amdsmi_get_power_info", fail, raising=False)
    monkeypatch.setitem(sys.modules, "amdsmi", smi)
    answer = amd_node.read_amd_node(str(root), 10, allowed)
    assert [problem["message"] for problem in answer["problems"]] == [
        "amdsmi_get_power_info: Error code: 8 | TIMEOUT"
    ] * 2


def test_a_library_that_does_not_load_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Any:
        raise KeyError("libamd_smi.so")

    monkeypatch.setattr(amd_node, "importlib", SimpleNamespace(import_module=fail))
    assert amd_node._library() is None

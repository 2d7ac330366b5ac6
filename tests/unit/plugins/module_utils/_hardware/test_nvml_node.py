# Tests of reading this node with everything tied together.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import nvml_node


def test_node_without_driver_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "libnvidia-ml.so.1: cannot open shared object file: No such file or directory"
    monkeypatch.setattr(nvml_node, "library_problem", lambda: gone)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    answer = nvml_node.read_this_node("/", 10)
    assert (answer["available"], answer["gpus"]) == (False, [])
    assert answer["reason"] == "the driver library libnvidia-ml.so.1 is not installed"


def test_library_that_does_not_load_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml_node, "library_problem", lambda: "/usr/lib/libnvidia-ml.so.1: file too short")
    with pytest.raises(nvml_node.ReadError, match=r"does not load: .*file too short"):
        nvml_node.read_this_node("/", 10)


def test_missing_package_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(nvml_node.ReadError, match=r"nvidia-ml-py is missing for .*/opt/aidc_ops/node/bin/python"):
        nvml_node.read_this_node("/", 10)


def test_driver_that_hangs_is_named_with_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        NVMLError = OSError

        def nvmlInit(self) -> None:
            time.sleep(60)

    monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", Hanging())  # type: ignore[arg-type]
    with pytest.raises(
        nvml_node.ReadError, match=r"the NVIDIA driver hangs: no answer within 0\.5 seconds while starting"
    ):
        nvml_node.read_this_node("/", 1)


def test_broken_driver_keeps_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def mismatch() -> Any:
        error = OSError("mismatch")
        error.value = 18  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(NVMLError=OSError, nvmlInit=mismatch))  # type: ignore[arg-type]
    with pytest.raises(nvml_node.ReadError, match="different versions"):
        nvml_node.read_this_node("/", 10)


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class Library:
    """A driver with GPUs of which some hang, die or answer slowly; it knows nothing but addresses and UUIDs."""

    NVMLError = NvmlError

    def __init__(self, count: int, hang: str = "", where: str = "nvmlDeviceGetUUID", die: str = "") -> None:
        self.count = count
        self.hang, self.where, self.die = hang, where, die

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def _meet(self, name: str, gpu: int) -> None:
        if name == self.where and str(gpu) in self.hang:
            time.sleep(60)
        if name == self.where and str(gpu) in self.die:
            os.kill(os.getpid(), signal.SIGKILL)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        self._meet("nvmlDeviceGetHandleByIndex", index)
        return index

    def nvmlDeviceGetPciInfo(self, gpu: int) -> Any:
        self._meet("nvmlDeviceGetPciInfo", gpu)
        return SimpleNamespace(busId=f"00000000:{0x10 + gpu:02X}:00.0")

    def nvmlDeviceGetUUID(self, gpu: int) -> str:
        self._meet("nvmlDeviceGetUUID", gpu)
        return f"GPU-{gpu}"


def use(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", library)


def tree(root: Path, gpus: int) -> str:
    """Write the driver's and the kernel's directories of GPUs."""
    for gpu in range(gpus):
        address = f"0000:{0x10 + gpu:02x}:00.0"
        (root / "proc/driver/nvidia/gpus" / address).mkdir(parents=True)
        (root / "proc/driver/nvidia/gpus" / address / "information").write_text(f"Model: \t NVIDIA {gpu}\n")
        (root / "sys/bus/pci/devices" / address).mkdir(parents=True)
        (root / "sys/bus/pci/devices" / address / "numa_node").write_text("-1\n" if gpu == 2 else f"{gpu // 2}\n")
    return str(root)


@pytest.mark.slow
def test_a_gpu_that_hangs_costs_only_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, Library(4, hang="1"))
    begin = time.monotonic()
    answer = nvml_node.read_this_node(tree(tmp_path, 4), 2)
    assert time.monotonic() - begin < 10
    assert [gpu["uuid"] for gpu in answer["gpus"]] == ["GPU-0", None, "GPU-2", "GPU-3"]
    assert [gpu["error"] for gpu in answer["gpus"]] == [
        None,
        "no answer within 1 seconds while reading GPU 1",
        None,
        None,
    ]
    assert answer["problems"] == [
        {"part": "gpus", "device": "gpu:0000:11:00", "message": "no answer within 1 seconds while reading GPU 1"}
    ], "the address was read before it hung"
    assert answer["available"] is True


@pytest.mark.slow
def test_gpus_that_hang_do_not_add_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Seven of eight hang before they say where they are; the driver's tree still knows all addresses."""
    use(monkeypatch, Library(8, hang="0234567", where="nvmlDeviceGetHandleByIndex"))
    begin = time.monotonic()
    answer = nvml_node.read_this_node(tree(tmp_path, 8), 2)
    assert time.monotonic() - begin < 10
    assert [gpu["error"] is None for gpu in answer["gpus"]] == [False, True, *[False] * 6]
    assert [gpu["device"] for gpu in answer["gpus"]] == [f"gpu:0000:{bus:02x}:00" for bus in range(0x10, 0x18)]
    assert [gpu["model"] for gpu in answer["gpus"]] == [f"NVIDIA {gpu}" for gpu in range(8)]
    assert len(answer["problems"]) == 7


def test_a_reader_that_dies_costs_only_the_gpu_it_was_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, Library(3, die="1"))
    answer = nvml_node.read_this_node(tree(tmp_path, 3), 10)
    assert [gpu["uuid"] for gpu in answer["gpus"]] == ["GPU-0", None, "GPU-2"]
    assert answer["gpus"][1]["error"] == "the reading process died while reading GPU 1"


@pytest.mark.slow
def test_a_slow_driver_is_no_hanging_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into the first half of the time is asked at once in the second."""

    class Slow(Library):
        def nvmlDeviceGetUUID(self, gpu: int) -> str:
            time.sleep(0.6)
            return f"GPU-{gpu}"

    use(monkeypatch, Slow(5))
    answer = nvml_node.read_this_node("/nonexistent", 4)
    assert [gpu["uuid"] for gpu in answer["gpus"]] == [f"GPU-{gpu}" for gpu in range(5)]
    assert answer["problems"] == []


def test_a_hang_after_everything_was_read_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Library):
        def nvmlShutdown(self) -> None:
            time.sleep(60)

    use(monkeypatch, Stuck(2))
    answer = nvml_node.read_this_node("/nonexistent", 1)
    assert [gpu["uuid"] for gpu in answer["gpus"]] == ["GPU-0", "GPU-1"]
    assert answer["problems"] == []


def test_the_numa_node_is_the_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also that of a GPU that cannot be asked; where the kernel does not know it, NVML's counts."""

    class Placed(Library):
        def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
            if index == 1:
                raise NvmlError(15)
            return index

        def nvmlDeviceGetMemoryAffinity(self, gpu: int, words: int, scope: int) -> list[int]:
            return [1 << 7]

    use(monkeypatch, Placed(4))
    answer = nvml_node.read_this_node(tree(tmp_path, 4), 10)
    assert [gpu["numa_node"] for gpu in answer["gpus"]] == [0, 0, 7, 1]
    assert [gpu["lost"] for gpu in answer["gpus"]] == [False, True, False, False]
    assert answer["gpus"][1]["pci_bus_id"] == "00000000:11:00.0"

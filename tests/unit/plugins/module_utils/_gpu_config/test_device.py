# Tests of setting up GPUs whose driver lies or hangs, and of whose a process is.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import GpuConfigError
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config import node
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config.device import Device, bring
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config.owners import told, whose
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config.wanted import Wanted

GPU = {"index": 0, "uuid": "GPU-1", "device": "gpu:0000:1b:00", "pci_bus_id": None, "model": "M"}


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class Nvml:
    """A driver with one GPU that says yes to everything and keeps what it likes."""

    NVMLError = NVMLError

    def __init__(self, keeps: bool = True, hangs: str = "") -> None:
        self.keeps, self.hangs = keeps, hangs
        self.values: dict[str, Any] = {
            "PersistenceMode": 0, "ComputeMode": 0, "PowerManagementLimit": 700000, "EccMode": (1, 1),
            "PowerManagementLimitConstraints": (200000, 700000), "MigMode": (0, 0),
        }  # fmt: skip

    def nvmlInit(self) -> None:
        pass

    nvmlShutdown = nvmlInit

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        return uuid

    def nvmlDeviceGetFieldValues(self, _handle: str, _fields: list[int]) -> list[Any]:
        raise NVMLError(3)

    def __getattr__(self, name: str) -> Any:
        if name == self.hangs:
            time.sleep(60)
        what = name[len("nvmlDeviceGet") :]
        if name.startswith("nvmlDeviceGet"):
            return lambda _handle: self.values[what]

        def set_it(_handle: str, value: Any) -> None:
            if self.keeps:
                now = self.values[what]
                self.values[what] = (now[0], value) if isinstance(now, tuple) else value

        return set_it


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (Wanted(persistence=True), "persistence: the driver took True and reads back False"),
        (Wanted(power_limit=300000), "power_limit_watts: the driver took 300.0 and reads back 700.0"),
        (Wanted(compute_mode="prohibited"), "compute_mode: the driver took 'prohibited' and reads back 'default'"),
        (Wanted(ecc=False), "ecc: the driver took False and reads back True"),
        (Wanted(mig=True), "mig: the driver took True and reads back False"),
    ],
)
def test_a_driver_that_does_not_keep_what_it_took(wanted: Wanted, text: str) -> None:
    with pytest.raises(GpuConfigError) as caught:
        bring(Device(Nvml(keeps=False), "h"), wanted, None, lambda step: None)
    assert str(caught.value) == text


def test_what_waits_for_a_reset() -> None:
    done = bring(Device(Nvml(), "h"), Wanted(ecc=False, mig=True), None, lambda step: None)
    assert done == {"state": {"ecc": False, "mig": True}, "reset_needed": True, "reboot_needed": False}


def test_processes_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver without graphics says "not supported" to that question; any other error counts."""

    def process(pid: int, instance: int | None) -> Any:
        return type("Process", (), {"pid": pid, "gpuInstanceId": instance})

    nvml = Nvml()
    nvml.values["ComputeRunningProcesses"] = [process(7, 2), process(5, None), process(7, 2)]
    nvml.values["GraphicsRunningProcesses"] = [process(9, 0xFFFFFFFF)]
    assert Device(nvml, "h").processes() == [(5, 0xFFFFFFFF), (7, 2), (9, 0xFFFFFFFF)]
    for value in (3, 999):

        def fail(_handle: str, value: int = value) -> None:
            raise NVMLError(value)

        monkeypatch.setattr(nvml, "nvmlDeviceGetGraphicsRunningProcesses", fail, raising=False)
        if value == 3:
            assert Device(nvml, "h").processes() == [(5, 0xFFFFFFFF), (7, 2)]
        else:
            with pytest.raises(GpuConfigError, match="processes: error 999"):
                Device(nvml, "h").processes()


def test_a_driver_that_asks_for_a_reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    class Field:
        nvmlReturn = 0
        value = type("Value", (), {"uiVal": 2})

    nvml = Nvml()
    monkeypatch.setattr(nvml, "nvmlDeviceGetFieldValues", lambda _handle, _fields: [Field], raising=False)
    done = bring(Device(nvml, "h"), Wanted(ecc=False), None, lambda step: None)
    assert (done["reset_needed"], done["reboot_needed"]) == (False, True)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["nvmlDeviceGetPersistenceMode", "nvmlDeviceSetPersistenceMode"])
def test_a_driver_that_hangs(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(hangs=call))
    begun = time.monotonic()
    if "Get" in call:
        found = node.look_at([GPU], Wanted(persistence=True), {}, 3)
    else:
        found = node.apply_to([GPU], Wanted(persistence=True), {}, 3)
    assert "no answer within 3 seconds while" in found["GPU-1"]["error"]
    assert time.monotonic() - begun < 40


def test_gpus_are_chosen_by_every_name() -> None:
    gpus = [
        {**GPU, "index": number, "uuid": f"GPU-{number}", "device": f"gpu:{number}", "lost": number == 2, "error": None}
        for number in range(3)
    ]
    chosen, silent = node.choose(gpus, ["all"], None)
    assert ([gpu["index"] for gpu in chosen], [gpu["index"] for gpu in silent]) == ([0, 1], [2])
    assert [gpu["index"] for gpu in node.choose(gpus, ["gpu-1", "0", " GPU:0 "], None)[0]] == [0, 1]
    assert node.choose(gpus, ["0"], "other")[0] == []
    with pytest.raises(GpuConfigError, match="GPU 2: it no longer answers"):
        node.choose(gpus, ["2", "all"], None)
    nameless = {**gpus[0], "uuid": None}
    assert node.choose([nameless], ["all"], None) == ([], [nameless])
    assert node.why_silent(nameless) == "it does not tell its UUID"


def test_a_record_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "clocks.json"
    assert node.read_record(str(path)) == {}
    node.write_record(str(path), {"GPU-1": [1, 2]})
    assert node.read_record(str(path)) == {"GPU-1": [1, 2]}
    path.write_text("[1")
    assert node.read_record(str(path)) == {}
    with pytest.raises(GpuConfigError, match="cannot be remembered"):
        node.write_record(str(path / "x"), {})


def test_whose_a_process_is(tmp_path: Path) -> None:
    mine = whose(os.getpid())
    assert mine["pid"] == os.getpid() and mine["name"] and mine["owner"]
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "comm").write_bytes(b"{{ 7 }}\xff\n")
    os.chown(tmp_path / "proc" / "7", 54321, -1) if os.geteuid() == 0 else None
    found = whose(7, str(tmp_path))
    assert found["name"] == "{{ 7 }}\\xff"
    assert found["owner"] == ("54321" if os.geteuid() == 0 else mine["owner"])
    assert told(whose(8, str(tmp_path))) == "8 (?) of an unknown owner"

# Tests of the program of the role gpu_node that checks and applies the GPU policy.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from render import ROOT


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class Nvml:
    """GPUs that remember what is set; those in `lost` answer with error 15, `stubborn` ones keep their power limit."""

    NVMLError = NvmlError

    def __init__(self, count: int = 2) -> None:
        self.gpus = [{"persistence": 0, "power": 700000, "clocks": None} for _round in range(count)]
        self.lost: set[int] = set()
        self.stubborn = False
        self.calls: list[str] = []

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index in self.lost:
            raise NvmlError(15)
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}"

    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle: int) -> tuple[int, int]:
        return 200000, 700000

    def nvmlDeviceGetMaxClockInfo(self, handle: int, kind: int) -> int:
        return 1980

    def nvmlDeviceGetPersistenceMode(self, handle: int) -> int:
        return int(self.gpus[handle]["persistence"])

    def nvmlDeviceSetPersistenceMode(self, handle: int, mode: int) -> None:
        self.calls.append("persistence")
        self.gpus[handle]["persistence"] = mode

    def nvmlDeviceGetPowerManagementLimit(self, handle: int) -> int:
        return int(self.gpus[handle]["power"])

    def nvmlDeviceSetPowerManagementLimit(self, handle: int, limit: int) -> None:
        self.calls.append("power")
        if not self.stubborn:
            self.gpus[handle]["power"] = limit

    def nvmlDeviceSetGpuLockedClocks(self, handle: int, low: int, high: int) -> None:
        self.calls.append("clocks")
        self.gpus[handle]["clocks"] = (low, high)


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_policy", ROOT / "roles/gpu_node/files/gpu_policy.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["gpu_policy"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def policy(program: ModuleType, **values: Any) -> Any:
    data = {"persistence_mode": True, "power_limit_watts": 500, "clocks_mhz": [300, 1500]} | values
    return program.parse_policy(json.dumps(data))


def test_applies_once(program: ModuleType, tmp_path: Path) -> None:
    nvml, record = Nvml(), str(tmp_path / "run" / "clocks.json")
    first = program.run(nvml, policy(program), "apply", record)
    assert [(change["gpu"], change["setting"]) for change in first.changes] == [
        (gpu, setting)
        for gpu in ("GPU-0", "GPU-1")
        for setting in ("persistence_mode", "power_limit_watts", "clocks_mhz")
    ]
    assert nvml.gpus[1] == {"persistence": 1, "power": 500000, "clocks": (300, 1500)}
    assert program.run(nvml, policy(program), "apply", record).changes == []


def test_clocks_are_locked_again_although_nothing_seems_to_differ(program: ModuleType, tmp_path: Path) -> None:
    """A GPU reset drops the lock, and NVML cannot tell."""
    nvml, record = Nvml(1), str(tmp_path / "clocks.json")
    program.run(nvml, policy(program), "apply", record)
    nvml.gpus[0]["clocks"] = None
    program.run(nvml, policy(program), "apply", record)
    assert nvml.gpus[0]["clocks"] == (300, 1500)


def test_plan_touches_nothing(program: ModuleType, tmp_path: Path) -> None:
    nvml = Nvml()
    assert len(program.run(nvml, policy(program), "plan", str(tmp_path / "clocks.json")).changes) == 6
    assert nvml.calls == [] and list(tmp_path.iterdir()) == []


def test_null_leaves_alone(program: ModuleType, tmp_path: Path) -> None:
    nvml = Nvml(1)
    program.run(nvml, policy(program, power_limit_watts=None, clocks_mhz=None), "apply", str(tmp_path / "clocks.json"))
    assert nvml.gpus[0] == {"persistence": 1, "power": 700000, "clocks": None}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"power_limit_watts": 199.9}, "199.9 W is out of range, this GPU allows 200 to 700 W"),
        ({"power_limit_watts": 5000}, "5000 W is out of range"),
        ({"clocks_mhz": [300, 9000]}, "9000 MHz is out of range, this GPU allows 1980 MHz"),
    ],
)
def test_what_a_gpu_cannot_hold_is_refused(program: ModuleType, values: dict[str, Any], text: str) -> None:
    nvml = Nvml()
    with pytest.raises(program.PolicyError, match=text):
        program.run(nvml, policy(program, **values), "apply")
    assert nvml.calls == []


def test_lost_gpu_does_not_leave_the_others_without_policy(program: ModuleType, tmp_path: Path) -> None:
    nvml = Nvml(3)
    nvml.lost = {1}
    report = program.run(nvml, policy(program), "apply", str(tmp_path / "clocks.json"))
    assert report.skipped == ["GPU 1: NVML error 15"]
    assert [gpu["power"] for gpu in nvml.gpus] == [500000, 700000, 500000]


def test_a_setting_that_does_not_stick_is_an_error(program: ModuleType, tmp_path: Path) -> None:
    nvml = Nvml(1)
    nvml.stubborn = True
    with pytest.raises(program.PolicyError, match="reads back as 700 W instead of 500 W"):
        program.run(nvml, policy(program), "apply", str(tmp_path / "clocks.json"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"persistence_mode": 1, "power_limit_watts": null, "clocks_mhz": null}',
        '{"persistence_mode": true, "power_limit_watts": "300", "clocks_mhz": null}',
        '{"persistence_mode": true, "power_limit_watts": NaN, "clocks_mhz": null}',
        '{"persistence_mode": true, "power_limit_watts": 0, "clocks_mhz": null}',
        '{"persistence_mode": true, "power_limit_watts": true, "clocks_mhz": null}',
        '{"persistence_mode": true, "power_limit_watts": null, "clocks_mhz": [1500, 300]}',
        '{"persistence_mode": true, "power_limit_watts": null, "clocks_mhz": [300]}',
        '{"persistence_mode": true, "power_limit_watts": null, "clocks_mhz": [300.5, 400]}',
        '{"persistence_mode": true, "power_limit_watts": null, "clocks_mhz": null, "extra": 1}',
    ],
)
def test_malformed_policy_is_refused(program: ModuleType, text: str) -> None:
    with pytest.raises(program.PolicyError):
        program.parse_policy(text)


@pytest.mark.parametrize("text", ["", "[1]", "half {"])
def test_unreadable_record_counts_as_nothing_locked(program: ModuleType, tmp_path: Path, text: str) -> None:
    record = tmp_path / "clocks.json"
    record.write_text(text)
    assert program.read_record(str(record)) == {}

# Tests of reading MIG devices.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_ask import Questions
from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_mig import read_mig


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class Nvml:
    """A GPU with places for MIG devices: a name, or the error of a place."""

    NVMLError = NvmlError

    def __init__(self, places: list[str | int], mode: int = 1, refuse: dict[str, int] | None = None) -> None:
        self.places, self.mode, self.refuse = places, mode, refuse or {}

    def _ask(self, name: str) -> None:
        if name in self.refuse:
            raise NvmlError(self.refuse[name])

    def nvmlDeviceGetMigMode(self, gpu: Any) -> list[int]:
        self._ask("mode")
        return [self.mode, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: Any) -> int:
        self._ask("count")
        return len(self.places)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: Any, place: int) -> int:
        found = self.places[place]
        if isinstance(found, int):
            raise NvmlError(found)
        return place

    def nvmlDeviceGetName(self, mig: int) -> str | int:
        return self.places[mig]

    def nvmlDeviceGetUUID(self, mig: int) -> str:
        return f"MIG-{mig}"

    def nvmlDeviceGetGpuInstanceId(self, mig: int) -> int:
        return mig + 7

    def nvmlDeviceGetComputeInstanceId(self, mig: int) -> int:
        self._ask("compute")
        return 0

    def nvmlDeviceGetMemoryInfo(self, mig: int) -> Any:
        self._ask("memory")
        return SimpleNamespace(total=10200547328)

    def nvmlDeviceGetAttributes(self, mig: int) -> Any:
        self._ask("attributes")
        return SimpleNamespace(memorySizeMB=9728)


def devices(nvml: Nvml) -> Any:
    return read_mig(Questions(nvml), None)["mig_devices"]


def test_devices_and_empty_places() -> None:
    found = read_mig(Questions(Nvml(["NVIDIA H100 80GB HBM3 MIG 1g.10gb", 6, "NVIDIA A100 MIG 1c.3g.40gb", 6])), None)
    assert found["mig_mode"] is True
    assert found["mig_devices"] == [
        {"uuid": f"MIG-{place}", "profile": profile, "gpu_instance": place + 7, "compute_instance": 0,
         "memory_total_bytes": 10200547328, "device_minors": None}
        for place, profile in ((0, "1g.10gb"), (2, "1c.3g.40gb"))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "devices_are"), [(3, []), (13, None), (999, None)], ids=["no MIG", "no function", "failure"]
)
def test_without_a_mode(error: int, devices_are: Any) -> None:
    assert read_mig(Questions(Nvml(["x"], refuse={"mode": error})), None) == {
        "mig_mode": None, "mig_devices": devices_are,
    }  # fmt: skip


def test_mode_off_and_mode_on_without_devices() -> None:
    assert read_mig(Questions(Nvml(["x"], mode=0)), None) == {"mig_mode": False, "mig_devices": []}
    assert devices(Nvml([6] * 7)) == []


def test_devices_that_may_not_be_seen_are_unknown_and_not_few() -> None:
    """Who may not see MIG devices (no access to their capability files) must not report a GPU without any."""
    questions = Questions(Nvml(["NVIDIA A100 MIG 1g.5gb", 4]))
    assert read_mig(questions, None) == {"mig_mode": True, "mig_devices": None}
    assert questions.failures == {"nvmlDeviceGetMigDeviceHandleByIndex": "error 4"}
    assert devices(Nvml(["x"], refuse={"count": 3})) is None


@pytest.mark.parametrize("name", ["NVIDIA A100", "", " MIG ", "{{ 1 }}"])
def test_a_name_without_a_profile(name: str) -> None:
    assert devices(Nvml([name]))[0]["profile"] is None


def test_memory_from_the_attributes_and_from_nowhere() -> None:
    assert devices(Nvml(["a MIG b"], refuse={"memory": 3, "compute": 3}))[0] == {
        "uuid": "MIG-0", "profile": "b", "gpu_instance": 7, "compute_instance": None, "memory_total_bytes": 9728 << 20,
        "device_minors": None,
    }  # fmt: skip
    assert devices(Nvml(["a MIG b"], refuse={"memory": 3, "attributes": 3}))[0]["memory_total_bytes"] is None

# Tests of the NVML exporter against a driver made of Python objects.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""What is asserted is what a scrape sees: metric names, labels and values, and how long it took."""

from __future__ import annotations

import ast
import ctypes
import http.client
import importlib.util
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.tests.fakes.certificates import Authority

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "gpu_exporter" / "files" / "nvml_exporter.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("nvml_exporter", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nvml_exporter"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


exporter = _load()


class FakeGpu:
    """State of one GPU. ``broken`` maps a function name to the NVML error code it answers with."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.uuid = f"GPU-{number}"
        self.lost = False
        self.broken: dict[str, int] = {}
        self.hang: threading.Event | None = None
        self.name: Any = "NVIDIA H100 80GB HBM3"
        self.temperature = 30 + number
        self.row_remap = (0, 0, 0, 0)
        self.clock_reasons = 1
        self.nvlinks = [1] * 18
        self.handle = ctypes.pointer(ctypes.c_int(number))


class FakeNvml:
    """The functions of pynvml that the exporter calls; constants and errors are those of the real one."""

    def __init__(self, gpus: int = 2) -> None:
        self.gpus = [FakeGpu(number) for number in range(gpus)]
        self.init_error = 0
        self.count_hang: threading.Event | None = None
        self.event_queue: list[Any] = []
        self.registered: list[int] = []
        self.calls: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvmlDevice"):
            raise AssertionError(f"the exporter calls {name}, which this fake lacks")
        return getattr(pynvml, name)

    def _gpu(self, handle: Any, function: str) -> FakeGpu:
        self.calls[function] = self.calls.get(function, 0) + 1
        gpu = next(one for one in self.gpus if one.handle is handle)
        if gpu.hang is not None:
            gpu.hang.wait(30)
        if gpu.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        if function in gpu.broken:
            raise pynvml.NVMLError(gpu.broken[function])
        return gpu

    def nvmlInit(self) -> None:
        if self.init_error:
            raise pynvml.NVMLError(self.init_error)

    def nvmlShutdown(self) -> None:
        self.calls["nvmlShutdown"] = self.calls.get("nvmlShutdown", 0) + 1

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"570.148.08"

    def nvmlDeviceGetCount(self) -> int:
        if self.count_hang is not None:
            self.count_hang.wait(30)
        if self.init_error:
            raise pynvml.NVMLError(self.init_error)
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        gpu = self.gpus[index]
        return self._gpu(gpu.handle, "nvmlDeviceGetHandleByIndex").handle

    def nvmlDeviceGetMinorNumber(self, handle: Any) -> int:
        return self._gpu(handle, "nvmlDeviceGetMinorNumber").number

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return self._gpu(handle, "nvmlDeviceGetUUID").uuid

    def nvmlDeviceGetPciInfo(self, handle: Any) -> Any:
        return SimpleNamespace(
            busId=f"00000000:{0x1B + self._gpu(handle, 'nvmlDeviceGetPciInfo').number:02x}:00.0".encode()
        )

    def nvmlDeviceGetName(self, handle: Any) -> Any:
        return self._gpu(handle, "nvmlDeviceGetName").name

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int:
        return self._gpu(handle, "nvmlDeviceGetTemperature").temperature

    def nvmlDeviceGetClockInfo(self, handle: Any, clock: int) -> int:
        self._gpu(handle, "nvmlDeviceGetClockInfo")
        return {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}[clock]

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        self._gpu(handle, "nvmlDeviceGetPowerUsage")
        return 71500

    def nvmlDeviceGetPowerManagementLimit(self, handle: Any) -> int:
        self._gpu(handle, "nvmlDeviceGetPowerManagementLimit")
        return 700000

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:
        self._gpu(handle, "nvmlDeviceGetTotalEnergyConsumption")
        return 123456789

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:
        self._gpu(handle, "nvmlDeviceGetUtilizationRates")
        return SimpleNamespace(gpu=97, memory=41)

    def nvmlDeviceGetMemoryInfo(self, handle: Any, version: Any = None) -> Any:
        self._gpu(handle, "nvmlDeviceGetMemoryInfo")
        mib = 1024 * 1024
        return SimpleNamespace(total=81559 * mib, free=81008 * mib, used=5 * mib, reserved=546 * mib)

    def nvmlDeviceGetTotalEccErrors(self, handle: Any, kind: int, counter: int) -> int:
        self._gpu(handle, "nvmlDeviceGetTotalEccErrors")
        return {(0, 0): 1, (1, 0): 2, (0, 1): 3, (1, 1): 4}[(kind, counter)]

    def nvmlDeviceGetRemappedRows(self, handle: Any) -> tuple[int, int, int, int]:
        return self._gpu(handle, "nvmlDeviceGetRemappedRows").row_remap

    def nvmlDeviceGetCurrPcieLinkGeneration(self, handle: Any) -> int:
        self._gpu(handle, "nvmlDeviceGetCurrPcieLinkGeneration")
        return 5

    def nvmlDeviceGetCurrPcieLinkWidth(self, handle: Any) -> int:
        self._gpu(handle, "nvmlDeviceGetCurrPcieLinkWidth")
        return 16

    def nvmlDeviceGetMaxPcieLinkWidth(self, handle: Any) -> int:
        self._gpu(handle, "nvmlDeviceGetMaxPcieLinkWidth")
        return 16

    def nvmlDeviceGetNvLinkState(self, handle: Any, link: int) -> int:
        states = self._gpu(handle, "nvmlDeviceGetNvLinkState").nvlinks
        if link >= len(states):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT if states else pynvml.NVML_ERROR_NOT_SUPPORTED)
        return states[link]

    def nvmlDeviceGetPcieReplayCounter(self, handle: Any) -> int:
        self._gpu(handle, "nvmlDeviceGetPcieReplayCounter")
        return 7

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: Any) -> int:
        return self._gpu(handle, "nvmlDeviceGetCurrentClocksEventReasons").clock_reasons

    def nvmlDeviceGetFieldValues(self, handle: Any, fields: list[int]) -> list[Any]:
        self._gpu(handle, "nvmlDeviceGetFieldValues")
        return [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(uiVal=1)) for _field in fields]

    def nvmlEventSetCreate(self) -> str:
        self.registered.clear()
        return "set"

    def nvmlEventSetFree(self, event_set: str) -> None:
        self.calls["nvmlEventSetFree"] = self.calls.get("nvmlEventSetFree", 0) + 1

    def nvmlDeviceRegisterEvents(self, handle: Any, kinds: int, event_set: str) -> None:
        self.registered.append(self._gpu(handle, "nvmlDeviceRegisterEvents").number)

    def nvmlEventSetWait_v2(self, event_set: str, timeout_ms: int) -> Any:
        if not self.event_queue:
            time.sleep(0.01)
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        event = self.event_queue.pop(0)
        if isinstance(event, int):
            raise pynvml.NVMLError(event)
        return event


def xid(handle: Any, code: int, kind: int = pynvml.nvmlEventTypeXidCriticalError) -> Any:
    return SimpleNamespace(device=handle, eventType=kind, eventData=code)


class Rig:
    """An exporter on a fake driver; ``scrape`` returns {(name, gpu label): value}."""

    def __init__(self, nvml: FakeNvml, timeout: float = 5.0) -> None:
        self.nvml = nvml
        self.now = 1000.0
        self.events = exporter.XidLog(300.0, clock=lambda: self.now)
        self.listener = exporter.XidListener(nvml, self.events)
        self.reader = exporter.GpuReader(nvml, timeout)
        self.registry = CollectorRegistry()
        self.registry.register(exporter.GpuCollector(self.reader, self.events, self.listener, "host1"))

    def samples(self) -> list[Any]:
        text = generate_latest(self.registry).decode()
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def scrape(self) -> dict[tuple[str, str], float]:
        return {(sample.name, sample.labels.get("gpu", "")): sample.value for sample in self.samples()}


@pytest.fixture
def rig() -> Rig:
    return Rig(FakeNvml())


@pytest.fixture
def listening(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A rig whose XID listener runs, with short waits."""
    monkeypatch.setattr(exporter, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(exporter, "EVENT_WAIT_MS", 10)
    rig.listener.start()
    yield rig
    rig.listener.stop()


def until(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_program_parses_as_python_3_8() -> None:
    ast.parse(PROGRAM.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_values_are_in_the_units_of_dcgm(rig: Rig) -> None:
    rig.nvml.gpus[1].row_remap = (5, 6, 1, 1)
    seen = rig.scrape()
    expected = {
        "DCGM_FI_DEV_GPU_TEMP": 31,
        "DCGM_FI_DEV_SM_CLOCK": 1980,
        "DCGM_FI_DEV_MEM_CLOCK": 2619,
        "DCGM_FI_DEV_POWER_USAGE": 71.5,
        "DCGM_FI_DEV_POWER_MGMT_LIMIT": 700,
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 123456789,
        "DCGM_FI_DEV_GPU_UTIL": 97,
        "DCGM_FI_DEV_MEM_COPY_UTIL": 41,
        "DCGM_FI_DEV_FB_TOTAL": 81559,
        "DCGM_FI_DEV_FB_FREE": 81008,
        "DCGM_FI_DEV_FB_USED": 5,
        "DCGM_FI_DEV_FB_RESERVED": 546,
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": 1,
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 2,
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": 3,
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": 4,
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": 5,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": 6,
        "DCGM_FI_DEV_ROW_REMAP_PENDING": 1,
        "DCGM_FI_DEV_ROW_REMAP_FAILURE": 1,
        "DCGM_FI_DEV_PCIE_LINK_GEN": 5,
        "DCGM_FI_DEV_PCIE_LINK_WIDTH": 16,
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": 7,
        "DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH": 16,
        "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 1,
        "aidc_gpu_thermal_slowdown": 0,
        "aidc_gpu_nvlinks_active": 18,
        "DCGM_FI_DEV_XID_ERRORS": 0,
        "aidc_gpu_recovery_action": 1,
        "aidc_gpu_lost": 0,
        "aidc_gpu_stale": 0,
    }
    assert {name: seen[(name, "1")] for name in expected} == expected
    assert set(exporter.METRICS) <= set(expected)
    assert seen[("DCGM_FI_DEV_ROW_REMAP_FAILURE", "0")] == 0
    assert (seen[("aidc_gpu_count", "")], seen[("aidc_nvml_up", "")]) == (2, 1)


def test_labels_are_those_of_dcgm(rig: Rig) -> None:
    labels = next(s.labels for s in rig.samples() if s.name == "DCGM_FI_DEV_GPU_TEMP" and s.labels["gpu"] == "1")
    assert labels == {
        "gpu": "1",
        "UUID": "GPU-1",
        "pci_bus_id": "00000000:1C:00.0",
        "device": "nvidia1",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": "host1",
        "DCGM_FI_DRIVER_VERSION": "570.148.08",
    }


def test_both_text_formats_are_well_formed(rig: Rig) -> None:
    rig.events.add(0, 79)
    text = generate_latest(rig.registry).decode()
    names = [line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION" in names, "DCGM's counters carry no _total"
    openmetrics = generate_openmetrics(rig.registry).decode()
    assert "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{" in openmetrics
    assert openmetrics.endswith("# EOF\n")


def test_text_from_the_driver_cannot_forge_a_sample(rig: Rig) -> None:
    rig.nvml.gpus[0].name = b'x"} 1\naidc_gpu_lost{gpu="7"} 1\n{{ 7*7 }}\xff'
    seen = rig.samples()
    assert not [s for s in seen if s.name == "aidc_gpu_lost" and s.labels["gpu"] == "7"]
    model = next(s.labels["modelName"] for s in seen if s.name == "DCGM_FI_DEV_GPU_TEMP" and s.labels["gpu"] == "0")
    assert model.startswith('x"} 1\naidc_gpu_lost') and "{{ 7*7 }}" in model


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND])
def test_what_a_gpu_lacks_is_left_out_and_no_error(rig: Rig, code: int) -> None:
    rig.nvml.gpus[0].broken = {"nvmlDeviceGetTotalEnergyConsumption": code, "nvmlDeviceGetMinorNumber": code}
    seen = rig.scrape()
    assert ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "0") not in seen
    assert seen[("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "1")] == 123456789
    assert seen[("DCGM_FI_DEV_GPU_TEMP", "0")] == 30
    assert seen[("aidc_gpu_exporter_read_errors_total", "")] == 0


def test_an_unknown_error_is_counted_and_hides_only_its_own_values(rig: Rig) -> None:
    rig.nvml.gpus[0].broken = {"nvmlDeviceGetPowerUsage": pynvml.NVML_ERROR_UNKNOWN}
    rig.scrape()
    seen = rig.scrape()
    assert ("DCGM_FI_DEV_POWER_USAGE", "0") not in seen
    assert seen[("DCGM_FI_DEV_GPU_TEMP", "0")] == 30
    assert seen[("aidc_gpu_exporter_read_errors_total", "")] == 2


def test_a_lost_gpu_keeps_its_name_and_loses_its_values(rig: Rig) -> None:
    rig.scrape()
    rig.nvml.gpus[1].lost = True
    samples = rig.samples()
    lost = {s.labels["gpu"]: (s.value, s.labels["pci_bus_id"]) for s in samples if s.name == "aidc_gpu_lost"}
    assert lost == {"0": (0.0, "00000000:1B:00.0"), "1": (1.0, "00000000:1C:00.0")}
    assert not [s for s in samples if s.labels.get("gpu") == "1" and s.name in exporter.METRICS]
    assert rig.scrape()[("aidc_gpu_count", "")] == 1
    rig.nvml.gpus[1].lost = False
    assert rig.scrape()[("aidc_gpu_lost", "1")] == 0


def test_a_gpu_lost_in_the_middle_of_its_reading_gives_no_half_values(rig: Rig) -> None:
    rig.nvml.gpus[1].broken = {"nvmlDeviceGetRemappedRows": pynvml.NVML_ERROR_GPU_IS_LOST}
    seen = rig.scrape()
    assert seen[("aidc_gpu_lost", "1")] == 1
    assert ("DCGM_FI_DEV_GPU_TEMP", "1") not in seen


def test_a_gpu_lost_before_it_was_ever_seen_is_reported_by_its_index(rig: Rig) -> None:
    rig.nvml.gpus[1].lost = True
    lost = next(s for s in rig.samples() if s.name == "aidc_gpu_lost" and s.value == 1)
    assert (lost.labels["gpu"], lost.labels["UUID"], lost.labels["pci_bus_id"]) == ("1", "", "")


def test_a_gpu_that_is_not_enumerated_any_more_is_lost_although_the_others_moved_up() -> None:
    rig = Rig(FakeNvml(gpus=4))
    rig.scrape()
    del rig.nvml.gpus[1]
    samples = rig.samples()
    lost = {s.labels["UUID"]: s.value for s in samples if s.name == "aidc_gpu_lost"}
    assert lost == {"GPU-0": 0, "GPU-1": 1, "GPU-2": 0, "GPU-3": 0}
    assert {s.labels["UUID"] for s in samples if s.name == "DCGM_FI_DEV_GPU_TEMP"} == {"GPU-0", "GPU-2", "GPU-3"}


def test_a_gpu_that_was_replaced_is_not_lost() -> None:
    rig = Rig(FakeNvml(gpus=2))
    rig.scrape()
    rig.nvml.gpus[1].uuid = "GPU-new"
    assert {s.labels["UUID"]: s.value for s in rig.samples() if s.name == "aidc_gpu_lost"} == {"GPU-0": 0, "GPU-new": 0}


@pytest.mark.slow
def test_a_hanging_gpu_bounds_the_scrape_and_hides_no_other() -> None:
    rig = Rig(FakeNvml(gpus=3), timeout=0.3)
    rig.scrape()
    release = threading.Event()
    rig.nvml.gpus[1].hang = release
    threads = threading.active_count()
    for _scrape in range(4):
        started = time.monotonic()
        seen = rig.scrape()
        assert time.monotonic() - started < 2.0
        assert seen[("aidc_gpu_stale", "1")] == 1
        assert ("DCGM_FI_DEV_GPU_TEMP", "1") not in seen, "an old value must not pass for a new one"
        assert (seen[("DCGM_FI_DEV_GPU_TEMP", "0")], seen[("DCGM_FI_DEV_GPU_TEMP", "2")]) == (30, 32)
    assert threading.active_count() <= threads + 1, "a hanging call must cost one thread, not one for each scrape"
    assert (seen[("aidc_gpu_exporter_collect_timeouts_total", "")], seen[("aidc_gpu_exporter_stale", "")]) == (4, 1)
    rig.nvml.gpus[1].hang = None
    release.set()
    until(lambda: rig.scrape().get(("DCGM_FI_DEV_GPU_TEMP", "1")) == 31)
    assert rig.scrape()[("aidc_gpu_stale", "1")] == 0


def test_a_driver_that_hangs_as_a_whole_makes_every_known_gpu_stale() -> None:
    rig = Rig(FakeNvml(), timeout=0.1)
    rig.scrape()
    release = threading.Event()
    rig.nvml.count_hang = release
    seen = rig.scrape()
    release.set()
    assert (seen[("aidc_gpu_stale", "0")], seen[("aidc_gpu_stale", "1")]) == (1, 1)
    assert (seen[("aidc_nvml_up", "")], seen[("aidc_gpu_exporter_stale", "")]) == (0, 1)
    assert ("aidc_gpu_count", "") not in seen, "nobody counted"


def test_scrapes_at_the_same_time_share_one_reading() -> None:
    rig = Rig(FakeNvml(gpus=1), timeout=5.0)
    release = threading.Event()
    rig.nvml.gpus[0].hang = release
    results: list[dict[tuple[str, str], float]] = []
    scrapes = [threading.Thread(target=lambda: results.append(rig.scrape())) for _number in range(3)]
    for scrape in scrapes:
        scrape.start()
    until(lambda: rig.nvml.calls.get("nvmlDeviceGetHandleByIndex", 0) == 1)
    time.sleep(0.05)
    release.set()
    for scrape in scrapes:
        scrape.join(10)
    assert [result[("DCGM_FI_DEV_GPU_TEMP", "0")] for result in results] == [30, 30, 30]
    assert rig.nvml.calls["nvmlDeviceGetRemappedRows"] == 1


def test_no_driver_is_reported_and_healed_without_a_restart() -> None:
    rig = Rig(FakeNvml())
    rig.nvml.init_error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    seen = rig.scrape()
    assert seen[("aidc_nvml_up", "")] == 0
    assert ("aidc_gpu_count", "") not in seen
    assert not [name for name, _gpu in seen if name.startswith("DCGM_FI_")]
    rig.nvml.init_error = 0
    assert rig.scrape()[("aidc_gpu_count", "")] == 2
    rig.nvml.init_error = pynvml.NVML_ERROR_UNINITIALIZED
    assert rig.scrape()[("aidc_nvml_up", "")] == 0
    rig.nvml.init_error = 0
    assert rig.scrape()[("aidc_gpu_count", "")] == 2


def test_library_and_driver_of_two_versions_are_told_apart_from_no_driver() -> None:
    rig = Rig(FakeNvml())
    rig.nvml.init_error = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    assert rig.scrape()[("aidc_nvml_version_mismatch", "")] == 1
    rig.nvml.init_error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    assert rig.scrape()[("aidc_nvml_version_mismatch", "")] == 0
    rig.nvml.init_error = 0
    assert rig.scrape()[("aidc_nvml_version_mismatch", "")] == 0


def test_a_driver_that_takes_no_new_program_is_told_though_nvml_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    # After an upgrade without a restart, what had opened NVML before goes on.
    monkeypatch.setattr(exporter, "NEWCOMER_SECONDS", 0.0)
    answers = [pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH]
    rig = Rig(FakeNvml())
    rig.reader = exporter.GpuReader(rig.nvml, 1.0, lambda: answers[0])

    def told() -> bool:
        snapshot = rig.reader.collect()
        assert snapshot.nvml_up
        time.sleep(0.01)
        return snapshot.version_mismatch

    assert any(told() for _try in range(200))
    answers[0] = 0
    assert not all(told() for _try in range(200))


def test_a_new_program_is_a_program_of_its_own() -> None:
    # This machine has no driver, or one that fits its library.
    assert exporter.ask_as_newcomer() in (0, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)


def test_links_that_are_up_are_counted_and_boards_without_any_have_no_such_number(rig: Rig) -> None:
    rig.nvml.gpus[0].nvlinks[5] = 0
    rig.nvml.gpus[1].nvlinks = []
    seen = rig.scrape()
    assert seen[("aidc_gpu_nvlinks_active", "0")] == 17
    assert ("aidc_gpu_nvlinks_active", "1") not in seen
    assert seen[("DCGM_FI_DEV_GPU_TEMP", "1")] == 31


def test_heat_that_holds_the_clocks_down_is_a_number_of_its_own(rig: Rig) -> None:
    rig.nvml.gpus[0].clock_reasons = pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
    rig.nvml.gpus[1].clock_reasons = pynvml.nvmlClocksThrottleReasonSwPowerCap
    seen = rig.scrape()
    assert (seen[("aidc_gpu_thermal_slowdown", "0")], seen[("aidc_gpu_thermal_slowdown", "1")]) == (1, 0)


def test_a_bug_in_a_reader_ends_in_a_stale_gpu_and_not_in_a_hanging_scrape(rig: Rig) -> None:
    rig.nvml.gpus[0].row_remap = (1, 2)  # type: ignore[assignment]
    seen = rig.scrape()
    assert seen[("aidc_gpu_stale", "0")] == 1
    assert seen[("DCGM_FI_DEV_GPU_TEMP", "1")] == 31


def test_xids_are_counted_within_the_window_and_the_last_one_stays(rig: Rig) -> None:
    rig.scrape()
    rig.events.add(1, 63)
    rig.events.add(1, 79)
    rig.now += 100
    rig.events.add(1, 79)
    counted = {s.labels["xid"]: s for s in rig.samples() if s.name == "DCGM_EXP_XID_ERRORS_COUNT"}
    assert {code: sample.value for code, sample in counted.items()} == {"63": 1, "79": 2}
    assert counted["79"].labels["window_size_in_ms"] == "300000"
    assert counted["79"].labels["pci_bus_id"] == "00000000:1C:00.0"
    assert rig.scrape()[("DCGM_FI_DEV_XID_ERRORS", "1")] == 79
    rig.now += 250
    assert [(s.labels["xid"], s.value) for s in rig.samples() if s.name == "DCGM_EXP_XID_ERRORS_COUNT"] == [("79", 1)]
    rig.now += 100
    assert not [s for s in rig.samples() if s.name == "DCGM_EXP_XID_ERRORS_COUNT"]
    assert rig.scrape()[("DCGM_FI_DEV_XID_ERRORS", "1")] == 79


def test_the_xid_of_a_gpu_that_it_took_along_keeps_the_name_of_the_gpu(rig: Rig) -> None:
    rig.scrape()
    rig.nvml.gpus[1].lost = True
    rig.events.add(1, 79)
    counted = next(s for s in rig.samples() if s.name == "DCGM_EXP_XID_ERRORS_COUNT")
    assert (counted.labels["UUID"], counted.labels["pci_bus_id"]) == ("GPU-1", "00000000:1C:00.0")


def test_listener_hears_xids_and_ignores_other_events(listening: Rig) -> None:
    gpu = listening.nvml.gpus[1]
    listening.nvml.event_queue += [xid(gpu.handle, 5, kind=pynvml.nvmlEventTypePState), xid(gpu.handle, 79)]
    until(lambda: listening.events.counts() == {(1, 79): 1})
    assert listening.scrape()[("aidc_gpu_exporter_xid_listener_up", "")] == 1


def test_listener_keeps_an_xid_of_an_unknown_gpu(listening: Rig) -> None:
    listening.nvml.event_queue.append(xid(ctypes.pointer(ctypes.c_int(99)), 79))
    until(lambda: listening.events.counts() == {(-1, 79): 1})
    assert listening.scrape()[("DCGM_EXP_XID_ERRORS_COUNT", "-1")] == 1


def test_listener_goes_on_after_errors_of_the_driver(listening: Rig) -> None:
    until(lambda: listening.listener.up)
    listening.nvml.event_queue += [pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_UNKNOWN]
    until(lambda: listening.nvml.calls.get("nvmlEventSetFree", 0) >= 1)
    until(lambda: listening.listener.up)
    listening.nvml.event_queue.append(xid(listening.nvml.gpus[0].handle, 48))
    until(lambda: listening.events.counts() == {(0, 48): 1})


def test_listener_registers_a_gpu_that_comes_back(listening: Rig) -> None:
    until(lambda: listening.nvml.registered == [0, 1])
    listening.nvml.gpus[1].lost = True
    listening.nvml.event_queue.append(pynvml.NVML_ERROR_UNKNOWN)
    until(lambda: listening.nvml.registered == [0])
    listening.nvml.gpus[1].lost = False
    until(lambda: listening.nvml.registered == [0, 1])


def test_listener_waits_for_a_driver_that_is_not_there(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "RETRY_SECONDS", 0.02)
    rig.nvml.init_error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    rig.listener.start()
    time.sleep(0.1)
    assert rig.scrape()[("aidc_gpu_exporter_xid_listener_up", "")] == 0
    rig.nvml.init_error = 0
    until(lambda: rig.listener.up)
    rig.listener.stop()


@pytest.mark.parametrize("bad", [["--listen-port", "http"], ["--collect-timeout", "soon"], ["--no-such-option"]])
def test_wrong_arguments_end_with_usage(bad: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        exporter.parse_arguments(bad)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


# --- Serving ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextmanager
def serving(tls: Any = None) -> Iterator[int]:
    """The port of a server that has one metric."""
    registry = CollectorRegistry()
    Gauge("demo", "One metric.", registry=registry).set(42)
    server = exporter.Server("127.0.0.1", 0, tls)
    server.set_app(exporter.make_wsgi_app(registry))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(port: int, context: ssl.SSLContext | None = None) -> str:
    url = f"{'https' if context else 'http'}://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(url, timeout=10, context=context) as answer:
        return str(answer.read().decode())


def test_without_certificates_it_is_plain() -> None:
    with serving() as port:
        assert "demo 42.0" in ask(port)


def test_only_clients_with_a_certificate_are_let_in(authority: Authority, tmp_path: Path) -> None:
    stranger_folder = tmp_path / "stranger"
    stranger_folder.mkdir()
    stranger = Authority(stranger_folder, "somebody else").issue("stranger")
    with serving(exporter.Tls(*authority.issue("node"), str(authority.ca))) as port:
        assert "demo 42.0" in ask(port, authority.client(authority.issue("prometheus")))
        for refused in (authority.client(), authority.client(stranger), None):
            # By the handshake, or by the end of the connection right after it.
            with pytest.raises((ssl.SSLError, urllib.error.URLError, ConnectionError, http.client.HTTPException)):
                ask(port, refused)


def test_a_client_that_says_nothing_holds_nobody_up(authority: Authority) -> None:
    with serving(exporter.Tls(*authority.issue("node"), "")) as port, socket.create_connection(("127.0.0.1", port)):
        began = time.monotonic()
        assert "demo 42.0" in ask(port, authority.client())
        assert time.monotonic() - began < exporter.CLIENT_SECONDS


def test_a_renewed_certificate_needs_no_restart(authority: Authority) -> None:
    paths = authority.issue("node")

    def shown(port: int) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            authority.client().wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""

    with serving(exporter.Tls(*paths, "")) as port:
        before = shown(port)
        authority.issue("node")
        assert shown(port) != before


def test_it_does_not_start_with_certificates_that_cannot_be_used(caplog: pytest.LogCaptureFixture) -> None:
    assert exporter.main(["--tls-certificate", "/no/such.crt", "--tls-key", "/no/such.key"]) == 1
    assert "cannot start" in caplog.text

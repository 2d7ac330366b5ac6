# Tests of the reader over NVML, with a stand-in for nvidia-ml-py.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import nvml_reader
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import DriverBroken
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_keys import GPU_KEYS, PCIE_KEYS

LOST = 15
NOT_SUPPORTED = 3
FUNCTION_NOT_FOUND = 13


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class Nvml:
    """Answers like a healthy GPU, with bytes as older versions give them; `errors`: (function, index) -> error."""

    NVMLError = NvmlError

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.mig_mode = 0
        self.errors: dict[tuple[str, int | None], int] = {}
        self.open = False
        self.recovery = 0

    def _check(self, name: str, index: int | None = None) -> None:
        for key in ((name, index), (name, None), ("*", index)):
            if key in self.errors and not (key[0] == "*" and index is None):
                raise NvmlError(self.errors[key])

    def nvmlInit(self) -> None:
        self._check("nvmlInit")
        self.open = True

    def nvmlShutdown(self) -> None:
        self.open = False
        self._check("nvmlShutdown")

    def nvmlDeviceGetCount(self) -> int:
        self._check("nvmlDeviceGetCount")
        return self.count

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"570.148.08"

    def nvmlSystemGetNVMLVersion(self) -> str:
        return "12.570.148.08"

    def __getattr__(self, name: str) -> Any:
        answers: dict[str, Any] = {
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetPciInfo": lambda gpu: SimpleNamespace(busId=b"00000000:%02X:00.0" % (0x1B + gpu)),
            "nvmlDeviceGetUUID": lambda gpu: f"GPU-{gpu}",
            "nvmlDeviceGetSerial": lambda gpu: b"165%d" % gpu,
            "nvmlDeviceGetName": lambda gpu: "NVIDIA H100 80GB HBM3",
            "nvmlDeviceGetMinorNumber": lambda gpu: gpu,
            "nvmlDeviceGetBoardPartNumber": lambda gpu: b"692-2G520-0200-000",
            "nvmlDeviceGetVbiosVersion": lambda gpu: "96.00.99.00.01",
            "nvmlDeviceGetInforomImageVersion": lambda gpu: "G520.0200.00.05",
            "nvmlDeviceGetCudaComputeCapability": lambda gpu: (9, 0),
            "nvmlDeviceGetMemoryAffinity": lambda gpu, words, scope: [1 << gpu],
            "nvmlDeviceGetCurrPcieLinkWidth": lambda gpu: 8,
            "nvmlDeviceGetMaxPcieLinkWidth": lambda gpu: 16,
            "nvmlDeviceGetCurrPcieLinkGeneration": lambda gpu: 4,
            "nvmlDeviceGetMaxPcieLinkGeneration": lambda gpu: 5,
            "nvmlDeviceGetPowerUsage": lambda gpu: 68920,
            "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(total=85899345920),
            "nvmlDeviceGetTemperature": lambda gpu, sensor: 61,
            "nvmlDeviceGetPowerManagementLimit": lambda gpu: 700000,
            "nvmlDeviceGetPowerManagementLimitConstraints": lambda gpu: [200000, 700000],
            "nvmlDeviceGetMaxClockInfo": lambda gpu, kind: 1980,
            "nvmlDeviceGetPersistenceMode": lambda gpu: 1,
            "nvmlDeviceGetEccMode": lambda gpu: [1, 0],
            "nvmlDeviceGetTotalEccErrors": lambda gpu, kind, counter: 10 * kind + counter,
            "nvmlDeviceGetRemappedRows": lambda gpu: (1, 2, 1, 0),
            "nvmlDeviceGetFieldValues": lambda gpu, fields: [
                SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(uiVal=self.recovery))
            ],
            "nvmlDeviceGetMigMode": lambda gpu: [self.mig_mode, 1],
            "nvmlDeviceGetMaxMigDeviceCount": lambda gpu: 0,
            "nvmlDeviceGetNvLinkState": self._nvlink,
            "nvmlDeviceGetNvLinkVersion": lambda gpu, link: 7,
            "nvmlDeviceGetNvLinkRemoteDeviceType": lambda gpu, link: 2,
            "nvmlDeviceGetNvLinkRemotePciInfo": lambda gpu, link: SimpleNamespace(busId=f"00000000:0{link + 5}:00.0"),
            "nvmlDeviceGetComputeRunningProcesses": lambda gpu: [SimpleNamespace(pid=42), SimpleNamespace(pid=7)],
            "nvmlDeviceGetGraphicsRunningProcesses": lambda gpu: [SimpleNamespace(pid=42)],
        }
        answer = answers[name]

        def call(index: int, *more: Any) -> Any:
            self._check(name, index)
            return answer(index, *more)

        return call

    def _nvlink(self, gpu: int, link: int) -> int:
        if link > 3:
            raise NvmlError(2)
        return int(link != 2)


def test_healthy_gpu() -> None:
    answer = nvml_reader.read_node(Nvml(), {})
    assert (answer["available"], answer["reason"], answer["driver_version"]) == (True, None, "570.148.08")
    assert answer["gpus"][1] == {
        "vendor": "nvidia",
        "index": 1,
        "uuid": "GPU-1",
        "serial": "1651",
        "part_number": "692-2G520-0200-000",
        "vbios_version": "96.00.99.00.01",
        "inforom_version": "G520.0200.00.05",
        "compute_capability": "9.0",
        "numa_node": 1,
        "pcie": {"width": 8, "max_width": 16, "generation": 4, "max_generation": 5},
        "power_usage_watts": 68.92,
        "model": "NVIDIA H100 80GB HBM3",
        "pci_bus_id": "00000000:1C:00.0",
        "device": "gpu:0000:1c:00",
        "memory_total_bytes": 85899345920,
        "temperature_celsius": 61,
        "power_limit_watts": 700.0,
        "power_limit_min_watts": 200.0,
        "power_limit_max_watts": 700.0,
        "max_graphics_clock_mhz": 1980,
        "persistence_mode": True,
        "ecc_mode": True,
        "ecc_uncorrected_volatile": 10,
        "ecc": {
            "mode": True,
            "mode_pending": False,
            "corrected_aggregate": 1,
            "uncorrected_aggregate": 11,
            "corrected_volatile": 0,
            "uncorrected_volatile": 10,
        },
        "remapped_rows": {"correctable": 1, "uncorrectable": 2, "pending": True, "failure": False},
        "recovery_action": "none",
        "mig_mode": False,
        "nvlinks_active": 3,
        "nvlinks_total": 4,
        "nvlinks": [
            {
                "link": link,
                "active": link != 2,
                "version": 4,
                "remote_type": "switch",
                "remote_pci_address": f"0000:0{link + 5}:00.0",
            }
            for link in range(4)
        ],
        "mig_devices": [],
        "minor_number": 1,
        "processes": [7, 42],
        "lost": False,
        "error": None,
    }


def test_every_gpu_has_every_key() -> None:
    nvml = Nvml(3)
    nvml.errors[("*", 1)] = LOST
    nvml.errors[("nvmlDeviceGetHandleByIndex", 2)] = 999
    for gpu in nvml_reader.read_node(nvml, {})["gpus"]:
        assert sorted(gpu) == sorted(GPU_KEYS)
        assert sorted(gpu["pcie"]) == sorted(PCIE_KEYS)


def test_nvml_is_closed_again() -> None:
    nvml = Nvml()
    nvml_reader.read_node(nvml, {})
    assert nvml.open is False


def test_an_error_while_closing_takes_nothing_back() -> None:
    nvml = Nvml()
    nvml.errors[("nvmlShutdown", None)] = 999
    assert [gpu["error"] for gpu in nvml_reader.read_node(nvml, {})["gpus"]] == [None, None]


@pytest.mark.parametrize("error", [NOT_SUPPORTED, FUNCTION_NOT_FOUND])
def test_what_nvml_does_not_tell_is_null(error: int) -> None:
    """An unsupported answer and a function that an older driver lacks are two errors with one meaning."""
    nvml = Nvml(1)
    for name in (
        "nvmlDeviceGetEccMode",
        "nvmlDeviceGetTotalEccErrors",
        "nvmlDeviceGetCudaComputeCapability",
        "nvmlDeviceGetMemoryAffinity",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetCurrPcieLinkWidth",
        "nvmlDeviceGetRemappedRows",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetNvLinkState",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetPowerManagementLimitConstraints",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetSerial",
    ):
        nvml.errors[(name, None)] = error
    answer = nvml_reader.read_node(nvml, {})
    gpu = answer["gpus"][0]
    silent = {key for key, value in gpu.items() if value is None} - {"error"}
    lists = {"nvlinks", "mig_devices"}
    assert silent - lists == {
        "ecc",
        "ecc_mode",
        "ecc_uncorrected_volatile",
        "compute_capability",
        "numa_node",
        "power_usage_watts",
        "remapped_rows",
        "mig_mode",
        "nvlinks_active",
        "nvlinks_total",
        "recovery_action",
        "power_limit_min_watts",
        "power_limit_max_watts",
        "processes",
        "serial",
    }
    # A GPU that has no links is not a driver that cannot be asked for them.
    assert silent & lists == (set() if error == NOT_SUPPORTED else lists)
    assert (gpu["lost"], gpu["uuid"], gpu["pcie"]["width"]) == (False, "GPU-0", None)
    assert answer["problems"] == []


def test_a_query_that_fails_is_null_and_a_problem() -> None:
    nvml = Nvml(2)
    nvml.errors[("nvmlDeviceGetTemperature", 1)] = 999
    nvml.errors[("nvmlDeviceGetEccMode", 1)] = 4
    answer = nvml_reader.read_node(nvml, {})
    gpu = answer["gpus"][1]
    assert (gpu["temperature_celsius"], gpu["ecc_mode"], gpu["error"]) == (None, None, None)
    assert answer["problems"] == [
        {"part": "gpus", "device": "gpu:0000:1c:00", "message": "nvmlDeviceGetEccMode: error 4"},
        {"part": "gpus", "device": "gpu:0000:1c:00", "message": "nvmlDeviceGetTemperature: error 999"},
    ]


def test_a_gpu_that_says_nothing_at_all_is_an_error_of_that_gpu() -> None:
    """As after XID 119: the handle can be had, and every question fails."""
    nvml = Nvml(2)
    for name in ("nvmlDeviceGetPciInfo", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetMemoryInfo"):
        nvml.errors[(name, 1)] = 999
    answer = nvml_reader.read_node(nvml, {})
    assert (answer["gpus"][1]["error"], answer["gpus"][1]["lost"]) == ("error 999", False)
    assert answer["problems"] == [{"part": "gpus", "device": None, "message": "nvidia GPU 1: error 999"}]


def test_an_old_library_without_a_function() -> None:
    class Old(Nvml):
        def __getattr__(self, name: str) -> Any:
            if name in ("nvmlDeviceGetNvLinkRemoteDeviceType", "nvmlDeviceGetMigMode", "nvmlDeviceGetMemoryAffinity"):
                raise AttributeError(name)
            return super().__getattr__(name)

    answer = nvml_reader.read_node(Old(1), {})
    gpu = answer["gpus"][0]
    assert (gpu["mig_mode"], gpu["mig_devices"], gpu["numa_node"]) == (None, None, None)
    assert (gpu["nvlinks"][0]["remote_type"], answer["problems"]) == ("unknown", [])


@pytest.mark.parametrize(
    ("affinity", "node"), [([0], None), ([3], None), ([1 << 63], 63), (None, None)], ids=["none", "two", "last", "no"]
)
def test_the_numa_node_is_told_only_if_there_is_one(affinity: list[int] | None, node: int | None) -> None:
    class Placed(Nvml):
        def nvmlDeviceGetMemoryAffinity(self, gpu: int, words: int, scope: int) -> Any:
            if affinity is None:
                raise NvmlError(NOT_SUPPORTED)
            return affinity

    assert nvml_reader.read_node(Placed(1), {})["gpus"][0]["numa_node"] == node


@pytest.mark.parametrize("address", [b"\xf8\x95", "", "rubbish", "{{ lookup('pipe', 'id') }}"])
def test_an_address_that_is_none(address: Any) -> None:
    class Odd(Nvml):
        def nvmlDeviceGetPciInfo(self, gpu: int) -> Any:
            return SimpleNamespace(busId=address)

    gpu = nvml_reader.read_node(Odd(1), {})["gpus"][0]
    assert (gpu["device"], gpu["pci_bus_id"], gpu["uuid"], gpu["error"]) == (None, None, "GPU-0", None)


@pytest.mark.parametrize("count", [-1, 4294967295])
def test_a_count_that_cannot_be(count: int) -> None:
    with pytest.raises(DriverBroken, match=f"counts {count} GPUs"):
        nvml_reader.read_node(Nvml(count), {})


def test_lost_gpu_does_not_hide_the_others() -> None:
    nvml = Nvml(3)
    nvml.errors[("*", 1)] = LOST
    gpus = nvml_reader.read_node(nvml, {})["gpus"]
    assert [gpu["lost"] for gpu in gpus] == [False, True, False]
    assert [gpu["device"] for gpu in gpus] == ["gpu:0000:1b:00", None, "gpu:0000:1d:00"]
    assert gpus[1]["error"] == "error 15" and gpus[1]["temperature_celsius"] is None


def test_gpu_that_gets_lost_while_it_is_read_keeps_its_address() -> None:
    nvml = Nvml(1)
    nvml.errors[("nvmlDeviceGetTemperature", 0)] = LOST
    gpu = nvml_reader.read_node(nvml, {})["gpus"][0]
    assert (gpu["lost"], gpu["device"], gpu["temperature_celsius"]) == (True, "gpu:0000:1b:00", None)
    assert (gpu["uuid"], gpu["serial"]) == ("GPU-0", "1650"), "what it said before stays"


def test_gpu_with_another_error_is_not_called_lost() -> None:
    nvml = Nvml(2)
    nvml.errors[("nvmlDeviceGetHandleByIndex", 0)] = 16
    gpus = nvml_reader.read_node(nvml, {})["gpus"]
    assert (gpus[0]["lost"], gpus[0]["error"], gpus[1]["error"]) == (False, "error 16", None)


def test_lost_gpu_gets_its_name_from_the_driver() -> None:
    nvml = Nvml(3)
    nvml.errors[("nvmlDeviceGetHandleByIndex", 1)] = LOST
    proc = {
        "0000:1b:00.0": {"model": "wrong", "uuid": "wrong", "minor_number": 9},
        "0000:1c:00.0": {"model": "NVIDIA H100 80GB HBM3", "uuid": None, "minor_number": 1},
        "0000:1d:00.0": {"model": None, "uuid": None, "minor_number": None},
    }
    gpus = nvml_reader.read_node(nvml, proc)["gpus"]
    lost = gpus[1]
    assert (lost["device"], lost["pci_bus_id"]) == ("gpu:0000:1c:00", "00000000:1C:00.0")
    assert (lost["model"], lost["minor_number"], lost["lost"]) == ("NVIDIA H100 80GB HBM3", 1, True)
    assert (gpus[0]["uuid"], gpus[0]["minor_number"]) == ("GPU-0", 0)


def test_a_strange_name_in_the_drivers_tree_is_skipped() -> None:
    nvml = Nvml(2)
    nvml.errors[("nvmlDeviceGetHandleByIndex", 1)] = LOST
    facts = {"model": None, "uuid": None, "minor_number": None}
    proc = {"0000:1b:00.0": facts, "0000:1c:00.0": facts, "{{ 7 * 7 }}": facts, "lost+found": facts}
    assert nvml_reader.read_node(nvml, proc)["gpus"][1]["device"] == "gpu:0000:1c:00"


def test_no_guess_when_the_numbers_do_not_match() -> None:
    nvml = Nvml(3)
    nvml.errors[("nvmlDeviceGetHandleByIndex", 1)] = LOST
    proc = {f"0000:{bus}:00.0": {} for bus in ("1b", "1c", "1d", "1e")}
    assert nvml_reader.read_node(nvml, proc)["gpus"][1]["device"] is None


@pytest.mark.parametrize(("error", "text"), [(12, "not installed"), (9, "not loaded")])
def test_absent_driver_is_an_answer(error: int, text: str) -> None:
    nvml = Nvml()
    nvml.errors[("nvmlInit", None)] = error
    answer = nvml_reader.read_node(nvml, {})
    assert (answer["available"], answer["gpus"]) == (False, []) and text in answer["reason"]


@pytest.mark.parametrize(("error", "text"), [(18, "different versions"), (4, "no permission"), (999, "error 999")])
def test_broken_driver_is_an_error_that_says_which(error: int, text: str) -> None:
    nvml = Nvml()
    nvml.errors[("nvmlInit", None)] = error
    with pytest.raises(DriverBroken, match=text):
        nvml_reader.read_node(nvml, {})


def test_driver_that_stops_answering_is_an_error() -> None:
    nvml = Nvml()
    nvml.errors[("nvmlDeviceGetCount", None)] = 999
    with pytest.raises(DriverBroken, match="stopped answering"):
        nvml_reader.read_node(nvml, {})
    assert nvml.open is False


def test_driver_without_gpus() -> None:
    answer = nvml_reader.read_node(Nvml(0), {})
    assert (answer["available"], answer["driver_version"]) == (False, "570.148.08")
    assert "sees no GPU" in answer["reason"]


@pytest.mark.parametrize(("number", "name"), [(0, "none"), (1, "gpu_reset"), (4, "drain_and_reset"), (77, "action_77")])
def test_recovery_action(number: int, name: str) -> None:
    nvml = Nvml(1)
    nvml.recovery = number
    assert nvml_reader.read_node(nvml, {})["gpus"][0]["recovery_action"] == name


def test_each_step_is_told_before_it_starts() -> None:
    steps: list[str] = []
    nvml_reader.read_node(Nvml(), {}, steps.append)
    assert steps == ["starting NVML", "counting the GPUs", "reading GPU 0", "reading GPU 1"]


def test_library_that_is_not_there_is_told_from_one_that_does_not_load() -> None:
    gone = "libnvidia-ml.so.1: cannot open shared object file: No such file or directory"
    # A library that lacks something itself says so about the other one.
    broken = "libother.so.2: cannot open shared object file: No such file or directory"
    assert nvml_reader.is_absence(gone)
    assert not nvml_reader.is_absence(broken)
    assert not nvml_reader.is_absence("/usr/lib/libnvidia-ml.so.1: file too short")

    def fail(name: str) -> None:
        raise OSError(gone)

    assert nvml_reader.library_problem(fail) == gone
    assert nvml_reader.library_problem(lambda name: None) is None

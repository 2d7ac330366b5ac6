# Tests of the reader over amdsmi, with a stand-in for the library.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import amd_smi
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import DriverBroken

NO_PERMISSION, NOT_SUPPORTED, DRIVER_NOT_LOADED, TIMEOUT = 10, 2, 34, 8


class SmiError(Exception):
    def __init__(self, err_code: int) -> None:
        super().__init__(f"Error code:\n\t{err_code} | AMDSMI_STATUS")
        self.err_code = err_code


class Smi:
    """Answers as a recent library of a healthy MI300X; `changed` replaces answers, an exception is raised."""

    AmdSmiException = SmiError
    AmdSmiTemperatureType = SimpleNamespace(EDGE=0, HOTSPOT=1, JUNCTION=1)
    AmdSmiTemperatureMetric = SimpleNamespace(CURRENT=0)
    AmdSmiMemoryType = SimpleNamespace(VRAM=0)
    AmdSmiClkType = SimpleNamespace(GFX=1)

    def __init__(self, **changed: Any) -> None:
        self.open = False
        self.answers: dict[str, Any] = {
            "amdsmi_init": None,
            "amdsmi_shut_down": None,
            "amdsmi_get_processor_handles": [0],
            "amdsmi_get_lib_version": {"major": 25, "minor": 3, "release": 0, "build": "x"},
            "amdsmi_get_gpu_driver_info": {"driver_name": "amdgpu", "driver_version": "6.12.12", "driver_date": ""},
            "amdsmi_get_gpu_device_bdf": "0000:c1:00.0",
            "amdsmi_get_gpu_device_uuid": "12ff74a1-0000-1000-8034-56789abcdef0",
            "amdsmi_get_gpu_asic_info": {
                "market_name": "AMD Instinct MI300X",
                "asic_serial": "0x123456789ABCDEF0",
                "target_graphics_version": "gfx942",
            },
            "amdsmi_get_gpu_board_info": {
                "model_number": "102-G30211-0C",
                "product_serial": "692347006052",
                "product_name": "AMD Instinct MI300X OAM",
            },
            "amdsmi_get_gpu_vbios_info": {"part_number": "113-M3000100-103", "version": "022.040.003.043.000001"},
            "amdsmi_topo_get_numa_node_number": 1,
            "amdsmi_get_gpu_memory_total": 206141652992,
            "amdsmi_get_gpu_vram_info": {"vram_size": 196592},
            "amdsmi_get_temp_metric": 42,
            "amdsmi_get_power_info": {"current_socket_power": 182, "average_socket_power": "N/A"},
            "amdsmi_get_power_cap_info": {"power_cap": 650000000, "min_power_cap": 0, "max_power_cap": 750000000},
            "amdsmi_get_clock_info": {"clk": 132, "min_clk": 500, "max_clk": 2100},
            "amdsmi_get_pcie_info": {
                "pcie_static": {"max_pcie_width": 16, "max_pcie_speed": 32000},
                "pcie_metric": {"pcie_width": 8, "pcie_speed": 16000},
            },
            "amdsmi_get_gpu_total_ecc_count": {"correctable_count": 5, "uncorrectable_count": 1, "deferred_count": 0},
            "amdsmi_get_gpu_ecc_enabled": 0x3FFF,
            "amdsmi_get_gpu_process_list": [{"name": "python", "pid": 42}, {"name": "N/A", "pid": 7}],
            **changed,
        }

    def __getattr__(self, name: str) -> Any:
        if name not in self.answers:
            raise AttributeError(name)

        def call(*_arguments: Any) -> Any:
            self.open = name != "amdsmi_shut_down" if name in ("amdsmi_init", "amdsmi_shut_down") else self.open
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def read(smi: Smi) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the head and the reading of the only GPU."""
    kept: list[dict[str, Any]] = []
    amd_smi.scan(smi, lambda step: None, kept.append)
    return kept[0], kept[-1]


def test_healthy_gpu() -> None:
    smi = Smi()
    head, reading = read(smi)
    assert head == {"count": 1, "driver_version": "6.12.12", "library_version": "25.3.0"}
    assert (reading["index"], reading["whole"], reading["failures"], smi.open) == (0, True, {}, False)
    assert reading["facts"] == {
        "device": "gpu:0000:c1:00",
        "pci_bus_id": "00000000:C1:00.0",
        "uuid": "GPU-123456789abcdef0",
        "serial": "692347006052",
        "part_number": "102-G30211-0C",
        "model": "AMD Instinct MI300X",
        "numa_node": 1,
        "compute_capability": "gfx942",
        "vbios_version": "022.040.003.043.000001",
        "memory_total_bytes": 206141652992,
        "temperature_celsius": 42,
        "power_usage_watts": 182.0,
        "power_limit_watts": 650.0,
        "power_limit_min_watts": 0.0,
        "power_limit_max_watts": 750.0,
        "max_graphics_clock_mhz": 2100,
        "pcie": {"width": 8, "max_width": 16, "generation": 4, "max_generation": 5},
        "ecc": {
            "mode": True,
            "mode_pending": None,
            "corrected_aggregate": None,
            "uncorrected_aggregate": None,
            "corrected_volatile": 5,
            "uncorrected_volatile": 1,
        },
        "ecc_mode": True,
        "ecc_uncorrected_volatile": 1,
        "processes": [7, 42],
    }


def test_an_error_while_closing_takes_nothing_back() -> None:
    _head, reading = read(Smi(amdsmi_shut_down=SmiError(32)))
    assert reading["whole"]


@pytest.mark.parametrize(
    ("answers", "fact", "expected"),
    [
        ({"amdsmi_get_power_cap_info": {"power_cap": 560}}, "power_limit_watts", 560.0),
        ({"amdsmi_get_power_cap_info": {"power_cap": "N/A"}}, "power_limit_watts", None),
        ({"amdsmi_get_power_info": {"current_socket_power": "N/A", "average_socket_power": 89}}, "power_usage_watts",
         89),
        ({"amdsmi_get_power_info": {"socket_power": 130, "average_socket_power": 0}}, "power_usage_watts", 130),
        ({"amdsmi_get_power_info": {}}, "power_usage_watts", None),
        ({"amdsmi_get_temp_metric": 42000}, "temperature_celsius", 42),
        ({"amdsmi_get_temp_metric": SmiError(NOT_SUPPORTED)}, "temperature_celsius", None),
        ({"amdsmi_get_gpu_memory_total": 0}, "memory_total_bytes", 206141652992),
        ({"amdsmi_topo_get_numa_node_number": 0xFFFFFFFF}, "numa_node", None),
        ({"amdsmi_get_gpu_device_bdf": "rubbish"}, "device", None),
        ({"amdsmi_get_gpu_asic_info": {"asic_serial": "N/A"}}, "uuid", "12ff74a1-0000-1000-8034-56789abcdef0"),
        ({"amdsmi_get_gpu_asic_info": {}}, "model", "AMD Instinct MI300X OAM"),
        ({"amdsmi_get_gpu_asic_info": {"target_graphics_version": "gfx"}}, "compute_capability", None),
        ({"amdsmi_get_gpu_vbios_info": {"part_number": "113-X", "version": "N/A"}}, "vbios_version", "113-X"),
        ({"amdsmi_get_gpu_board_info": {"product_serial": " "}}, "serial", None),
        ({"amdsmi_get_gpu_process_list": [object()]}, "processes", None),
        ({"amdsmi_get_pcie_info": {"pcie_static": None, "pcie_metric": {"pcie_width": "N/A"}}}, "pcie",
         {"width": None, "max_width": None, "generation": None, "max_generation": None}),
        ({"amdsmi_get_gpu_total_ecc_count": SmiError(2), "amdsmi_get_gpu_ecc_enabled": SmiError(2)}, "ecc", None),
        ({"amdsmi_get_gpu_ecc_enabled": 0x2}, "ecc_mode", False),
        ({"amdsmi_get_gpu_asic_info": "not a dictionary"}, "model", "AMD Instinct MI300X OAM"),
        ({"amdsmi_get_clock_info": {"max_clk": float("nan")}}, "max_graphics_clock_mhz", None),
    ],
)  # fmt: skip
def test_spellings_units_and_what_is_not_there(answers: dict[str, Any], fact: str, expected: Any) -> None:
    reading = read(Smi(**answers))[1]
    assert reading["facts"][fact] == expected
    assert reading["failures"] == {}


def test_a_library_that_lacks_half_of_it() -> None:
    smi = Smi()
    for name in [name for name in smi.answers if name.startswith("amdsmi_get_gpu_") or "topo" in name]:
        del smi.answers[name]
    _head, reading = read(smi)
    assert reading["facts"]["device"] is None and reading["facts"]["temperature_celsius"] == 42
    assert reading["failures"] == {}


def test_failures_are_told_and_absence_is_not() -> None:
    smi = Smi(
        amdsmi_get_temp_metric=SmiError(TIMEOUT),
        amdsmi_get_power_info=SmiError(NOT_SUPPORTED),
        amdsmi_get_gpu_board_info=UnicodeDecodeError("utf-8", b"\xff\xfe", 0, 1, "invalid start byte"),
    )
    _head, reading = read(smi)
    assert reading["failures"]["amdsmi_get_temp_metric"] == "Error code: 8 | AMDSMI_STATUS"
    assert "invalid start byte" in reading["failures"]["amdsmi_get_gpu_board_info"]
    assert sorted(reading["failures"]) == ["amdsmi_get_gpu_board_info", "amdsmi_get_temp_metric"]
    assert reading["facts"]["model"] == "AMD Instinct MI300X"


@pytest.mark.parametrize(
    ("code", "text"),
    [(DRIVER_NOT_LOADED, "kernel driver is not loaded"), (NO_PERMISSION, "no permission"), (18, "does not start")],
)
def test_a_driver_that_does_not_start(code: int, text: str) -> None:
    with pytest.raises(DriverBroken, match=text):
        read(Smi(amdsmi_init=SmiError(code)))


def test_a_driver_that_stops_answering_is_closed() -> None:
    smi = Smi(amdsmi_get_processor_handles=SmiError(12))
    with pytest.raises(DriverBroken, match="stopped answering"):
        read(smi)
    assert smi.open is False


def test_versions() -> None:
    """The driver of Ubuntu 24.04's kernel gives the kernel's whole banner; an old library gives a year."""
    banner = "Linuxversion6.8.0-79-generic(buildd@lcy02-amd64-049)(x86_64-linux-gnu-gcc-13(Ubuntu13.3.0)13.3.0)"
    head = read(
        Smi(
            amdsmi_get_gpu_driver_info={"driver_version": banner},
            amdsmi_get_lib_version={"year": 23, "major": 4, "minor": 0, "release": 0},
        )
    )[0]
    assert (head["driver_version"], head["library_version"]) == ("6.8.0-79-generic", "4.0.0")
    head = read(Smi(amdsmi_get_gpu_driver_info=SmiError(2), amdsmi_get_lib_version=SmiError(2)))[0]
    assert (head["driver_version"], head["library_version"]) == (None, None)


def test_steps_are_named_and_the_address_comes_first() -> None:
    steps: list[str] = []
    kept: list[Any] = []
    amd_smi.scan(Smi(amdsmi_get_processor_handles=[0, 1]), steps.append, lambda value: kept.append(dict(value)))
    assert steps == ["starting the library amdsmi", "counting the GPUs", "reading GPU 0", "reading GPU 1"]
    assert [(value.get("index"), value.get("whole")) for value in kept] == [
        (None, None), (0, False), (0, True), (1, False), (1, True),
    ]  # fmt: skip
    assert kept[1]["facts"]["device"] == "gpu:0000:c1:00"

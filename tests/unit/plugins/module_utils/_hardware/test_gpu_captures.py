# Recorded GPUs of real nodes, and broken ones, through the readers. Where they come from: tests/unit/fixtures/gpus.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import amd_node, nvml_node
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_keys import ECC_KEYS, GPU_KEYS, PCIE_KEYS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpus import read_gpus
from ansible_collections.aidc.ops.plugins.module_utils._hardware.record import build, check

RECORDED = Path(__file__).resolve().parents[3] / "fixtures/gpus"
MIB = 1 << 20
NOT_SUPPORTED, NOT_FOUND, FUNCTION_NOT_FOUND = 3, 6, 13


class NvmlError(Exception):
    """As nvidia-ml-py raises it."""

    def __init__(self, value: int, text: str = "") -> None:
        super().__init__(text or f"NVML error {value}")
        self.value = value


class RecordedNvml:
    """The library on a node that was recorded; `broken` has an error of nvmlInit, or of the handle of a GPU."""

    NVMLError = NvmlError

    def __init__(self, node: dict[str, Any], broken: dict[str, NvmlError] | None = None) -> None:
        self.node, self.broken = node, broken or {}

    def _meet(self, what: str) -> None:
        if what in self.broken:
            raise self.broken[what]

    def nvmlInit(self) -> None:
        self._meet("init")

    def nvmlShutdown(self) -> None:
        pass

    def nvmlSystemGetDriverVersion(self) -> str:
        return self.node["driver_version"]

    def nvmlSystemGetNVMLVersion(self) -> str:
        raise NvmlError(FUNCTION_NOT_FOUND)

    def nvmlDeviceGetCount(self) -> int:
        return len(self.node["gpus"])

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:
        self._meet(str(index))
        return self.node["gpus"][index]

    def nvmlDeviceGetTotalEccErrors(self, gpu: dict[str, Any], kind: int, counter: int) -> int:
        if "ecc" not in gpu:
            raise NvmlError(FUNCTION_NOT_FOUND)
        return gpu["ecc"][f"{kind},{counter}"]

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: dict[str, Any]) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: dict[str, Any], place: int) -> dict[str, Any]:
        if place >= len(gpu.get("mig", [])):
            raise NvmlError(NOT_FOUND)
        return gpu["mig"][place]

    def nvmlDeviceGetFieldValues(self, gpu: dict[str, Any], fields: list[int]) -> list[Any]:
        known = fields == [230] and "recovery_action" in gpu
        value = SimpleNamespace(uiVal=gpu.get("recovery_action"))
        return [SimpleNamespace(nvmlReturn=0 if known else NOT_SUPPORTED, value=value)]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(gpu: dict[str, Any], *_arguments: Any) -> Any:
            if name not in gpu:
                raise NvmlError(FUNCTION_NOT_FOUND)
            if gpu[name] is None:
                raise NvmlError(NOT_SUPPORTED)
            if isinstance(gpu[name], bytes):
                return gpu[name].decode()  # as strictly as nvidia-ml-py
            return SimpleNamespace(**gpu[name]) if isinstance(gpu[name], dict) else gpu[name]

        return answer


class SmiError(Exception):
    """As amdsmi raises it."""

    err_code = 2


class RecordedSmi:
    """amdsmi on a node that was recorded."""

    AmdSmiException = SmiError
    AmdSmiTemperatureType = SimpleNamespace(HOTSPOT="HOTSPOT", EDGE="EDGE")
    AmdSmiTemperatureMetric = SimpleNamespace(CURRENT=0)
    AmdSmiClkType = SimpleNamespace(GFX=1)

    def __init__(self, node: dict[str, Any]) -> None:
        self.node = node

    def amdsmi_init(self) -> None:
        pass

    def amdsmi_shut_down(self) -> None:
        pass

    def amdsmi_get_processor_handles(self) -> list[dict[str, Any]]:
        return self.node["gpus"]

    def amdsmi_get_gpu_driver_info(self, gpu: dict[str, Any]) -> dict[str, Any]:
        return {"driver_version": self.node.get("driver_version", "N/A")}

    def amdsmi_get_temp_metric(self, gpu: dict[str, Any], place: str, metric: int) -> int:
        temperatures = gpu.get("amdsmi_get_temp_metric", {})
        if place not in temperatures:
            raise SmiError("not supported")
        return temperatures[place]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith("amdsmi_"):
            raise AttributeError(name)

        def answer(*arguments: Any) -> Any:
            if not arguments or arguments[0].get(name) is None:
                raise SmiError("not supported")
            return arguments[0][name]

        return answer


def recorded(name: str) -> dict[str, Any]:
    return json.loads((RECORDED / name).read_text())


class Setting(NamedTuple):
    """What surrounds a test: a directory to use as the root, and ways to put a library or a program in place."""

    root: Path
    monkeypatch: pytest.MonkeyPatch

    def nvidia(self, node: dict[str, Any], **broken: NvmlError) -> dict[str, Any]:
        """Return what the node's GPUs are read as."""
        library = RecordedNvml(node, {name.lstrip("_"): error for name, error in broken.items()})
        self.monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
        self.monkeypatch.setitem(sys.modules, "pynvml", library)
        return self.read("nvidia")

    def amdsmi(self, node: dict[str, Any]) -> dict[str, Any]:
        for gpu in node["gpus"]:
            self.amd_gpu(gpu["amdsmi_get_gpu_device_bdf"])
        self.monkeypatch.setitem(sys.modules, "amdsmi", RecordedSmi(node))
        return self.read("amd")

    def rocm_smi(self, text: bytes, *addresses: str) -> dict[str, Any]:
        """Return what is read when this is what the program prints."""
        for address in addresses:
            self.amd_gpu(address)
        (self.root / "answer").write_bytes(text)
        program = self.root / "rocm-smi"
        program.write_text(f"#!/bin/sh\ncat {self.root}/answer\n")
        program.chmod(0o755)
        self.monkeypatch.setitem(sys.modules, "amdsmi", None)
        self.monkeypatch.setattr(amd_node, "_LIBRARY", "/nonexistent")
        self.monkeypatch.setattr(amd_node.shutil, "which", lambda name: str(program))
        return self.read("amd")

    def amd_gpu(self, address: str) -> None:
        folder = self.root / "sys/bus/pci/devices" / address
        folder.mkdir(parents=True)
        (folder / "vendor").write_text("0x1002\n")
        (folder / "class").write_text("0x120000\n")
        (folder / "driver").symlink_to("../../drivers/amdgpu")

    def read(self, vendor: str) -> dict[str, Any]:
        answer = read_gpus(str(self.root), 20, [vendor])
        for gpu in answer["gpus"] or []:
            assert sorted(gpu) == sorted(GPU_KEYS)
            assert sorted(gpu["pcie"]) == sorted(PCIE_KEYS)
            assert gpu["ecc"] is None or sorted(gpu["ecc"]) == sorted(ECC_KEYS)
        return answer


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    return Setting(tmp_path, monkeypatch)


def told(gpu: dict[str, Any]) -> dict[str, Any]:
    """What is known of a GPU."""
    known = {key: value for key, value in gpu.items() if value is not None and value is not False}
    return {key: value for key, value in known.items() if key != "pcie" or set(value.values()) != {None}}


# What a GPU of each recording is read as: the file, which GPU of how many, and what is known of it.
H100 = {
    "vendor": "nvidia", "index": 3, "model": "NVIDIA H100 80GB HBM3",
    "uuid": "GPU-00000003-0000-0000-0000-000000000003",
    "serial": "1650000000004", "part_number": "965-2G520-A800-000", "vbios_version": "96.00.99.00.01",
    "inforom_version": "G520.0200.00.05", "pci_bus_id": "00000000:86:00.0", "device": "gpu:0000:86:00",
    "minor_number": 3, "pcie": {"width": 16, "max_width": 16, "generation": 5, "max_generation": 5},
    "memory_total_bytes": 81559 * MIB, "temperature_celsius": 32, "power_usage_watts": 71.77,
    "power_limit_watts": 700.0, "power_limit_min_watts": 200.0, "power_limit_max_watts": 700.0,
    "max_graphics_clock_mhz": 1980, "persistence_mode": True, "ecc_mode": True, "ecc_uncorrected_volatile": 0,
    "ecc": {"mode": True, "mode_pending": True, "corrected_aggregate": 0, "uncorrected_aggregate": 0,
            "corrected_volatile": 0, "uncorrected_volatile": 0},
    "remapped_rows": {"correctable": 0, "uncorrectable": 0, "pending": False, "failure": False},
    "recovery_action": "none", "mig_devices": [], "processes": [],
}  # fmt: skip
L40S = {
    **H100, "index": 0, "model": "NVIDIA L40S", "uuid": "GPU-00000000-0000-0000-0000-000000000000",
    "serial": "1650000000001", "part_number": "900-2G133-A880-000", "vbios_version": "95.02.66.00.15",
    "inforom_version": "G133.0242.00.03", "pci_bus_id": "00000000:30:00.0", "device": "gpu:0000:30:00",
    "minor_number": 0, "pcie": {"width": 8, "max_width": 16, "generation": 4, "max_generation": 4},
    "memory_total_bytes": 46068 * MIB, "temperature_celsius": 29, "power_usage_watts": 66.16,
    "power_limit_watts": 350.0, "power_limit_min_watts": 100.0, "power_limit_max_watts": 350.0,
    "max_graphics_clock_mhz": 2520,
}  # fmt: skip
V100 = {
    "vendor": "nvidia", "index": 15, "model": "Tesla V100-SXM3-32GB", "pci_bus_id": "00000000:E7:00.0",
    "device": "gpu:0000:e7:00", "memory_total_bytes": 32480 * MIB, "temperature_celsius": 34,
    "power_usage_watts": 50.0, "power_limit_watts": 350.0, "persistence_mode": True, "processes": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "count", "driver", "expected"),
    [("h100_8", 8, "580.105.08", H100), ("l40s_narrow", 1, "595.91.07", L40S), ("v100_16", 16, "465.19.01", V100)],
)
def test_nvidia_nodes(setting: Setting, name: str, count: int, driver: str, expected: dict[str, Any]) -> None:
    answer = setting.nvidia(recorded(f"nvml/{name}.json"))
    assert len(answer["gpus"]) == count and answer["problems"] == []
    assert answer["gpu_drivers"] == [{"vendor": "nvidia", "driver_version": driver, "library_version": None}]
    assert told(answer["gpus"][expected["index"]]) == expected
    assert len({gpu["device"] for gpu in answer["gpus"]}) == count


def test_a_gpu_divided_by_mig(setting: Setting) -> None:
    (gpu,) = setting.nvidia(recorded("nvml/a100_mig.json"))["gpus"]
    assert (gpu["mig_mode"], gpu["remapped_rows"], gpu["recovery_action"]) == (True, None, None)
    assert [(mig["gpu_instance"], mig["profile"]) for mig in gpu["mig_devices"]] == [
        (number, "1g.20gb") for number in (3, 4, 5, 6)
    ]
    assert gpu["mig_devices"][0] == {
        "uuid": "MIG-ce861fb0-a248-58ce-a9a8-f9adbc22a66a",
        "profile": "1g.20gb",
        "gpu_instance": 3,
        "compute_instance": 0,
        "memory_total_bytes": 19968 * MIB,
        "device_minors": None,
    }


def test_the_files_of_mig_devices(setting: Setting) -> None:
    node = recorded("nvml/a100_mig.json")
    (gpu,) = setting.nvidia(node)["gpus"]
    own, listed = gpu["minor_number"], ["config 1", "monitor 2"]
    # As the driver numbers them: of each GPU fifteen instances with eight parts.
    for minor in range(8):
        for instance in range(15):
            number = 3 + 135 * minor + 9 * instance
            listed.append(f"gpu{minor}/gi{instance}/access {number}")
            listed += [f"gpu{minor}/gi{instance}/ci{part}/access {number + 1 + part}" for part in range(8)]
    table = setting.root / "proc/driver/nvidia-caps/mig-minors"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("\n".join([*listed, "half a li"]))
    (gpu,) = setting.nvidia(node)["gpus"]
    first = 3 + 135 * own
    assert [device["device_minors"] for device in gpu["mig_devices"]] == [
        [first + 9 * instance, first + 9 * instance + 1] for instance in (3, 4, 5, 6)
    ]
    # The parts of an instance that the file does not have.
    table.write_text("\n".join(line for line in listed if "/ci" not in line))
    (gpu,) = setting.nvidia(node)["gpus"]
    assert [device["device_minors"] for device in gpu["mig_devices"]] == [None] * 4


def test_eight_mi300x(setting: Setting) -> None:
    answer = setting.amdsmi(recorded("amdsmi/mi300x_8.json"))
    buses = ("05", "26", "46", "65", "85", "a6", "c6", "e5")
    assert [gpu["device"] for gpu in answer["gpus"]] == [f"gpu:0000:{bus}:00" for bus in buses]
    assert [gpu["power_usage_watts"] for gpu in answer["gpus"]] == [182, 143, 117, 116, 118, 118, 116, 118]
    assert [gpu["temperature_celsius"] for gpu in answer["gpus"]] == [42, 40, 41, 40, 42, 39, 41, 40]
    assert told(answer["gpus"][0]) == {
        "vendor": "amd", "index": 0, "uuid": "GPU-af54e92b0a5d57c8", "model": "MI300X-O",
        "pci_bus_id": "00000000:05:00.0", "device": "gpu:0000:05:00", "memory_total_bytes": 196592 * MIB,
        "temperature_celsius": 42, "power_usage_watts": 182.0, "max_graphics_clock_mhz": 2102, "processes": [207590],
        "pcie": {"width": None, "max_width": 16, "generation": None, "max_generation": 5},
    }  # fmt: skip
    assert answer["gpus"][1]["uuid"] == "0aff74a1-0000-1000-805b-ce698de95724", "its chip's number was not recorded"


def test_an_mi350x(setting: Setting) -> None:
    answer = setting.amdsmi(recorded("amdsmi/mi350x.json"))
    assert answer["gpu_drivers"] == [{"vendor": "amd", "driver_version": "6.18.3", "library_version": None}]
    assert told(answer["gpus"][0]) == {
        "vendor": "amd", "index": 0, "model": "AMD Instinct MI350X", "part_number": "102-G36212-0C",
        "compute_capability": "gfx950", "vbios_version": "00154951", "pci_bus_id": "00000000:05:00.0",
        "device": "gpu:0000:05:00",
        "pcie": {"width": None, "max_width": 16, "generation": None, "max_generation": 5},
    }  # fmt: skip


MI100 = {
    "vendor": "amd", "index": 1, "uuid": "GPU-04edfb117a17a07d", "model": "Arcturus GL-XL [Instinct MI100]",
    "pci_bus_id": "00000000:A3:00.0", "device": "gpu:0000:a3:00", "numa_node": 1, "memory_total_bytes": 34342961152,
    "temperature_celsius": 58, "power_usage_watts": 44.0, "power_limit_watts": 290.0,
    "vbios_version": "113-D3431401-101",
    "pcie": {"width": 16, "max_width": None, "generation": 4, "max_generation": None},
}  # fmt: skip
MI250 = {
    "vendor": "amd", "index": 0, "uuid": "GPU-719d230578348e8c", "serial": "PCB052715-0065",
    "model": "AMD INSTINCT MI250 (MCM) OAM AC MBA", "pci_bus_id": "00000000:2F:00.0", "device": "gpu:0000:2f:00",
    "temperature_celsius": 35, "power_usage_watts": 89.0, "power_limit_watts": 560.0, "max_graphics_clock_mhz": 1700,
    "vbios_version": "113-D65209-073",
}  # fmt: skip
NEW = {
    "vendor": "amd", "index": 0, "model": "Navi 22 [Radeon RX 6700/6700 XT / 6800M]", "pci_bus_id": "00000000:07:00.0",
    "device": "gpu:0000:07:00", "memory_total_bytes": 12868124672, "temperature_celsius": 47, "power_usage_watts": 6.0,
    "power_limit_watts": 211.0, "compute_capability": "gfx1031", "vbios_version": "113-67XA6SSB1-D01",
    "pcie": {"width": 16, "max_width": None, "generation": 4, "max_generation": None},
}  # fmt: skip
OLD = {key: value for key, value in NEW.items() if key not in ("model", "compute_capability")}


@pytest.mark.parametrize(
    ("name", "addresses", "driver", "expected"),
    [
        ("mi100_rocm602", ["0000:83:00.0", "0000:a3:00.0", "0000:c3:00.0", "0000:e3:00.0"], "6.3.6", MI100),
        ("mi250", ["0000:2f:00.0"], "6.2.4", MI250),
        ("rx6700xt_rocm612", ["0000:07:00.0"], "6.3.6", NEW),
        ("rx6700xt_rocm430", ["0000:07:00.0"], "6.3.6", OLD),
    ],
)
def test_answers_of_rocm_smi(
    setting: Setting, name: str, addresses: list[str], driver: str, expected: dict[str, Any]
) -> None:
    answer = setting.rocm_smi((RECORDED / f"rocm_smi/{name}.json").read_bytes(), *addresses)
    assert answer["gpu_drivers"] == [{"vendor": "amd", "driver_version": driver, "library_version": None}]
    assert (len(answer["gpus"]), answer["problems"]) == (len(addresses), [])
    assert told(answer["gpus"][expected["index"]]) == expected


def test_cards_without_an_address_are_no_gpus_of_the_kernel(setting: Setting) -> None:
    """Product names alone do not say which GPU they are of: nothing is put onto the wrong one."""
    text = (RECORDED / "rocm_smi/mi300a.json").read_bytes()
    answer = setting.rocm_smi(text, "0000:01:00.0")
    assert [(gpu["device"], gpu["model"]) for gpu in answer["gpus"]] == [
        ("gpu:0000:01:00", None),
        *[(None, "AMD Instinct MI300A")] * 4,
    ]
    assert answer["gpus"][0]["error"] == "the driver's library does not show this GPU"


# What is broken: the error of the driver, and what a person is told. The errors' texts are those of NVML.
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NvmlError(18, "Driver/library version mismatch"), "different versions.*reboot the node"),
        (NvmlError(4, "Insufficient Permissions"), "no permission.*run this task as root"),
        (NvmlError(999, "Unknown Error"), "does not start: Unknown Error"),
    ],
    ids=["driver mismatch", "no permission", "unknown"],
)
def test_a_broken_driver(setting: Setting, error: NvmlError, text: str) -> None:
    answer = setting.nvidia(recorded("nvml/h100_8.json"), init=error)
    assert (answer["available"], answer["gpus"], answer["gpu_drivers"]) == (False, None, [])
    assert [problem["part"] for problem in answer["problems"]] == ["gpus"]
    assert re.search(text, answer["problems"][0]["message"])


@pytest.mark.parametrize("error", [NvmlError(9, "Driver Not Loaded"), NvmlError(12, "NVML Shared Library Not Found")])
def test_no_driver_is_an_answer(setting: Setting, error: NvmlError) -> None:
    answer = setting.nvidia(recorded("nvml/h100_8.json"), init=error)
    assert (answer["available"], answer["gpus"], answer["problems"]) == (False, [], [])
    assert answer["reason"]


def test_no_gpus(setting: Setting) -> None:
    answer = setting.nvidia({"driver_version": "580.105.08", "gpus": []})
    assert (answer["available"], answer["gpus"], answer["problems"]) == (False, [], [])
    assert answer["reason"] == "the NVIDIA driver sees no GPU"
    assert setting.read("amd")["gpus"] == []


@pytest.mark.parametrize(
    ("error", "lost"),
    [(NvmlError(15, "GPU is lost"), True), (NvmlError(999, "Unknown Error"), False)],
    ids=["lost", "no handle"],
)
def test_a_gpu_that_is_gone_keeps_its_address(setting: Setting, error: NvmlError, lost: bool) -> None:
    node = recorded("nvml/h100_8.json")
    for gpu in node["gpus"]:
        address = gpu["nvmlDeviceGetPciInfo"]["busId"][4:].lower()
        folder = setting.root / "proc/driver/nvidia/gpus" / address
        folder.mkdir(parents=True)
        (folder / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nGPU UUID: \t GPU-????????-????\n")
    answer = setting.nvidia(node, _5=error)
    assert told(answer["gpus"][5]) == {
        "vendor": "nvidia", "index": 5, "model": "NVIDIA H100 80GB HBM3", "pci_bus_id": "00000000:A8:00.0",
        "device": "gpu:0000:a8:00", "error": str(error), **({"lost": True} if lost else {}),
    }  # fmt: skip
    assert [gpu["error"] for gpu in answer["gpus"]].count(None) == 7
    assert answer["problems"] == [{"part": "gpus", "device": "gpu:0000:a8:00", "message": str(error)}]


def test_bytes_that_are_no_text(setting: Setting) -> None:
    """A driver of 2024 gave names like this one, on which programs that use nvidia-ml-py died."""
    node = recorded("nvml/h100_8.json")
    node["gpus"][2].update(nvmlDeviceGetName=b"\xf8\x95\xa0\x81", nvmlDeviceGetSerial=b"165\xff\xfe\x00\x00")
    answer = setting.nvidia(node)
    assert (answer["gpus"][2]["model"], answer["gpus"][2]["serial"]) == ("\ufffd" * 4, "165\ufffd\ufffd")
    assert answer["gpus"][2]["temperature_celsius"] == 29 and answer["problems"] == []
    card = json.dumps({"card0": {"PCI Bus": "0000:01:00.0", "Serial Number": "69X", "Card Series": "M"}}).encode()
    (gpu,) = setting.rocm_smi(card.replace(b"69X", b"69\xff\xfe"), "0000:01:00.0")["gpus"]
    assert (gpu["serial"], gpu["model"]) == (r"69\xff\xfe", "M")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ((RECORDED / "rocm_smi/mi100_rocm602.json").read_bytes()[:7000], "not whole"),
        (b"ERROR:root:Driver not initialized (amdgpu not found in modules)\n", "amdgpu not found in modules"),
        (b"", "rocm-smi says nothing"),
    ],
    ids=["truncated", "driver not loaded", "nothing"],
)
def test_a_broken_rocm_smi(setting: Setting, text: bytes, said: str) -> None:
    answer = setting.rocm_smi(text, "0000:83:00.0")
    assert (answer["available"], answer["gpus"]) == (False, None)
    assert said in answer["problems"][0]["message"] and said in answer["reason"]


def test_text_with_template_markers_stays_text(setting: Setting) -> None:
    node = recorded("nvml/l40s_narrow.json")
    node["gpus"][0]["nvmlDeviceGetSerial"] = "{{ lookup('pipe', 'id') }}"
    assert setting.nvidia(node)["gpus"][0]["serial"] == "{{ lookup('pipe', 'id') }}"


@pytest.mark.parametrize(
    "name", ["nvml/h100_8", "nvml/l40s_narrow", "nvml/a100_mig", "nvml/v100_16", "amdsmi/mi300x_8", "amdsmi/mi350x"]
)
def test_the_record_takes_what_is_read(setting: Setting, name: str) -> None:
    node = recorded(f"{name}.json")
    answer = setting.nvidia(node) if name.startswith("nvml") else setting.amdsmi(node)
    parts = {key: answer[key] for key in ("gpus", "gpu_drivers", "problems")}
    record = build(parts, "2026-11-21T12:00:00Z")
    assert check(record) == []
    assert record["gpus"] == answer["gpus"]
    assert [problem for problem in record["problems"] if problem["part"] == "gpus"] == []

# Reads everything that NVML tells of one GPU.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .gpu_keys import ECC_KEYS, Gpu, empty_gpu
from .nvml_ask import GPU_IS_LOST, Questions, member
from .nvml_links import read_links
from .nvml_mig import read_mig
from .pci import device_from_address

# nvmlDeviceGpuRecoveryAction_t, from nvml.h.
_RECOVERY_ACTIONS = {
    0: "none",
    1: "gpu_reset",
    2: "node_reboot",
    3: "drain_p2p",
    4: "drain_and_reset",
    5: "recover_imex_domain",
    6: "bus_reset",
    7: "system_reboot",
}
_FIELD_RECOVERY_ACTION = 230
_CORRECTED, _UNCORRECTED = 0, 1
_VOLATILE, _AGGREGATE = 0, 1
_CLOCK_GRAPHICS = 0
_TEMPERATURE_GPU = 0
_SCOPE_NODE = 0
# Sixty-four NUMA nodes fit into one number of the answer; a machine has fewer.
_NUMA_WORDS = 1

# What NVML answers when it does not know a counter.
_NO_COUNT = 0xFFFFFFFFFFFFFFFF


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000.0


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _named(value: t.Any) -> t.Any:
    """Return a text without blanks around it, None if nothing is left."""
    return value.strip("\0 \t\n") or None if isinstance(value, str) else value


def _address(questions: Questions, handle: t.Any) -> dict[str, t.Any]:
    address = member(questions.ask("nvmlDeviceGetPciInfo", handle), "busId")
    try:
        return {"pci_bus_id": address, "device": device_from_address(str(address))}
    except ValueError:
        return {"pci_bus_id": None, "device": None}


def _numa_node(questions: Questions, handle: t.Any) -> int | None:
    words = questions.ask("nvmlDeviceGetMemoryAffinity", handle, _NUMA_WORDS, _SCOPE_NODE)
    nodes = [bit for bit in range(64) if words is not None and words[0] >> bit & 1]
    return nodes[0] if len(nodes) == 1 else None


def _compute_capability(questions: Questions, handle: t.Any) -> str | None:
    numbers = questions.ask("nvmlDeviceGetCudaComputeCapability", handle)
    return None if numbers is None else "{}.{}".format(*numbers)


def _pcie(questions: Questions, handle: t.Any) -> dict[str, t.Any]:
    return {
        "width": questions.ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
        "max_width": questions.ask("nvmlDeviceGetMaxPcieLinkWidth", handle),
        "generation": questions.ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
        "max_generation": questions.ask("nvmlDeviceGetMaxPcieLinkGeneration", handle),
    }


def _count(questions: Questions, handle: t.Any, kind: int, counter: int) -> int | None:
    count = questions.ask("nvmlDeviceGetTotalEccErrors", handle, kind, counter)
    return None if count is None or count >= _NO_COUNT else int(count)


def _ecc(questions: Questions, handle: t.Any) -> dict[str, t.Any] | None:
    mode = questions.ask("nvmlDeviceGetEccMode", handle) or (None, None)
    found = (
        _flag(mode[0]),
        _flag(mode[1]),
        _count(questions, handle, _CORRECTED, _AGGREGATE),
        _count(questions, handle, _UNCORRECTED, _AGGREGATE),
        _count(questions, handle, _CORRECTED, _VOLATILE),
        _count(questions, handle, _UNCORRECTED, _VOLATILE),
    )
    return None if all(value is None for value in found) else dict(zip(ECC_KEYS, found))


def _recovery_action(questions: Questions, handle: t.Any) -> str | None:
    values = questions.ask("nvmlDeviceGetFieldValues", handle, [_FIELD_RECOVERY_ACTION])
    if not values or values[0].nvmlReturn != 0:
        return None
    number = int(values[0].value.uiVal)
    return _RECOVERY_ACTIONS.get(number, f"action_{number}")


def _processes(questions: Questions, handle: t.Any) -> list[int] | None:
    compute = questions.ask("nvmlDeviceGetComputeRunningProcesses", handle)
    if compute is None:
        return None
    graphics = questions.ask("nvmlDeviceGetGraphicsRunningProcesses", handle) or []
    return sorted({process.pid for process in list(compute) + list(graphics)})


def _remapped_rows(questions: Questions, handle: t.Any) -> dict[str, t.Any] | None:
    rows = questions.ask("nvmlDeviceGetRemappedRows", handle)
    if rows is None:
        return None
    correctable, uncorrectable, pending, failure = rows
    return {
        "correctable": correctable,
        "uncorrectable": uncorrectable,
        "pending": bool(pending),
        "failure": bool(failure),
    }


def _identity(questions: Questions, handle: t.Any) -> dict[str, t.Any]:
    return {
        "uuid": _named(questions.ask("nvmlDeviceGetUUID", handle)),
        "serial": _named(questions.ask("nvmlDeviceGetSerial", handle)),
        "part_number": _named(questions.ask("nvmlDeviceGetBoardPartNumber", handle)),
        "model": _named(questions.ask("nvmlDeviceGetName", handle)),
        "minor_number": questions.ask("nvmlDeviceGetMinorNumber", handle),
        "numa_node": _numa_node(questions, handle),
        "compute_capability": _compute_capability(questions, handle),
        "vbios_version": _named(questions.ask("nvmlDeviceGetVbiosVersion", handle)),
        "inforom_version": _named(questions.ask("nvmlDeviceGetInforomImageVersion", handle)),
    }


def _state(questions: Questions, handle: t.Any) -> dict[str, t.Any]:
    memory = member(questions.ask("nvmlDeviceGetMemoryInfo", handle), "total")
    limits = questions.ask("nvmlDeviceGetPowerManagementLimitConstraints", handle) or (None, None)
    ecc = _ecc(questions, handle)
    return {
        "memory_total_bytes": None if memory is None else int(memory),
        "temperature_celsius": questions.ask("nvmlDeviceGetTemperature", handle, _TEMPERATURE_GPU),
        "power_usage_watts": _watts(questions.ask("nvmlDeviceGetPowerUsage", handle)),
        "power_limit_watts": _watts(questions.ask("nvmlDeviceGetPowerManagementLimit", handle)),
        "power_limit_min_watts": _watts(limits[0]),
        "power_limit_max_watts": _watts(limits[1]),
        "max_graphics_clock_mhz": questions.ask("nvmlDeviceGetMaxClockInfo", handle, _CLOCK_GRAPHICS),
        "persistence_mode": _flag(questions.ask("nvmlDeviceGetPersistenceMode", handle)),
        "pcie": _pcie(questions, handle),
        "ecc_mode": None if ecc is None else ecc["mode"],
        "ecc_uncorrected_volatile": None if ecc is None else ecc["uncorrected_volatile"],
        "ecc": ecc,
        "remapped_rows": _remapped_rows(questions, handle),
        "recovery_action": _recovery_action(questions, handle),
        "processes": _processes(questions, handle),
    }


def read_gpu(nvml: t.Any, index: int, keep: t.Callable[[t.Any], None] = lambda reading: None) -> dict[str, t.Any]:
    """Return C({"index", "gpu", "failures", "whole"}); C(keep) is given the same early on, with the address only.

    C(lost) says that the GPU no longer answers; C(error) is NVML's text if it answers with another error.
    C(failures) are the functions that failed, with what they said.
    """
    gpu: Gpu = empty_gpu("nvidia", index)
    questions = Questions(nvml)
    reading = {"index": index, "gpu": gpu, "failures": questions.failures, "whole": False}
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        gpu.update(_address(questions, handle))
        # A GPU that hangs from here on is still known by its address.
        keep(reading)
        gpu.update(_identity(questions, handle))
        gpu.update(_state(questions, handle))
        gpu.update(read_mig(questions, handle))
        gpu.update(read_links(questions, handle, gpu["compute_capability"]))
        # A GPU that cannot even say who it is says nothing.
        gpu["error"] = questions.failures.get("nvmlDeviceGetUUID")
    except nvml.NVMLError as exc:
        gpu.update(lost=exc.value == GPU_IS_LOST, error=str(exc))
    reading["whole"] = True
    return reading

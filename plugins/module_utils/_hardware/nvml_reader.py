# Reads all GPUs of a node through NVML into plain dictionaries.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin reader over nvidia-ml-py. The library is an argument, so tests hand in a stand-in.

Rules: what NVML does not tell is None, never a guess; a GPU that answers with an error does not hide the others; only
a driver that cannot be talked to at all is an exception.
"""

from __future__ import annotations

import ctypes
import typing as t

from .pci import device_from_address

# nvmlReturn_t, from nvml.h.
_NO_PERMISSION = 4
_DRIVER_NOT_LOADED = 9
_LIBRARY_NOT_FOUND = 12
_GPU_IS_LOST = 15
_VERSION_MISMATCH = 18

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
_UNCORRECTED = 1
_VOLATILE = 0
_CLOCK_GRAPHICS = 0

# More than any GPU has today; the reading stops at the first link that does not exist.
_MAX_NVLINKS = 64

GPU_KEYS = (
    "index",
    "uuid",
    "serial",
    "model",
    "pci_bus_id",
    "device",
    "memory_total_bytes",
    "temperature_celsius",
    "power_limit_watts",
    "power_limit_min_watts",
    "power_limit_max_watts",
    "max_graphics_clock_mhz",
    "persistence_mode",
    "ecc_mode",
    "ecc_uncorrected_volatile",
    "remapped_rows",
    "recovery_action",
    "mig_mode",
    "nvlinks_active",
    "nvlinks_total",
    "minor_number",
    "processes",
)


class DriverBroken(Exception):
    """The driver is installed but cannot be used; the message says why and what to do."""


def absent(reason: str) -> dict[str, t.Any]:
    """Return the answer for a node without a usable GPU driver."""
    return {"available": False, "reason": reason, "driver_version": None, "nvml_version": None, "gpus": []}


def library_problem(load: t.Callable[[str], t.Any] = ctypes.CDLL) -> str | None:
    """Return None if C(libnvidia-ml.so.1) loads, else what the loader says."""
    try:
        load("libnvidia-ml.so.1")
    except OSError as exc:
        return str(exc)
    return None


def is_absence(loader_text: str) -> bool:
    """Tell a library that is not there from one that is there and does not load."""
    return "No such file" in loader_text and loader_text.startswith("libnvidia-ml.so.1")


def _text(value: t.Any) -> t.Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _ask(nvml: t.Any, name: str, *arguments: t.Any) -> t.Any:
    """Return one NVML answer, or None if this GPU or driver does not give it.

    A lost GPU is passed on as an exception.
    """
    try:
        return _text(getattr(nvml, name)(*arguments))
    except nvml.NVMLError as exc:
        if exc.value == _GPU_IS_LOST:
            raise
        return None


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000.0


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _pci(nvml: t.Any, handle: t.Any) -> dict[str, t.Any]:
    info = _ask(nvml, "nvmlDeviceGetPciInfo", handle)
    if info is None:
        return {"pci_bus_id": None, "device": None}
    address = _text(info.busId)
    return {"pci_bus_id": address, "device": device_from_address(address)}


def _nvlinks(nvml: t.Any, handle: t.Any) -> tuple[int | None, int | None]:
    states = []
    for link in range(_MAX_NVLINKS):
        state = _ask(nvml, "nvmlDeviceGetNvLinkState", handle, link)
        if state is None:
            break
        states.append(state)
    return (sum(1 for state in states if state), len(states)) if states else (None, None)


def _recovery_action(nvml: t.Any, handle: t.Any) -> str | None:
    values = _ask(nvml, "nvmlDeviceGetFieldValues", handle, [_FIELD_RECOVERY_ACTION])
    if not values or values[0].nvmlReturn != 0:
        return None
    number = int(values[0].value.uiVal)
    return _RECOVERY_ACTIONS.get(number, f"action_{number}")


def _processes(nvml: t.Any, handle: t.Any) -> list[int] | None:
    compute = _ask(nvml, "nvmlDeviceGetComputeRunningProcesses", handle)
    if compute is None:
        return None
    graphics = _ask(nvml, "nvmlDeviceGetGraphicsRunningProcesses", handle) or []
    return sorted({process.pid for process in list(compute) + list(graphics)})


def _remapped_rows(nvml: t.Any, handle: t.Any) -> dict[str, t.Any] | None:
    rows = _ask(nvml, "nvmlDeviceGetRemappedRows", handle)
    if rows is None:
        return None
    correctable, uncorrectable, pending, failure = rows
    return {
        "correctable": correctable,
        "uncorrectable": uncorrectable,
        "pending": bool(pending),
        "failure": bool(failure),
    }


def _read_state(nvml: t.Any, handle: t.Any) -> dict[str, t.Any]:
    """Return everything of one GPU but its PCI address; raise NVMLError if it is lost."""
    memory = _ask(nvml, "nvmlDeviceGetMemoryInfo", handle)
    limits = _ask(nvml, "nvmlDeviceGetPowerManagementLimitConstraints", handle) or (None, None)
    ecc = _ask(nvml, "nvmlDeviceGetEccMode", handle)
    mig = _ask(nvml, "nvmlDeviceGetMigMode", handle)
    active, total = _nvlinks(nvml, handle)
    return {
        "uuid": _ask(nvml, "nvmlDeviceGetUUID", handle),
        "serial": _ask(nvml, "nvmlDeviceGetSerial", handle),
        "model": _ask(nvml, "nvmlDeviceGetName", handle),
        "minor_number": _ask(nvml, "nvmlDeviceGetMinorNumber", handle),
        "memory_total_bytes": None if memory is None else int(memory.total),
        "temperature_celsius": _ask(nvml, "nvmlDeviceGetTemperature", handle, 0),
        "power_limit_watts": _watts(_ask(nvml, "nvmlDeviceGetPowerManagementLimit", handle)),
        "power_limit_min_watts": _watts(limits[0]),
        "power_limit_max_watts": _watts(limits[1]),
        "max_graphics_clock_mhz": _ask(nvml, "nvmlDeviceGetMaxClockInfo", handle, _CLOCK_GRAPHICS),
        "persistence_mode": _flag(_ask(nvml, "nvmlDeviceGetPersistenceMode", handle)),
        "ecc_mode": None if ecc is None else bool(ecc[0]),
        "ecc_uncorrected_volatile": _ask(nvml, "nvmlDeviceGetTotalEccErrors", handle, _UNCORRECTED, _VOLATILE),
        "remapped_rows": _remapped_rows(nvml, handle),
        "recovery_action": _recovery_action(nvml, handle),
        "mig_mode": None if mig is None else bool(mig[0]),
        "nvlinks_active": active,
        "nvlinks_total": total,
        "processes": _processes(nvml, handle),
    }


def _read_gpu(nvml: t.Any, index: int) -> dict[str, t.Any]:
    """Return one GPU.

    C(lost) says that it no longer answers; C(error) is NVML's text if it answers with another error.
    """
    gpu: dict[str, t.Any] = dict.fromkeys(GPU_KEYS)
    gpu.update(index=index, lost=False, error=None)
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        gpu.update(_pci(nvml, handle))
        gpu.update(_read_state(nvml, handle))
    except nvml.NVMLError as exc:
        gpu.update(lost=exc.value == _GPU_IS_LOST, error=str(exc))
    return gpu


def _name_silent_gpus(gpus: list[dict[str, t.Any]], proc_gpus: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
    """Give GPUs without an address the one that only the driver's /proc tree still has.

    NVML counts GPUs in the order of their addresses, so the leftovers of both lists pair up in order; with unequal
    numbers of leftovers nothing is guessed.
    """
    by_device = {device_from_address(address): facts for address, facts in proc_gpus.items()}
    silent = [gpu for gpu in gpus if gpu["device"] is None]
    leftover = sorted(set(by_device) - {gpu["device"] for gpu in gpus})
    if len(silent) == len(leftover):
        for gpu, device in zip(silent, leftover):
            gpu["device"] = device
            gpu["pci_bus_id"] = "{:08X}:{}:{}.0".format(
                int(device.split(":")[1], 16),
                device.split(":")[2].upper(),
                device.split(":")[3].upper(),
            )
    for gpu in gpus:
        facts = by_device.get(gpu["device"], {})
        for key in ("model", "uuid", "minor_number"):
            if gpu[key] is None:
                gpu[key] = facts.get(key)


def _open(nvml: t.Any) -> str | None:
    """Initialise NVML.

    Return None, or the reason why there is nothing to read; raise DriverBroken if there should be.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as exc:
        if exc.value == _LIBRARY_NOT_FOUND:
            return "the driver library libnvidia-ml.so.1 is not installed"
        if exc.value == _DRIVER_NOT_LOADED:
            return "the NVIDIA kernel driver is not loaded"
        if exc.value == _VERSION_MISMATCH:
            raise DriverBroken(
                "the NVIDIA driver library and the loaded kernel driver have different versions "
                "(an update without a reboot?): "
                "reboot the node or reload the kernel modules"
            ) from exc
        if exc.value == _NO_PERMISSION:
            raise DriverBroken(
                "no permission to talk to the NVIDIA driver: "
                "run this task as root (become) or allow access to /dev/nvidia*"
            ) from exc
        raise DriverBroken(f"the NVIDIA driver does not start: {exc}") from exc
    return None


def read_node(
    nvml: t.Any,
    proc_gpus: t.Mapping[str, t.Mapping[str, t.Any]],
    progress: t.Callable[[str], None] = lambda step: None,
) -> dict[str, t.Any]:
    """Return all GPUs of this node; C(progress) is told each step before it starts, so that a hang can be named."""
    progress("starting NVML")
    reason = _open(nvml)
    if reason is not None:
        return absent(reason)
    try:
        progress("counting the GPUs")
        gpus = []
        for index in range(nvml.nvmlDeviceGetCount()):
            progress(f"reading GPU {index}")
            gpus.append(_read_gpu(nvml, index))
        _name_silent_gpus(gpus, proc_gpus)
        return {
            "available": bool(gpus),
            "reason": None if gpus else "the NVIDIA driver sees no GPU",
            "driver_version": _ask(nvml, "nvmlSystemGetDriverVersion"),
            "nvml_version": _ask(nvml, "nvmlSystemGetNVMLVersion"),
            "gpus": gpus,
        }
    except nvml.NVMLError as exc:
        raise DriverBroken(f"the NVIDIA driver stopped answering: {exc}") from exc
    finally:
        nvml.nvmlShutdown()

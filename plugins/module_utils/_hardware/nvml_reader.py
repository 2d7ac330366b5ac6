# Reads all GPUs of a node through NVML into plain dictionaries.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin reader over nvidia-ml-py. The library is an argument, so tests hand in a stand-in.

Rules: what NVML does not tell is None, never a guess; a GPU that answers with an error does not hide the others; only
a driver that cannot be talked to at all is an exception.
"""

from __future__ import annotations

import contextlib
import ctypes
import typing as t

from .gpu_errors import DriverBroken
from .gpu_keys import Gpu, gpu_problem
from .nvml_ask import DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, NO_PERMISSION, VERSION_MISMATCH, Questions
from .nvml_gpu import read_gpu
from .pci import device_from_address, nvml_address_from_device

# More than any node has; a larger number is no count of GPUs.
_MAX_GPUS = 1024

ProcGpus = t.Mapping[str, t.Mapping[str, t.Any]]


def absent(reason: str) -> dict[str, t.Any]:
    """Return the answer for a node without a usable GPU driver."""
    return {
        "available": False,
        "reason": reason,
        "driver_version": None,
        "nvml_version": None,
        "gpus": [],
        "problems": [],
    }


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


def _name_silent_gpus(gpus: t.Sequence[Gpu], proc_gpus: ProcGpus) -> None:
    """Give GPUs without an address the one that only the driver's /proc tree still has.

    NVML counts GPUs in the order of their addresses, so the leftovers of both lists pair up in order; with unequal
    numbers of leftovers nothing is guessed.
    """
    by_device = {}
    for address, facts in proc_gpus.items():
        try:
            by_device[device_from_address(address)] = facts
        except ValueError:
            continue  # no directory of a GPU
    silent = [gpu for gpu in gpus if gpu["device"] is None]
    leftover = sorted(set(by_device) - {gpu["device"] for gpu in gpus})
    if len(silent) == len(leftover):
        for gpu, device in zip(silent, leftover):
            gpu.update(device=device, pci_bus_id=nvml_address_from_device(device))
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
        if exc.value == LIBRARY_NOT_FOUND:
            return "the driver library libnvidia-ml.so.1 is not installed"
        if exc.value == DRIVER_NOT_LOADED:
            return "the NVIDIA kernel driver is not loaded"
        if exc.value == VERSION_MISMATCH:
            raise DriverBroken(
                "the NVIDIA driver library and the loaded kernel driver have different versions "
                "(an update without a reboot?): "
                "reboot the node or reload the kernel modules"
            ) from exc
        if exc.value == NO_PERMISSION:
            raise DriverBroken(
                "no permission to talk to the NVIDIA driver: "
                "run this task as root (become) or allow access to /dev/nvidia*"
            ) from exc
        raise DriverBroken(f"the NVIDIA driver does not start: {exc}") from exc
    return None


def _head(nvml: t.Any, count: int) -> dict[str, t.Any]:
    if not 0 <= count <= _MAX_GPUS:
        raise DriverBroken(f"the NVIDIA driver counts {count} GPUs, which cannot be")
    node = Questions(nvml)
    return {
        "count": count,
        "driver_version": node.ask("nvmlSystemGetDriverVersion"),
        "nvml_version": node.ask("nvmlSystemGetNVMLVersion"),
    }


def scan(
    nvml: t.Any,
    progress: t.Callable[[str], None],
    keep: t.Callable[[t.Any], None],
    only: int | None = None,
) -> dict[str, t.Any] | None:
    """Give C(keep) a head and then a reading of each GPU; return an answer instead if there is no driver.

    C(progress) is told each step before it starts, so that a hang can be named. C(only) is the one GPU to read.
    """
    progress("starting NVML")
    reason = _open(nvml)
    if reason is not None:
        return absent(reason)
    try:
        progress("counting the GPUs")
        head = _head(nvml, nvml.nvmlDeviceGetCount())
        keep(head)
        for index in range(head["count"]) if only is None else (only,):
            progress(f"reading GPU {index}")
            keep(read_gpu(nvml, index, keep))
    except nvml.NVMLError as exc:
        raise DriverBroken(f"the NVIDIA driver stopped answering: {exc}") from exc
    finally:
        # What was read stays true, whatever the driver says to the farewell.
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    return None


def answer_of(
    head: t.Mapping[str, t.Any], readings: t.Iterable[t.Mapping[str, t.Any]], proc_gpus: ProcGpus
) -> dict[str, t.Any]:
    """Return the answer for a node, made of what C(scan) gave away."""
    readings = list(readings)
    gpus = [reading["gpu"] for reading in readings]
    _name_silent_gpus(gpus, proc_gpus)
    problems = []
    for reading in readings:
        gpu = reading["gpu"]
        if gpu["error"] is not None:
            problems.append(gpu_problem(gpu, gpu["error"]))
        else:
            problems += [gpu_problem(gpu, f"{name}: {said}") for name, said in sorted(reading["failures"].items())]
    return {
        "available": bool(gpus),
        "reason": None if gpus else "the NVIDIA driver sees no GPU",
        "driver_version": head["driver_version"],
        "nvml_version": head["nvml_version"],
        "gpus": gpus,
        "problems": problems,
    }


def read_node(
    nvml: t.Any, proc_gpus: ProcGpus, progress: t.Callable[[str], None] = lambda step: None
) -> dict[str, t.Any]:
    """Return all GPUs of this node, read in this process: a driver that hangs hangs the caller."""
    kept: list[dict[str, t.Any]] = []
    answer = scan(nvml, progress, kept.append)
    if answer is not None:
        return answer
    return answer_of(kept[0], {value["index"]: value for value in kept[1:]}.values(), proc_gpus)

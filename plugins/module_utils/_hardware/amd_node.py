# Reads the AMD GPUs of the node this runs on, safely against a driver that is absent, broken or hanging.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ties the pieces together: the kernel's view, the amdsmi library, rocm-smi where there is no library.

Without either, what the kernel tells is the answer, and a problem says what is missing.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

from . import amd_smi, rocm_smi
from .amd_sysfs import DRIVER, AmdGpu, driver_version, find_gpus
from .child import ChildFailed, ChildTimeout, Progress
from .device_reads import Keep, Reader, read_devices
from .gpu_errors import DriverBroken, ReadError
from .gpu_keys import Gpu, empty_gpu, gpu_problem
from .sysfs import below

# ROCm puts its library here, where only the system's own Python looks for it.
_LIBRARY = "/opt/rocm/share/amd_smi"
_PROGRAM = "/opt/rocm/bin/rocm-smi"
# rocm-smi waits for a GPU that hangs; it has to end before the child that runs it.
_PROGRAM_SHARE = 0.8
_NO_TOOL = (
    "neither the Python library amdsmi nor the program rocm-smi is there: "
    "power, temperature and clocks of AMD GPUs are unknown (install ROCm's amd-smi-lib)"
)


def _library() -> t.Any:
    """Return the amdsmi library, None if it is not there or does not load."""
    if _LIBRARY not in sys.path:
        sys.path.append(_LIBRARY)
    try:
        return importlib.import_module("amdsmi")
    except Exception:  # releases fail in many ways when the library below them is missing
        return None


def _program() -> str | None:
    return shutil.which("rocm-smi") or (_PROGRAM if os.access(_PROGRAM, os.X_OK) else None)


def _run_program(program: str, timeout: float) -> dict[str, t.Any]:
    for options in rocm_smi.QUESTIONS:
        ended = run([program, *options], timeout)
        if ended.rc != 2 or "usage:" not in ended.stderr:
            break
    # rocm-smi ends with success when it could not do anything, so its words are what counts.
    return rocm_smi.parse(ended.stdout if "{" in ended.stdout else ended.stderr + ended.stdout)


def _reader(timeout: float) -> Reader:
    def read(progress: Progress, keep: Keep, only: int | None) -> t.Any:
        progress("loading the library amdsmi")
        smi = _library()
        if smi is not None:
            return amd_smi.scan(smi, progress, keep, only)
        program = _program()
        if program is None:
            return {"driver_version": None, "cards": None}
        progress("waiting for rocm-smi")
        try:
            return _run_program(program, timeout / 2 * _PROGRAM_SHARE)
        except (CommandError, rocm_smi.NotReadable) as exc:
            raise DriverBroken(f"the AMD GPUs cannot be read: {exc}") from exc

    return read


def _check(root: str, gpus: t.Sequence[AmdGpu], may_use: t.Callable[[str, int], bool]) -> None:
    """Raise ReadError if there is no driver to ask, or none that answers to this user."""
    if all(found.driver is None for found in gpus):
        raise ReadError(
            f"AMD GPUs are in this node ({gpus[0].address}), but the {DRIVER} kernel driver is not loaded: "
            f"load it (modprobe {DRIVER}) and look at the kernel log"
        )
    compute = below(root, "dev/kfd")
    if os.path.exists(compute) and not may_use(compute, os.R_OK | os.W_OK):
        raise ReadError(
            f"no permission to use {compute}: run this task as root (become), or as a member of the group that owns it"
        )


class _Tool(t.NamedTuple):
    """What a library or program told: versions, facts by device, failures by device, and what hung, by index."""

    driver_version: str | None
    library_version: str | None
    readings: list[dict[str, t.Any]] | None


def _ask(timeout: float) -> _Tool:
    try:
        reads = read_devices(_reader(timeout), timeout)
    except ChildTimeout as exc:
        raise ReadError(
            f"the AMD driver hangs: {exc}. Look at the kernel log of the node; it may need a reboot"
        ) from exc
    except ChildFailed as exc:
        raise ReadError(str(exc)) from exc
    if not reads.head:
        cards = reads.answer["cards"]
        readings = None if cards is None else [{"facts": facts, "failures": {}} for facts in cards]
        return _Tool(reads.answer["driver_version"], None, readings)
    readings = [dict(found or {"facts": {"device": None}, "failures": {}}) for found in reads.readings]
    for index, problem in reads.problems.items():
        readings[index]["facts"]["error"] = problem
    return _Tool(reads.head["driver_version"], reads.head["library_version"], readings)


def _fill(gpu: Gpu, facts: t.Mapping[str, t.Any]) -> None:
    """Put facts into a GPU; what the tool does not tell stays as the kernel has it."""
    for key, value in facts.items():
        if key == "pcie":
            gpu["pcie"].update({name: link for name, link in value.items() if link is not None})
        elif value is not None:
            gpu[key] = value


def _merge(gpus: t.Sequence[AmdGpu], readings: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Fill the kernel's GPUs from the readings; return C({"gpu", "failures"}) for each GPU of either.

    A partition of a GPU has the GPU's address, so the first reading of an address is the GPU.
    """
    merged: dict[str, dict[str, t.Any]] = {
        found.gpu["device"]: {"gpu": found.gpu, "failures": {}, "told": False} for found in gpus
    }
    for reading in readings:
        device = reading["facts"]["device"]
        key = device or f"no address {len(merged)}"
        place = merged.setdefault(key, {"gpu": empty_gpu("amd", len(merged)), "failures": {}, "told": False})
        if not place["told"]:
            _fill(place["gpu"], reading["facts"])
            place.update(failures=reading["failures"], told=True)
    for found in gpus:
        if found.driver is None:
            found.gpu["error"] = f"the {DRIVER} driver did not take this GPU: look at the kernel log"
        elif not merged[found.gpu["device"]]["told"]:
            found.gpu["error"] = "the driver's library does not show this GPU"
    return list(merged.values())


def read_amd_node(root: str, timeout: float, may_use: t.Callable[[str, int], bool] = os.access) -> dict[str, t.Any]:
    """Return C({"available", "reason", "driver_version", "library_version", "gpus", "problems"}); raise ReadError.

    Nothing but the kernel's tree is looked at on a node without AMD GPUs.
    """
    gpus = find_gpus(root)
    if not gpus:
        return {
            "available": False,
            "reason": "no AMD GPU is in the node",
            "driver_version": None,
            "library_version": None,
            "gpus": [],
            "problems": [],
        }
    _check(root, gpus, may_use)
    tool = _ask(timeout)
    problems: list[dict[str, t.Any]] = []
    if tool.readings is None:
        found = [{"gpu": each.gpu, "failures": {}} for each in gpus]
        problems.append({"part": "gpus", "device": None, "message": _NO_TOOL})
    else:
        found = _merge(gpus, tool.readings)
    for each in found:
        gpu = each["gpu"]
        if gpu["error"] is not None:
            problems.append(gpu_problem(gpu, gpu["error"]))
        else:
            problems += [gpu_problem(gpu, f"{name}: {said}") for name, said in sorted(each["failures"].items())]
    return {
        "available": True,
        "reason": None,
        "driver_version": tool.driver_version or driver_version(root),
        "library_version": tool.library_version,
        "gpus": [each["gpu"] for each in found],
        "problems": problems,
    }

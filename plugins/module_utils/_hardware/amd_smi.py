# Reads AMD GPUs through the amdsmi library.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin reader over amdsmi. The library is an argument, so tests hand in a stand-in.

Its answers are dictionaries whose keys and units changed between releases, with C(N/A) for what it does not know; here
they become one spelling, with None.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

from .amd_sysfs import gpu_uuid, graphics_version, pcie_generation
from .gpu_errors import DriverBroken
from .gpu_keys import ECC_KEYS
from .pci import device_from_address, nvml_address_from_device

# amdsmi_status_t, from amdsmi.h.
_NO_PERMISSION = 10
_DRIVER_NOT_LOADED = 34
# With these a GPU or its driver says that it has no such value: invalid, not supported, not implemented, no such file
# of the driver, not found, no data, unexpected data, setting not there.
_ABSENT = frozenset((1, 2, 3, 14, 31, 40, 43, 52, 55))

_MIB = 1024 * 1024
# No GPU takes 100 kW: a larger power limit is in microwatts, as newer libraries have it.
_LARGEST_WATTS = 100_000
# Nor is one at 1000 degrees: a larger temperature is in thousandths.
_HOTTEST = 1000
# Bit of the memory controller in the mask of blocks with error correction.
_BLOCK_UMC = 1
_NO_NUMBER = 0xFFFFFFFF
# The version of a driver that came with the kernel is the kernel's whole banner.
_BANNER = re.compile(r"Linux\s*version\s*([0-9][^\s(]*)")


def number(value: t.Any) -> float | None:
    """Return a number, None for C(N/A) and whatever else is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if abs(found) < float("inf") else None


def whole(value: t.Any) -> int | None:
    """Return a whole number that is not negative, None for what is none."""
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def named(value: t.Any) -> str | None:
    """Return a text, None for C(N/A), an empty one, or what is no text."""
    if not isinstance(value, str) or value.strip().upper() in ("", "N/A", "UNKNOWN", "NONE"):
        return None
    return value.strip()


class _Questions:
    """The questions to one GPU. C(failures) maps the function that failed to what it said."""

    def __init__(self, smi: t.Any) -> None:
        self._smi = smi
        self.failures: dict[str, str] = {}

    def ask(self, name: str, *arguments: t.Any) -> t.Any:
        """Return the answer, or None if this GPU, driver or library does not give it."""
        function = getattr(self._smi, name, None)
        if function is None:
            return None
        try:
            return function(*arguments)
        except self._smi.AmdSmiException as exc:
            if getattr(exc, "err_code", None) not in _ABSENT:
                self.failures[name] = " ".join(str(exc).split())
        except ValueError as exc:  # also text that is no UTF-8
            self.failures[name] = f"not readable: {exc}"
        return None

    def facts(self, name: str, *arguments: t.Any) -> t.Mapping[str, t.Any]:
        """Return an answer that is a dictionary, an empty one if there is none."""
        found = self.ask(name, *arguments)
        return found if isinstance(found, t.Mapping) else {}

    def kind(self, enumeration: str, *members: str) -> t.Any:
        """Return the first member that the library's enumeration has."""
        values = getattr(self._smi, enumeration, None)
        return next((getattr(values, name) for name in members if hasattr(values, name)), None)


def _watts(value: t.Any) -> float | None:
    watts = number(value)
    return watts / 1_000_000 if watts is not None and watts > _LARGEST_WATTS else watts


def _temperature(questions: _Questions, handle: t.Any) -> int | None:
    current = questions.kind("AmdSmiTemperatureMetric", "CURRENT")
    for place in ("HOTSPOT", "JUNCTION", "EDGE"):
        degrees = number(
            questions.ask("amdsmi_get_temp_metric", handle, questions.kind("AmdSmiTemperatureType", place), current)
        )
        if degrees:
            return round(degrees / 1000 if degrees > _HOTTEST else degrees)
    return None


def _power(questions: _Questions, handle: t.Any) -> dict[str, float | None]:
    now = questions.facts("amdsmi_get_power_info", handle)
    cap = questions.facts("amdsmi_get_power_cap_info", handle)
    used = [number(now.get(key)) for key in ("current_socket_power", "socket_power", "average_socket_power")]
    return {
        "power_usage_watts": next((watts for watts in used if watts), None),
        "power_limit_watts": _watts(cap.get("power_cap")),
        "power_limit_min_watts": _watts(cap.get("min_power_cap")),
        "power_limit_max_watts": _watts(cap.get("max_power_cap")),
    }


def _memory(questions: _Questions, handle: t.Any) -> int | None:
    total = whole(questions.ask("amdsmi_get_gpu_memory_total", handle, questions.kind("AmdSmiMemoryType", "VRAM")))
    size = whole(questions.facts("amdsmi_get_gpu_vram_info", handle).get("vram_size"))
    return total or (size * _MIB if size else None)


def _pcie(questions: _Questions, handle: t.Any) -> dict[str, int | None]:
    found = questions.facts("amdsmi_get_pcie_info", handle)
    most, now = found.get("pcie_static") or {}, found.get("pcie_metric") or {}
    speeds = [number(part.get(key)) for part, key in ((now, "pcie_speed"), (most, "max_pcie_speed"))]
    generations = [None if speed is None else pcie_generation(speed / 1000) for speed in speeds]
    return {
        "width": whole(now.get("pcie_width")) or None,
        "max_width": whole(most.get("max_pcie_width")) or None,
        "generation": generations[0],
        "max_generation": generations[1],
    }


def _ecc(questions: _Questions, handle: t.Any) -> dict[str, t.Any] | None:
    counts = questions.facts("amdsmi_get_gpu_total_ecc_count", handle)
    blocks = whole(questions.ask("amdsmi_get_gpu_ecc_enabled", handle))
    ecc = {
        **dict.fromkeys(ECC_KEYS),
        "mode": None if blocks is None else bool(blocks & _BLOCK_UMC),
        "corrected_volatile": whole(counts.get("correctable_count")),
        "uncorrected_volatile": whole(counts.get("uncorrectable_count")),
    }
    return None if all(value is None for value in ecc.values()) else ecc


def _processes(questions: _Questions, handle: t.Any) -> list[int] | None:
    found = questions.ask("amdsmi_get_gpu_process_list", handle)
    if not isinstance(found, list) or not all(isinstance(process, t.Mapping) for process in found):
        return None
    return sorted({process["pid"] for process in found if isinstance(process.get("pid"), int)})


def _address(questions: _Questions, handle: t.Any) -> dict[str, t.Any]:
    try:
        device = device_from_address(str(questions.ask("amdsmi_get_gpu_device_bdf", handle)))
    except ValueError:
        return {"device": None, "pci_bus_id": None}
    return {"device": device, "pci_bus_id": nvml_address_from_device(device)}


def _identity(questions: _Questions, handle: t.Any) -> dict[str, t.Any]:
    chip = questions.facts("amdsmi_get_gpu_asic_info", handle)
    board = questions.facts("amdsmi_get_gpu_board_info", handle)
    firmware = questions.facts("amdsmi_get_gpu_vbios_info", handle)
    numa = whole(questions.ask("amdsmi_topo_get_numa_node_number", handle))
    return {
        "uuid": gpu_uuid(named(chip.get("asic_serial"))) or named(questions.ask("amdsmi_get_gpu_device_uuid", handle)),
        "serial": named(board.get("product_serial")),
        "part_number": named(board.get("model_number")),
        "model": named(chip.get("market_name")) or named(board.get("product_name")),
        "numa_node": None if numa is None or numa >= _NO_NUMBER else numa,
        "compute_capability": graphics_version(named(chip.get("target_graphics_version"))),
        "vbios_version": named(firmware.get("version")) or named(firmware.get("part_number")),
    }


def _reading(smi: t.Any, index: int, handle: t.Any, keep: t.Callable[[t.Any], None]) -> dict[str, t.Any]:
    questions = _Questions(smi)
    facts = _address(questions, handle)
    reading = {"index": index, "facts": facts, "failures": questions.failures, "whole": False}
    # A GPU that hangs from here on is still known by its address.
    keep(reading)
    facts.update(_identity(questions, handle))
    facts.update(_power(questions, handle))
    clock = questions.facts("amdsmi_get_clock_info", handle, questions.kind("AmdSmiClkType", "GFX", "SYS"))
    ecc = _ecc(questions, handle)
    facts.update(
        memory_total_bytes=_memory(questions, handle),
        temperature_celsius=_temperature(questions, handle),
        max_graphics_clock_mhz=whole(clock.get("max_clk")),
        pcie=_pcie(questions, handle),
        ecc=ecc,
        ecc_mode=None if ecc is None else ecc["mode"],
        ecc_uncorrected_volatile=None if ecc is None else ecc["uncorrected_volatile"],
        processes=_processes(questions, handle),
    )
    reading["whole"] = True
    return reading


def _version(facts: t.Mapping[str, t.Any], *keys: str) -> str | None:
    parts = [str(facts[key]) for key in keys if named(str(facts.get(key, ""))) is not None]
    return ".".join(parts) or None


def _driver_version(questions: _Questions, handles: t.Sequence[t.Any]) -> str | None:
    found = named(questions.facts("amdsmi_get_gpu_driver_info", handles[0]).get("driver_version")) if handles else None
    banner = _BANNER.match(found or "")
    return banner.group(1) if banner else found


def _open(smi: t.Any) -> None:
    try:
        smi.amdsmi_init()
    except smi.AmdSmiException as exc:
        code = getattr(exc, "err_code", None)
        if code == _DRIVER_NOT_LOADED:
            raise DriverBroken(
                "AMD GPUs are in this node, but the amdgpu kernel driver is not loaded: "
                "load it (modprobe amdgpu) and look at the kernel log"
            ) from exc
        if code == _NO_PERMISSION:
            raise DriverBroken(
                "no permission to talk to the AMD driver: "
                "run this task as root (become) or allow access to /dev/kfd and /dev/dri"
            ) from exc
        raise DriverBroken("the AMD driver does not start: {}".format(" ".join(str(exc).split()))) from exc


def scan(
    smi: t.Any, progress: t.Callable[[str], None], keep: t.Callable[[t.Any], None], only: int | None = None
) -> None:
    """Give C(keep) a head and then a reading of each GPU; raise DriverBroken if there is nothing to talk to.

    C(progress) is told each step before it starts, so that a hang can be named. C(only) is the one GPU to read.
    """
    progress("starting the library amdsmi")
    _open(smi)
    try:
        progress("counting the GPUs")
        handles = list(smi.amdsmi_get_processor_handles())
        node = _Questions(smi)
        library = node.facts("amdsmi_get_lib_version")
        keep(
            {
                "count": len(handles),
                "driver_version": _driver_version(node, handles),
                "library_version": _version(library, "major", "minor", "release"),
            }
        )
        for index in range(len(handles)) if only is None else (only,):
            progress(f"reading GPU {index}")
            keep(_reading(smi, index, handles[index], keep))
    except smi.AmdSmiException as exc:
        raise DriverBroken("the AMD driver stopped answering: {}".format(" ".join(str(exc).split()))) from exc
    finally:
        # What was read stays true, whatever the driver says to the farewell.
        with contextlib.suppress(smi.AmdSmiException):
            smi.amdsmi_shut_down()

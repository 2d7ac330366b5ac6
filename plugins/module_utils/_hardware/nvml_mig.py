# Reads the MIG devices of a GPU through NVML.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .nvml_ask import FUNCTION_NOT_FOUND, Questions, member

_MIB = 1024 * 1024


def _profile(name: str | None) -> str | None:
    """Return C(1g.10gb) from the name of a MIG device: C(NVIDIA H100 80GB HBM3 MIG 1g.10gb)."""
    return (name or "").rpartition(" MIG ")[2].strip() or None if " MIG " in (name or "") else None


def _memory(questions: Questions, handle: t.Any) -> int | None:
    memory = member(questions.ask("nvmlDeviceGetMemoryInfo", handle), "total")
    if memory is not None:
        return int(memory)
    size = member(questions.ask("nvmlDeviceGetAttributes", handle), "memorySizeMB")
    return None if size is None else int(size) * _MIB


def _one(questions: Questions, handle: t.Any) -> dict[str, t.Any]:
    return {
        "uuid": questions.ask("nvmlDeviceGetUUID", handle),
        "profile": _profile(questions.ask("nvmlDeviceGetName", handle)),
        "gpu_instance": questions.ask("nvmlDeviceGetGpuInstanceId", handle),
        "compute_instance": questions.ask("nvmlDeviceGetComputeInstanceId", handle),
        "memory_total_bytes": _memory(questions, handle),
        # NVML does not tell them; see nvml_node.
        "device_minors": None,
    }


def read_mig(questions: Questions, handle: t.Any) -> dict[str, t.Any]:
    """Return C({"mig_mode", "mig_devices"}).

    The list is empty while MIG is off and on a GPU without it; it is None if nobody could tell.
    """
    mode = questions.answer("nvmlDeviceGetMigMode", handle)
    if mode.error is not None:
        unknown = mode.error == FUNCTION_NOT_FOUND or "nvmlDeviceGetMigMode" in questions.failures
        return {"mig_mode": None, "mig_devices": None if unknown else []}
    if not mode.value[0]:
        return {"mig_mode": False, "mig_devices": []}
    places = questions.ask("nvmlDeviceGetMaxMigDeviceCount", handle)
    if places is None:
        return {"mig_mode": True, "mig_devices": None}
    devices = []
    for place in range(places):
        # A place without a device is "not found".
        device = questions.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, place)
        if device is not None:
            devices.append(_one(questions, device))
        elif "nvmlDeviceGetMigDeviceHandleByIndex" in questions.failures:
            return {"mig_mode": True, "mig_devices": None}
    return {"mig_mode": True, "mig_devices": devices}

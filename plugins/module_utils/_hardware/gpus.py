# Reads all GPUs of the node this runs on, whoever made them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .amd_node import read_amd_node
from .gpu_errors import ReadError
from .nvml_node import read_this_node

VENDORS = ("nvidia", "amd")


def _nvidia(root: str, timeout: float) -> dict[str, t.Any]:
    answer = read_this_node(root, timeout)
    return {**answer, "library_version": answer["nvml_version"]}


_READERS: dict[str, t.Callable[[str, float], dict[str, t.Any]]] = {"nvidia": _nvidia, "amd": read_amd_node}


def _reason(answers: t.Mapping[str, t.Mapping[str, t.Any]]) -> str | None:
    """Return why there is no GPU. That AMD has none is no reason where NVIDIA's driver could have told of one."""
    reasons = [answers[vendor]["reason"] for vendor in VENDORS if vendor in answers]
    return reasons[0] if reasons else "no vendor was asked"


def read_gpus(root: str, timeout: float, vendors: t.Sequence[str] = VENDORS) -> dict[str, t.Any]:
    """Return the GPUs of the node, the drivers that answered, and what could not be read.

    C(gpus) is None if a driver that is there cannot be used: then nobody knows how many GPUs there are, and C(problems)
    says why. C(timeout) is for each vendor.
    """
    answers: dict[str, dict[str, t.Any]] = {}
    problems: list[dict[str, t.Any]] = []
    broken = None
    for vendor in VENDORS:
        if vendor not in vendors:
            continue
        try:
            answers[vendor] = _READERS[vendor](root, timeout)
        except ReadError as exc:
            broken = broken or str(exc)
            problems.append({"part": "gpus", "device": None, "message": str(exc)})
    for answer in answers.values():
        problems += answer["problems"]
    gpus = [gpu for answer in answers.values() for gpu in answer["gpus"]]
    nvidia = answers.get("nvidia", {})
    return {
        "available": bool(gpus) and broken is None,
        "reason": broken or (None if gpus else _reason(answers)),
        "driver_version": nvidia.get("driver_version"),
        "nvml_version": nvidia.get("nvml_version"),
        "gpu_drivers": [
            {"vendor": vendor, "driver_version": answer["driver_version"], "library_version": answer["library_version"]}
            for vendor, answer in answers.items()
            if answer["driver_version"] is not None or answer["gpus"]
        ],
        "gpus": None if broken else gpus,
        "problems": problems,
    }

# Judges the GPUs of a node by what the driver tells, where no diagnosis program is installed.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the answer of the module gpu_info in, results of tests out.

What the driver does not tell is skipped, not passed. It puts no load on a GPU, so it finds what the driver knows
already and nothing more.
"""

from __future__ import annotations

import typing as t

from .dcgm_diag import Result, one_result

_CATEGORY = "driver"
_Gpu = t.Mapping[str, t.Any]


def nvml_results(answer: t.Mapping[str, t.Any], expected_gpus: int | None = None) -> list[Result]:
    """Return the results of all GPUs; C(expected_gpus) is how many there should be, None: at least one."""
    gpus = answer["gpus"]
    wanted = 1 if expected_gpus is None else expected_gpus
    enough = len(gpus) >= wanted if expected_gpus is None else len(gpus) == wanted
    reason = f" ({answer['reason']})" if answer.get("reason") else ""
    counted = f"{len(gpus)} GPUs, expected {'at least 1' if expected_gpus is None else wanted}{reason}"
    results = [one_result("count", _CATEGORY, None, "pass" if enough else "fail", counted)]
    for gpu in gpus:
        tests = ((_readable, "readable"), (_ecc, "ecc"), (_rows, "row_remap"), (_recovery, "recovery_action"))
        for test, name in (*tests, (_pcie, "pcie_width"), (_nvlinks, "nvlink")):
            result, message = test(gpu)
            results.append(one_result(name, _CATEGORY, gpu.get("index"), result, message))
    return results


def _readable(gpu: _Gpu) -> tuple[str, str]:
    if gpu.get("lost"):
        return "fail", "the GPU no longer answers"
    return ("fail", str(gpu["error"])) if gpu.get("error") else ("pass", "")


def _ecc(gpu: _Gpu) -> tuple[str, str]:
    errors = gpu.get("ecc_uncorrected_volatile")
    if errors is None:
        return "skip", "no memory error counters"
    return ("fail" if errors else "pass"), f"{errors} uncorrected errors since the driver was loaded"


def _rows(gpu: _Gpu) -> tuple[str, str]:
    rows = gpu.get("remapped_rows")
    if not rows:
        return "skip", "no row remapper"
    if rows.get("failure"):
        return "fail", "a bad memory row could not be replaced"
    return ("fail", "a reset is needed to replace a memory row") if rows.get("pending") else ("pass", "")


def _recovery(gpu: _Gpu) -> tuple[str, str]:
    action = gpu.get("recovery_action")
    if action is None:
        return "skip", "the driver does not tell"
    return ("pass", "") if action == "none" else ("fail", f"the driver asks for {action}")


def _pcie(gpu: _Gpu) -> tuple[str, str]:
    # The generation drops while a GPU is idle; the width does not.
    pcie = gpu.get("pcie") or {}
    width, most = pcie.get("width"), pcie.get("max_width")
    if not width or not most:
        return "skip", "the driver does not tell"
    return ("pass" if width >= most else "fail"), f"{width} of {most} lanes"


def _nvlinks(gpu: _Gpu) -> tuple[str, str]:
    total, active = gpu.get("nvlinks_total"), gpu.get("nvlinks_active")
    if not total or active is None:
        return "skip", "no NVLink"
    if active == 0:
        # A board whose links are not wired shows all of them as inactive.
        return "skip", f"none of {total} links is active"
    return ("pass" if active >= total else "fail"), f"{active} of {total} links are active"

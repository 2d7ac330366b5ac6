# What an answer says about one GPU, whoever made it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unknown is None, so that "the GPU does not have it" and "nobody could tell" never look like a number."""

from __future__ import annotations

import typing as t

GPU_KEYS = (
    "vendor",
    "index",
    "uuid",
    "serial",
    "part_number",
    "model",
    "pci_bus_id",
    "device",
    "numa_node",
    "minor_number",
    "memory_total_bytes",
    "temperature_celsius",
    "power_usage_watts",
    "power_limit_watts",
    "power_limit_min_watts",
    "power_limit_max_watts",
    "max_graphics_clock_mhz",
    "persistence_mode",
    "compute_capability",
    "vbios_version",
    "inforom_version",
    "pcie",
    "ecc_mode",
    "ecc_uncorrected_volatile",
    "ecc",
    "remapped_rows",
    "recovery_action",
    "mig_mode",
    "mig_devices",
    "nvlinks_active",
    "nvlinks_total",
    "nvlinks",
    "processes",
    "lost",
    "error",
)
PCIE_KEYS = ("width", "max_width", "generation", "max_generation")
ECC_KEYS = (
    "mode",
    "mode_pending",
    "corrected_aggregate",
    "uncorrected_aggregate",
    "corrected_volatile",
    "uncorrected_volatile",
)

Gpu = t.Dict[str, t.Any]


def empty_gpu(vendor: str, index: int) -> Gpu:
    """Return a GPU that nothing is known of but its maker and its place in the maker's list."""
    gpu: Gpu = dict.fromkeys(GPU_KEYS)
    gpu.update(vendor=vendor, index=index, pcie=dict.fromkeys(PCIE_KEYS), lost=False)
    return gpu


def gpu_problem(gpu: t.Mapping[str, t.Any], message: str) -> dict[str, t.Any]:
    """Return a problem of the collection with one GPU, named by its index where its address is unknown."""
    name = "" if gpu["device"] else "{} GPU {}: ".format(gpu["vendor"], gpu["index"])
    return {"part": "gpus", "device": gpu["device"], "message": name + message}

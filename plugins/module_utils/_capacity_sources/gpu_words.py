# How GPUs are called: one short word for a model whoever names it, and into how many slices MIG cuts it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity.mig import Kind
from ansible_collections.aidc.ops.plugins.module_utils._hardware.slurm_lines import short_model

UNKNOWN = "gpu"
"""The model of GPUs of which nobody says what they are; also the type that Slurm's GPUs without a type have here."""

# Compute slices of each GPU that MIG can cut (NVIDIA's MIG user guide). Of others the site has to say it.
_MIG_SLICES = {
    "a30": 4,
    **dict.fromkeys(("a100", "a800", "h100", "h800", "h20", "h200", "gh200", "b200", "gb200", "b300", "gb300"), 7),
}


def word(model: str) -> str:
    """The short word of a model: C(NVIDIA-H100-80GB-HBM3) and C(NVIDIA H100 80GB HBM3) are both C(h100)."""
    try:
        return short_model(model)
    except ValueError:
        return UNKNOWN


def mig_kinds(nodes: Iterable[Mapping[str, Any]]) -> set[Kind]:
    """The kinds of GPUs of these rows that MIG may cut. What is wrong with a row is told when the problem is read."""
    found = set()
    for node in nodes:
        slices, memory = node.get("mig_slices"), node.get("gpu_memory_mib")
        if isinstance(slices, int) and isinstance(memory, int) and slices and memory:
            found.add((str(node.get("gpu_model")), slices, memory))
    return found


def mig_slices(model: str) -> int:
    """Into how many slices MIG cuts a GPU of that short word; 0 is not at all, or not known."""
    return _MIG_SLICES.get(model, 0)

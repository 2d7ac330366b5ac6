# How GPUs are called: one short word for a model whoever names it, and what part of a GPU a MIG profile is.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re

from ansible_collections.aidc.ops.plugins.module_utils._hardware.slurm_lines import short_model

UNKNOWN = "gpu"
"""The model of GPUs of which nobody says what they are; also the type that Slurm's GPUs without a type have here."""

_PROFILE = re.compile(r"(?P<slices>[1-9])g\.(?P<memory>[0-9]{1,4})gb")
# Compute slices of a GPU: four of A30 and its successors by memory, seven of all others (NVIDIA's MIG user guide).
_QUARTERS = {(1, 6), (2, 12), (4, 24), (2, 48), (4, 96)}


def word(model: str) -> str:
    """The short word of a model: C(NVIDIA-H100-80GB-HBM3) and C(NVIDIA H100 80GB HBM3) are both C(h100)."""
    try:
        return short_model(model)
    except ValueError:
        return UNKNOWN


def mig_share(profile: str, gpu_memory_mib: int) -> int | None:
    """The part of a GPU in thousandths that a MIG profile such as C(1g.10gb) takes; None if it is no such profile.

    The larger of its part of the compute slices and its part of the memory, where the memory of the GPU is known (0
    where not). Rounded down, so that the seven sevenths of a GPU are no more than the whole of it.
    """
    found = _PROFILE.match(profile)
    if found is None:
        return None
    slices, memory = int(found["slices"]), int(found["memory"])
    share = slices / (4 if (slices, memory) in _QUARTERS else 7)
    if gpu_memory_mib:
        # The profile's name rounds; 7 x 1g.10gb fit on a GPU of 80 GB, so an eighth of the memory is what one takes.
        eighths = min(8, math.floor(memory * 1024 / gpu_memory_mib * 8 + 0.5))
        share = max(share, eighths / 8)
    return min(1000, math.floor(1000 * share))

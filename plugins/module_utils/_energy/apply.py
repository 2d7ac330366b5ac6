# Turns power limits into the watts of the capacity problem, whose feeds and racks have ceilings.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In the problem a node that is on draws C(idle_watts), its idle GPUs in it, and each GPU in use adds C(gpu_watts)."""

from __future__ import annotations

import math
import typing as t

from .._errors import EnergyError

Rows = t.Sequence[t.Mapping[str, t.Any]]


def with_limits(
    nodes: Rows, limits: t.Mapping[str, float], idle_watts: t.Mapping[str, float] | None = None
) -> list[dict[str, t.Any]]:
    """Return the nodes of a problem with C(gpu_watts) from the power limit of their GPU model.

    A GPU may draw all of its limit at any time, so that is what counts against a ceiling, less what it draws idle,
    which is in the node's C(idle_watts). C(idle_watts) maps models to that; one that is not in it counts as 0, the
    cautious reading. Nodes of models without a limit stay as they are.
    """
    idle = idle_watts or {}
    added: dict[str, float] = {}
    for model, limit in limits.items():
        rest = idle.get(model, 0.0)
        for name, value in (("limit", limit), ("idle power", rest)):
            if not math.isfinite(value) or value < 0:
                raise EnergyError(f"{model}: the {name} of {value!r} W is not a number from 0 on")
        if rest > limit:
            raise EnergyError(f"{model}: idle it draws {rest:g} W, more than its limit of {limit:g} W")
        added[model] = limit - rest
    return [
        {**node, "gpu_watts": added[node["gpu_model"]]}
        if node.get("gpus") and node.get("gpu_model") in added
        else {**node}
        for node in nodes
    ]

# Which power limit each GPU model may have under each class of workloads of a problem.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chosen before anything is placed, from what was measured; a pair that nobody measured has no limit."""

from __future__ import annotations

import math
import typing as t
from dataclasses import asdict, dataclass, replace

from .._energy.curves import Curve, find
from .._energy.limit import cheapest, within_slowdown
from .._errors import EnergyError

if t.TYPE_CHECKING:
    from .model import Node, Workload

INTERACTIVE = "interactive"


@dataclass(frozen=True)
class PowerLimits:
    """How a limit is chosen: by the slowdown that is allowed, or by both prices."""

    slowdown_percent: float | None = None
    energy_price: float | None = None
    gpu_hour_price: float | None = None

    def fault(self) -> str:
        """What is wrong with it; empty if nothing is."""
        prices = [price for price in (self.energy_price, self.gpu_hour_price) if price is not None]
        if len(prices) != (2 if self.slowdown_percent is None else 0):
            return "give either slowdown_percent, or both energy_price and gpu_hour_price"
        return (
            "gpu_hour_price: has to be above 0; time that costs nothing has no best limit" if prices[1:] == [0] else ""
        )


@dataclass(frozen=True)
class PowerChoice:
    """A GPU model under a class of workloads: its limit, or none and why; parts are of what it is without a limit."""

    gpu_model: str
    workload_class: str
    limit_watts: float | None
    performance: float
    energy: float
    origin: str
    reason: str

    def as_dict(self) -> dict[str, t.Any]:
        """As a plan has it."""
        return {**asdict(self), "performance": round(self.performance, 4), "energy": round(self.energy, 4)}


def choose(
    policy: PowerLimits, curves: t.Sequence[Curve], nodes: t.Sequence[Node], works: t.Iterable[Workload]
) -> tuple[PowerChoice, ...]:
    """A choice for each class and each model that such work may use; the first curve counts that fits."""
    models = sorted({node.gpu_model for node in nodes if node.gpus})
    pairs = {
        (model, work.workload_class)
        for work in works
        if work.gpus and work.workload_class
        for model in (work.gpu_models or models)
        if model in models
    }
    return tuple(
        _choice(policy, curves, [node for node in nodes if node.gpu_model == model], model, name)
        for model, name in sorted(pairs)
    )


def _choice(
    policy: PowerLimits, curves: t.Sequence[Curve], nodes: t.Sequence[Node], model: str, name: str
) -> PowerChoice:
    # What every GPU of the model takes; 0 is not known.
    lowest = max(node.gpu_limit_min_watts for node in nodes)
    highest = min(node.gpu_limit_max_watts or math.inf for node in nodes)
    try:
        curve = find(curves, model, name)
        if policy.slowdown_percent is None:
            found = cheapest(curve, policy.energy_price or 0.0, policy.gpu_hour_price or 0.0, lowest, highest)
            reason = "under it the same work costs least"
        else:
            found = within_slowdown(curve, policy.slowdown_percent / 100, lowest, highest)
            reason = f"of those that are at most {policy.slowdown_percent:g} % slower it takes the least energy"
    except EnergyError as error:
        return PowerChoice(model, name, None, 1.0, 1.0, "", str(error))
    return PowerChoice(model, name, found.limit_watts, found.performance, found.energy, found.origin, reason)


def limited(work: Workload, choices: t.Iterable[PowerChoice]) -> Workload:
    """The workload with the limits that it may have.

    None where somebody waits for its answers, or where it would miss its deadline.
    """
    if not work.gpus or work.latency_class == INTERACTIVE:
        return work
    found = tuple(
        (one.gpu_model, one.limit_watts)
        for one in choices
        if one.workload_class == work.workload_class and one.limit_watts is not None and _in_time(work, one)
    )
    return replace(work, gpu_limits=found) if found else work


def _in_time(work: Workload, choice: PowerChoice) -> bool:
    """Whether the deadline that can be met at full speed can be met under the limit too."""
    slow = work.duration_hours / choice.performance
    return not work.deadline_hours or slow <= work.deadline_hours or work.duration_hours > work.deadline_hours

# Chooses the power limit of a GPU from what was measured.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only limits that were measured are chosen, so nothing is promised that nobody saw. Of two that are as good the lower
one is taken: it leaves more room under a feed.
"""

from __future__ import annotations

import math
import typing as t

from .._errors import EnergyError
from .curves import Curve, Point


class Choice(t.NamedTuple):
    """A limit and what it does, as parts of what there is under the highest limit of the curve."""

    limit_watts: float
    performance: float
    energy: float
    mean_watts: float
    origin: str


def _choice(curve: Curve, point: Point) -> Choice:
    return Choice(point.limit_watts, curve.performance(point), curve.energy(point), point.mean_watts, curve.origin)


def _settable(curve: Curve, lowest: float, highest: float) -> list[Point]:
    """Return the points whose limit the GPU takes."""
    points = [point for point in curve.points if lowest <= point.limit_watts <= highest]
    if not points:
        raise EnergyError(
            f"{curve.model}: none of the measured limits ({curve.points[0].limit_watts:g} to "
            f"{curve.points[-1].limit_watts:g} W) is one that the GPU takes ({lowest:g} to {highest:g} W)"
        )
    return points


def within_slowdown(curve: Curve, slowdown: float, lowest: float = 0.0, highest: float = math.inf) -> Choice:
    """Return the limit with the least energy for the same work that is at most C(slowdown) slower.

    C(slowdown) 0.05 lets work take 5 % longer than under the highest measured limit. C(lowest) and C(highest) are what
    the GPU takes, in watts.
    """
    if not math.isfinite(slowdown) or slowdown < 0:
        raise EnergyError(f"slowdown: {slowdown!r} is not a number from 0 on; 0.05 is 5 %")
    fastest = curve.points[-1].seconds
    points = [one for one in _settable(curve, lowest, highest) if one.seconds <= fastest * (1 + slowdown)]
    if not points:
        raise EnergyError(
            f"{curve.model} under {curve.workload}: every limit that the GPU takes is more than {slowdown:.1%} slower"
        )
    return _choice(curve, min(points, key=lambda point: (point.joules, point.limit_watts)))


def cheapest(
    curve: Curve, energy_price: float, gpu_hour_price: float, lowest: float = 0.0, highest: float = math.inf
) -> Choice:
    """Return the limit under which the same work costs least.

    C(energy_price) is that of a kWh with cooling, C(gpu_hour_price) what an hour of the GPU is worth; without it the
    slowest limit could be the cheapest one, so it has to be above 0. Both in the same money.
    """
    for name, price in (("energy_price", energy_price), ("gpu_hour_price", gpu_hour_price)):
        if not math.isfinite(price) or price < 0:
            raise EnergyError(f"{name}: {price!r} is not a number from 0 on")
    if gpu_hour_price == 0:
        raise EnergyError("gpu_hour_price: must be above 0; time that costs nothing has no best limit")

    def cost(point: Point) -> float:
        return point.seconds / 3600 * (gpu_hour_price + energy_price * point.mean_watts / 1000)

    return _choice(curve, min(_settable(curve, lowest, highest), key=lambda point: (cost(point), point.limit_watts)))

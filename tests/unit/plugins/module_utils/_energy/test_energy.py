# Tests of power limits: curves are checked, choices are worked out by hand.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._energy.curves import find, read_curves, shipped
from ansible_collections.aidc.ops.plugins.module_utils._energy.limit import cheapest, within_slowdown
from ansible_collections.aidc.ops.plugins.module_utils._energy.report import carbon_kg, kilowatt_hours
from ansible_collections.aidc.ops.plugins.module_utils._errors import EnergyError

# Energy: 1200 s x 100 W = 120 kJ, 1040 x 150 = 156 kJ, 1000 x 200 = 200 kJ, 2000 x 90 = 180 kJ.
ROW: dict[str, Any] = {
    "model": "M",
    "workload": "training",
    "origin": "our lab",
    "points": [
        {"limit_watts": 200, "seconds": 1000, "mean_watts": 200},
        {"limit_watts": 150, "seconds": 1040, "mean_watts": 150},
        {"limit_watts": 100, "seconds": 1200, "mean_watts": 100},
        {"limit_watts": 50, "seconds": 2000, "mean_watts": 90},
    ],
}


def curve() -> Any:
    return read_curves([ROW])[0]


@pytest.mark.parametrize(
    ("slowdown", "limit", "performance", "energy"),
    [(0, 200, 1, 1), (0.04, 150, 1000 / 1040, 0.78), (0.19, 150, 1000 / 1040, 0.78), (0.2, 100, 1000 / 1200, 0.6)]
    + [(9, 100, 1000 / 1200, 0.6)],
)
def test_least_energy_within_a_slowdown(slowdown: float, limit: float, performance: float, energy: float) -> None:
    found = within_slowdown(curve(), slowdown)
    assert (found.limit_watts, found.origin) == (limit, "our lab")
    assert found.performance == pytest.approx(performance)
    assert found.energy == pytest.approx(energy)


def test_the_range_of_the_gpu_counts() -> None:
    assert within_slowdown(curve(), 9, lowest=120).limit_watts == 150
    assert within_slowdown(curve(), 9, highest=60).limit_watts == 50
    with pytest.raises(EnergyError, match=r"none of the measured limits \(50 to 200 W\) .* \(300 to 400 W\)"):
        within_slowdown(curve(), 9, 300, 400)
    with pytest.raises(EnergyError, match=r"is more than 1\.0% slower"):
        within_slowdown(curve(), 0.01, highest=150)


def test_least_cost() -> None:
    """A GPU hour of 1: at 1 a kWh 1000/3600 x 1.2 = 0.333, 1040/3600 x 1.15 = 0.332, 1200/3600 x 1.1 = 0.367."""
    assert cheapest(curve(), 0, 1).limit_watts == 200
    assert cheapest(curve(), 1, 1).limit_watts == 150
    assert cheapest(curve(), 20, 1).limit_watts == 100
    with pytest.raises(EnergyError, match="gpu_hour_price: must be above 0"):
        cheapest(curve(), 1, 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_numbers_that_are_none(value: float) -> None:
    for call in (
        lambda: within_slowdown(curve(), value),
        lambda: cheapest(curve(), value, 1),
        lambda: cheapest(curve(), 1, value),
        lambda: kilowatt_hours(value, 1),
        lambda: carbon_kg(1, value),
    ):
        with pytest.raises(EnergyError):
            call()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"points": [ROW["points"][0]]}, "2 to 100 points"),
        ({"points": [ROW["points"][0]] * 2}, "a limit is there twice"),
        ({"points": [ROW["points"][0]] * 101}, "2 to 100 points"),
        ({"points": [*ROW["points"], {**ROW["points"][0], "seconds": math.nan}]}, r"points\[4\]\.seconds: 'nan'"),
        ({"points": [*ROW["points"], {**ROW["points"][0], "mean_watts": True}]}, "mean_watts: 'True'"),
        ({"points": [*ROW["points"], {"limit_watts": 1}]}, r"points\[4\]: a point has exactly"),
        ({"points": {}}, "must be a list"),
        ({"origin": " "}, "say where the numbers are from"),
        ({"model": 7}, r"curves\[0\]\.model"),
        ({"colour": "red"}, "a curve has exactly"),
    ],
)
def test_a_wrong_curve_is_named(change: dict[str, Any], text: str) -> None:
    with pytest.raises(EnergyError, match=text):
        read_curves([{**ROW, **change}])


def test_wrong_lists_of_curves() -> None:
    for rows in (None, {}, [None], [ROW] * 1001):
        with pytest.raises(EnergyError):
            read_curves(rows)
    with pytest.raises(EnergyError, match=r"curves\[1\]: m under training is there twice"):
        read_curves([ROW, {**ROW, "model": "m"}])
    assert read_curves([]) == []


def test_what_is_shipped_has_an_origin_and_is_plausible() -> None:
    curves = shipped()
    assert {one.model for one in curves} == {"V100", "P100", "A40", "Quadro RTX 6000"}
    for one in curves:
        assert one.origin.startswith("https://github.com/ml-energy/zeus/")
        times = [point.seconds for point in one.points]
        assert all(later <= 1.005 * earlier for earlier, later in itertools.pairwise(times)), one.model
        assert within_slowdown(one, 0.1).energy < 1


def test_a_curve_is_found_by_name_and_nothing_is_guessed() -> None:
    assert find(shipped(), "v100", "vision_training").points[2].seconds == 4148.7
    assert find(shipped(), "Tesla V100-SXM2-32GB", "vision_training").model == "V100"
    with pytest.raises(EnergyError, match="nobody measured 'NVIDIA RTX 6000 Ada Generation'"):
        find(shipped(), "NVIDIA RTX 6000 Ada Generation", "vision_training")
    with pytest.raises(EnergyError, match="nobody measured 'H100' under 'training'; known are M under training"):
        find([curve()], "H100", "training")
    with pytest.raises(EnergyError, match="known are none"):
        find([], "{{ 7 }}", "x")


def test_a_v100_in_training_from_the_source() -> None:
    """summary_power_v100.csv, ResNet-50, batch size 256: 3852.2 s x 166.4 W against 3515.0 s x 220.3 W."""
    found = within_slowdown(find(shipped(), "V100", "vision_training"), 0.1)
    assert found.limit_watts == 175
    assert found.performance == pytest.approx(0.9125, abs=1e-3)
    assert found.energy == pytest.approx(0.828, abs=1e-3)

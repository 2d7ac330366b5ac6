# Tests of reading a forecast: the right steps, and everything that makes it none.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.ahead import foresee
from ansible_collections.aidc.ops.plugins.module_utils._forecast.forecast import Asked
from ansible_collections.aidc.ops.plugins.module_utils._forecast.forecast import forecast as make_forecast
from ansible_collections.aidc.ops.plugins.module_utils._forecast.sources import History

NOW = 10_000.0


def forecast(*values: float, begin: float = NOW - 100) -> dict[str, Any]:
    """Steps of 300 seconds, the first of which is going on."""
    row = {"name": "chat", "quantiles": {"0.5": [1.0] * len(values), "0.9": list(values)}}
    return {
        "times": [begin + 300 * place for place in range(len(values))],
        "step_seconds": 300.0,
        "series": [row],
        "projects": [],
        "total": {**row, "name": "total"},
    }


@pytest.mark.parametrize(("startup", "load"), [(0, 5), (199, 5), (200, 7), (600, 9), (1000, 9)])
def test_the_highest_until_a_replica_serves(startup: float, load: float) -> None:
    for name in ("total", "chat"):
        assert foresee(forecast(5, 7, 9, 2), name, 0.9, startup, NOW).load == load
    assert foresee(forecast(5, 7, 9, 2), "chat", 0.5, startup, NOW).load == 1


@pytest.mark.parametrize("late", [0, 1, 299.9])
def test_what_is_made_of_the_values_of_a_server_reaches_from_now(late: float) -> None:
    """The module asks for the values at the begin of each step, the last of which is going on."""
    values = [(300.0 * step, float(step % 2)) for step in range(100)]
    made = make_forecast([History("chat", "", values)], Asked(300, 12, 2, "seasonal_naive", (0.9,)))
    now = values[-1][0] + late
    assert made["times"][0] == values[-1][0] + 300 > now
    for startup, load in ((0, 0), (1000, 1), (3300, 1)):
        assert foresee(made, "total", 0.9, startup, now).load == load
    assert "does not reach" in foresee(made, "total", 0.9, 4000, now).missing


@pytest.mark.parametrize(
    ("given", "name", "quantile", "message"),
    [
        ({}, "total", 0.9, "not what capacity_forecast returns"),
        ({"times": 1}, "total", 0.9, "not what capacity_forecast returns"),
        ("x", "total", 0.9, "not what capacity_forecast returns"),
        (forecast(5, 7), "code", 0.9, "has no 'code'"),
        (forecast(5, 7), "chat", 0.99, "no quantile 0.99"),
        (forecast(), "chat", 0.9, "does not reach"),
        (forecast(5), "chat", 0.9, "does not reach"),
        (forecast(5, 7, 9, begin=NOW + 301), "chat", 0.9, "does not reach"),
        (forecast(5, 7, 9, begin=NOW - 5000), "chat", 0.9, "does not reach"),
        (forecast(5, math.nan, 9), "chat", 0.9, "no numbers from 0 on"),
        (forecast(5, -1, 9), "chat", 0.9, "no numbers from 0 on"),
        ({**forecast(5, 7), "times": [NOW]}, "chat", 0.9, "not one value for each time"),
    ],
)
def test_what_is_no_forecast(given: Any, name: str, quantile: float, message: str) -> None:
    found = foresee(given, name, quantile, 300, NOW)
    assert found.load is None and message in found.missing


def test_a_series_that_could_not_be_forecast() -> None:
    empty = forecast(5, 7)
    empty["total"]["quantiles"] = {}
    assert "no quantile 0.9" in foresee(empty, "total", 0.9, 0, NOW).missing

# Tests of workloads that are made of a forecast.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.demand import forecast_demand
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError
from ansible_collections.aidc.ops.plugins.module_utils._forecast.forecast import Asked, forecast
from ansible_collections.aidc.ops.plugins.module_utils._forecast.sources import History


def foretold(values: list[Any], project: str = "vision", **more: Any) -> dict[str, Any]:
    return {"project": project, "forecast": values, "quantiles": {"0.9": [2 * value for value in values]}, **more}


FORECAST = {
    "step_seconds": 3600.0,
    "series": [{"name": "train", **foretold([10.0, 20.0, 15.0])}, {"name": "idle", **foretold([0.0, 0.2, 0.0])}],
    "projects": [{"name": "vision", **foretold([12.0, 22.0, 17.0])}, {"name": "train", **foretold([1.0, 1.0, 1.0])}],
    "total": {"name": "total", **foretold([13.0, 23.0, 18.0], "total")},
}


def test_the_peak_of_a_quantile_is_covered() -> None:
    rows = forecast_demand(
        FORECAST, {"train": {"gpus": 8, "gpu_models": ["h100"]}, "vision": {"gpus": 4, "project": "x"}}
    )
    assert rows == [
        {"name": "forecast/train", "gpus": 8, "gpu_models": ["h100"], "project": "vision", "copies": 5},
        {"name": "forecast/vision", "gpus": 4, "project": "x", "copies": 11},
    ]


def test_other_quantiles_moments_and_units() -> None:
    def copies(**wanted: Any) -> int:
        return int(forecast_demand(FORECAST, {"train": {"gpus": 1, **wanted}})[0]["copies"])

    assert copies(quantile=None) == 20 and copies(quantile=None, at="2h") == 15 and copies(at="90m") == 40
    assert copies(counts="copies", gpus=8) == 40 and copies(gpu_share_milli=500) == 80
    assert forecast_demand(FORECAST, {"train": {"counts": "copies", "cpu_milli": 500}}, None, "1h")[0]["copies"] == 20


def test_no_demand_is_no_workload() -> None:
    assert [row["copies"] for row in forecast_demand(FORECAST, {"idle": {"gpus": 8}})] == [1]
    assert forecast_demand(FORECAST, {"idle": {"gpus": 8, "at": "2h"}}) == []


def test_the_total_belongs_to_no_project() -> None:
    assert "project" not in forecast_demand(FORECAST, {"total": {"gpus": 8}})[0]


def test_rounding_makes_no_copy() -> None:
    one = {**FORECAST, "series": [{"name": "a", **foretold([]), "quantiles": {"0.9": [16.000000000000004]}}]}
    assert forecast_demand(one, {"a": {"gpus": 8}})[0]["copies"] == 2


def test_a_real_forecast() -> None:
    points = [(hour * 3600.0, 10.0 + hour % 24) for hour in range(24 * 30)]
    made = forecast([History("train", "vision", points)], Asked(3600.0, 24, 24, "seasonal_naive", (0.5, 0.9), False))
    (row,) = forecast_demand(made, {"train": {"gpus": 8}})
    assert row["copies"] == 5 and row["project"] == "vision", "33 GPUs at the peak"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "has to be a dictionary: name of a series"),
        ({"train": 8}, r"mapping\[train\] has to be a dictionary"),
        (
            {"traim": {"gpus": 8}},
            r"mapping\[traim\]: the forecast has no such series or project; it has idle, total, train",
        ),
        ({"train": {}}, r"mapping\[train\].gpus: missing; say how many GPUs a copy has, or counts: copies"),
        ({"train": {"gpus": 0}}, r"mapping\[train\].gpus has to be a number from 1 on"),
        ({"train": {"gpus": math.nan}}, r"mapping\[train\].gpus"),
        ({"train": {"gpus": 1, "counts": "cores"}}, "'cores' is none of gpus, copies"),
        ({"train": {"gpus": 1, "mig_profile": "1g.10gb"}}, "MIG instances are counted in copies"),
        ({"train": {"gpus": 1, "quantile": 0.99}}, "0.99 was not foretold; there are 0.9"),
        ({"train": {"gpus": 1, "quantile": "high"}}, r"mapping\[train\].quantile has to be a number"),
        ({"train": {"gpus": 1, "at": "later"}}, "'later' is neither peak nor a duration"),
        ({"train": {"gpus": 1, "at": "3h"}}, "beyond the horizon of the forecast, which has 3 steps"),
        ({"train": {"gpus": 1, "copies": 3}}, "that follows from the forecast, and cannot be set"),
        ({"train": {"gpus": 1, "name": "x"}, "vision": {"gpus": 1, "name": "x"}}, "workloads of the same name: x"),
    ],
)
def test_mappings_that_are_wrong(mapping: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        forecast_demand(FORECAST, mapping)


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "7"])
def test_what_is_no_number_is_no_demand(value: Any) -> None:
    one = {"name": "a", "quantiles": {"0.9": [1.0, value]}}
    with pytest.raises(SourceError, match="holds something that is no number"):
        forecast_demand({**FORECAST, "series": [one]}, {"a": {"gpus": 1}})


def test_no_forecast_is_no_demand_of_zero() -> None:
    one = {"name": "a", "quantiles": {}, "forecast": [], "notes": ["it ended long before the others"]}
    with pytest.raises(SourceError, match=r"no forecast of it \(it ended long before the others\), and no data is no"):
        forecast_demand({**FORECAST, "series": [one]}, {"a": {"gpus": 1}})
    for wrong in (None, {}, [], {"series": 7}, {"forecast_demand": FORECAST}):
        with pytest.raises(SourceError, match="this is no forecast"):
            forecast_demand(wrong, {"a": {"gpus": 1}})


def test_demand_beyond_what_can_be_planned() -> None:
    one = {"name": "a", "quantiles": {"0.9": [1e18]}}
    with pytest.raises(SourceError, match="200000 are the most that can be planned"):
        forecast_demand({**FORECAST, "series": [one]}, {"a": {"gpus": 1}})

# Tests of whole forecasts: what is chosen, how sums agree, what is said, and that the same comes out again.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import math
import random
import sys
import typing as t

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError
from ansible_collections.aidc.ops.plugins.module_utils._forecast import models, textfile
from ansible_collections.aidc.ops.plugins.module_utils._forecast.forecast import Asked, forecast
from ansible_collections.aidc.ops.plugins.module_utils._forecast.request import shortfalls
from ansible_collections.aidc.ops.plugins.module_utils._forecast.sources import History

HOUR = 3600.0
ASKED = Asked(HOUR, 12, 12, "seasonal_naive")


def history(name: str, values: t.Sequence[float | None], project: str = "", first: int = 0) -> History:
    return History(name, project, [((first + index) * HOUR, value) for index, value in enumerate(values)])


def repeating(count: int = 240) -> list[float]:
    """The same wild day again and again: nothing but the naive has no error at all."""
    draw = random.Random(11)
    day = [draw.uniform(10, 90) for _hour in range(12)]
    return [day[n % 12] for n in range(count)]


def noisy(seed: int, count: int = 240, wave: float = 10.0, noise: float = 1.0) -> list[float]:
    draw = random.Random(seed)
    return [50 + wave * math.sin(2 * math.pi * n / 12) + draw.gauss(0, noise) for n in range(count)]


def test_a_wave_goes_on() -> None:
    found = forecast([history("a", noisy(1, noise=0.0))], ASKED)
    (one,) = found["series"]
    assert found["begin"] == 240 * HOUR
    assert found["times"] == [found["begin"] + n * HOUR for n in range(12)]
    assert one["forecast"] == pytest.approx([50 + 10 * math.sin(2 * math.pi * n / 12) for n in range(12)])
    assert one["model"] == "seasonal_naive"
    assert found["total"]["forecast"] == pytest.approx(one["forecast"])


def test_projects_and_total_are_sums_and_their_bands_are_not() -> None:
    rows = [history("a", noisy(1), "x"), history("b", noisy(2), "x"), history("c", noisy(3), "y")]
    found = forecast(rows, ASKED)
    a, b, c = found["series"]
    x, y = found["projects"]
    assert [one["name"] for one in (x, y)] == ["x", "y"]
    assert x["forecast"] == pytest.approx([p + q for p, q in zip(a["forecast"], b["forecast"], strict=True)])
    assert y["quantiles"] == c["quantiles"]
    total = found["total"]
    assert total["forecast"] == pytest.approx([p + q for p, q in zip(x["forecast"], y["forecast"], strict=True)])
    # Errors of independent series cancel in part: the band of the sum is narrower than the sum of the bands.
    wide = sum(one["quantiles"]["0.95"][5] - one["forecast"][5] for one in (a, b, c))
    assert 0 < total["quantiles"]["0.95"][5] - total["forecast"][5] < 0.9 * wide
    assert total["backtest"]["forecasts"] == a["backtest"]["forecasts"]


def test_series_that_go_together_have_a_band_as_wide_as_their_sum() -> None:
    found = forecast([history("a", noisy(1)), history("b", noisy(1))], ASKED)
    a, _b = found["series"]
    wide = a["quantiles"]["0.95"][5] - a["forecast"][5]
    total = found["total"]
    assert total["quantiles"]["0.95"][5] - total["forecast"][5] == pytest.approx(2 * wide)


def test_a_new_series_joins_the_sum_and_it_is_said() -> None:
    found = forecast([history("old", noisy(1)), history("new", [5.0, 6.0, 7.0], first=237)], ASKED)
    old, new = found["series"]
    assert new["backtest"] is None
    assert new["forecast"] == [7.0] * 12
    assert any("too short for a back-test" in note for note in new["notes"])
    assert any("same side" in note for note in found["total"]["notes"])
    edge = old["quantiles"]["0.95"][0] + new["quantiles"]["0.95"][0]
    assert found["total"]["quantiles"]["0.95"][0] == pytest.approx(edge)


def test_an_ended_series_is_left_out_of_the_sum_and_named() -> None:
    found = forecast([history("on", noisy(1)), history("off", noisy(2, 100))], ASKED)
    assert found["series"][1]["forecast"] == []
    assert found["series"][1]["model"] == "none"
    assert "off" in found["total"]["notes"][0]
    assert found["total"]["forecast"] == found["series"][0]["forecast"]


def test_a_constant() -> None:
    one = forecast([history("a", [8.0] * 100)], ASKED)["series"][0]
    assert one["forecast"] == [8.0] * 12
    assert one["quantiles"]["0.05"] == one["quantiles"]["0.95"] == [8.0] * 12
    assert any("constant" in note for note in one["notes"])


def test_demand_is_never_negative() -> None:
    draw = random.Random(3)
    values = [max(0.0, draw.gauss(0, 3)) for _n in range(200)]
    one = forecast([history("a", values)], ASKED)["series"][0]
    assert min(one["quantiles"]["0.05"]) >= 0


@pytest.mark.parametrize("rows", [[history("a", [])], [history("a", [None, math.nan])]])
def test_nothing_to_go_by_is_an_error(rows: list[History]) -> None:
    with pytest.raises(ForecastError, match="none of the 1 series can be foretold: a: there is no usable value"):
        forecast(rows, ASKED)


def test_a_changed_level_is_said() -> None:
    low = noisy(1, 360)
    rows = [history("a", low + [value + 200 for value in noisy(2, 60)])]
    notes = forecast(rows, ASKED)["series"][0]["notes"]
    assert any("level changed 60 hours ago" in note and "widens" in note for note in notes)
    rows = [history("a", low + [value + 200 for value in noisy(2, 396)])]
    one = forecast(rows, ASKED)["series"][0]
    assert any("level changed 396 hours ago; only" in note for note in one["notes"])
    assert one["steps_used"] == 396


@pytest.mark.slow
def test_auto_takes_the_naive_where_it_wins_and_the_mean_where_that_does() -> None:
    asked = ASKED._replace(model="auto")
    steady = forecast([history("a", repeating())], asked)
    assert steady["series"][0]["model"] == "seasonal_naive"
    rough = forecast([history("a", noisy(5, noise=4.0))], asked)["series"][0]
    assert rough["model"] == "mean"
    assert rough["backtest"]["mase"] < 0.9 * rough["backtest"]["mase_seasonal_naive"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["auto", "theta", "ets"])
def test_the_same_input_gives_the_same_answer(model: str) -> None:
    rows = [history("a", noisy(5, 120))]
    asked = ASKED._replace(model=model)
    first = json.dumps(forecast(rows, asked))
    assert json.dumps(forecast(rows, asked)) == first
    assert "NaN" not in first


@pytest.mark.slow
def test_a_model_that_loses_is_used_if_asked_for_and_that_is_said() -> None:
    one = forecast([history("a", repeating())], ASKED._replace(model="theta"))["series"][0]
    assert one["model"] == "theta"
    assert any("seasonal naive errs less than theta" in note for note in one["notes"])


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    rows = [history("a", noisy(5))]
    one = forecast(rows, ASKED._replace(model="auto"))["series"][0]
    assert one["model"] in ("seasonal_naive", "last_value")
    assert any("statsforecast" in note for note in one["notes"])
    with pytest.raises(ForecastError, match="need the Python package statsforecast"):
        forecast(rows, ASKED._replace(model="theta"))
    with pytest.raises(ForecastError, match="needs the Python package torch"):
        forecast(rows, ASKED._replace(model="lstm"))


def test_a_model_that_cannot_be_fitted_is_left_to_the_naive(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: t.Any) -> models.Predict:
        raise ValueError("singular")

    monkeypatch.setattr(models, "_fit_statistical", fails)
    one = forecast([history("a", noisy(5))], ASKED._replace(model="theta"))["series"][0]
    assert one["model"] == "seasonal_naive"
    assert any("singular" in note for note in one["notes"])


def test_when_it_will_not_fit() -> None:
    found = forecast([history("a", noisy(1), "x")], ASKED)
    peak = max(found["total"]["forecast"])
    late = shortfalls(found, {"total": peak - 0.5, "x": 1e9})
    assert {row["name"] for row in late} == {"total"}
    (middle,) = (row for row in late if row["quantile"] == 0.5)
    assert 0 <= middle["seconds"] < 12 * HOUR
    with pytest.raises(ForecastError, match="no series or project 'z'; there are a, x, total"):
        shortfalls(found, {"z": 1})


def test_metrics() -> None:
    found = forecast([history('a"\\\n{{ 7 }}', noisy(1), "x")], ASKED)
    text = textfile.render("gpus", found, 123.0, [3 * HOUR, 12 * HOUR], {"x": 40.0})
    lines = text.splitlines()
    assert 'aidc_forecast_timestamp_seconds{forecast="gpus"} 123' in lines
    assert 'aidc_forecast_capacity{forecast="gpus",scope="project",series="x"} 40' in lines
    name = 'forecast="gpus",scope="series",series="a\\"\\\\\\n{{ 7 }}",project="x",quantile="0.95",horizon="12h"'
    (demand,) = [line for line in lines if line.startswith(f"aidc_forecast_demand{{{name}}} ")]
    assert float(demand.rsplit(" ", 1)[1]) == pytest.approx(max(found["series"][0]["quantiles"]["0.95"]))
    exceeds = [line for line in lines if line.startswith("aidc_forecast_exceeds_timestamp_seconds{")]
    assert len(exceeds) == 5
    samples = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    assert textfile.steady(text) == textfile.steady(textfile.render("gpus", found, 999.0, [10800, 43200], {"x": 40.0}))

# Tests of the filter forecast_demand as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

FORECAST = {
    "step_seconds": 3600.0,
    "series": [{"name": "vision", "project": "", "forecast": [3.0], "quantiles": {"0.9": [9.0], "0.5": [4.0]}}],
}


def template(text: str, **variables: object) -> object:
    return Templar(DataLoader(), variables={"forecast": FORECAST, **variables}).template(trust_as_template(text))


def test_workloads_of_a_forecast() -> None:
    found = template("{{ forecast | aidc.ops.forecast_demand({'vision': {'gpus': 8}}) }}")
    assert found == [{"name": "forecast/vision", "gpus": 8, "project": "", "copies": 2}]
    assert template("{{ (forecast | aidc.ops.forecast_demand({'vision': {'gpus': 1}}, 0.5))[0].copies }}") == 4
    assert template("{{ (forecast | aidc.ops.forecast_demand({'vision': {'gpus': 1}}, none, '30m'))[0].copies }}") == 3


def test_complaint_names_the_filter() -> None:
    with pytest.raises(
        Exception, match=r"aidc\.ops\.forecast_demand: mapping\[chat\]: the forecast has no such series"
    ):
        template("{{ forecast | aidc.ops.forecast_demand({'chat': {'gpus': 8}}) }}")
    with pytest.raises(Exception, match=r"aidc\.ops\.forecast_demand: this is no forecast"):
        template("{{ {} | aidc.ops.forecast_demand({'chat': {'gpus': 8}}) }}")

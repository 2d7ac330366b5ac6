# Maintenance windows in small forecasts, with answers found by hand.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._schedule.maintenance import (
    Demand,
    Limits,
    MaintenanceError,
    Need,
    choose,
    read_demand,
)

HOUR = 3600
# 2026-01-01T00:00:00Z, a Thursday.
BEGIN = 1767225600


def hourly(*values: float, begin: float = BEGIN) -> Demand:
    return Demand(begin, HOUR, values)


def spans(found: dict[str, Any], begin: float = BEGIN) -> dict[str, tuple[float, float]]:
    """Begin and end in hours by node."""
    return {one["node"]: ((one["start"] - begin) / HOUR, (one["end"] - begin) / HOUR) for one in found["windows"]}


def test_the_lowest_hour_is_taken_and_the_next_one_by_the_next_node_of_the_rack() -> None:
    found = choose(hourly(9, 3, 8, 1, 2), [Need("a", 60, 2), Need("b", 60, 2)], Limits(12))
    assert spans(found) == {"a": (3, 4), "b": (4, 5)} and found["refused"] == []
    assert found["windows"][0]["demand"] == 1 and found["windows"][0]["capacity_left"] == 10
    # Racks of their own may be away together.
    needs = [Need("a", 60, 2, "r1"), Need("b", 60, 2, "r2")]
    assert spans(choose(hourly(9, 3, 8, 1, 2), needs, Limits(12))) == {"a": (3, 4), "b": (3, 4)}
    assert spans(choose(hourly(9, 3, 8, 1, 2), needs, Limits(12, most=1))) == {"a": (3, 4), "b": (4, 5)}


def test_demand_fits_on_what_all_windows_together_leave() -> None:
    # 8 GPUs, 3 wanted: 4 may be away, so not both nodes of 3 at once.
    needs = [Need("a", 60, 3, "r1"), Need("b", 60, 3, "r2"), Need("c", 60, 6, "r3")]
    found = choose(hourly(3, 3), needs, Limits(8))
    assert spans(found) == {"a": (0, 1), "b": (1, 2)}
    (refused,) = found["refused"]
    assert refused["node"] == "c"
    assert "demand fit without its 6 GPUs: at best 3 GPUs are wanted or in maintenance, 2 would be left" in str(refused)


def test_the_highest_demand_counts_before_the_mean() -> None:
    # Two hours: 5 5 has the lower peak, 1 6 the lower mean.
    assert spans(choose(hourly(5, 5, 9, 1, 6), [Need("a", 120, 1)], Limits(12))) == {"a": (0, 2)}
    # Half an hour of the lowest hour; the first of equal ones.
    assert spans(choose(hourly(5, 1, 1), [Need("a", 30, 1)], Limits(12))) == {"a": (1, 1.5)}
    # What is no whole quarter ends when it ends, and keeps the next one free of others.
    two = [Need("a", 20, 1), Need("b", 20, 1)]
    times = [(one["start"] - BEGIN, one["end"] - BEGIN) for one in choose(hourly(1), two, Limits(12))["windows"]]
    assert times == [(0, 1200), (1800, 3000)]


def test_hours_are_those_of_the_clock_on_the_wall_on_both_sides_of_summer_time() -> None:
    zone = ZoneInfo("Europe/Berlin")
    # 2026-03-29: Berlin goes from UTC+1 to UTC+2 at 01:00 UTC. 22:00 there is 21:00 UTC before and 20:00 UTC after.
    begin = 1774656000
    demand = Demand(begin, HOUR, tuple(1.0 for _unused in range(48)))
    limits = Limits(9, hours=("22:00-23:00",), zone=zone)
    found = spans(choose(demand, [Need("a", 60, 1), Need("b", 60, 1)], limits), begin)
    assert found == {"a": (21, 22), "b": (24 + 20, 24 + 21)}
    # A night goes over midnight.
    night = Limits(9, hours=("23:00-01:00",))
    assert spans(choose(hourly(*[1] * 48), [Need("a", 120, 1)], night)) == {"a": (23, 25)}
    (refused,) = choose(hourly(*[1] * 48), [Need("a", 180, 1)], night)["refused"]
    assert "no 180 minutes in a row lie in the allowed hours" in refused["reason"]


def test_too_many_of_one_rack_is_told() -> None:
    found = choose(hourly(1), [Need("a", 60, 1), Need("b", 60, 1)], Limits(9))
    assert found["refused"][0]["node"] == "b" and "as may be at once" in found["refused"][0]["reason"]
    assert choose(hourly(1), [], Limits(9)) == {"windows": [], "refused": []}


@settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    values=st.lists(st.integers(0, 10), min_size=1, max_size=12),
    rows=st.lists(st.tuples(st.integers(1, 150), st.integers(0, 5), st.sampled_from(["r1", "r2"])), max_size=6),
    most=st.integers(0, 2),
)
def test_no_window_breaks_a_limit(values: list[int], rows: list[tuple[int, int, str]], most: int) -> None:
    needs = [Need(f"n{number}", *row) for number, row in enumerate(rows)]
    found = choose(hourly(*values), needs, Limits(10, most_per_rack=1, most=most, hours=("01:00-09:00",)))
    by_name = {need.node: need for need in needs}
    assert {one["node"] for one in found["windows"] + found["refused"]} == set(by_name)
    for minute in range(len(values) * 60):
        now = BEGIN + minute * 60
        away = [by_name[one["node"]] for one in found["windows"] if one["start"] <= now < one["end"]]
        assert not away or (values[minute // 60] + sum(need.gpus for need in away) <= 10 and 60 <= minute < 9 * 60)
        assert len({need.rack for need in away}) == len(away) <= (most or 9)


def forecast(**total: Any) -> dict[str, Any]:
    return {
        "begin": float(BEGIN),
        "step_seconds": 3600.0,
        "series": [{"name": "s", "quantiles": {"0.9": [3.0]}}],
        "projects": [],
        "total": {"name": "total", "quantiles": {"0.5": [1.0, 2.0], "0.9": [2.0, 4.0]}, **total},
    }


def test_a_forecast_is_read() -> None:
    assert read_demand(forecast(), "total", 0.9).values == (2.0, 4.0)
    assert read_demand(forecast(), "s", 0.9).values == (3.0,)


@pytest.mark.parametrize(
    ("data", "name", "quantile", "part"),
    [
        (forecast(), "x", 0.9, "the forecast has no 'x'; it has total, s"),
        (forecast(), "total", 0.99, "total has no quantile 0.99; it has 0.5, 0.9"),
        (forecast(quantiles={}), "total", 0.9, "it could not be foretold"),
        (forecast(quantiles={"0.9": [float("nan")]}), "total", 0.9, "no numbers"),
        (forecast(quantiles={"0.9": ["x"]}), "total", 0.9, "not what capacity_forecast returns"),
        (forecast(quantiles={"0.9": [1.0] * 20_000}), "total", 0.9, "longer than 520 days"),
        ({**forecast(), "step_seconds": 0}, "total", 0.9, "not above zero"),
        ({**forecast(), "begin": 1e300}, "total", 0.9, r"begin: 1e\+300 is no time"),
        ({}, "total", 0.9, "not what capacity_forecast returns"),
        ([], "total", 0.9, "not what capacity_forecast returns"),
    ],
)
def test_what_is_no_forecast_is_told(data: Any, name: str, quantile: float, part: str) -> None:
    with pytest.raises(MaintenanceError, match=part):
        read_demand(data, name, quantile)


@pytest.mark.parametrize(
    ("needs", "limits", "part"),
    [
        ([Need("a", 1, 1), Need("a", 1, 1)], Limits(9), "it is there twice"),
        ([Need("a", 0, 1)], Limits(9), "0 is not between 1 and a month"),
        ([Need("a", 10, -1)], Limits(9), "-1 is less than 0"),
        ([Need(f"n{number}", 1, 1) for number in range(10_001)], Limits(9), "10001 are too many"),
        ([], Limits(float("nan")), "nan is not a number of GPUs"),
        ([], Limits(9, most_per_rack=-1), "neither can be less than 0"),
        ([], Limits(9, hours=("22-6",)), "'22-6' is no range such as 22:00-06:00"),
        ([], Limits(9, hours=("25:00-26:00",)), "is no range"),
        ([], Limits(9, hours=("03:00-03:00",)), "is no range"),
    ],
)
def test_wrong_input_is_explained(needs: list[Need], limits: Limits, part: str) -> None:
    with pytest.raises(MaintenanceError, match=part):
        choose(hourly(1), needs, limits)

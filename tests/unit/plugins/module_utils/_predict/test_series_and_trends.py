# Tests of series and of the trend rules over them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._predict import trends
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY, Series


def days(*values: float) -> Series:
    return Series([(day * DAY, value) for day, value in enumerate(values)], hold=300)


def test_samples_are_put_in_order_and_what_is_no_number_is_dropped() -> None:
    series = Series([(20, 2), (10, 1), (20, 3), (30, math.nan), (math.nan, 4), (40, math.inf)])
    assert (series.times, series.values) == ([10, 20], [1, 3])
    assert not Series([])
    assert Series([]).at(5) is None


def test_a_counter_that_begins_anew_goes_on_as_in_increase() -> None:
    counter = Series([(0, 5), (1, 7), (2, 1), (3, 4)], counter=True)
    assert counter.sums == [5, 7, 8, 11]
    assert counter.rises[-1] == 3
    assert Series([(0, 5), (1, 7), (2, 1), (3, 4)]).sums == [5, 7, 1, 4]


def test_a_value_is_present_for_as_long_as_it_holds() -> None:
    series = Series([(100, 1)], hold=300)
    assert [series.at(moment) for moment in (99, 100, 400, 401)] == [None, 1, 1, None]


@pytest.mark.parametrize(
    ("values", "true"),
    [
        ([0] * 14 + [2], True),
        ([0] * 14 + [1], False),
        ([0] * 7 + [2] * 7 + [6], False),
        ([0] * 7 + [2] * 7 + [7], True),
        ([0] * 13 + [2], False),
    ],
)
def test_more_than_twice_as_many_as_in_the_week_before(values: list[float], true: bool) -> None:
    rule = trends.grows_faster("x")
    assert rule({"x": days(*values)}, (len(values) - 1) * DAY) is true
    assert rule({}, 0) is False


def test_wear_has_to_go_on_in_both_weeks() -> None:
    rule = trends.wears_out("used")
    slow = [50 + day * 0.3 for day in range(15)]
    assert not rule({"used": days(*slow)}, 14 * DAY)
    fast = [60 + day for day in range(15)]
    assert rule({"used": days(*fast)}, 14 * DAY)
    assert not rule({"used": days(*([60] * 8 + [70] * 7))}, 14 * DAY)


def test_spare_blocks_that_are_gone_are_no_prediction() -> None:
    rule = trends.runs_out("spare")
    assert rule({"spare": days(*[50 - day for day in range(15)])}, 14 * DAY)
    assert not rule({"spare": days(*[14 - day for day in range(15)])}, 14 * DAY)


def test_errors_accelerate_against_a_known_week() -> None:
    rule = trends.errors_accelerate("x", 10)
    busy = {"x_mean": days(30), "x_hours": days(24), "x_week": days(7), "x_week_hours": days(168)}
    assert rule(busy, 0)
    assert not rule({**busy, "x_hours": days(5)}, 0), "one burst"
    assert not rule({**busy, "x_week": days(8)}, 0)
    assert not rule({**busy, "x_mean": days(10)}, 0)
    assert not rule({**busy, "x_week_hours": days(83)}, 0), "a GPU that is new"
    assert not rule({name: one for name, one in busy.items() if name != "x_hours"}, 0)

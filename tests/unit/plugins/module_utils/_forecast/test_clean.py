# Tests of what is made of measured points: gaps, restarts, doubles, nonsense, and changed levels.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._forecast.clean import MAX_STEPS, last_step, regular
from ansible_collections.aidc.ops.plugins.module_utils._forecast.shifts import last_shift

HOUR = 3600.0


def hours(values: t.Sequence[float | None]) -> list[tuple[float, float | None]]:
    return [(index * HOUR, value) for index, value in enumerate(values)]


def test_the_mean_of_each_step() -> None:
    found = regular([(0, 1), (1800, 3), (3600, 5)], HOUR, 24)
    assert (found.start, found.values, found.notes) == (0.0, [2.0, 5.0], [])


def test_nonsense_doubles_and_disorder_are_dealt_with_and_said() -> None:
    points = [(7200, 3.0), (0, 1.0), (3600, math.nan), (3600, 9.0), (3600, 2.0), (math.inf, 1.0), (10800, None)]
    found = regular(points, HOUR, 24)
    assert found.values == [1.0, 2.0, 3.0]
    assert [note.split(" points")[0] for note in found.notes] == ["3 of 7", "1", "1"]


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(0, None), (3600, math.inf)]])
def test_nothing_usable_is_said(points: list[tuple[float, float | None]]) -> None:
    found = regular(points, HOUR, 24)
    assert found.values == []
    assert "no usable value" in found.notes[-1]


def test_short_gaps_are_lines_and_long_ones_the_season_before() -> None:
    season = [10.0, 20.0, 30.0, 40.0, 50.0]
    short = regular(hours([10.0, None, 30.0]), HOUR, 5)
    assert short.values == [10.0, 20.0, 30.0]
    long = regular(hours([*season, None, None, None, None, 99.0]), HOUR, 5)
    assert long.values == [*season, 10.0, 20.0, 30.0, 40.0, 99.0]
    assert "longest gap 4 steps" in long.notes[-1]


def test_what_is_before_a_very_long_gap_is_not_used() -> None:
    points = [*hours([1.0] * 5), *[(moment + 100 * HOUR, 7.0) for moment, _value in hours([0.0] * 50)]]
    found = regular(points, HOUR, 5)
    assert found.values == [7.0] * 50
    assert found.start == 100 * HOUR


def test_a_series_that_ended_is_not_foretold_and_a_late_one_is_filled() -> None:
    assert regular(hours([1.0] * 10), HOUR, 5, final=15).values == []
    found = regular(hours([1.0, 2.0, 3.0, 4.0, 5.0]), HOUR, 5, final=7)
    assert found.values == [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 2.0, 3.0]


def test_a_counter_that_began_again() -> None:
    found = regular([(0, 0), (3600, 3600), (7200, 1800), (10800, 5400)], HOUR, 24, counter=True)
    assert found.values == [1.0, 0.5, 1.0]
    assert "began again 1 times" in found.notes[0]


def test_a_counter_that_nobody_called_one_is_noticed() -> None:
    growing = [float(n % 40) * 100 for n in range(100)]
    assert any("counter: true" in note for note in regular(hours(growing), HOUR, 24).notes)
    wave = [math.sin(n) + 2 for n in range(100)]
    assert regular(hours(wave), HOUR, 24).notes == []


def test_a_step_that_only_began_is_left_out_for_all() -> None:
    whole: list[tuple[float, float | None]] = [(600.0 * n, 1.0) for n in range(12)]
    last = last_step([whole, [*whole, (7200.0, 5.0)]], HOUR)
    assert last is not None
    assert last[0] == 1
    assert "less than half" in last[1]
    assert regular([*whole, (7200.0, 5.0)], HOUR, 24, final=1).values == [1.0, 1.0]
    assert last_step([[(0.0, None)]], HOUR) is None


def test_a_huge_history_is_cut() -> None:
    found = regular(hours([1.0] * (MAX_STEPS + 50)), HOUR, 24)
    assert len(found.values) == MAX_STEPS
    assert any("only the last" in note for note in found.notes)


def test_two_points_an_age_apart_need_no_memory() -> None:
    found = regular([(0.0, 1.0), (1e12, 2.0)], 1.0, 1)
    assert len(found.values) <= MAX_STEPS
    assert found.values[-1] == 2.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1e9, 1e9), st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))),
        max_size=40,
    ),
    st.integers(1, 30),
    st.booleans(),
)
def test_whatever_comes_out_is_regular(points: list[tuple[float, float | None]], season: int, counter: bool) -> None:
    finite = [(moment, value if value is None or abs(value) < 1e12 else math.nan) for moment, value in points]
    found = regular(finite, HOUR, season, counter=counter)
    assert all(math.isfinite(value) for value in found.values)
    assert len(found.values) <= MAX_STEPS
    assert found.values or found.notes


def test_a_lasting_change_of_level_is_found_and_a_wild_day_is_not() -> None:
    day = [10.0 + (hour % 3) for hour in range(24)]
    assert last_shift(day * 10 + [value + 30 for value in day] * 10, 24) == 240
    assert last_shift(day * 10 + [90.0] * 24 + day * 9, 24) is None
    assert last_shift(day * 20, 24) is None
    assert last_shift([float(n) for n in range(480)], 24) is None
    assert last_shift(day, 24) is None

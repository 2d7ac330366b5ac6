# Tests of times, durations and the splitting of ranges.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import (
    MAX_POINTS,
    read_duration,
    read_time,
    windows,
)

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(30, 30), ("30", 30), ("15s", 15), ("1h30m", 5400), ("250ms", 0.25), (0.5, 0.5), ("1.5h", 5400), (" 2d ", 172800)],
)
def test_durations(text: t.Any, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "0", 0, -1, "-5s", "5 s", "1x", "s", "h1", "nan", "inf", True, None, "1h 30m", "{{ 1 }}"]
)
def test_what_is_no_duration(text: t.Any) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (5, 5),
        ("1700000000.25", 1_700_000_000.25),
        ("now", NOW),
        ("-1h", NOW - 3600),
        ("now-1h30m", NOW - 5400),
        ("now+5s", NOW + 5),
        ("-100", -100),
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T01:00:01.5+01:00", 1.5),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
    ],
)
def test_times(text: t.Any, moment: float) -> None:
    assert read_time(text, NOW) == pytest.approx(moment)


@pytest.mark.parametrize("text", ["", "yesterday", "1970-01-01T00:00:01", "now-", "nowish", "inf", "nan", None, "-1x"])
def test_what_is_no_time(text: t.Any) -> None:
    with pytest.raises(ValueError, match=r"time|duration"):
        read_time(text, NOW)


def test_a_short_range_is_one() -> None:
    assert windows(10.0, 70.0, 15.0) == [(10.0, 70.0)]
    assert windows(10.0, 69.0, 15.0) == [(10.0, 55.0)]
    assert windows(10.0, 10.0, 15.0) == [(10.0, 10.0)]


def test_the_end_before_the_start() -> None:
    with pytest.raises(ValueError, match="before its start"):
        windows(2.0, 1.0, 1.0)


def test_a_time_that_has_no_exact_form_costs_no_point() -> None:
    assert windows(1073741824.0, 1073741824.0 + 0.1, 0.1) == [(1073741824.0, 1073741824.1)]


@settings(deadline=None, max_examples=60)
@given(
    start=st.integers(0, 2_000_000_000),
    points=st.integers(0, 5 * MAX_POINTS),
    step=st.sampled_from([0.1, 0.25, 1.0, 15.0, 60.0, 3600.0]),
)
def test_the_parts_have_the_points_of_the_whole(start: int, points: int, step: float) -> None:
    parts = windows(float(start), start + points * step, step)
    counts = [round((last - first) / step) + 1 for first, last in parts]
    assert sum(counts) == points + 1
    assert max(counts) <= MAX_POINTS
    for (_first, last), (following, _end) in itertools.pairwise(parts):
        assert following - last == pytest.approx(step, rel=1e-3)

# Tests of how numbers, times and the marks of an axis are written.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils._report import units

DAY = 86400.0
NOON = 1_769_860_800.0  # 2026-01-31 12:00 UTC


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "watts", "\u2013"),
        (0, "ratio", "0 %"),
        (0.4984, "ratio", "49.8 %"),
        (21653, "watts", "21.7 kW"),
        (999, "watts", "999 W"),
        (1000, "watts", "1 kW"),
        (5e12, "watts", "5,000 GW"),
        (0, "bytes", "0 B"),
        (8.1e12, "bytes", "8.1 TB"),
        (93e9, "bytes_per_second", "93 GB/s"),
        (658, "kilowatt_hours", "658 kWh"),
        (0.4, "kilowatt_hours", "400 Wh"),
        (1234, "kilowatt_hours", "1.23 MWh"),
        (77, "celsius", "77 °C"),
        (1, "GPUs", "1 GPU"),
        (0, "GPUs", "0 GPUs"),
        (12345, "jobs", "12,345 jobs"),
        (1.24, "", "1.24"),
        (-3.5, "celsius", "-3.5 °C"),
        (0.00001, "per_hour", "1.0e-05 per h"),
        (1, "yes_no", "yes"),
        (0, "yes_no", "no"),
        (NOON, "time", "2026-01-31 12:00"),
        (0.25, "seconds", "0.25 s"),
        (59.6, "seconds", "60 s"),
        (360, "seconds", "6 min"),
        (5000, "seconds", "1.4 h"),
        (3 * DAY, "seconds", "3 d"),
        (40 * DAY, "seconds", "40 d"),
    ],
)
def test_numbers_have_units_and_no_more_digits_than_count(value: float | None, unit: str, text: str) -> None:
    assert units.joined(value, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "texts"),
    [
        (0, 0.92, "ratio", ["0 %", "25 %", "50 %", "75 %", "100 %"]),
        (0, 15900, "watts", ["0 W", "5 kW", "10 kW", "15 kW", "20 kW"]),
        (20, 89, "celsius", ["20 °C", "40 °C", "60 °C", "80 °C", "100 °C"]),
        (0, 2, "alerts", ["0 alerts", "1 alert", "2 alerts"]),
        (0, 0, "jobs", ["0 jobs", "1 job"]),
        (-5, 5, "celsius", ["-5 °C", "-2.5 °C", "0 °C", "2.5 °C", "5 °C"]),
    ],
)
def test_marks_are_round_in_the_unit_that_is_written(low: float, high: float, unit: str, texts: list[str]) -> None:
    marks = units.value_marks(low, high, unit)
    assert [units.joined(mark, unit) for mark in marks] == texts
    assert marks[0] <= low and marks[-1] >= high


@pytest.mark.parametrize("high", [1e-9, 0.003, 0.7, 1, 9, 99.9, 1e4, 123456, 9.99e9, 1e13])
@pytest.mark.parametrize("unit", ["ratio", "watts", "celsius", "jobs", "bytes"])
def test_there_are_few_marks_whatever_the_values(high: float, unit: str) -> None:
    marks = units.value_marks(0, high, unit)
    assert 2 <= len(marks) <= 6 and marks == sorted(set(marks)) and marks[-1] >= high


@pytest.mark.parametrize("hours", [1, 3, 6, 24, 72, 168, 744, 8760])
def test_times_are_few_and_within(hours: float) -> None:
    start = NOON + 123
    marks = units.time_marks(start, start + hours * 3600)
    assert 1 <= len(marks) <= 7
    assert all(start <= moment <= start + hours * 3600 for moment, _text in marks)


def test_midnight_is_a_date() -> None:
    marks = units.time_marks(NOON, NOON + DAY)
    assert [text for _moment, text in marks] == ["12:00", "18:00", "1 Feb", "06:00", "12:00"]

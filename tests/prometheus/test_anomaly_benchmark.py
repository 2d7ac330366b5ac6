# The benchmark of the anomaly rules on a series of five days with one labelled and one other disturbance.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.benchmarks import anomaly_false_alarms as benchmark

BEGIN = datetime(2020, 3, 4, tzinfo=UTC).timestamp()
DAY = 86400


def text(moment: float) -> str:
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Half an hour at 50 on the fourth day, which nobody labelled; six hours on the fifth, which somebody did."""
    (tmp_path / "nab" / "known").mkdir(parents=True)
    lines = ["timestamp,value"]
    for index in range(5 * 288):
        day = index / 288
        disturbed = 3.5 <= day < 3.521 or 4 <= day < 4.25
        lines.append(f"{text(BEGIN + index * benchmark.STEP)},{50 if disturbed else 10 + index % 3}")
    (tmp_path / "nab" / "known" / "one.csv").write_text("\n".join(lines))
    window = [text(BEGIN + 3.9 * DAY), text(BEGIN + 4.4 * DAY)]
    (tmp_path / "nab" / "combined_windows.json").write_text(json.dumps({"known/one.csv": [window]}))
    (tmp_path / "forecast").mkdir()
    return tmp_path


def test_what_is_labelled_is_found_and_what_is_not_counts_as_false(folder: Path) -> None:
    (one,) = benchmark.nab(folder / "nab")
    one.shift()
    assert one.weeks == pytest.approx((5 - 2 - 0.5) / 7, abs=0.01)
    server = benchmark.Server(folder, [one])
    with server.prometheus.start():
        expression, held = benchmark.shipped(None)
        outcome = benchmark.judge(one, server.values(expression)[one.name], held)
        assert (outcome.false_alarms, outcome.hits, outcome.windows) == (1, 1, 1)
        wide, _held = benchmark.shipped(100)
        assert benchmark.judge(one, server.values(wide)[one.name], held).hits == 0


def test_an_alarm_needs_its_time_and_ends_where_the_condition_does() -> None:
    moments = [0, 300, 600, 900, 3000, 3300, 9000]
    assert benchmark.alarms(moments, 600) == [(600, 900)]
    assert benchmark.alarms(moments, 0) == [(0, 900), (3000, 3300), (9000, 9000)]


def test_series_of_ten_minutes_are_two_samples_and_gaps_stay_gaps(folder: Path) -> None:
    table = (
        "time,series,running,total\n2020-01-01 00:00:00,a,1,8\n2020-01-01 00:10:00,a,,8\n2020-01-01 00:20:00,a,3,8\n"
    )
    (folder / "forecast" / "site.csv").write_text(table)
    (one,) = benchmark.forecast(folder / "forecast")
    assert one.name == "site_a_running"
    assert [value for _moment, value in one.samples] == [1, 1, 3, 3]

# Tests of histories read from CSV and from Prometheus, with what a person can get wrong.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError
from ansible_collections.aidc.ops.plugins.module_utils._forecast import sources
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.answers import Series


def csv(text: str, **options: str) -> list[sources.History]:
    return sources.from_csv(text.splitlines(keepends=True), "demand.csv", **options)


def test_one_series() -> None:
    (found,) = csv("time,active,total\n1970-01-01 00:00:10,3,9\n1970-01-01T00:00:20Z,,9\n30.5,NaN,9\n")
    assert (found.name, found.project) == ("active", "")
    assert found.points[:2] == [(10.0, 3.0), (20.0, None)]
    assert found.points[2][0] == 30.5


def test_series_and_projects() -> None:
    text = "time,series,account,gpus,waiting\n0,a,x,1,5\n0,b,y,2,6\n60,a,x,3,7\n"
    found = csv(text, value_by="waiting", project_by="account")
    assert [(one.name, one.project, [value for _moment, value in one.points]) for one in found] == [
        ("a", "x", [5.0, 7.0]),
        ("b", "y", [6.0]),
    ]


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", {}, "has to name the columns"),
        ("time,x\n", {}, "no series in it"),
        ("when,x\n1,2\n", {}, "among them time"),
        ("time\n1\n", {}, "no column with values"),
        ("time,x,x\n1,2,3\n", {}, "same name"),
        ("time,x\n1,2,3\n", {}, "line 2: 3 values for 2 columns"),
        ("time,x\n1,2\n3\n", {}, "line 3: 1 values for 2 columns"),
        ("time,x\nyesterday,2\n", {}, "line 2: 'yesterday' is no time"),
        ("time,x\n1,many\n", {}, "line 2: 'many' is no number"),
        ("time,x\n1,2\n", {"value_by": "y"}, "no column 'y'; there are time, x"),
        ('time,x\n1,"2\n', {}, "this is no CSV"),
    ],
)
def test_bad_files_are_told_with_their_place(text: str, options: dict[str, str], says: str) -> None:
    with pytest.raises(ForecastError, match=says) as caught:
        csv(text, **options)
    assert "demand.csv" in str(caught.value)


def test_huge_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_POINTS", 2)
    with pytest.raises(ForecastError, match="more than 2 rows"):
        csv("time,x\n1,1\n2,1\n3,1\n")
    monkeypatch.setattr(sources, "MAX_SERIES", 1)
    with pytest.raises(ForecastError, match="2 series are more than 1"):
        csv("time,series,x\n1,a,1\n2,b,1\n")


def test_names_and_projects_of_labels() -> None:
    series = [
        Series({"__name__": "gpus", "account": "x", "queue": "{{ 7 * 7 }}"}, [(1.0, 2.0)]),
        Series({"__name__": "gpus", "account": "x", "queue": "b"}, [(1.0, 3.0)]),
    ]
    found = sources.from_series(series, "http://p", None, "account")
    assert [(one.name, one.project) for one in found] == [
        ("account=x,queue={{ 7 * 7 }}", "x"),
        ("account=x,queue=b", "x"),
    ]
    with pytest.raises(ForecastError, match="two series are named 'x'"):
        sources.from_series(series, "http://p", "account")
    with pytest.raises(ForecastError, match="has no label 'team'"):
        sources.from_series(series, "http://p", "team")
    with pytest.raises(ForecastError, match="no series in it"):
        sources.from_series([], "http://p")

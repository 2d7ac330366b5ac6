# Tests of the typed results, with what servers answer and with what they should not.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import math
import typing as t

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._prometheus import answers


def test_a_vector() -> None:
    data = {"resultType": "vector", "result": [{"metric": {"instance": "gpu1"}, "value": [1700000000.5, "1.25"]}]}
    answer = answers.read_answer(data, ["w"])
    assert answer.samples == [answers.Sample({"instance": "gpu1"}, 1.25, 1700000000.5)]
    assert (answer.kind, answer.series, answer.text, answer.warnings) == ("vector", [], None, ["w"])


def test_a_matrix() -> None:
    data = {"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": [[1, "2"], [2.5, "NaN"]]}]}
    (series,) = answers.read_answer(data, []).series
    assert series.labels == {"a": "b"}
    assert series.points[0] == (1.0, 2.0)
    assert math.isnan(series.points[1][1])


def test_a_scalar_and_a_string() -> None:
    assert answers.read_answer({"resultType": "scalar", "result": [1, "3"]}, []).samples == [answers.Sample({}, 3, 1)]
    assert answers.read_answer({"resultType": "string", "result": [1, "{{ x }}"]}, []).text == "{{ x }}"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {},
        {"resultType": "vector"},
        {"resultType": "vector", "result": {}},
        {"resultType": "vector", "result": 7},
        {"resultType": "vector", "result": [None]},
        {"resultType": "vector", "result": [{"metric": {}}]},
        {"resultType": "vector", "result": [{"metric": [], "value": [1, "1"]}]},
        {"resultType": "vector", "result": [{"metric": {"a": 1}, "value": [1, "1"]}]},
        {"resultType": "vector", "result": [{"metric": {"a": {"b": "c"}}, "value": [1, "1"]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [1, "one"]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [1, None]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [[1]]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "value": [1, "1"]}]},
        {"resultType": "scalar", "result": []},
        {"resultType": "table", "result": []},
    ],
    ids=range(19),
)
def test_what_is_no_result(data: t.Any) -> None:
    with pytest.raises(ValueError, match="the answer is"):
        answers.read_answer(data, [])


@pytest.mark.parametrize("kind", ["vector", "matrix"])
def test_native_histograms_are_told(kind: str) -> None:
    histogram = {"count": "3", "sum": "1", "buckets": []}
    item = (
        {"metric": {}, "histogram": [1, histogram]}
        if kind == "vector"
        else {"metric": {}, "histograms": [[1, histogram]]}
    )
    with pytest.raises(ValueError, match="histogram_quantile"):
        answers.read_answer({"resultType": kind, "result": [item]}, [])


@pytest.mark.parametrize(("text", "plain"), [("NaN", "NaN"), ("+Inf", "+Inf"), ("-Inf", "-Inf"), ("1e3", 1000.0)])
def test_values_that_json_has_not(text: str, plain: t.Any) -> None:
    answer = answers.read_answer({"resultType": "scalar", "result": [1, text]}, [])
    assert answers.plain_answer(answer) == [{"labels": {}, "value": plain, "timestamp": 1.0}]
    json.dumps(answers.plain_answer(answer), allow_nan=False)


def test_a_plain_matrix() -> None:
    answer = answers.Answer("matrix", [], [answers.Series({"a": "b"}, [(1.0, 2.0), (2.0, math.inf)])], None, [])
    assert answers.plain_answer(answer) == [{"labels": {"a": "b"}, "values": [[1.0, 2.0], [2.0, "+Inf"]]}]


def test_parts_are_joined_by_labels() -> None:
    first = [answers.Series({"a": "1"}, [(1.0, 1.0)]), answers.Series({"a": "2"}, [(1.0, 5.0)])]
    second = [answers.Series({"a": "3"}, [(2.0, 9.0)]), answers.Series({"a": "1"}, [(2.0, 2.0)])]
    joined = {series.labels["a"]: series.points for series in answers.join_series([first, second])}
    assert joined == {"1": [(1.0, 1.0), (2.0, 2.0)], "2": [(1.0, 5.0)], "3": [(2.0, 9.0)]}


def test_targets_and_alerts() -> None:
    (target,) = answers.read_targets(
        {"activeTargets": [{"labels": {"job": "x"}, "health": "down", "lastError": "no", "scrapeUrl": "http://a:1/m"}]}
    )
    assert target == answers.Target({"job": "x"}, {}, "http://a:1/m", "down", "no")
    (alert,) = answers.read_alerts({"alerts": [{"labels": {"alertname": "A"}, "state": "firing", "value": "1e+00"}]})
    assert (alert.labels["alertname"], alert.state, alert.value) == ("A", "firing", 1.0)


@pytest.mark.parametrize(
    "data", [None, [], {}, {"activeTargets": [{}], "alerts": [{}]}, {"activeTargets": 1, "alerts": 1}]
)
def test_what_is_no_list_of_targets_or_alerts(data: t.Any) -> None:
    with pytest.raises(ValueError, match="targets"):
        answers.read_targets(data)
    with pytest.raises(ValueError, match="alerts"):
        answers.read_alerts(data)

# Every query of every panel on a real Prometheus with the data of a small data centre.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import re

import pytest
from pages import FILES, expressions, label_values, load
from server import Asked

EVERYTHING = dict.fromkeys(("cluster", "rack", "node", "gpu", "partition", "namespace", "playbook", "controller"), ".*")
CHOSEN = {
    **EVERYTHING,
    "rack": "(r1|r2)",
    "node": "gpu2",
    "gpu": "3",
    "partition": "batch",
    "namespace": "train",
    "playbook": "site",
}
TIMES = {"__rate_interval": "5m", "__range_s": "3600", "__range": "1h"}
CASES = [pytest.param(*case, id=f"{case[0]}: {case[1]} {number}") for number, case in enumerate(expressions())]


def filled(expr: str, values: dict[str, str]) -> str:
    """The expression with its variables replaced, as Grafana would."""
    return re.sub(r"\$(\w+)", lambda found: {**values, **TIMES}[found.group(1)], expr)


@pytest.mark.parametrize(("page", "title", "kind", "expr"), CASES)
def test_every_query_gives_series(prometheus: Asked, page: str, title: str, kind: str, expr: str) -> None:
    series = prometheus.series(filled(expr, EVERYTHING))
    assert series, f"{page}, {title}: {filled(expr, EVERYTHING)}"
    if kind == "stat":
        assert len(series) == 1, f"{title}: a figure is one series: {series}"
        assert math.isfinite(series[0][1]), f"{title}: {series}"


@pytest.mark.parametrize(("page", "title", "kind", "expr"), CASES)
def test_every_query_takes_a_choice(prometheus: Asked, page: str, title: str, kind: str, expr: str) -> None:
    prometheus.series(filled(expr, CHOSEN))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_variables_have_values(prometheus: Asked, path: object) -> None:
    for name, expr, label in label_values(load(path)):  # type: ignore[arg-type]
        found = {labels.get(label) for labels, _value in prometheus.series(filled(expr, EVERYTHING))} - {None}
        # One cluster alone has no such label.
        assert found or name == "cluster", f"{path}: {name} has no values: {expr}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_marks_of_alerts_can_be_asked_for(prometheus: Asked, path: object) -> None:
    for mark in load(path)["annotations"]["list"]:  # type: ignore[arg-type]
        prometheus.series(filled(mark["expr"], EVERYTHING))


def test_the_first_page_marks_the_alerts_of_the_sick_gpu(prometheus: Asked) -> None:
    fleet = next(load(path) for path in FILES if path.stem == "fleet")
    found = prometheus.series(filled(fleet["annotations"]["list"][0]["expr"], EVERYTHING))
    assert "gpu_row_remap_pending" not in {labels.get("fault_class") for labels, _value in found}, "only medium"
    assert "gpu_ecc_uncorrectable" in {labels.get("fault_class") for labels, _value in found}

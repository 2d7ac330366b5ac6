# Tests of the benchmark's reader: rows of hds in power-on hours become series with dates.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.benchmarks import predictor
from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY


class Column(list[Any]):
    def tolist(self) -> list[Any]:
        return list(self)


def row(serial: str, hours: int, fails: float, reallocated: float, span: int = 240) -> tuple[Any, ...]:
    """A row of a disk that was watched for ten days, from its hour 100 to its hour 100 + *span*."""
    return (serial, "M", 16000.0, 16010.0, 100, 100 + span, hours, fails, reallocated, None, 0.0, float("nan"), 0.0)


def test_dates_are_reckoned_back_from_the_last_record(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("a", 100, 0, 0), row("a", 316, 1, 7), row("b", 100, 0, 0), row("c", 100, 0, 0, span=24)]
    frame = {name: Column(values) for name, values in zip(predictor.COLUMNS, zip(*rows, strict=True), strict=True)}
    monkeypatch.setitem(sys.modules, "rdata", SimpleNamespace(read_rda=lambda _path: {"hds": frame}))
    (a, b), unknown = predictor.hds(Path("hds.rda"), 1, 0)
    assert unknown == 1, "hours and days of c differ"
    assert (a.begin, a.end, a.failed_at) == (16000 * DAY, 16010 * DAY, 16010 * DAY)
    assert a.series["reallocated"].times == [16000 * DAY, 16009 * DAY]
    assert a.series["reallocated"].values == [0, 7]
    assert "reported_uncorrectable" not in a.series
    assert "pending" not in a.series
    assert b.failed_at is None


def test_without_the_reader_people_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(PredictionError, match="needs the package rdata"):
        predictor.hds(Path("hds.rda"), 1, 0)


def test_every_disk_is_in_one_part() -> None:
    assert all(sum(predictor.taken(serial, 4, part) for part in range(4)) == 1 for serial in ("a", "b", "Z1F0"))

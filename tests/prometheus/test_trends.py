# The trend rules as the predictor's back-test evaluates them, against the same rules in a real Prometheus.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import typing as t
from pathlib import Path

import pytest
from prometheus_rendered import alerts
from prometheus_server import PrometheusServer

from ansible_collections.aidc.ops.plugins.module_utils._predict import history
from ansible_collections.aidc.ops.plugins.module_utils._predict.kinds import KINDS, query
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient

BEGIN = 20000 * DAY
DAYS = 40
DEVICES = 8
HOUR = 3600


def values(chance: random.Random, kind: str) -> t.Iterator[float | None]:
    """A value an hour: quiet, with times in which it moves, and holes."""
    value = {"used": 60.0, "spare": 60.0}.get(kind, 0.0)
    pace, left = 0.0, 0
    for _hour in range(DAYS * 24):
        if left == 0:
            left = chance.choice((24, 72, 200))
            pace = chance.choice((0.0, 0.0, 0.01, 0.05, 0.2))
        left -= 1
        if kind == "errors":
            yield None if chance.random() < 0.03 else chance.choice((0.0, 1.0, 2.0)) + pace * 400
            continue
        value += (-1 if kind == "spare" else 1) * (pace if kind in ("used", "spare") else chance.random() < pace)
        yield None if chance.random() < 0.03 else max(0.0, value)


def openmetrics() -> t.Iterator[str]:
    chance = random.Random(7)
    for kind, name, label in (
        ("used", "drive:aidc_percentage_used:max", "device"),
        ("spare", "drive:aidc_spare_above_threshold:min", "device"),
        ("remapped", "gpu:aidc_remapped_rows:sum", "pci_bus_id"),
        ("low", "DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_LOW", "pci_bus_id"),
        ("partial", "DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_PARTIAL", "pci_bus_id"),
        ("errors", "gpu:aidc_corrected_errors:increase1h", "pci_bus_id"),
    ):
        for number in range(DEVICES):
            for hour, value in enumerate(values(chance, kind)):
                # Only errors are looked at between the days.
                if value is not None and (kind == "errors" or hour % 24 == 0):
                    labels = f'instance="n1",{label}="d{number}"'
                    yield f"{name}{{{labels}}} {value} {BEGIN + hour * HOUR:.0f}\n"
                    # What the recorded series are made of, which is what the predictor asks for.
                    if kind == "used":
                        yield f"smartctl_device_percentage_used{{{labels}}} {value} {BEGIN + hour * HOUR:.0f}\n"
                    if kind == "spare":
                        yield f"smartctl_device_available_spare{{{labels}}} {value + 5} {BEGIN + hour * HOUR:.0f}\n"
                        yield f"smartctl_device_available_spare_threshold{{{labels}}} 5 {BEGIN + hour * HOUR:.0f}\n"
    yield "# EOF\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[PrometheusClient]:
    folder = tmp_path_factory.mktemp("trends")
    server = PrometheusServer(folder, ["--storage.tsdb.retention.time=100y"])
    source: Path = folder / "series.om"
    # One metric after the other, as the format wants it.
    lines = list(openmetrics())
    source.write_text("".join(sorted(lines[:-1], key=lambda line: line.split("{")[0])) + lines[-1], encoding="utf-8")
    server.fill(source)
    with server.start():
        yield PrometheusClient(server.url)


@pytest.mark.parametrize(
    ("kind_name", "alert"), [(kind.name, alert) for kind in KINDS.values() for alert in kind.shipped]
)
def test_each_trend_rule_is_true_when_its_alert_is(client: PrometheusClient, kind_name: str, alert: str) -> None:
    kind = KINDS[kind_name]
    (rule,) = (rule for rule in alerts(["aidc_prediction"]) if rule["alert"] == alert)
    begin, end = BEGIN, BEGIN + (DAYS - 1) * DAY
    theirs = {
        (series.labels[kind.label], moment)
        for series in client.query_range(rule["expr"], begin, end, DAY).series
        for moment, _value in series.points
    }
    answers = {
        measure.name: [
            (series.labels, series.points)
            for series in client.query_range(query(kind, measure), begin, end, DAY).series
        ]
        for measure in kind.measures
    }
    devices = history.assemble(kind, answers, {}, {}, hold=300)
    ours = {
        (device.name, begin + day * DAY)
        for device in devices
        for day in range(DAYS)
        if kind.shipped[alert](device.series, begin + day * DAY)
    }
    assert theirs, "the series have to make it true somewhere"
    assert len(theirs) < DAYS * DEVICES
    assert ours == theirs

# The client against a real Prometheus: what it gives and what it refuses.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_server import PrometheusServer

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.tests.prometheus.stack import Stack

# bcrypt of "right", made once: making one takes as long as it is meant to.
BCRYPT = "$2b$04$An8X0vB0NfD9wKR1pWvlOegJglXpjTzl8cxz.9sypTmJqN12FEVVS"


def test_a_vector_has_the_labels_of_the_target(stack: Stack) -> None:
    samples = {sample.labels["instance"]: sample for sample in stack.client().samples('up{job="gpu_exporter"}')}
    assert set(samples) == {"gpu1", "gpu2", "empty"}
    assert samples["gpu1"].labels["rack"] == "r1"
    assert abs(samples["gpu1"].timestamp - time.time()) < 60


def test_scalars_strings_and_what_is_no_number(stack: Stack) -> None:
    assert stack.client().samples("1 + 1")[0].value == 2
    assert stack.client().query('"text"').text == "text"
    assert math.isnan(stack.client().samples("vector(0) / 0")[0].value)
    assert stack.client().samples("vector(-1) / 0")[0].value == -math.inf


def test_a_range_selector_gives_points(stack: Stack) -> None:
    stack.wait_for("count_over_time(up[10s]) > 2", len(stack.nodes))
    answer = stack.client().query('up{instance="gpu1",job="gpu_exporter"}[10s]')
    assert answer.kind == "matrix"
    assert len(answer.series[0].points) > 2


def test_a_time_in_the_past(stack: Stack) -> None:
    assert stack.client().samples("up", time=time.time() - 86400) == []
    assert stack.client().samples("time()", time=1_700_000_000.25)[0].value == 1_700_000_000.25


def test_more_points_than_the_server_gives_at_once(stack: Stack) -> None:
    """The premise too: asked at once, the real server refuses."""
    end = 1_700_000_000
    path = f"query_range?query=vector(1)&start={end - 30000}&end={end}&step=1"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{stack.server.url}/api/v1/{path}", timeout=10)
    assert b"11,000" in refused.value.read()
    refused.value.close()
    (series,) = stack.client().query_range("time()", end - 30000.0, float(end), 1.0).series
    assert [moment for moment, _value in series.points] == [float(end - 30000 + number) for number in range(30001)]
    assert [value for _moment, value in series.points] == [moment for moment, _value in series.points]


def test_a_long_expression(stack: Stack) -> None:
    expr = (
        " or ".join(f'up{{instance="no such host {number}"}}' for number in range(500)) + ' or up{job="gpu_exporter"}'
    )
    assert len(stack.client().samples(expr)) == 3


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("up{", "parse error"),
        ("", "parse error"),
        ("up and", "parse error"),
        ("up + on (instance) up", "many-to-many"),
        ("count_over_time(vector(1)[1h:1ms])", "too many samples"),
    ],
)
def test_the_reason_of_a_refusal_is_told(stack: Stack, expr: str, says: str) -> None:
    with pytest.raises(PrometheusError, match=says) as caught:
        stack.client().query(expr)
    assert stack.server.url in str(caught.value)


def test_targets_alerts_rules_labels_and_series(stack: Stack) -> None:
    client = stack.client()
    targets = {(target.labels["job"], target.labels["instance"]): target for target in client.targets()}
    assert set(targets) == set(stack.nodes)
    one = targets["gpu_exporter", "gpu1"]
    assert (one.health, one.discovered_labels["__address__"]) == ("up", stack.nodes["gpu_exporter", "gpu1"].address)
    stack.wait_for('ALERTS{alertname="GpuFellOffBus",alertstate="firing"}', 1)
    firing = [alert for alert in client.alerts() if alert.state == "firing"]
    assert [alert.labels["instance"] for alert in firing] == ["gpu2"]
    assert {group["name"] for group in client.rules()} == {"aidc_gpu", "aidc_gpu_counts", "aidc_gpu_records"}
    assert {"gpu1", "gpu2"} <= set(client.label_values("instance"))
    found = client.series('up{instance="gpu1"}', time.time() - 600, time.time())
    assert {labels["job"] for labels in found} == {"node_exporter", "gpu_exporter"}


def test_a_login_is_needed(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f'basic_auth_users:\n  kim: "{BCRYPT}"\n')
    with PrometheusServer(tmp_path, flags=[f"--web.config.file={tmp_path / 'web.yml'}"]).start() as server:
        for options in ({}, {"username": "kim", "password": "wrong"}, {"token": "right"}):
            with pytest.raises(PrometheusError, match="HTTP 401"):
                PrometheusClient(server.url, timeout=10, **options).query("up")
        assert PrometheusClient(server.url, username="kim", password="right", timeout=10).samples("vector(1)")


def test_a_path_in_front_of_the_api(tmp_path: Path) -> None:
    with PrometheusServer(
        tmp_path, flags=["--web.external-url=http://monitor.example/prom/", "--web.route-prefix=/"]
    ).start() as server:
        assert PrometheusClient(server.url, timeout=10).samples("vector(1)")
        with pytest.raises(PrometheusError, match=r"HTTP 404.*path"):
            PrometheusClient(f"{server.url}/prom", timeout=10).query("vector(1)")

# Tests of the Alertmanager client.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import time
import typing as t

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils import _alertmanager as client
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager, alert


@pytest.fixture
def fake() -> t.Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as server:
        yield server


def test_asks_for_active_alerts_only(fake: FakeAlertmanager) -> None:
    fake.alerts = [alert("A", "f1")]
    assert client.fetch_alerts(f"{fake.url}/", 5, ['alertname="A"'])[0]["fingerprint"] == "f1"
    query = fake.queries[0]
    assert (query["active"], query["silenced"], query["inhibited"]) == (["true"], ["false"], ["false"])
    assert query["filter"] == ['alertname="A"']


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b'{"alerts": []}', b"\xff\xfe", b'"text"', b"[" * 100000], ids=range(6)
)
def test_anything_but_a_list_is_an_error(fake: FakeAlertmanager, body: bytes) -> None:
    fake.body = body
    with pytest.raises(client.AlertmanagerError, match=fake.url):
        client.fetch_alerts(fake.url, 5)


def test_an_http_error_is_an_error(fake: FakeAlertmanager) -> None:
    fake.status = 503
    with pytest.raises(client.AlertmanagerError, match="503"):
        client.fetch_alerts(fake.url, 5)


def test_a_huge_answer_is_an_error(fake: FakeAlertmanager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 1000)
    fake.body = b"[" + b" " * 2000 + b"]"
    with pytest.raises(client.AlertmanagerError, match="larger"):
        client.fetch_alerts(fake.url, 5)


def test_a_dead_endpoint_costs_its_timeout(fake: FakeAlertmanager) -> None:
    fake.delay = 3
    began = time.monotonic()
    with pytest.raises(client.AlertmanagerError):
        client.fetch_alerts(fake.url, 0.3)
    assert time.monotonic() - began < 2


def test_a_closed_port_is_an_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(client.AlertmanagerError):
        client.post_alerts(f"http://127.0.0.1:{port}", [], 1)


def test_start_time(fake: FakeAlertmanager) -> None:
    fake.started_at = 1_700_000_000.5
    assert client.fetch_start_time(fake.url, 5) == 1_700_000_000.5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:01.5+01:00", 1.5),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
    ],
)
def test_parse_time(text: str, seconds: float) -> None:
    assert client.parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "1970-01-01T00:00:01", "1970-13-01T00:00:01Z"])
def test_parse_time_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|zone|month"):
        client.parse_time(text)


def test_format_time_is_read_back() -> None:
    assert client.parse_time(client.format_time(1_700_000_000.25)) == 1_700_000_000.25

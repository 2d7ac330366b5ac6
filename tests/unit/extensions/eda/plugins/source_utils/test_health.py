# Tests of the figures that the event sources tell about themselves.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_values", {})
    monkeypatch.setattr(health, "_containments", [0] * (len(health.CONTAINMENT_BUCKETS) + 1))
    monkeypatch.setattr(health, "_containment_sum", 0.0)


def test_what_an_alert_waits_for_is_there_from_the_start() -> None:
    text = health.render()
    for name in ("guard_dropped_total", "ledger_errors_total", "runs_not_started_total", "cases_without_run"):
        assert f"\naidc_remediation_{name} 0\n" in text
    assert 'aidc_remediation_event_to_containment_seconds_bucket{le="+Inf"} 0' in text


def test_everything_is_counted() -> None:
    health.count_source_error("alertmanager")
    health.count_ledger_error()
    health.count_dropped_event()
    health.count_poll("http://user:secret@am:9093/prefix", True)
    health.count_request("zabbix", 202)
    health.count_refused("zabbix", "unknown_node", 3)
    health.count_run_not_started()
    health.note_success("alertmanager", 1_790_000_000.123)
    health.note_queue("hints_to_ledger", 7)
    health.note_cases_without_run(2)
    text = health.render()
    for line in (
        'source_errors_total{source="alertmanager"} 1',
        "ledger_errors_total 1",
        "guard_dropped_total 1",
        'polls_total{alertmanager="am:9093",outcome="answered"} 1',
        'hints_total{path="zabbix",status="202"} 1',
        'hints_refused_total{path="zabbix",reason="unknown_node"} 3',
        "runs_not_started_total 1",
        'poll_success_timestamp_seconds{source="alertmanager"} 1790000000.123',
        'queue_length{queue="hints_to_ledger"} 7',
        "cases_without_run 2",
    ):
        assert f"\naidc_remediation_{line}\n" in text
    assert "secret" not in text


def test_the_histogram_adds_up() -> None:
    for seconds in (-1.0, 0.05, 0.3, 400.0):
        health.note_containment(seconds)
    text = health.render()
    name = "aidc_remediation_event_to_containment_seconds"
    assert f'{name}_bucket{{le="0.05"}} 2' in text and f'{name}_bucket{{le="0.5"}} 3' in text
    assert f'{name}_bucket{{le="300.0"}} 3' in text and f'{name}_bucket{{le="+Inf"}} 4' in text
    assert f"{name}_count 4" in text and f"{name}_sum 400.35" in text


def test_the_text_is_what_prometheus_reads() -> None:
    health.count_refused("zabbix", 'a "quoted"\nreason')
    for line in health.render().splitlines():
        assert line.startswith("# ") or re.fullmatch(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? \S+', line), line

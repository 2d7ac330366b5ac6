# Tests of intake: sound lines and alerts, and everything that must be refused with a reason.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._cases import intake
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import FiringAlert
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import (
    AlertmanagerSettings,
    NodeSettings,
    Settings,
)
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import make_settings

NOW = 1_790_000_000.0
STAMP = "2026-09-21T14:13:20.250000+00:00"
LINE = {
    "node": "gpu2",
    "from": "10.0.0.2",
    "boot": "abc:17",
    "time": STAMP,
    "line": "NVRM: Xid (PCI:0000:1b:00): 79, x",
}
ALERT = {
    "labels": {
        "alertname": "GpuRowRemapFailure",
        "instance": "gpu3",
        "severity": "critical",
        "fault_class": "gpu_row_remap_failure",
        "pci_bus_id": "00000000:1B:00.0",
    },
    "annotations": {"summary": "Row remapping failed", "runbook_url": "https://example.org"},
    "startsAt": "2026-09-21T14:13:20.123456789Z",
    "endsAt": "2026-09-21T14:23:20Z",
    "fingerprint": "f1",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    base = make_settings(tmp_path)
    return replace(base, nodes={**base.nodes, "gpu2": NodeSettings(address="10.0.0.2")})


def spool(*entries: Any) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def test_a_line(settings: Settings) -> None:
    (signal,), refused = intake.lines_to_signals(spool(LINE), settings)
    assert refused == []
    assert (signal.lane, signal.node, signal.boot, signal.text) == ("kernel", "gpu2", "abc:17", LINE["line"])
    assert signal.observed_at == NOW + 0.25
    assert signal.recognition is not None and signal.recognition.fault_class == "gpu_fell_off_bus"


def test_a_line_that_is_no_fault_tells_the_boot(settings: Settings) -> None:
    (signal,), refused = intake.lines_to_signals(spool({**LINE, "line": "usb 1-1: new device"}), settings)
    assert (refused, signal.recognition, signal.boot) == ([], None, "abc:17")


def test_the_key_of_a_line_is_its_content(settings: Settings) -> None:
    lines = [LINE, LINE, {**LINE, "boot": "abc:18"}, {**LINE, "line": LINE["line"] + "y"}, {**LINE, "boot": None}]
    signals, _refused = intake.lines_to_signals(spool(*lines), settings)
    assert signals[0].dedup_key == signals[1].dedup_key
    assert len({signal.dedup_key for signal in signals}) == 4


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{\n", "bad_json"),
        (b'{"node": "gpu2", "fr\n', "bad_json"),
        (b"[" * 60000 + b"\n", "bad_json"),
        (b"[]\n", "bad_shape"),
        (b'"text"\n', "bad_shape"),
        (b'{"node": "gpu2\xff"}\n', "bad_encoding"),
        (b"x" * 70000 + b"\n", "too_long"),
        (spool({**LINE, "node": ""}), "no_node"),
        (spool({**LINE, "node": 5}), "no_node"),
        (spool({**LINE, "node": ["gpu2"]}), "no_node"),
        (spool({key: LINE[key] for key in LINE if key != "node"}), "no_node"),
        (spool({**LINE, "node": "x" * 254}), "too_long"),
        (spool({**LINE, "node": "gpu9"}), "unknown_node"),
        (spool({**LINE, "node": "all"}), "unknown_node"),
        (spool({**LINE, "node": "gpu2,gpu3"}), "unknown_node"),
        (spool({**LINE, "node": "gpu*"}), "unknown_node"),
        (spool({**LINE, "node": "!gpu2"}), "unknown_node"),
        (spool({**LINE, "from": "10.0.0.3"}), "address_mismatch"),
        (spool({key: LINE[key] for key in LINE if key != "from"}), "address_mismatch"),
        (spool({**LINE, "line": "x" * 5000}), "too_long"),
        (spool({**LINE, "line": None}), "bad_shape"),
        (spool({**LINE, "line": "half \ud800"}), "bad_encoding"),
        (spool({**LINE, "boot": 5}), "bad_shape"),
        (spool({**LINE, "boot": "x" * 300}), "too_long"),
        (spool({**LINE, "time": "yesterday"}), "bad_time"),
        (spool({**LINE, "time": "2026-09-21T14:13:20"}), "bad_time"),
        (spool({**LINE, "time": "2026-13-41T14:13:20Z"}), "bad_time"),
        (spool({**LINE, "time": "1970-01-01T00:00:00Z"}), "bad_time"),
        (spool({**LINE, "time": "9999-01-01T00:00:00Z"}), "bad_time"),
    ],
)
def test_refused_lines(settings: Settings, raw: bytes, reason: str) -> None:
    signals, refused = intake.lines_to_signals(raw + spool(LINE), settings)
    assert [code for code, _detail in refused] == [reason]
    assert len(signals) == 1, "the sound line behind it is taken"
    assert all(len(detail) < 1000 for _code, detail in refused)


@given(st.binary(max_size=500))
def test_no_bytes_break_the_intake(raw: bytes) -> None:
    intake.lines_to_signals(raw, make_settings(Path("/none")))


def test_an_alert(settings: Settings) -> None:
    (signal,), refused = intake.alerts_to_signals([ALERT], settings, NOW)
    assert refused == []
    assert (signal.lane, signal.node, signal.boot, signal.cleared) == ("alert", "gpu3", None, False)
    assert signal.text == "Row remapping failed"
    assert signal.observed_at == pytest.approx(NOW + 0.123456789)
    assert signal.recognition is not None and signal.recognition.device == "gpu:0000:1b:00"


def test_an_alert_has_one_key_for_each_occurrence(settings: Settings) -> None:
    variants = [
        ALERT,
        {**ALERT, "endsAt": "2026-09-21T15:00:00Z", "annotations": {}, "fingerprint": "f2"},
        {**ALERT, "startsAt": "2026-09-21T15:00:00Z"},
    ]
    first, same, other = (signal.dedup_key for signal in intake.alerts_to_signals(variants, settings, NOW)[0])
    assert first == same != other


def test_an_alert_that_ended_is_cleared(settings: Settings) -> None:
    ended = {**ALERT, "endsAt": "2026-09-21T14:13:19Z"}
    never = {**ALERT, "endsAt": "0001-01-01T00:00:00Z"}
    without = {key: ALERT[key] for key in ALERT if key != "endsAt"}
    signals, _refused = intake.alerts_to_signals([ended, never, without], settings, NOW)
    assert [signal.cleared for signal in signals] == [True, False, False]


def test_other_alerts_are_none_of_our_business(settings: Settings) -> None:
    assert intake.alerts_to_signals([{"labels": {"alertname": "Watchdog"}}], settings, NOW) == ([], [])


def labels(**changes: Any) -> dict[str, Any]:
    return {**ALERT, "labels": {**ALERT["labels"], **changes}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("alert", "reason"),
    [
        (None, "bad_shape"),
        (1, "bad_shape"),
        ({}, "bad_shape"),
        ({"labels": []}, "bad_shape"),
        (labels(instance=None), "no_node"),
        (labels(instance=""), "no_node"),
        (labels(instance=5), "no_node"),
        (labels(instance="gpu3:9100"), "unknown_node"),
        (labels(instance="all"), "unknown_node"),
        (labels(instance="@/etc/passwd"), "unknown_node"),
        (labels(instance="{{ groups.all }}"), "unknown_node"),
        (labels(instance="x" * 300), "too_long"),
        (labels(fault_class="no_such"), "unrecognised"),
        (labels(fault_class="{{ 1 }}"), "unrecognised"),
        (labels(pci_bus_id="{{ 1 }}"), "unrecognised"),
        (labels(other="x" * 5000), "too_long"),
        (labels(other="\ud800"), "bad_encoding"),
        (labels(other=5), "bad_shape"),
        ({**ALERT, "startsAt": None}, "bad_shape"),
        ({**ALERT, "startsAt": "soon"}, "bad_time"),
        ({**ALERT, "endsAt": 5}, "bad_shape"),
        ({**ALERT, "annotations": {"summary": "x" * 5000}}, "too_long"),
        ({**ALERT, "annotations": {"summary": 5}}, "bad_shape"),
    ],
)
def test_refused_alerts(settings: Settings, alert: Any, reason: str) -> None:
    signals, refused = intake.alerts_to_signals([alert, ALERT], settings, NOW)
    assert [code for code, _detail in refused] == [reason]
    assert len(signals) == 1


@pytest.mark.parametrize("answer", [None, {}, "x", 5])
def test_an_answer_that_is_no_list(settings: Settings, answer: Any) -> None:
    signals, refused = intake.alerts_to_signals(answer, settings, NOW)
    assert signals == [] and refused[0][0] == "bad_shape"
    assert intake.watchdog_seen(answer, settings) is True, "none is configured here"


def test_too_many_alerts(settings: Settings) -> None:
    signals, refused = intake.alerts_to_signals([ALERT] * 10001, settings, NOW)
    assert len(signals) == 10000 and refused[0][0] == "too_many"


def test_template_code_stays_text(settings: Settings) -> None:
    hostile = "{{ lookup('ansible.builtin.pipe', 'id') }}"
    (signal,), _refused = intake.alerts_to_signals([{**ALERT, "annotations": {"summary": hostile}}], settings, NOW)
    assert signal.text == hostile


def test_what_a_complete_poll_no_longer_shows_is_cleared(settings: Settings) -> None:
    other = labels(instance="gpu4")
    signals, _refused = intake.alerts_to_signals([ALERT, other], settings, NOW)
    firing = [
        FiringAlert(signal.dedup_key, signal.node, signal.observed_at, signal.text, signal.recognition)  # type: ignore[arg-type]
        for signal in signals
    ]
    (gone,) = intake.cleared_alerts(firing, signals[:1], NOW)
    assert (gone.cleared, gone.node, gone.dedup_key) == (True, "gpu4", signals[1].dedup_key)


def test_the_heartbeat(settings: Settings) -> None:
    watching = replace(settings, alertmanager=AlertmanagerSettings(watchdog_alert="Watchdog"))
    assert intake.watchdog_seen([ALERT, {"labels": {"alertname": "Watchdog"}}], watching)
    assert not intake.watchdog_seen([ALERT, None, {"labels": 5}], watching)
    assert not intake.watchdog_seen(None, watching)

# Tests of the event log that ipmitool prints.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import ipmi_events

RECORDED = (Path(__file__).parents[3] / "fixtures" / "bmc" / "sel_elist.txt").read_text(encoding="utf-8")


def one(line: str) -> dict[str, object]:
    (event,) = ipmi_events.parse_events(line)
    return event


def test_the_recorded_log() -> None:
    events = ipmi_events.parse_events(RECORDED)
    assert [event["severity"] for event in events] == ["ok", "critical", "critical", "ok"]
    assert events[0]["time"] is None
    assert events[1] == {
        "id": "SEL/2",
        "time": None,
        "severity": "critical",
        "message": "Upper Critical going high, Asserted, Reading 95 > Threshold 90 degrees C",
        "sensor": "Temperature GPU 1 Temp",
    }
    assert str(events[2]["time"]).startswith("2026-") and str(events[2]["time"]).endswith("Z")
    assert events[2]["sensor"] == "Fan FAN 1"


@pytest.mark.parametrize(
    ("date", "clock", "expected"),
    [
        ("11/21/26", "12:52:36 UTC", "2026-11-21T12:52:36Z"),
        ("12/03/2024", "11:27:10", "2024-12-03T11:27:10Z"),
        ("2024-12-03", "11:27:10 UTC", "2024-12-03T11:27:10Z"),
        ("Pre-Init", "0000001578", None),
        ("31/12/2024", "11:27:10", None),
        ("", "", None),
    ],
)
def test_times(date: str, clock: str, expected: str | None) -> None:
    assert one(f" 1f | {date} | {clock} | Fan FAN 1 | Lower Critical going low | Asserted")["time"] == expected


def test_numbers_are_hexadecimal() -> None:
    assert one("575 | 12/03/2024 | 11:27:10 | Fan #0x43 | Lower Critical going low | Asserted")["id"] == "SEL/1397"


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        ("Upper Critical going high | Asserted", "critical"),
        ("Upper Non-critical going high | Asserted", "warning"),
        ("Lower Non-recoverable going low | Asserted", "critical"),
        ("Upper Critical going high | Deasserted", "ok"),
        ("Uncorrectable ECC | Asserted", "critical"),
        ("Correctable ECC | Asserted", "warning"),
        ("Power Supply AC lost | Asserted", "critical"),
        ("Failure detected | Asserted", "critical"),
        ("Predictive failure | Asserted", "warning"),
        ("Redundancy Lost | Asserted", "warning"),
        ("Drive Fault | Asserted", "critical"),
        ("Thermal Trip | Asserted", "critical"),
        ("IERR | Asserted", "critical"),
        ("Drive Present | Asserted", "ok"),
        ("S0/G0: working | Asserted", "ok"),
        ("Log area reset/cleared | Asserted", "ok"),
    ],
)
def test_severities_come_from_the_words(event: str, severity: str) -> None:
    assert one(f"1 | 12/03/2024 | 11:27:10 | Sensor | {event}")["severity"] == severity


def test_records_of_the_manufacturer_are_kept_as_they_are() -> None:
    assert one("   5 | OEM record e0 | 00000000000000000000000000") == {
        "id": "SEL/5",
        "time": None,
        "severity": None,
        "message": "OEM record e0, 00000000000000000000000000",
        "sensor": None,
    }


@pytest.mark.parametrize(
    "text", ["", "SEL has no entries", "Error: no", "zz | a | b | c | d | e", "1 | 2", "|||||", "\xff\x00 | \n"]
)
def test_broken_lines_are_no_events(text: str) -> None:
    assert ipmi_events.parse_events(text) == []


def test_hostile_text_stays_text() -> None:
    found = one("1 | 12/03/2024 | 11:27:10 | {{ lookup('pipe', 'x') }} | \x1b[31m%s | Asserted")
    assert found["sensor"] == "{{ lookup('pipe', 'x') }}"
    assert found["message"] == "[31m%s, Asserted"

# Tests of event logs out of Redfish.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_logs


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {"Id": str(number), "Created": f"2026-11-21T12:00:{number:02}Z", "Severity": "OK", "Message": "m", **more}


def test_an_entry() -> None:
    doc = entry(7, Severity="Critical", Message="PSU2 lost input", SensorType="Power Supply / Converter")
    assert redfish_logs.parse_events("SEL", [doc]) == [
        {
            "id": "SEL/7",
            "time": "2026-11-21T12:00:07Z",
            "severity": "critical",
            "message": "PSU2 lost input",
            "sensor": "Power Supply / Converter",
        }
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"Links": {"OriginOfCondition": {"@odata.id": "/redfish/v1/Chassis/1/Sensors/FAN1"}}}, "FAN1"),
        ({"OriginOfCondition": {"@odata.id": "/redfish/v1/Chassis/1"}, "SensorType": "Fan"}, "1"),
        ({"SensorType": "Fan"}, "Fan"),
        ({"Links": "x", "SensorType": None}, None),
    ],
)
def test_what_an_entry_is_about(more: dict[str, Any], expected: str | None) -> None:
    assert redfish_logs.parse_events("SEL", [entry(1, **more)])[0]["sensor"] == expected


def test_the_time_of_the_event_goes_before_that_of_the_entry() -> None:
    assert redfish_logs.parse_events(None, [entry(1, EventTimestamp="2026-11-20T00:00:00Z")])[0] == {
        "id": "1",
        "time": "2026-11-20T00:00:00Z",
        "severity": "ok",
        "message": "m",
        "sensor": None,
    }


def test_oldest_first_and_only_the_newest() -> None:
    events = redfish_logs.parse_events("SEL", [entry(5), entry(2), entry(9), entry(1, Created="Pre-Init")])
    assert [event["id"] for event in events] == ["SEL/1", "SEL/2", "SEL/5", "SEL/9"]
    assert [event["id"] for event in redfish_logs.newest(events, 2)] == ["SEL/5", "SEL/9"]
    assert redfish_logs.newest(events, 100) == events
    assert redfish_logs.newest(events, 0) == []


def test_a_message_is_bounded_and_text() -> None:
    found = redfish_logs.parse_events("SEL", [entry(1, Message="{{ lookup('pipe', 'x') }}\n" + "y" * 10000)])[0]
    assert found["message"].startswith("{{ lookup('pipe', 'x') }} y")
    assert len(found["message"]) <= redfish_logs.MAX_MESSAGE


def test_an_entry_without_text_has_that_of_its_message_id() -> None:
    found = redfish_logs.parse_events("SEL", [entry(1, Message=None, MessageId="Alert.1.0.LanDisconnect")])[0]
    assert found["message"] == "Alert.1.0.LanDisconnect"


@pytest.mark.parametrize("broken", [{}, {"Id": None, "Severity": 5, "Message": [], "Created": {}, "Links": []}])
def test_a_broken_entry_is_an_event_of_which_nothing_is_known(broken: dict[str, Any]) -> None:
    found = redfish_logs.parse_events(None, [broken])[0]
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"Id": "SEL"}, True),
        ({"Id": "EventLog", "ServiceEnabled": True}, True),
        ({"Id": "IML"}, True),
        ({"Id": "AuditLog"}, False),
        ({"Id": "Journal"}, False),
        ({"Id": "Lclog"}, False),
        ({"Id": "IEL"}, False),
        ({"Id": "SEL", "ServiceEnabled": False}, False),
        ({}, True),
    ],
)
def test_logs_of_the_hardware_are_wanted(service: dict[str, Any], expected: bool) -> None:
    assert redfish_logs.wanted(service) is expected

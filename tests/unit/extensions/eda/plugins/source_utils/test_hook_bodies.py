# Tests of how posted bodies are read: sound ones, and everything that must be refused with a reason.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import hook_bodies, redfish_messages
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import NodeSettings, Settings
from ansible_collections.aidc.ops.plugins.module_utils._faults import DEFAULT

NOW = 1_790_000_000.0
SECRET = b"a token of the listener"
HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/x') }}"
SETTINGS = Settings(ledger="/none", evidence_dir="/none", ticket_dir="/none", nodes={"gpu1": NodeSettings()})
WORDS = {"Disk is full": "filesystem_full", "component:fan": "fan_failed", "Never": "no_such_class"}

PROBLEM = {
    "clock": 1_789_999_990,
    "ns": 1,
    "value": 1,
    "eventid": 42,
    "name": "Disk is full",
    "severity": 4,
    "hosts": [{"host": "gpu1", "name": "a visible name"}],
    "groups": ["GPU nodes"],
    "tags": [{"tag": "mountpoint", "value": "/scratch"}, {"tag": "scope", "value": ""}],
}
RECOVERY = {"clock": 1_789_999_995, "ns": 1, "value": 0, "eventid": 43, "p_eventid": 42}
NOTIFICATION = {
    "type": "PROBLEM",
    "host": "gpu1",
    "service": "Disk is full",
    "problem_id": "7",
    "time": "1789999990",
    "output": "DISK CRITICAL",
    "labels": {"mountpoint": "/scratch"},
}


def event(**record: t.Any) -> dict[str, t.Any]:
    return {
        "@odata.type": "#Event.v1_7_0.Event",
        "Id": "1",
        "Name": "Event Array",
        "Context": hook_bodies.context_of("gpu1", SECRET),
        "Events": [
            {
                "EventType": "Alert",
                "EventId": "17",
                "MemberId": "0",
                "EventTimestamp": "2026-09-21T14:13:10Z",
                "Message": "Power supply 'PSU1' has failed.",
                "MessageArgs": ["PSU1"],
                "MessageId": "Power.1.0.PowerSupplyFailed",
                "OriginOfCondition": {"@odata.id": "/redfish/v1/Chassis/1/PowerSubsystem/PowerSupplies/PSU1"},
                **record,
            }
        ],
    }


def zabbix(*entries: t.Any) -> tuple[list[hook_bodies.Report], list[tuple[str, str]]]:
    body = b"\n".join(json.dumps(entry).encode() for entry in entries)
    return hook_bodies.read_zabbix(body, SETTINGS, WORDS, NOW)


def nagios(value: t.Any) -> tuple[list[hook_bodies.Report], list[tuple[str, str]]]:
    return hook_bodies.read_nagios(json.dumps(value).encode(), SETTINGS, WORDS, NOW)


def redfish(
    value: t.Any, words: dict[str, str] | None = None
) -> tuple[list[hook_bodies.Report], list[tuple[str, str]]]:
    return hook_bodies.read_redfish(json.dumps(value).encode(), SETTINGS, words or {}, NOW, SECRET)


def seen(report: hook_bodies.Report) -> tuple[str, str]:
    assert report.recognition is not None
    return report.recognition.fault_class, report.recognition.device


def test_zabbix_streams_problems_and_recoveries() -> None:
    (problem, recovery), refused = zabbix(PROBLEM, RECOVERY)
    assert refused == []
    assert (problem.lane, problem.node, problem.over, problem.at) == ("alert", "gpu1", False, 1_789_999_990)
    assert seen(problem) == ("filesystem_full", "filesystem:/scratch")
    assert (recovery.over, recovery.node, recovery.recognition) == (True, None, None)
    assert problem.identity == recovery.identity


def test_zabbix_words_may_be_tags() -> None:
    tags = [{"tag": "component", "value": "fan"}, {"tag": "sensor", "value": "FAN3"}]
    (report,), _refused = zabbix({**PROBLEM, "name": "Fan 3 is slow", "tags": tags})
    assert seen(report) == ("fan_failed", "fan:FAN3")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": 2}, "bad_shape"),
        ({"value": "1"}, "bad_shape"),
        ({"value": True}, "bad_shape"),
        ({"eventid": "42"}, "bad_shape"),
        ({"eventid": -1}, "bad_shape"),
        ({"eventid": True}, "bad_shape"),
        ({"clock": "yesterday"}, "bad_time"),
        ({"clock": 17}, "bad_time"),
        ({"clock": 1e300}, "bad_time"),
        ({"clock": 10**400}, "bad_time"),
        ({"name": 5}, "bad_shape"),
        ({"name": "x" * 5000}, "too_long"),
        ({"name": "Something else"}, "unmapped"),
        ({"name": HOSTILE}, "unmapped"),
        ({"name": "Never"}, "unrecognised"),
        ({"hosts": []}, "no_node"),
        ({"hosts": [{"host": "gpu1"}, {"host": "gpu1"}]}, "no_node"),
        ({"hosts": "gpu1"}, "no_node"),
        ({"hosts": [{"host": "gpu2"}]}, "unknown_node"),
        ({"hosts": [{"host": "all"}]}, "unknown_node"),
        ({"hosts": [{"host": "gpu*"}]}, "unknown_node"),
        ({"hosts": [{"host": HOSTILE}]}, "unknown_node"),
        ({"hosts": [{"host": None}]}, "no_node"),
        ({"hosts": [{}]}, "no_node"),
        ({"tags": {}}, "bad_shape"),
        ({"tags": [5]}, "bad_shape"),
        ({"tags": [{"tag": "x", "value": 5}]}, "bad_shape"),
        ({"tags": [{"tag": "x", "value": "y"}] * 101}, "bad_shape"),
    ],
)
def test_zabbix_events_that_are_refused(change: dict[str, t.Any], reason: str) -> None:
    reports, refused = zabbix({**PROBLEM, **change}, PROBLEM)
    assert [code for code, _detail in refused] == [reason]
    assert len(reports) == 1, "the sound event behind it is taken"
    assert all(len(detail) < 1000 for _code, detail in refused)


def test_nagios_notifies_of_problems_and_recoveries() -> None:
    (problem, recovery), refused = nagios([NOTIFICATION, {**NOTIFICATION, "type": "RECOVERY", "problem_id": "0"}])
    assert refused == []
    assert (problem.node, problem.text, problem.occurrence) == ("gpu1", "DISK CRITICAL", "7")
    assert seen(problem) == ("filesystem_full", "filesystem:/scratch")
    assert recovery.over and recovery.identity == problem.identity
    (alone,), _refused = nagios({**NOTIFICATION, "time": 1_789_999_990})
    assert alone.at == 1_789_999_990


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "ACKNOWLEDGEMENT"}, "unmapped"),
        ({"type": None}, "unmapped"),
        ({"service": "Something else"}, "unmapped"),
        ({"service": 5}, "bad_shape"),
        ({"host": "gpu1,gpu2"}, "unknown_node"),
        ({"host": ""}, "no_node"),
        ({"problem_id": 7}, "bad_shape"),
        ({"output": "x" * 5000}, "too_long"),
        ({"time": True}, "bad_time"),
        ({"labels": []}, "bad_shape"),
        ({"labels": {"mountpoint": 5}}, "bad_shape"),
    ],
)
def test_nagios_notifications_that_are_refused(change: dict[str, t.Any], reason: str) -> None:
    reports, refused = nagios([{**NOTIFICATION, **change}, NOTIFICATION])
    assert [code for code, _detail in refused] == [reason] and len(reports) == 1


def test_redfish_events_of_a_failed_supply() -> None:
    (failed,), refused = redfish(event())
    assert refused == []
    assert (failed.lane, failed.node, failed.over) == ("bmc", "gpu1", False)
    assert seen(failed) == ("psu_failed", "psu:PSU1")
    assert failed.text == "Power supply 'PSU1' has failed."
    (restored,), _refused = redfish(event(MessageId="Power.1.0.1.PowerSupplyRestored"))
    assert restored.over and restored.identity == failed.identity


@pytest.mark.parametrize(
    ("message", "origin", "fault_class", "over"),
    [
        ("Environmental.1.0.FanFailed", "/redfish/v1/Chassis/1/ThermalSubsystem/Fans/F1", "fan_failed", False),
        ("Environmental.1.1.0.FanRestored", "/redfish/v1/Chassis/1/ThermalSubsystem/Fans/F1", "fan_failed", True),
        ("Environmental.1.0.TemperatureCritical", "/redfish/v1/Chassis/1/Sensors/Inlet", "fan_failed", False),
        ("Environmental.1.0.TemperatureNormal", "/redfish/v1/Chassis/1/Sensors/Inlet", "fan_failed", True),
        ("ResourceEvent.1.3.ResourceStatusChangedCritical", "/r/PowerSupplies/0", "psu_failed", False),
        ("ResourceEvent.1.3.ResourceStatusChangedOK", "/r/Memory/DIMM3", "memory_uncorrectable", True),
        ("ResourceEvent.1.3.ResourceErrorThresholdExceeded", "/r/Memory/DIMM3", "memory_correctable", False),
        ("OpenBMC.0.4.MemoryECCUncorrectable", "/r/Memory/DIMM3", "memory_uncorrectable", False),
    ],
)
def test_redfish_messages(message: str, origin: str, fault_class: str, over: bool) -> None:
    (report,), refused = redfish(event(MessageId=message, OriginOfCondition={"@odata.id": origin}))
    assert (seen(report)[0], report.over, refused) == (fault_class, over, [])
    assert seen(report)[1].endswith(f":{origin.rsplit('/', 1)[1]}")


def test_every_built_in_message_means_a_class_that_may_be_reported() -> None:
    meanings = [
        meaning
        for value in redfish_messages.MESSAGES.values()
        for meaning in (value.values() if isinstance(value, dict) else [value])
    ]
    assert meanings
    for meaning in meanings:
        assert DEFAULT.classes[meaning.removeprefix("clear:")].alerts


def test_a_site_adds_messages_of_its_vendor() -> None:
    words = {"VENDOR.PSU1": "psu_failed", "VENDOR.PSU2": "clear:psu_failed"}
    (report,), _refused = redfish(event(MessageId="VENDOR.2.8.PSU1", OriginOfCondition=None), words)
    assert seen(report) == ("psu_failed", "psu:PSU1") and not report.over
    (report,), _refused = redfish(event(MessageId="VENDOR.2.8.PSU2"), words)
    assert report.over


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"MessageId": None}, "bad_shape"),
        ({"MessageId": "TaskEvent.1.0.TaskStarted"}, "unmapped"),
        ({"MessageId": HOSTILE}, "unmapped"),
        ({"MessageSeverity": "OK"}, "unmapped"),
        ({"MessageId": "ResourceEvent.1.3.ResourceStatusChangedCritical", "OriginOfCondition": 5}, "unmapped"),
        ({"Message": "x" * 5000}, "too_long"),
    ],
)
def test_redfish_events_that_are_refused(change: dict[str, t.Any], reason: str) -> None:
    reports, refused = redfish(event(**change))
    assert ([code for code, _detail in refused], reports) == ([reason], [])


@pytest.mark.parametrize("stamp", [None, "yesterday", "1970-01-01T00:00:07Z", "2030-01-01T00:00:00Z", 5])
def test_a_bmc_without_a_clock_speaks_of_now(stamp: t.Any) -> None:
    (report,), _refused = redfish(event(EventTimestamp=stamp))
    assert report.at == NOW


@pytest.mark.parametrize(
    "context",
    [
        None,
        "",
        5,
        "gpu1",
        "gpu1:",
        hook_bodies.context_of("gpu1", b"another token"),
        hook_bodies.context_of("gpu2", SECRET),
        hook_bodies.context_of("gpu1", SECRET).replace("gpu1", "gpu2"),
        hook_bodies.context_of("gpu1", SECRET)[:-1],
        "gpu1:\ud800",
    ],
)
def test_a_bmc_without_the_proof_of_its_node_is_nobody(context: t.Any) -> None:
    with pytest.raises(hook_bodies.NotAllowedError):
        redfish({**event(), "Context": context})


def test_the_context_may_stand_at_the_record() -> None:
    value = event(Context=hook_bodies.context_of("gpu1", SECRET))
    del value["Context"]
    assert len(redfish(value)[0]) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff", "bad_encoding"),
        (b'{"clock": NaN}', "bad_json"),
        (b"9" * 5000, "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b"[" * 33 + b"]" * 33, "too_deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "too_deep"),
        (b"{}\n" * 1001, "too_many"),
    ],
)
def test_bodies_that_are_refused(body: bytes, reason: str) -> None:
    with pytest.raises(hook_bodies.BadBodyError) as caught:
        hook_bodies.read_zabbix(body, SETTINGS, WORDS, NOW)
    assert str(caught.value) == reason


@pytest.mark.parametrize("value", [[], 5, {}, {"Events": {}}, {"Events": None}])
def test_what_is_no_redfish_event_is_refused(value: t.Any) -> None:
    with pytest.raises(hook_bodies.BadBodyError):
        redfish(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*PROBLEM, *RECOVERY, *NOTIFICATION, *event()["Events"][0]]), inner, max_size=6
        )
    ),
    max_leaves=15,
)


@pytest.mark.slow
@given(_JSON)
def test_nothing_breaks_the_readers(value: t.Any) -> None:
    zabbix(value)
    nagios(value)
    redfish({**event(), "Events": [value]})


@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers(body: bytes) -> None:
    try:
        hook_bodies.read_zabbix(body, SETTINGS, WORDS, NOW)
        hook_bodies.read_nagios(body, SETTINGS, WORDS, NOW)
        hook_bodies.read_redfish(body, SETTINGS, {}, NOW, SECRET)
    except (hook_bodies.BadBodyError, hook_bodies.NotAllowedError):
        pass

# Tests of the single values taken out of Redfish documents.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_values as values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("SN0042", "SN0042"),
        ("  padded  ", "padded"),
        ("two\r\nlines\x00here", "two lines here"),
        ("half \ud800 pair", "half   pair"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
        (12, "12"),
        (1.5, "1.5"),
        ("x" * 5000, "x" * 1024),
        ("", None),
        (" \t ", None),
        (True, None),
        (None, None),
        (["a"], None),
        ({"a": 1}, None),
    ],
)
def test_texts_are_one_clean_line_or_unknown(value: Any, expected: str | None) -> None:
    found = values.clean(value)
    assert found == expected
    if found is not None:
        found.encode("utf-8")


@pytest.mark.parametrize(
    "filler", ["N/A", "To Be Filled By O.E.M.", "unknown", "NULL", "Not Specified", "Default string"]
)
def test_fillers_of_firmware_are_unknown(filler: str) -> None:
    assert values.known(filler) is None
    assert values.clean(filler) == filler


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5.0),
        (-2.5, -2.5),
        ("1200", 1200.0),
        (" 3.5 ", 3.5),
        ("1e3", 1000.0),
        ("N/A", None),
        ("0x10", None),
        ("9" * 400, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_numbers_are_finite_or_unknown(value: Any, expected: float | None) -> None:
    assert values.number(value) == expected


def test_whole_numbers_are_rounded_and_never_negative() -> None:
    assert values.whole(191.84375, 1 << 30) == 205990658048
    assert values.whole(0) == 0
    assert values.whole(-1) is None
    assert values.watts(1210.54) == 1210.5
    assert values.watts(-1) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("/redfish/v1/Chassis/1/Power#/PowerSupplies/0", "/redfish/v1/Chassis/1/Power"),
        ("/redfish/v1/Systems?$skip=50&$top=50", "/redfish/v1/Systems?$skip=50&$top=50"),
        ("/redfish/v1/Chassis/Enclosure.Internal.0-1:NonRAID", "/redfish/v1/Chassis/Enclosure.Internal.0-1:NonRAID"),
        ("/redfish/v1/a%23b", "/redfish/v1/a%23b"),
        ("https://other.example/redfish/v1/Systems", None),
        ("//other.example/redfish/v1/Systems", None),
        ("/redfish/v1//other.example", None),
        ("/redfish/v1@other.example/", None),
        ("/other", None),
        ("redfish/v1/Systems", None),
        ("/redfish/v1/Systems\r\nX-Header: 1", None),
        ("/redfish/v1/" + "x" * 2000, None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_links_stay_on_the_bmc(path: Any, expected: str | None) -> None:
    assert values.link({"@odata.id": path}) == expected


@pytest.mark.parametrize("value", [None, "text", [], {"other": 1}, 5])
def test_what_is_no_reference_is_no_link(value: Any) -> None:
    assert values.link(value) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"State": "Enabled", "Health": "OK"}, "ok"),
        ({"State": "Enabled", "Health": "Warning"}, "warning"),
        ({"State": "StandbyOffline", "Health": "Critical"}, "critical"),
        ({"State": "Absent"}, "absent"),
        ({"State": "Absent", "Health": "OK"}, "absent"),
        ({"State": "Enabled"}, None),
        ({"State": "Enabled", "Health": None}, None),
        ({"Health": "Fine"}, None),
        ({"Health": ["OK"]}, None),
        ("OK", None),
        (None, None),
    ],
)
def test_states(status: Any, expected: str | None) -> None:
    assert values.state(status) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"),
        ("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00Z"),
        ("2026-11-21T12:00:00.123456789-0500", "2026-11-21T17:00:00Z"),
        ("2026-11-21T12:00:00", None),
        ("2026-02-30T12:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (None, None),
        (1700000000, None),
    ],
)
def test_times_are_utc_or_unknown(text: Any, expected: str | None) -> None:
    assert values.utc_time(text) == expected


def test_equal_names_are_told_apart_and_others_stay() -> None:
    items = [{"name": name} for name in ("PSU", "PSU", "FAN", None, None, "PSU (0)")]
    named = values.number_equal_names(items, ["0", "1", "x", "a", None, "z"])
    names = [item["name"] for item in named]
    assert names[:3] == ["PSU (0)", "PSU (1)", "FAN"]
    assert len(set(names)) == len(names)
    assert None not in names


def test_readings_are_excerpts_or_plain_numbers() -> None:
    assert values.reading({"Reading": 24.5}) == 24.5
    assert values.reading(24) == 24
    assert values.reading({"Reading": None}) is None
    assert values.reading("No reading") is None


def test_objects_skips_what_is_none() -> None:
    assert values.objects([{"a": 1}, None, "x", [], {"b": 2}]) == [{"a": 1}, {"b": 2}]
    assert values.objects({"a": 1}) == []
    assert json.dumps(values.mapping(None)) == "{}"


def test_a_resource_is_called_by_its_id_else_by_its_path() -> None:
    assert values.identity({"Id": "PSU1", "@odata.id": "/redfish/v1/x/0"}) == "PSU1"
    assert values.identity({"MemberId": 3}) == "3"
    assert values.identity({"@odata.id": "/redfish/v1/Fans/FAN1/"}) == "FAN1"
    assert values.identity({}) is None

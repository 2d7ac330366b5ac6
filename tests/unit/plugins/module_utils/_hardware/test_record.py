# Tests of the hardware record: what is built is valid, and every wrong value is found, by the schema and by the code.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._hardware import record

ROOT = Path(__file__).parents[5]
SCHEMA = json.loads((ROOT / "docs/schemas/hardware_record.schema.json").read_text(encoding="utf-8"))
NODE: dict[str, Any] = json.loads((ROOT / "tests/unit/fixtures/hardware_record/node.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
NOW = "2026-11-21T12:00:00Z"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a record."""
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def changed(path: tuple[Any, ...], value: Any) -> Any:
    """The example with one value replaced."""
    result = copy.deepcopy(NODE)
    at(result, path[:-1])[path[-1]] = value
    return result


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def rule_of(path: tuple[Any, ...]) -> dict[str, Any]:
    rule = SCHEMA
    for name in path:
        rule = rule["items"] if isinstance(name, int) else rule["properties"][name]
    return rule


PLACES = list(places(NODE))
# One place for each field: the second element of a list says nothing new.
FIELDS = list(
    {tuple(0 if isinstance(name, int) else name for name in path): path for path in reversed(PLACES)}.values()
)


def corruptions(part: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for path in FIELDS:
        rule = VALIDATOR.evolve(schema=rule_of(path))
        for value in ({"no": "object"}, 7, "\x00", [[]], -1, True, None):
            wrong_kind = not (isinstance(value, dict) and "properties" in rule_of(path))
            if path[0] == part and wrong_kind and not rule.is_valid(value):
                yield path, value


def test_the_schema_is_one_and_describes_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(record.PARTS) | {"schema_version", "collected_at", "problems"} == set(SCHEMA["properties"])
    assert SCHEMA["properties"]["schema_version"]["const"] == record.SCHEMA_VERSION
    # The example has something in every list, so that the corruptions below reach every field.
    described = {name for path in FIELDS for name in path if isinstance(name, str)}
    assert len({tuple(0 if isinstance(name, int) else name for name in path) for path in FIELDS}) == len(FIELDS)
    assert "remote_pci_address" in described and "corrected_errors" in described


def test_the_example_is_valid() -> None:
    VALIDATOR.validate(NODE)
    assert record.check(NODE, exact=True) == []


def test_building_a_record_from_a_record_changes_nothing() -> None:
    assert record.build(NODE, NODE["collected_at"]) == NODE


def test_a_record_of_nothing_is_valid_and_all_null() -> None:
    empty: Any = record.build({}, NOW)
    VALIDATOR.validate(empty)
    assert record.check(empty, exact=True) == []
    assert empty["gpus"] is None and empty["bmc"] is None and empty["problems"] == []
    assert set(empty["node"].values()) == {None}
    assert empty["memory"] == {"total_bytes": None, "dimms": None, "edac": None}


def test_nothing_there_and_nobody_could_ask_stay_different() -> None:
    built: Any = record.build({"gpus": [], "fans": None}, NOW)
    assert (built["gpus"], built["fans"]) == ([], None)


@pytest.mark.slow
@pytest.mark.parametrize("part", SCHEMA["properties"])
def test_one_wrong_value_is_found_by_both_and_never_built(part: str) -> None:
    for path, value in corruptions(part):
        wrong = changed(path, value)
        assert not VALIDATOR.is_valid(wrong), (path, value)
        assert record.check(wrong), (path, value)
        built: Any = record.build(wrong, NOW)
        assert record.check(built, exact=True) == [], (path, value)
        if part in record.PARTS and value is not None:
            # Whatever was left out is told.
            assert [problem["part"] for problem in built["problems"]].count(part) > 0, (path, value)


@pytest.mark.parametrize("part", SCHEMA["properties"])
def test_one_missing_field_is_found_by_both_and_filled_with_null(part: str) -> None:
    for path in FIELDS:
        if path[0] == part and isinstance(path[-1], str):
            wrong = copy.deepcopy(NODE)
            del at(wrong, path[:-1])[path[-1]]
            assert not VALIDATOR.is_valid(wrong), path
            assert any("missing" in text for text in record.check(wrong)), path
            assert record.check(record.build(wrong, NOW)) == [], path


def test_what_a_later_version_adds_is_ignored_and_named_only_when_asked() -> None:
    later = {**NODE, "cooling": [], "node": {**NODE["node"], "colour": "red"}}
    assert VALIDATOR.is_valid(later) and record.check(later) == []
    assert record.check(later, exact=True) == [
        "node.colour: not part of the record",
        "cooling: not part of the record",
    ]
    assert record.build(later, NODE["collected_at"]) == NODE


@pytest.mark.parametrize("value", [None, [], "record", 5, float("nan")])
def test_what_is_no_record_at_all(value: Any) -> None:
    assert record.check(value) and not VALIDATOR.is_valid(value)


@pytest.mark.slow
@given(
    st.sampled_from(PLACES),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "x"]), inner, max_size=2)
        ),
        max_leaves=4,
    ),
)
@settings(max_examples=300, deadline=None)
def test_schema_and_code_agree_on_anything(path: tuple[Any, ...], value: Any) -> None:
    other = changed(path, value)
    assert VALIDATOR.is_valid(other) == (record.check(other) == [])
    VALIDATOR.validate(record.build(other, NOW))


def test_no_number_that_json_cannot_carry() -> None:
    path = ("gpus", 0, "power_usage_watts")
    for value in (float("nan"), float("inf")):
        assert record.check(changed(path, value))
        built: Any = record.build(changed(path, value), NOW)
        assert at(built, path) is None and "power_usage_watts" in built["problems"][-1]["message"]


def test_whole_numbers_and_truth_values_are_not_mixed_up() -> None:
    assert record.check(changed(("schema_version",), True))
    assert record.check(changed(("gpus", 0, "index"), True))
    built: Any = record.build(changed(("gpus", 0, "index"), 3.0), NOW)
    assert repr(built["gpus"][0]["index"]) == "3"
    assert record.check(changed(("disks", 0, "size_bytes"), 10**400)) == []


def test_an_element_without_its_name_is_left_out_and_told() -> None:
    built: Any = record.build({"nics": [{"name": None, "mac": "x"}, {"name": "eth0"}]}, NOW)
    assert [nic["name"] for nic in built["nics"]] == ["eth0"]
    assert built["problems"] == [
        {"part": "nics", "device": None, "message": "nics[0].name: expected string, not None (left out)"}
    ]


@pytest.mark.parametrize("problems", ["text", 5, [5], [{"part": "gpus"}], {"part": "gpus", "message": "m"}])
def test_wrong_problems_are_problems(problems: Any) -> None:
    built: Any = record.build({"problems": problems}, NOW)
    VALIDATOR.validate(built)
    assert [problem["part"] for problem in built["problems"]] == ["problems"]


def test_hostile_text_is_data() -> None:
    serial = "SN\udcff\x00\x1b[31m{{ 7 * 7 }}"
    built: Any = record.build({"node": {"serial": serial, "product": "x" * 5000}}, NOW)
    assert built["node"]["serial"] == "SN\ufffd\ufffd\ufffd[31m{{ 7 * 7 }}"
    assert len(built["node"]["product"]) == 1024
    json.dumps(built, ensure_ascii=False).encode("utf-8")


def test_a_huge_wrong_value_is_not_repeated_in_full() -> None:
    built: Any = record.build({"gpus": "x" * 10_000_000, "nics": [{"name": ["y"] * 100_000}]}, NOW)
    assert built["gpus"] is None and built["nics"] == []
    assert all(len(problem["message"]) < 200 for problem in built["problems"])


# --- the BMC


BMC = {
    "system": {
        "node_id": "dmi:BMC0001",
        "node_id_source": "dmi",
        "manufacturer": "Other",
        "product": "Other",
        "serial": "BMC0001",
        "uuid": "u",
        "bios_version": "9",
        "power_state": "on",
    },
    "chassis": [],
    "power_supplies": [{"name": "PSU1", "state": "critical", "extra": 1}],
    "fans": [],
    "bmc": {"address": "192.0.2.9", "protocol": "redfish"},
    "problems": [
        {"part": "events", "device": None, "message": "no event log"},
        {"part": "thermal", "device": "sdr elist", "message": "half"},
    ],
}


def test_the_bmc_tells_what_the_node_could_not() -> None:
    node: Any = record.build({"node": {"hostname": "gpu1", "product": "AI-8000"}}, NOW)
    merged: Any = record.merge_bmc(node, BMC)
    VALIDATOR.validate(merged)
    assert (merged["node"]["id"], merged["node"]["id_source"]) == ("dmi:BMC0001", "dmi")
    assert (merged["node"]["product"], merged["node"]["manufacturer"]) == ("AI-8000", "Other")
    assert (merged["power_supplies"][0]["state"], merged["fans"]) == ("critical", [])
    assert merged["bmc"]["address"] == "192.0.2.9"
    assert merged["problems"] == [
        {"part": "bmc", "device": None, "message": "no event log"},
        {"part": "fans", "device": "sdr elist", "message": "half"},
    ]
    assert merged["collected_at"] == NOW


def test_an_identity_that_the_node_has_does_not_depend_on_the_bmc() -> None:
    merged: Any = record.merge_bmc(NODE, BMC)
    assert merged["node"] == NODE["node"]
    assert [supply["name"] for supply in merged["power_supplies"]] == ["PSU1"]


@pytest.mark.parametrize("identity", [None, "", 5, ["x"]])
def test_a_bmc_without_a_usable_identity_gives_none(identity: Any) -> None:
    merged: Any = record.merge_bmc(record.build({}, NOW), {"system": {"node_id": identity, "node_id_source": identity}})
    VALIDATOR.validate(merged)
    assert (merged["node"]["id"], merged["node"]["id_source"]) == (None, None)


@pytest.mark.parametrize("bmc", [{}, {"system": []}, {"system": None, "problems": "x", "fans": None, "bmc": None}])
def test_a_bmc_that_says_nothing_changes_nothing(bmc: Any) -> None:
    assert record.merge_bmc(NODE, bmc) == NODE


@pytest.mark.parametrize(
    ("bmc", "message"),
    [
        ({"failed": True, "msg": "bmc1: no answer", "fans": None}, "bmc1: no answer"),
        ({"failed": True}, "the BMC could not be asked"),
        ({"problems": [7]}, "problems[1]: expected object, not 7 (left out)"),
        ({"problems": [{"message": "x"}]}, "problems[1].part: expected string, not None (left out)"),
    ],
)
def test_a_bmc_that_could_not_be_asked_is_a_problem(bmc: Any, message: str) -> None:
    merged: Any = record.merge_bmc(NODE, bmc)
    VALIDATOR.validate(merged)
    assert [problem["message"] for problem in merged["problems"]] == [NODE["problems"][0]["message"], message]
    assert merged["fans"] == NODE["fans"]


# --- readings


def test_readings_are_no_change_of_the_hardware() -> None:
    later = copy.deepcopy(NODE)
    later["collected_at"] = "2026-11-22T12:00:00Z"
    later["gpus"][0].update(temperature_celsius=80, power_usage_watts=600.0, processes=[1, 2])
    later["fans"][0].update(rpm=100.0, percent=1.0)
    later["filesystems"][0]["available_bytes"] = 1
    assert record.steady(later) == record.steady(NODE)
    assert "collected_at" not in record.steady(NODE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("gpus", 0, "lost"), True),
        (("pcie_links", 0, "width"), 8),
        (("node", "bios_version"), "2.4.0"),
        (("fans", 0, "state"), "critical"),
        (("bmc",), None),
        (("gpus",), []),
        (("gpus",), None),
    ],
)
def test_everything_else_is_one(path: tuple[Any, ...], value: Any) -> None:
    assert record.steady(changed(path, value)) != record.steady(NODE)

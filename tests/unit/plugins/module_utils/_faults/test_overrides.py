# Tests of a site's own classes and changes: what is taken, and what is refused with the key.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._errors import CatalogueError
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, DEFAULT, FaultClass, Recognition, model
from ansible_collections.aidc.ops.plugins.module_utils._faults.overrides import beginning

SCHEMA = json.loads(
    (Path(__file__).parents[5] / "docs" / "schemas" / "fault_catalogue.schema.json").read_text(encoding="utf-8")
)
CHANGES = jsonschema.Draft202012Validator({**SCHEMA["$defs"]["changes"], "$defs": SCHEMA["$defs"]})
NEW: dict[str, Any] = {
    "title": "Coolant pump stopped",
    "domain": "bmc",
    "severity": "high",
    "scope": "node",
    "workflow": ["cordon", "evidence", "drain", "ticket"],
    "drain": "deadline",
    "description": "The pump of the cold plate stands still.",
}


def test_nothing_changes_without_a_change() -> None:
    assert dict(DEFAULT.with_overrides({}).classes) == dict(CLASSES)


def test_a_class_is_changed() -> None:
    ours = CLASSES["gpu_gsp_error"]
    site = DEFAULT.with_overrides({"gpu_gsp_error": {"repairs": ["reboot"], "delay_seconds": 5, "severity": "high"}})
    row = site.classes["gpu_gsp_error"]
    assert (row.repairs, row.delay_seconds, row.severity) == (("reboot",), 5.0, "high")
    assert row.workflow == ours.workflow and CLASSES["gpu_gsp_error"] is ours
    assert site.strength("gpu_gsp_error") > DEFAULT.strength("gpu_gsp_error")


def test_a_class_is_added_with_its_own_line_and_alert() -> None:
    new = {**NEW, "lines": [r"coolant: pump (?P<fan>[a-z0-9]{1,16}) stopped"], "device": "fan"}
    site = DEFAULT.with_overrides({"site_pump_stopped": new})
    wanted = Recognition("site_pump_stopped", "fan:p3")
    assert site.recognise_line("Oct 16 20:47:19 gpu1 kernel: coolant: pump p3 stopped") == wanted
    assert site.recognise_alert({"fault_class": "site_pump_stopped", "sensor": "p3"}) == wanted
    assert DEFAULT.recognise_line("coolant: pump p3 stopped") is None
    assert site.classes["site_pump_stopped"].rows == () and site.classes["site_pump_stopped"].alerts


def test_codes_move_to_the_class_that_names_them() -> None:
    site = DEFAULT.with_overrides({"gpu_row_remap_failure": {"xids": [64, 63]}, "site_odd": {**NEW, "sxids": [20034]}})
    seen = site.recognise_line("NVRM: Xid (PCI:0000:1b:00): 63, x")
    assert seen is not None and seen.fault_class == "gpu_row_remap_failure"
    assert site.classes["gpu_row_remap_pending"].xids == ()
    seen = site.recognise_line("nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 20034, Fatal, Link 1")
    assert seen is not None and seen.fault_class == "site_odd"


def test_a_benign_line_stays_benign() -> None:
    site = DEFAULT.with_overrides({"site_odd": {**NEW, "lines": ["mlx5_core .{1,200}failed"]}})
    assert (
        site.recognise_line(
            "mlx5_core 0000:5c:00.0: mlx5_cmd_out_err:838:(pid 1): ACCESS_REG(0x805) op_mod(0x0) failed"
        )
        is None
    )


# (changes, what the error says, whether the published schema refuses it as well)
WRONG: list[tuple[Any, str, bool]] = [
    ([], r"fault_classes has to be a mapping", True),
    ({"Bad": NEW}, r"fault_classes\.Bad: a name", True),
    ({"gpu_stopped": []}, r"fault_classes\.gpu_stopped: has to be a mapping", True),
    ({"gpu_stopped": {"colour": "red"}}, r"fault_classes\.gpu_stopped\.colour: unknown", True),
    ({"gpu_stopped": {"rows": [6]}}, r"gpu_stopped\.rows: unknown", True),
    ({"gpu_stopped": {"name": "x"}}, r"gpu_stopped\.name: unknown", True),
    ({"gpu_stopped": {"severity": "dire"}}, r"gpu_stopped\.severity: has to be one of critical, high", True),
    ({"gpu_stopped": {"severity": ["high"]}}, r"gpu_stopped\.severity: has to be one of", True),
    ({"gpu_stopped": {"title": " "}}, r"gpu_stopped\.title: has to be a text", True),
    ({"gpu_stopped": {"workflow": "cordon"}}, r"gpu_stopped\.workflow: has to be a list", True),
    ({"gpu_stopped": {"workflow": ["explode"]}}, r"gpu_stopped\.workflow\[0\]: has to be one of", True),
    ({"gpu_stopped": {"repairs": ["reset", "explode"]}}, r"gpu_stopped\.repairs\[1\]: has to be one of", True),
    ({"gpu_stopped": {"repairs": ["reboot", "reset"]}}, r"gpu_stopped\.repairs: the weakest", False),
    ({"gpu_stopped": {"repairs": []}}, r"gpu_stopped\.repairs: the workflow has the step repair exactly if", False),
    ({"gpu_stopped": {"workflow": ["cordon", "cordon"]}}, r"gpu_stopped\.workflow: a step stands there twice", True),
    ({"gpu_stopped": {"workflow": ["cordon", "repair", "resume"]}}, r"no node returns without a validation", False),
    ({"gpu_stopped": {"workflow": ["cordon", "repair", "resume", "validate"]}}, r"no node returns without", False),
    ({"gpu_stopped": {"workflow": ["repair", "validate", "resume"], "drain": ""}}, r"resume without cordon", False),
    (
        {"gpu_stopped": {"workflow": ["drain", "cordon", "repair", "ticket"], "validation": ""}},
        r"the cordon before",
        False,
    ),
    ({"gpu_stopped": {"workflow": ["cordon", "repair"], "validation": ""}}, r"gets the step resume or ticket", False),
    ({"gpu_stopped": {"drain": ""}}, r"gpu_stopped\.drain: it says", False),
    ({"gpu_stopped": {"drain": "idle"}}, r"gpu_stopped\.drain: idle goes with", False),
    ({"gpu_stopped": {"validation": ""}}, r"gpu_stopped\.validation: it goes with", False),
    ({"leaf_down": {"workflow": ["evidence"]}}, r"leaf_down\.workflow: a fabric can only", False),
    ({"gpu_stopped": {"delay_seconds": -1}}, r"gpu_stopped\.delay_seconds: has to be a number from 0", True),
    ({"gpu_stopped": {"delay_seconds": True}}, r"gpu_stopped\.delay_seconds: has to be a number", True),
    ({"gpu_stopped": {"alerts": "yes"}}, r"gpu_stopped\.alerts: has to be true or false", True),
    ({"gpu_stopped": {"xids": [46, "47"]}}, r"gpu_stopped\.xids\[1\]: has to be a whole number", True),
    ({"gpu_stopped": {"xids": [63]}, "site_odd": {**NEW, "xids": [63]}}, r"claims a code of it as well", False),
    ({"gpu_stopped": {"sources": [5]}}, r"gpu_stopped\.sources\[0\]: has to be a text", True),
    ({"gpu_stopped": {"repeat": {"count": 2}}}, r"gpu_stopped\.repeat: has to be a mapping with becomes, count", True),
    (
        {"gpu_stopped": {"repeat": {"count": 1, "within_seconds": 5, "same": "device", "becomes": "gpu_suspect"}}},
        r"gpu_stopped\.repeat\.count: has to be a whole number from 2",
        True,
    ),
    (
        {"gpu_stopped": {"repeat": {"count": 2, "within_seconds": 5, "same": "rack", "becomes": "gpu_suspect"}}},
        r"gpu_stopped\.repeat\.same: has to be one of device",
        True,
    ),
    (
        {"gpu_stopped": {"repeat": {"count": 2, "within_seconds": 5, "same": "device", "becomes": "nothing"}}},
        r"gpu_stopped: there is no class 'nothing' to become",
        False,
    ),
    (
        {"gpu_stopped": {"correlate": {"nodes": 2, "within_seconds": 5, "by": "galaxy", "becomes": "leaf_down"}}},
        r"gpu_stopped\.correlate\.by: has to be one of rack",
        True,
    ),
    ({"gpu_stopped": {"drill": {"kind": "fun"}}}, r"gpu_stopped\.drill\.kind: has to be one of", True),
    ({"gpu_stopped": {"lines": ["coolant: ("]}}, r"gpu_stopped\.lines\[0\]: missing \)", False),
    ({"gpu_stopped": {"lines": ["x" * 501]}}, r"gpu_stopped\.lines\[0\]: a pattern is a text of at most 500", True),
    ({"gpu_stopped": {"lines": [5]}}, r"gpu_stopped\.lines\[0\]: a pattern is a text", True),
    ({"gpu_stopped": {"lines": [".{0,9}pump"]}}, r"gpu_stopped\.lines\[0\]: a pattern has to begin with three", False),
    ({"gpu_stopped": {"lines": ["pump stopped|fan"]}}, r"gpu_stopped\.lines\[0\]: a pattern has to begin with", False),
    (
        {"gpu_stopped": {"lines": ["coolant: .*stopped"]}},
        r"gpu_stopped\.lines\[0\]: no repetition without an upper",
        False,
    ),
    ({"gpu_stopped": {"lines": ["coolant: (?:a+)+b"]}}, r"no repetition without an upper", False),
    ({"gpu_stopped": {"lines": ["coolant: a{2,}"]}}, r"no repetition without an upper", False),
    (
        {"gpu_stopped": {"lines": [r"coolant: (a)\1"]}},
        r"no repetition without an upper limit, no reference back",
        False,
    ),
    ({"gpu_stopped": {"lines": ["coolant: (?P<pump>a)"]}}, r"gpu_stopped\.lines\[0\]: unknown groups pump", False),
    ({"site_odd": {"title": "Odd"}}, r"fault_classes\.site_odd\.domain: a new class has to have it", False),
]


@pytest.mark.parametrize(("changes", "message", "by_schema"), WRONG)
def test_what_is_refused(changes: Any, message: str, by_schema: bool) -> None:
    with pytest.raises(CatalogueError, match=message):
        DEFAULT.with_overrides(changes)
    assert CHANGES.is_valid(changes) is not by_schema


def test_patterns_that_look_unbounded_and_are_not() -> None:
    for pattern in (r"coolant: \+ [*+]{1,3} a{2,5} \*", r"coolant: [^]*]{1,9}x", r"coolant: \(\\\+"):
        DEFAULT.with_overrides({"site_odd": {**NEW, "lines": [pattern]}})


def test_beginning() -> None:
    for pattern, text in (
        (r"nvme (?P<disk>x)", "nvme "),
        (r"\[Hardware Error\]: event", "[Hardware Error]: event"),
        (r"EXT4-fs \(", "EXT4-fs ("),
        (r"abcd?e", "abc"),
        (r"abcd{2}", "abc"),
        (r"ab\d", "ab"),
    ):
        assert beginning(pattern) == text
        assert re.match(re.escape(text), text)


def test_the_published_schema_says_the_same_words() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    change = SCHEMA["$defs"]["change"]["properties"]
    names = {field.name for field in fields(FaultClass)}
    assert set(SCHEMA["$defs"]["class"]["properties"]) == names
    assert set(change) == names - {"name", "rows"}
    assert change["severity"]["enum"] == list(reversed(model.SEVERITIES))
    for key, words in (
        ("domain", model.DOMAINS),
        ("scope", model.SCOPES),
        ("device", model.DEVICES),
        ("authority", model.AUTHORITIES),
        ("drain", model.DRAINS),
        ("validation", model.VALIDATIONS),
    ):
        assert change[key]["enum"] == list(words), key
    assert change["workflow"]["items"]["enum"] == list(model.WORKFLOW_STEPS)
    assert change["repairs"]["items"]["enum"] == list(model.REPAIRS)
    assert change["repeat"]["oneOf"][1]["properties"]["same"]["enum"] == list(model.REPEAT_SAME)
    assert change["correlate"]["oneOf"][1]["properties"]["by"]["enum"] == list(model.CORRELATE_BY)
    assert change["drill"]["properties"]["kind"]["enum"] == list(model.DRILL_KINDS)
    assert CHANGES.is_valid({"site_odd": NEW})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([field.name for field in fields(FaultClass)]), JSON)
def test_anything_is_taken_or_refused_with_a_sentence(key: str, value: Any) -> None:
    told = "gpu_stopped"
    try:
        DEFAULT.with_overrides({"gpu_stopped": {key: value}})
    except CatalogueError as error:
        told = str(error)
    assert "gpu_stopped" in told

# Tests of the filter hardware_diff as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

FIXTURE = Path(__file__).parents[2] / "fixtures" / "hardware_record" / "node.json"
KINDS = ["missing", "added", "changed", "degraded", "unknown"]


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


@pytest.fixture
def record() -> dict[str, Any]:
    return dict(json.loads(FIXTURE.read_text(encoding="utf-8")))


def test_findings_by_kind(record: dict[str, Any]) -> None:
    found = copy.deepcopy(record)
    del found["gpus"][0]
    findings = template("{{ expected | aidc.ops.hardware_diff(found) }}", expected=record, found=found)
    assert list(findings) == KINDS
    assert [(one["device"], one["part"]) for one in findings["missing"]] == [("gpu:0000:1b:00", "gpus")]
    assert [one["field"] for one in findings["degraded"]] == ["width"]


def test_the_own_maximum_of_a_link_may_be_left_out(record: dict[str, Any]) -> None:
    findings = template("{{ r | aidc.ops.hardware_diff(r, own_maximum=false) }}", r=record)
    assert findings["degraded"] == []


def test_text_of_a_device_is_no_template(record: dict[str, Any]) -> None:
    found = copy.deepcopy(record)
    found["disks"][0]["serial"] = "{{ 7 * 7 }}"
    messages = template(
        "{{ (a | aidc.ops.hardware_diff(b)).changed | map(attribute='message') | join }}", a=record, b=found
    )
    assert messages == "nvme0n1: serial is {{ 7 * 7 }}, was S0001"


def test_complaint_names_the_filter_and_the_record(record: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.hardware_diff: the found record is no hardware record"):
        template("{{ r | aidc.ops.hardware_diff({'failed': true}) }}", r=record)
    with pytest.raises(Exception, match=r"aidc\.ops\.hardware_diff: "):
        template("{{ r | aidc.ops.hardware_diff }}", r=record)

# Tests of the filter hardware_report as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

RESULT = {
    "name": "gpu1",
    "baseline": "none",
    "refused": [],
    "findings": {kind: [] for kind in ("missing", "added", "changed", "degraded", "unknown")},
    "problems": [{"part": "nics", "device": None, "message": "{{ 7 * 7 }}"}],
}


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_table_and_nodes() -> None:
    answer = template("{{ results | aidc.ops.hardware_report({'gpu2': 'no route'}) }}", results=[RESULT])
    assert "gpu1  problem    nics  {{ 7 * 7 }}" in answer["lines"]
    assert answer["nodes"]["no_baseline"] == ["gpu1"]
    assert answer["nodes"]["no_result"] == ["gpu2"]


@pytest.mark.parametrize(
    "bad", [None, "text", [{"name": "x"}], [{**RESULT, "baseline": "odd"}], [{**RESULT, "findings": {}}]]
)
def test_complaint_names_the_filter(bad: object) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.hardware_report: "):
        template("{{ results | aidc.ops.hardware_report }}", results=bad)

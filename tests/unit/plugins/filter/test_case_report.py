# Tests of the filter case_report as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

CASE = {
    "case_id": 1,
    "node": "gpu2",
    "node_id": "name:gpu2",
    "state": "open",
    "step": "cordon",
    "fault_class": "gpu_gsp_error",
    "fault_classes": ["gpu_gsp_error"],
    "devices": ["{{ 7 * 7 }}"],
    "opened_at": 1_790_000_000.0,
    "hold_text": None,
}


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_table_and_full() -> None:
    answer = {"cases": [CASE], "controls": {"paused_by": "kim", "paused_at": 0}, "opt_outs": []}
    paused, head, line = template("{{ answer | aidc.ops.case_report }}", answer=answer)
    assert paused.startswith("PAUSED by kim") and head.startswith("CASE") and "{{ 7 * 7 }}" in line
    lines = template("{{ answer | aidc.ops.case_report(full=true) }}", answer=answer)
    assert "next step    cordon" in lines


@pytest.mark.parametrize("bad", [None, "text", {}, {"cases": [1]}, {"cases": [{"case_id": 1}]}, {"cases": None}])
def test_complaint_names_the_filter(bad: object) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.case_report takes an answer of aidc\.ops\.case_info"):
        template("{{ answer | aidc.ops.case_report }}", answer=bad)

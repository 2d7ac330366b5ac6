# Tests of the filters report_questions and report_page as a play uses them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

HOSTILE = "{{ 7 * 7 }}<script>"
SECTION = {
    "id": "s",
    "title": "S",
    "panels": [
        {
            "id": "p",
            "kind": "bars",
            "title": "P",
            "unit": "jobs",
            "by": ["who"],
            "needs": "x",
            "queries": {"value": "v"},
        }
    ],
}
RESULT = {
    "item": {"section": "s", "kind": "now"},
    "result": [{"labels": {"aidc_report": "p.value", "who": HOSTILE}, "value": 3, "timestamp": 100}],
}


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_questions_and_page() -> None:
    (question,) = template("{{ sections | aidc.ops.report_questions }}", sections=[SECTION])
    assert question["kind"] == "now" and '"p.value"' in question["query"]
    page = template("{{ sections | aidc.ops.report_page(answers, 0, 100, 10) }}", sections=[SECTION], answers=[RESULT])
    (row,) = page["sections"][0]["panels"][0]["bars"]
    assert (row["name"], row["value"]) == (HOSTILE, "3 jobs") and HOSTILE not in row["svg"]


@pytest.mark.parametrize("bad", [None, 7, [{}]])
def test_complaints_name_the_filter(bad: object) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.report_questions takes the sections of a report"):
        template("{{ bad | aidc.ops.report_questions }}", bad=bad)


@pytest.mark.parametrize("bad", [None, [{}], [{"item": {}}], [{**RESULT, "result": [{"labels": {}}]}]])
def test_complaints_about_answers_name_the_filter(bad: object) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.report_page takes the sections of a report and the answers"):
        template("{{ sections | aidc.ops.report_page(bad, 0, 100, 10) }}", sections=[SECTION], bad=bad)

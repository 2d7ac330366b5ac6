# Tests of the filter drill_report as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

TEXT = "{{ answer | aidc.ops.drill_report('gpu_fell_off_bus', times) }}"


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_a_line_for_each_node() -> None:
    answer = template(TEXT, answer={"cases": []}, times={"gpu2": 5.0, "gpu1": "4"})
    assert [row["node"] for row in answer["results"]] == ["gpu1", "gpu2"]
    assert answer["results"][0]["ended"] is None
    assert len(answer["lines"]) == 3


@pytest.mark.parametrize(
    ("bad", "times"), [(None, {}), ({}, {}), ({"cases": [{"node": "gpu2"}]}, {"gpu2": 1}), ({"cases": []}, {"a": "x"})]
)
def test_complaint_names_the_filter(bad: object, times: dict[str, object]) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.drill_report: "):
        template(TEXT, answer=bad, times=times or {"gpu1": 1})

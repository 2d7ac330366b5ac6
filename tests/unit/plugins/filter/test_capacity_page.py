# Tests of the filters capacity_page and capacity_report as a play uses them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.aidc.ops.tests.unit.plugins.plugin_utils._plan.cases import placed, plan, problem


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_page_and_report() -> None:
    names = {"plan": plan(note="{{ 7 * 7 }}"), "problem": problem()}
    page = template("{{ plan | aidc.ops.capacity_page(problem, title='Q3', purchase=none, windows=none) }}", **names)
    assert page.startswith("<!DOCTYPE html>") and "<title>Q3</title>" in page and "{{ 7 * 7 }}" in page
    lines = template("{{ plan | aidc.ops.capacity_report(problem) }}", **names)
    assert lines[0] == "1 of 4 workloads does not fit; 1 copy is missing." and "Note: {{ 7 * 7 }}." in lines


@pytest.mark.parametrize("name", ["capacity_page", "capacity_report"])
@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (None, "takes a plan"),
        ({}, "placements"),
        (plan(placements=[placed("train", "gpu-9")]), "gpu-9"),
        (plan(refused=[{"workload": "gone", "missing": 1}]), "gone"),
        (plan(placements=[{"workload": "train"}]), "node"),
    ],
)
def test_complaints_name_the_filter(name: str, bad: object, told: str) -> None:
    with pytest.raises(
        Exception, match=rf"aidc\.ops\.{name} takes a plan of aidc\.ops\.capacity_plan.*{told}|{told}"
    ) as caught:
        template(f"{{{{ bad | aidc.ops.{name}(problem) }}}}", bad=bad, problem=problem())
    assert f"aidc.ops.{name} takes a plan" in str(caught.value)


def test_a_problem_that_is_none_is_told_as_the_planner_tells_it() -> None:
    with pytest.raises(Exception, match=r"no node gpu-99"):
        template("{{ plan | aidc.ops.capacity_page(problem, fail_nodes=['gpu-99']) }}", plan=plan(), problem=problem())
    with pytest.raises(Exception, match=r"nodes"):
        template("{{ plan | aidc.ops.capacity_page({}) }}", plan=plan())

# Tests of what is taken for a plan of a problem, of marks in comments, and of the table.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import marks, report
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyError,
    Change,
    Difference,
    NotDone,
    StaleError,
    some,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import wanted_of
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import (
    node,
    plan,
    problem,
    work,
)

PROBLEM = read_problem(problem(["n1", node("n2", in_service=False)], [work("a", "p", copies=2), work("b", "q")]))
GOOD = plan([("a", "n1"), ("a", "n1")], {"b": "no GPU is free", "stranger": "x"})


def test_what_a_plan_wants() -> None:
    wanted = wanted_of(PROBLEM, GOOD)
    assert wanted.copies == {"a": 2} and wanted.refused == {"b": "no GPU is free"}
    assert wanted.owner("n1") == "p" and wanted.owner("n2") == "" and wanted.idle == []
    assert wanted.mark == wanted_of(PROBLEM, {**GOOD, "seconds": 3}).mark != wanted_of(PROBLEM, plan([])).mark


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "plan.placements: expected a list"),
        ([], "plan.placements: expected a list"),
        ({}, "plan.placements: expected a list"),
        ({**GOOD, "schema_version": 2}, "plan.schema_version: expected 1, got '2'"),
        ({**GOOD, "refused": None}, "plan.refused: expected a list"),
        ({**GOOD, "placements": ["a"]}, "plan.placements[0].workload: expected a text"),
        ({**GOOD, "placements": [{"workload": "a", "node": 7}]}, "plan.placements[0].node: expected a text"),
        ({**GOOD, "placements": [{"workload": "a", "node": "n1", "gpus": [True]}]}, "expected numbers of GPUs"),
        ({**GOOD, "placements": [{"workload": "a", "node": "n1", "gpus": float("nan")}]}, "expected numbers of GPUs"),
        (plan([("z", "n1")]), "z: no such workload"),
        (plan([("a", "n9")]), "a: no node n9"),
        (plan([("a", "n2")]), "n2: out of service"),
        (plan([("a", "n1")] * 3), "a: 3 copies of 2"),
    ],
)
def test_what_is_no_plan_of_this_problem(made: Any, message: str) -> None:
    with pytest.raises(ApplyError) as caught:
        wanted_of(PROBLEM, made)
    assert message in str(caught.value)


def test_a_long_list_of_faults_is_cut() -> None:
    with pytest.raises(ApplyError, match="and 95 more"):
        wanted_of(PROBLEM, plan([(f"z{number}", "n1") for number in range(100)]))
    error = StaleError([f"n{number}: gone" for number in range(9)])
    assert len(error.differences) == 9 and "and 4 more" in str(error)
    assert some(f"n{number}" for number in range(7)) == "n0, n1, n2, n3, n4 and 2 more"


def test_marks_leave_other_words_as_they_are() -> None:
    comment = marks.with_hold("ask Kim")
    assert marks.has_hold(comment) and marks.without(comment) == "ask Kim"
    assert not marks.has_hold("xaidc.ops:plan_hold") and not marks.has_hold("")
    comment = marks.with_requeue(comment, "abc", 1)
    assert not marks.has_hold(comment) and marks.without(comment) == "ask Kim"
    assert not marks.was_requeued(comment, "abc", 1) and marks.was_requeued(comment, "abc", 2)
    assert not marks.was_requeued(comment, "ab", 2)


def test_the_mark_of_a_nice_value_outlives_holds_and_requeues() -> None:
    mark = marks.NiceMark(before=5, after=1029, shown=6000, own=6000)
    comment = marks.with_nice(marks.with_hold("ask Kim"), mark)
    assert marks.nice_of(comment) == mark and marks.has_hold(comment)
    comment = marks.with_requeue(comment, "abc", 1)
    assert marks.nice_of(comment) == mark and marks.was_requeued(comment, "abc", 2)
    assert marks.nice_of(marks.with_nice(comment, marks.NiceMark(5, 7, 8, 9))) == marks.NiceMark(5, 7, 8, 9)
    assert marks.nice_of(marks.without(comment)) == mark
    assert marks.without_nice(marks.without(comment)) == "ask Kim"
    for text in ("", "ask Kim", "aidc.ops:plan_nice=", "aidc.ops:plan_nice=1.2.3", "xaidc.ops:plan_nice=1.2.3.4"):
        assert marks.nice_of(text) is None
    assert marks.nice_of("aidc.ops:plan_nice=1.2.-3.4") is None


def test_the_table() -> None:
    change = Change("power_up", "nodes n1", "off", "on", "it is\nused", ("n1",))
    new = Change("reservation", "reservation aidc_plan_p", "", "nodes n1", "all its work", ("n1",), "p")
    found = Difference([change, new], [NotDone("hold", "job 1", "x")], [NotDone("power_down", "nodes n2", "y")], ["z"])
    assert report.table(found) == [
        "   change       what                     from  to        why",
        "1  power up     nodes n1                 off   on        it is used",
        "2  reservation  reservation aidc_plan_p  -     nodes n1  all its work",
        "refused: hold job 1: x",
        "later: power down nodes n2: y",
        "note: z",
    ]
    assert report.table(Difference()) == ["Nothing has to be changed."]
    sides = report.sides([change, new])
    assert sides["before"] == "nodes n1: off\nreservation aidc_plan_p: -\n"
    assert sides["after"] == "nodes n1: on\nreservation aidc_plan_p: nodes n1\n"

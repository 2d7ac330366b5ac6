# Tests of how runs that were asked for and never began are noticed.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import runs
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.runs import RunWatch


@dataclasses.dataclass
class Case:
    updated_at: float = 0.0
    lease_holder: str | None = None
    closed_at: float | None = None


def test_a_run_that_took_no_lease_did_not_begin() -> None:
    watch = RunWatch()
    watch.handed_over([1, 2], 100)
    assert watch.wanted(109, 10) == []
    assert watch.wanted(110, 10) == [1, 2]
    assert watch.judge({1: Case(), 2: Case()}, False, 110, 10) == 1
    assert watch.without_run() == 2
    # It is one failure, however often one looks.
    assert watch.judge({1: Case(), 2: Case()}, False, 120, 10) == 0


@pytest.mark.parametrize("case", [Case(lease_holder="h"), Case(updated_at=101), Case(closed_at=101), None])
def test_a_case_that_was_touched_had_its_run(case: Case | None) -> None:
    watch = RunWatch()
    watch.handed_over([1, 2], 100)
    cases = {2: Case()} if case is None else {1: case, 2: Case()}
    assert watch.judge(cases, False, 110, 10) == 0
    assert watch.without_run() == 0


def test_a_case_whose_run_comes_at_last_is_no_longer_without() -> None:
    watch = RunWatch()
    watch.handed_over([1], 100)
    watch.judge({1: Case()}, False, 110, 10)
    watch.handed_over([1], 111)
    assert watch.judge({1: Case(updated_at=112)}, False, 113, 10) == 0
    assert watch.without_run() == 0
    assert watch.judge({1: Case(updated_at=112)}, False, 121, 10) == 0


def test_each_run_that_does_not_begin_counts() -> None:
    watch = RunWatch()
    for at in (100, 110, 120):
        watch.handed_over([1], at)
    assert watch.judge({1: Case()}, False, 130, 10) == 3
    assert watch.without_run() == 1


def test_a_run_that_waits_for_its_turn_is_given_more_time() -> None:
    watch = RunWatch()
    watch.handed_over([1], 100)
    assert watch.judge({1: Case()}, True, 110, 10) == 0
    assert watch.judge({1: Case()}, False, 119, 10) == 0
    assert watch.judge({1: Case()}, False, 120, 10) == 1


def test_it_never_grows_without_end() -> None:
    watch = RunWatch()
    for number in range(5000):
        watch.handed_over([number], number)
    assert len(watch.wanted(10_000, 10)) == 1000


@pytest.mark.parametrize(("text", "number"), [("", 1), ("4", 4), ("0", 1), ("x", 1), ("-3", 1)])
def test_parallel_runs(monkeypatch: pytest.MonkeyPatch, text: str, number: int) -> None:
    monkeypatch.setenv(runs.PARALLEL_VARIABLE, text)
    assert runs.parallel_runs() == number

# Tests of the measure: which alarms are right, wrong or undecided, and when one way beats another.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

from ansible_collections.aidc.ops.plugins.module_utils._predict.judge import YEAR, Outcome, beats, judge
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY, Device

HORIZON = 30 * DAY


def device(end: float, failed: bool = False) -> Device:
    return Device("n", "d", "m", {}, 0.0, end * DAY, end * DAY if failed else None)


def outcome(one: Device, *flagged: float) -> Outcome:
    return judge([one], {0: [day * DAY for day in flagged]}, 0.0, 200 * DAY, HORIZON)


def test_an_alarm_is_right_if_the_device_fails_while_it_is_open() -> None:
    found = outcome(device(100, failed=True), 80, 81, 99)
    assert (found.right, found.wrong, found.open, found.failures) == (1, 0, 0, 1)
    assert (found.precision, found.recall, found.lead_days) == (1, 1, 20)


def test_an_alarm_that_is_too_early_is_wrong_and_the_next_one_counts() -> None:
    found = outcome(device(100, failed=True), *range(40, 100))
    assert (found.right, found.wrong, found.leads) == (1, 1, (30,))


def test_what_is_flagged_on_the_day_of_the_failure_comes_too_late() -> None:
    found = outcome(device(100, failed=True), 100)
    assert (found.right, found.wrong, found.precision, found.recall) == (0, 0, None, 0)


def test_nobody_knows_of_a_device_that_was_taken_away() -> None:
    assert outcome(device(100), 80).open == 1
    assert outcome(device(110), 80).wrong == 1


def test_alarms_and_failures_count_per_year_that_devices_were_watched() -> None:
    two = [device(200), device(100, failed=True)]
    found = judge(two, {0: [10 * DAY]}, 50 * DAY, 200 * DAY, HORIZON)
    assert found.device_years == 200 * DAY / YEAR
    assert found.failures == 1
    assert judge([], {}, 0.0, 1.0, HORIZON).alarms_per_device_year is None


def test_precision_recall_and_lead_all_count() -> None:
    rules = Outcome(right=5, wrong=5, open=0, failures=10, device_years=1.0, leads=(9.0,) * 5)
    better = replace(rules, wrong=4)
    assert beats(better, rules) == ""
    assert "precision" in beats(rules, rules)
    assert "recall" in beats(replace(better, right=4, wrong=1), rules)
    assert "lead" in beats(replace(better, leads=(8.0,)), rules)
    nothing = replace(rules, right=0, wrong=0, leads=())
    assert "none of its alarms" in beats(nothing, nothing)
    assert beats(better, nothing) == ""


def test_few_alarms_may_be_luck() -> None:
    """Wilson's interval for 5 of 10 begins at 0.237, for 50 of 100 at 0.404."""
    few = Outcome(right=5, wrong=5, open=0, failures=10, device_years=1.0, leads=(9.0,) * 5)
    many = replace(few, right=50, wrong=50)
    assert round(few.precision_at_least, 3) == 0.237
    assert round(many.precision_at_least, 3) == 0.404
    assert replace(few, right=0, wrong=0).precision_at_least == 0

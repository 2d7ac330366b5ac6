# Tests of how a poll of several Alertmanagers is judged.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import alert_watch
from ansible_collections.aidc.ops.tests.fakes.alertmanager import alert

A, B = "http://a:9093", "http://b:9093"


def test_members_of_a_cluster_report_an_alert_once() -> None:
    one, two = alert("X", "f1"), alert("X", "f2")
    assert alert_watch.merge({A: [one, two], B: [dict(one)], "c": None}) == [one, two]


def test_the_same_fingerprint_with_another_start_is_another_alert() -> None:
    assert (
        len(
            alert_watch.merge({A: [alert("X", "f1", "2026-01-01T00:00:00Z"), alert("X", "f1", "2026-01-02T00:00:00Z")]})
        )
        == 2
    )


@pytest.mark.parametrize("junk", [5, None, "text", [], {}, {"fingerprint": 5, "startsAt": "x"}, {"labels": {1: 2}}])
def test_what_is_not_an_alert_is_passed_on_to_be_refused(junk: t.Any) -> None:
    assert alert_watch.merge({A: [junk], B: [junk]}) == [junk]


@pytest.mark.parametrize(
    ("poll", "before", "complete"),
    [
        ({A: [], B: []}, {A, B}, True),
        ({A: [], B: None}, {A, B}, False),
        ({A: [], B: None}, {A}, True),
        ({A: None, B: None}, set(), False),
        ({A: None}, set(), False),
        ({}, set(), False),
    ],
)
def test_no_data_is_not_a_clear(poll: dict[str, t.Any], before: set[str], complete: bool) -> None:
    assert alert_watch.is_complete(poll, before) is complete


def test_a_restarted_alertmanager_is_not_believed_at_once() -> None:
    assert alert_watch.still_filling([0.0, 900.0], 1000.0)
    assert not alert_watch.still_filling([0.0, 100.0], 1000.0)


@pytest.mark.parametrize("text", [None, "", "x", "{}", "5", '["' + B + '", 5]'])
def test_kept_urls_are_read_with_care(text: str | None) -> None:
    assert alert_watch.answered_from_text(text) <= {B}


def test_kept_urls_are_read_back() -> None:
    assert alert_watch.answered_from_text(alert_watch.answered_to_text({A, B})) == {A, B}

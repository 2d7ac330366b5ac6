# Tests of the guard filter.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.event_filter.guard import main
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health

HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/x') }}"


class Sneaky(int):
    """An int that a template engine would print as text."""

    def __str__(self) -> str:
        return HOSTILE


def test_case_numbers_pass_and_nothing_else() -> None:
    event = {
        "cases_due": {"case_ids": [3, 1, 3], "text": HOSTILE},
        "meta": {"hosts": "all", "uuid": "1"},
        "alert": {"labels": {"instance": HOSTILE}},
        HOSTILE: 1,
    }
    assert main(event) == {"cases_due": {"case_ids": [3, 1]}}


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        "text",
        {"cases_due": None},
        {"cases_due": [1]},
        {"cases_due": {"case_ids": []}},
        {"cases_due": {"case_ids": "1"}},
        {"cases_due": {"case_ids": {"1": 1}}},
        {"cases_due": {"case_ids": [1, HOSTILE]}},
        {"cases_due": {"case_ids": [True]}},
        {"cases_due": {"case_ids": [1.0]}},
        {"cases_due": {"case_ids": [0]}},
        {"cases_due": {"case_ids": [-1]}},
        {"cases_due": {"case_ids": [2**60]}},
        {"cases_due": {"case_ids": [Sneaky(1)]}},
        {"cases_due": {"case_ids": list(range(1, 1002))}},
    ],
)
def test_anything_else_is_dropped_and_counted(event: t.Any) -> None:
    before = health.render()
    assert main(event) == []
    assert health.render() != before

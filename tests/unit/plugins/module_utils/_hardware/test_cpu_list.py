# Tests of lists of CPU numbers.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.cpu_list import parse_cpu_list


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0", {0}), ("0-3\n", {0, 1, 2, 3}), ("0-1,8-9", {0, 1, 8, 9}), ("", set()), ("\n", set()), ("5-4", set())],
)
def test_list(text: str, numbers: set[int]) -> None:
    assert parse_cpu_list(text) == numbers


@pytest.mark.parametrize("text", ["a", "0-", "-1", "1,,2", "0-99999999", "0-999999", "ff,ff", "{{ 1 }}"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a list of CPUs"):
        parse_cpu_list(text)

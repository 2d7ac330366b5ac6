# Tests of quantities: what is the same number, and what is none.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize.quantity import checked, parse


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("1000m", 1),
        ("1", 1),
        (1, 1),
        ("1Gi", 1073741824),
        ("1024Mi", 1073741824),
        ("1G", 10**9),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("1.5", Fraction(3, 2)),
        (0.5, Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("2.", 2),
        ("+2", 2),
        ("1e-3", Fraction(1, 1000)),
        ("-0", 0),
        (" 4Gi ", 4 * 2**30),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_numbers(given: Any, number: Fraction) -> None:
    assert parse(given, "x") == number


@pytest.mark.parametrize(
    "given",
    [
        *("", None, True, "NaN", float("nan"), float("inf"), "1 Gi", "1gi", "1K", "1KI", "Gi", "1.2.3", "1e", "1Gi2"),
        *("{{ x }}", "1e999999999", "9" * 100, "1_000", "٣", "0x10", [1], {}),
    ],
)
def test_what_is_no_quantity(given: Any) -> None:
    with pytest.raises(ResizeError, match=r"container a: cpu is .*no quantity"):
        parse(given, "container a: cpu")


@pytest.mark.parametrize(
    ("resource", "given", "message"),
    [
        ("cpu", "-1", "cannot be negative"),
        ("memory", "-64Gi", "cannot be negative"),
        ("cpu", "1u", "smallest part of a CPU is 1m"),
        ("memory", "500m", "500m is half a byte"),
        ("nvidia.com/gpu", "0.5", "whole devices"),
        ("memory", "8Ei", "2\\^63"),
        ("memory", "9e99", "2\\^63"),
    ],
)
def test_numbers_that_a_resource_cannot_have(resource: str, given: str, message: str) -> None:
    with pytest.raises(ResizeError, match=message):
        checked(resource, given, resource)


def test_numbers_that_it_can() -> None:
    assert checked("cpu", "1m", "x") == Fraction(1, 1000)
    assert checked("memory", "1.5Gi", "x") == 3 * 2**29
    assert checked("nvidia.com/gpu", 0, "x") == 0

# Tests of reading the clock.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import clock

Lay = Callable[[Mapping[str, Any]], str]


@pytest.mark.parametrize(
    ("state", "status", "offset", "synchronised", "seconds"),
    [
        (0, 0x0001, -1500, True, -0.0015),
        (0, 0x2001, 1_500_000, True, 0.0015),
        (0, 0x2000, 0, True, None),
        (5, 0x0041, 7, False, 0.000007),
        (5, 0x0000, 0, False, None),
        (0, 0x0040, 0, False, None),
    ],
)
def test_state_of_the_clock(state: int, status: int, offset: int, synchronised: bool, seconds: float | None) -> None:
    found = clock.judge(state, SimpleNamespace(status=status, offset=offset))
    assert found["synchronised"] is synchronised
    assert found["offset_seconds"] == (None if seconds is None else pytest.approx(seconds))


def test_recorded_source(recorded: Callable[[str], str], reports: Any) -> None:
    found = clock.read_clock(recorded("rack_server"), reports, lambda: (0, SimpleNamespace(status=1, offset=0)))
    assert found == {
        "source": "tsc",
        "available_sources": ["tsc", "hpet", "acpi_pm"],
        "synchronised": True,
        "offset_seconds": 0.0,
    }


def test_kernel_that_may_not_be_asked(lay: Lay, reports: Any) -> None:
    def refuse() -> Any:
        raise PermissionError(1, "Operation not permitted")

    found = clock.read_clock(lay({"sys/x": ""}), reports, refuse)
    assert found == dict.fromkeys(clock.CLOCK_KEYS)
    assert "Operation not permitted" in reports[0][1]


def test_kernel_of_this_machine_answers() -> None:
    state, timex = clock.kernel_clock()
    assert 0 <= state <= 5
    assert timex.modes == 0
    # The kernel fills this in whatever the clock does; a wrong layout would show another number.
    assert 9000 <= timex.tick <= 11000


def test_layout_is_the_kernel_s() -> None:
    assert (ctypes.sizeof(clock.Timex), clock.Timex.status.offset, clock.Timex.tick.offset) == (208, 40, 88)

# Ten thousand random histories: storms, restarts, old news, clocks that jump, foreign drains, runs that die.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Not part of the unit tests: it takes minutes. ``python -m pytest tests/histories -n 2`` runs it. The histories are
the same in every run; AIDC_HISTORIES_SEED gives others, AIDC_HISTORIES how many."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.tests.histories.history import BrokenRuleError, History

TOTAL = int(os.environ.get("AIDC_HISTORIES", "10000"))
PARTS = 20
FIRST_SEED = int(os.environ.get("AIDC_HISTORIES_SEED", "0"))
# Each event takes four bytes: at least eight events, at most forty.
PROGRAMS = st.binary(min_size=33, max_size=161)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_breaks_a_rule(part: int, record_property: Callable[[str, object], None]) -> None:
    ran = 0

    @seed(FIRST_SEED * PARTS + part)
    @settings(
        max_examples=TOTAL // PARTS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(PROGRAMS)
    def live(program: bytes) -> None:
        nonlocal ran
        ran += 1
        history = History(program)
        try:
            history.live()
        except BrokenRuleError as error:
            raise BrokenRuleError("\n".join([str(error), *history.told])) from error
        finally:
            history.close()

    live()
    record_property("histories", ran)
    assert ran >= TOTAL // PARTS

# Tests of quantiles made of errors, and of the back-test.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._forecast import backtest, bands, models


def test_a_quantile_by_hand() -> None:
    values = [float(n) for n in range(1, 20)]
    assert bands.quantile(values, 0.5) == 10.0
    assert bands.quantile(values, 0.9) == 18.0
    assert bands.quantile(values, 0.999) == 19.0
    assert bands.quantile([3.0], 0.1) == 3.0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.randoms(use_true_random=False))
def test_quantiles_of_errors_are_in_order_and_within_the_errors(ahead: int, count: int, draw: random.Random) -> None:
    paths = {-n: [draw.uniform(-5, 5) for _step in range(ahead)] for n in range(count)}
    rows = bands.error_quantiles(paths, ahead, (0.05, 0.5, 0.95))
    assert len(rows) == ahead
    for row in rows:
        assert row == sorted(row)
        assert -5 <= row[0] <= row[-1] <= 5


def test_an_error_next_to_nothing_keeps_the_quantiles_in_order() -> None:
    tiny = -5.877471755e-39
    for row in bands.error_quantiles({0: [-5.0, tiny, 0.0]}, 3, (0.05, 0.5, 0.95)):
        assert row == sorted(row)
    for row in bands.error_quantiles({0: [-5.0, tiny, tiny, 0.0]}, 4, (0.05, 0.5, 0.95)):
        assert row == sorted(row)


def test_errors_of_a_sum_are_the_sums_of_errors() -> None:
    a = {-30: [1.0, 2.0], -20: [3.0, 4.0], -10: [5.0, 6.0]}
    b = {-20: [-3.0, -4.0], -10: [1.0, 1.0]}
    assert bands.add_paths([a, b]) == {-20: [0.0, 0.0], -10: [6.0, 7.0]}


def test_the_wider_of_all_and_of_late() -> None:
    quiet = {-n: [0.1, -0.1] for n in range(30, 0, -1)}
    wild = {**quiet, **{-n: [9.0, -9.0] for n in range(10, 0, -1)}}
    assert bands.error_quantiles(wild, 2, (0.95,))[0][0] > 8
    assert bands.error_quantiles(quiet, 2, (0.95,))[0][0] < 0.2


def test_origins_leave_room_for_a_fit_and_a_horizon() -> None:
    begins = backtest.origins(744, 24, 24)
    assert begins[-1] == 720
    assert begins[0] >= 4 * 24
    assert {after - before for before, after in itertools.pairwise(begins)} == {6}
    assert backtest.origins(71, 24, 24) == []
    assert backtest.origins(72, 24, 24) == [48]


def test_scores_by_hand() -> None:
    values = [float(n % 4) for n in range(40)]
    begins = backtest.origins(40, 4, 4)
    perfect = backtest.paths(models.seasonal_naive(4), values, begins, 4)
    assert backtest.mean_error(perfect) == 0
    last = backtest.paths(models.seasonal_naive(1), values, begins, 4)
    # From 3 back to 0, 1, 2, 3 and so on: 1.5 on average over the whole, whatever the phase.
    assert backtest.mean_error(last) == pytest.approx(1.5, abs=0.3)
    assert backtest.scale([0.0, 2.0, 4.0, 6.0], 1) == 2.0
    assert backtest.score(perfect, values, 4, 4).mase is None


def test_the_band_covers_what_it_claims_where_errors_are_alike() -> None:
    draw = random.Random(7)
    paths = {-n: [draw.gauss(0, 1) for _step in range(8)] for n in range(400, 0, -4)}
    found = backtest.coverage(paths, 8)
    assert found is not None
    assert 0.85 < found < 0.97


def test_no_coverage_of_a_handful() -> None:
    assert backtest.coverage({-8: [1.0] * 8, -4: [2.0] * 8}, 8) is None

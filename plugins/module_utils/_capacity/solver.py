# How HiGHS is asked: quiet, deterministic, one thread.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One place for the options of the solver."""

from __future__ import annotations

import typing as t

from .numeric import highspy, np

if t.TYPE_CHECKING:
    from .numeric import Real

OPTIMAL_GAP = 1e-4


def quiet(seconds: float) -> t.Any:
    """A solver without output that gives up after that time; the same input gives the same answer."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 1)
    solver.setOptionValue("time_limit", max(0.05, float(seconds)))
    return solver


class Matrix:
    """A linear programme that is collected entry by entry and handed over at once; it minimises."""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.cost: list[float] = []
        self.column_low: list[float] = []
        self.column_high: list[float] = []
        self._start: list[int] = [0]
        self._index: list[int] = []
        self._value: list[float] = []

    def row(self, low: float, high: float) -> int:
        """Add a row; its number."""
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def column(self, cost: float, low: float, high: float, entries: t.Iterable[tuple[int, float]]) -> int:
        """Add a column with its entries (row, value); its number."""
        for row, value in entries:
            if value:
                self._index.append(row)
                self._value.append(value)
        self._start.append(len(self._index))
        self.cost.append(cost)
        self.column_low.append(low)
        self.column_high.append(high)
        return len(self.cost) - 1

    def load(self, solver: t.Any) -> None:
        """Give it to the solver."""
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self.cost), len(self.low)
        model.col_cost_ = np.array(self.cost)
        model.col_lower_, model.col_upper_ = np.array(self.column_low), np.array(self.column_high)
        model.row_lower_, model.row_upper_ = np.array(self.low), np.array(self.high)
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = np.array(self._start, np.int32)
        model.a_matrix_.index_ = np.array(self._index, np.int32)
        model.a_matrix_.value_ = np.array(self._value)
        solver.passModel(model)


def row_prices(solver: t.Any, rows: int, first: int = 0) -> Real:
    """Prices of rows of a maximisation that was handed over as minimisation: positive at an upper limit."""
    return -np.array(solver.getSolution().row_dual[first : first + rows])


def signed(prices: Real, low: t.Sequence[float], high: t.Sequence[float]) -> Real:
    """The prices without what rounding gave the wrong sign."""
    prices = np.where(np.isinf(np.array(high)), np.minimum(prices, 0.0), prices)
    return t.cast("Real", np.where(np.isinf(np.array(low)), np.maximum(prices, 0.0), prices))

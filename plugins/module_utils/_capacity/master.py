# The master programme: which contents, on how many nodes of each group.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows: nodes of each stock, then the rows of the packing. Columns: its variables, then contents of one node."""

from __future__ import annotations

import typing as t

from .numeric import highspy, np
from .packing import INFINITY, Content, Packing
from .solver import quiet, row_prices, signed

if t.TYPE_CHECKING:
    from .numeric import Real, Whole

Column = t.Tuple[int, t.Tuple[t.Tuple[int, int], ...]]


def column(group: int, content: Content) -> Column:
    """A content as it is kept: the same content twice is the same column."""
    return group, tuple(sorted((int(size), int(copies)) for size, copies in content.items() if copies))


class Master:
    """The restricted master programme of these contents; grows by ``add``."""

    def __init__(self, packing: Packing, columns: t.Iterable[Column] = (), integer: bool = False) -> None:
        self.packing = packing
        self.integer = integer
        self.solver = quiet(INFINITY)
        self.columns: list[Column] = []
        self._seen: set[Column] = set()
        none = (0, np.array([], np.int32), np.array([]))
        stock = packing.groups.stock
        self.groups = int(stock.max()) + 1 if len(stock) else 0
        counts = np.zeros(self.groups)
        counts[stock] = packing.groups.count
        for count in counts:
            self.solver.addRow(-INFINITY, float(count), *none)
        for row in packing.rows:
            self.solver.addRow(row.low, row.high, *none)
        for number, variable in enumerate(packing.variables):
            rows = np.array([self.groups + row for row in variable.uses], np.int32)
            uses = np.array(list(variable.uses.values()), float)
            self.solver.addCol(-variable.worth, variable.low, variable.high, len(rows), rows, uses)
            if integer and variable.whole:
                self.solver.changeColIntegrality(number, highspy.HighsVarType.kInteger)
        self._extra = [
            (number, row) for number, row in enumerate(packing.rows) if row.size is not None or row.node is not None
        ]
        for one in columns:
            self.add(one)

    def add(self, new: Column) -> bool:
        """Add a content; False if it is there already or empty."""
        if new in self._seen or not new[1]:
            return False
        self._seen.add(new)
        group, content = new
        uses: dict[int, float] = {int(self.packing.groups.stock[group]): 1.0}
        for size, copies in content:
            row = self.groups + int(self.packing.cell[size, group])
            uses[row] = uses.get(row, 0.0) - copies
        for number, row_of in self._extra:
            use = float(row_of.node[group]) if row_of.node is not None else 0.0
            if row_of.size is not None:
                use += sum(copies * float(row_of.size[size, group]) for size, copies in content)
            if use:
                uses[self.groups + number] = use
        rows = np.array(list(uses), np.int32)
        self.solver.addCol(0.0, 0.0, INFINITY, len(rows), rows, np.array(list(uses.values())))
        if self.integer:
            self.solver.changeColIntegrality(
                len(self.packing.variables) + len(self.columns), highspy.HighsVarType.kInteger
            )
        self.columns.append(new)
        return True

    def start_from(self, counts: t.Mapping[Column, int]) -> None:
        """Begin the integer search with a known plan: nodes of each content."""
        first = len(self.packing.variables)
        index = np.array([first + number for number in range(len(self.columns))], np.int32)
        value = np.array([float(counts.get(one, 0)) for one in self.columns])
        self.solver.setSolution(len(index), index, value)

    def at_least(self, number: int, nodes: int) -> None:
        """From now on at least so many nodes have that content."""
        self.solver.changeColBounds(len(self.packing.variables) + number, float(nodes), INFINITY)

    def value(self) -> float:
        """The value of the last solution."""
        return -float(self.solver.getInfo().objective_function_value)

    def solve(self, seconds: float) -> float | None:
        """The value, or None when nothing was found."""
        self.solver.setOptionValue("time_limit", float(self.solver.getRunTime() + max(0.05, seconds)))
        self.solver.run()
        info = self.solver.getInfo()
        if info.primal_solution_status != 2:
            return None
        return self.value()

    def ended(self) -> bool:
        """Whether the solver came to an end that does not depend on the clock."""
        return bool(self.solver.getModelStatus() != highspy.HighsModelStatus.kTimeLimit)

    def prices(self) -> tuple[Real, Real]:
        """(prices of nodes by group, prices of the rows of the packing)."""
        rows = self.packing.rows
        every = row_prices(self.solver, self.groups + len(rows))
        low = [-INFINITY] * self.groups + [row.low for row in rows]
        high = [0.0] * self.groups + [row.high for row in rows]
        every = signed(every, low, high)
        return every[self.packing.groups.stock], every[self.groups :]

    def counts(self) -> Real:
        """How many nodes hold each content."""
        return t.cast("Real", np.array(self.solver.getSolution().col_value)[len(self.packing.variables) :])

    def chosen(self) -> dict[Column, int]:
        """The contents that are used, of an integer solution."""
        whole: Whole = np.round(self.counts()).astype(np.int64)
        return {one: int(count) for one, count in zip(self.columns, whole) if count > 0}

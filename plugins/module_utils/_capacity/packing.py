# The packing problem behind a plan: equal nodes as groups, equal demands as sizes, everything else as rows.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exact planner sees. Nothing here knows of workloads, racks or projects: they are rows and variables.

Maximise ``sum(worth * variable)``; a variable is for example how many copies of a workload run in one place.
Units: CPU in milli-cores, memory in MiB, network in Mbit/s, GPUs in thousandths of one GPU (1000 is a whole one).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .numeric import np

if t.TYPE_CHECKING:
    from .numeric import Flags, Real, Whole

FULL = 1000
INFINITY = float("inf")
# What one node holds: copies by the number of their size.
Content = t.Dict[int, int]


@dataclass
class Groups:
    """Nodes that no rule tells apart, G groups. ``gpus``: what is free of each GPU of such a node, whole ones first.

    ``kin`` is that of what shares each GPU, which only its kin may share too; 0 for those that are wholly free. Groups
    with the same number in ``stock`` are the same nodes in different settings: ``count`` is of all of them.
    """

    cpu_milli: Whole
    memory_mib: Whole
    network_mbit: Whole
    count: Whole
    gpus: list[tuple[int, ...]]
    kin: list[tuple[int, ...]]
    stock: Whole

    def whole(self, group: int) -> int:
        """How many GPUs of a node of that group are wholly free."""
        return sum(1 for free in self.gpus[group] if free == FULL)

    def partial(self, group: int) -> tuple[tuple[int, int], ...]:
        """What is free of the GPUs of which something is taken, and its kin."""
        return tuple((free, kin) for free, kin in zip(self.gpus[group], self.kin[group]) if free != FULL)


@dataclass
class Sizes:
    """What one copy needs, T sizes. ``share`` is of each GPU; ``most`` is how many copies one node may hold.

    No GPU is shared by copies of different ``kin``.
    """

    cpu_milli: Whole
    memory_mib: Whole
    network_mbit: Whole
    gpus: Whole
    share: Whole
    kin: Whole
    most: Whole

    def milli(self) -> Whole:
        """GPU of one copy in thousandths."""
        return self.gpus * self.share


@dataclass
class Row:
    """``low <= what its variables and nodes use of it <= high``.

    ``size``: what a copy of size i on a node of group g uses, (T, G); ``node``: what a node that is on uses, (G,).
    """

    low: float
    high: float
    size: Real | None = None
    node: Real | None = None
    name: str = ""


@dataclass
class Variable:
    """A count that is chosen beside the contents of nodes. ``uses``: what one of it uses of rows, by row number."""

    worth: float
    low: float
    high: float
    uses: dict[int, float]
    whole: bool = False


@dataclass
class Packing:
    """The problem. ``cell[i, g]`` is the supply row of size i on nodes of group g, -1 where it does not fit.

    The first ``cells`` rows are supply rows: ``sum(variables) - copies on nodes <= 0``.
    """

    groups: Groups
    sizes: Sizes
    cell: Whole
    cells: int
    rows: list[Row]
    variables: list[Variable]
    supply: Whole = field(init=False)

    def __post_init__(self) -> None:
        top = np.zeros(self.cells + 1)
        for variable in self.variables:
            for row, use in variable.uses.items():
                if row < self.cells:
                    top[row] += use * variable.high
        # More copies than anybody asks for in that cell are of no use on a node.
        self.supply = np.where(self.cell >= 0, np.minimum(top[self.cell], 1e9), 0).astype(np.int64)

    @property
    def fits(self) -> Flags:
        """Whether a copy of size i may be on a node of group g at all."""
        return self.cell >= 0

    def prices(self, dual: Real) -> tuple[Real, Real]:
        """What a copy (T, G) and a node that is on (G,) are worth at these row prices, the nodes' own row left out."""
        copies = np.where(self.cell >= 0, dual[self.cell], 0.0)
        nodes = np.zeros(len(self.groups.count))
        for number, row in enumerate(self.rows):
            if number < self.cells or not dual[number]:
                continue
            if row.size is not None:
                copies = copies - dual[number] * row.size
            if row.node is not None:
                nodes = nodes - dual[number] * row.node
        return np.where(self.cell >= 0, copies, 0.0), nodes

    def bound(self, dual: Real, best: Real) -> float:
        """The value that no plan exceeds, from row prices and the most that one node of each group is worth then.

        Lagrange's bound: it holds for any prices of the right sign, positive where the row is at its upper limit.
        """
        total = 0.0
        for price, row in zip(dual, self.rows):
            if price > 0:
                total += price * row.high
            elif price < 0:
                total += price * row.low
        for variable in self.variables:
            net = variable.worth - sum(dual[row] * use for row, use in variable.uses.items())
            total += net * (variable.high if net > 0 else variable.low)
        groups = self.groups
        most = np.zeros(len(groups.count))
        np.maximum.at(most, groups.stock, best)
        first = np.unique(groups.stock, return_index=True)[1]
        return float(total + most[groups.stock[first]] @ groups.count[first])

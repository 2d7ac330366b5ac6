# The plain linear programme: what of each kind goes to which nodes when everything may be split.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One row for each resource of equal nodes, one for each kind. It forgets the borders of nodes and of GPUs, so it is a
baseline: whole copies are taken from it, and what it promised beyond them is lost."""

from __future__ import annotations

import typing as t

from .numeric import highspy, np
from .packing import INFINITY
from .solver import Matrix, quiet

if t.TYPE_CHECKING:
    from .board import Board
    from .numeric import Flags

NEAR = 1e-6


def parts(
    board: Board, worth: t.Callable[[t.Any], float], cost: t.Callable[[t.Any], float], seconds: float
) -> list[tuple[int, Flags, int]] | None:
    """(kind, nodes, whole copies) of the most worth less cost; None if it was not solved in that time.

    ``worth`` is of a workload; ``cost`` is of a whole node, by the part of it that is taken, and decides between nodes.
    """
    nodes, kinds = board.case.nodes, board.case.kinds
    groups: dict[tuple[t.Any, ...], list[int]] = {}
    for place, node in enumerate(nodes):
        groups.setdefault(node.like(), []).append(place)
    members = [np.array(some, np.int64) for some in groups.values()]
    matrix = Matrix()
    rooms: list[list[int]] = []
    for some in members:
        free = (board.cpu[some], board.memory[some], board.network[some], np.maximum(board.gpu[some], 0))
        rooms.append([matrix.row(-INFINITY, float(part.sum())) for part in free])
    demands = [matrix.row(-INFINITY, float(kind.copies)) for kind in kinds]
    where: list[tuple[int, int]] = []
    for number, kind in enumerate(kinds):
        work = kind.work
        needs = (work.cpu_milli, work.memory_mib, work.network_mbit, work.gpu_milli)
        for group, some in enumerate(members):
            if not board.admits[number][some[0]]:
                continue
            node = nodes[some[0]]
            sizes = (node.cpu_milli, node.memory_mib, node.network_mbit, node.gpus * 1000)
            part = max(need / size for need, size in zip(needs, sizes) if need) if any(needs) else 0.0
            entries = [(demands[number], 1.0), *zip(rooms[group], (float(need) for need in needs))]
            matrix.column(part * cost(node) * NEAR - worth(work), 0.0, float(kind.copies), entries)
            where.append((number, group))
    if not where:
        return []
    solver = quiet(seconds)
    matrix.load(solver)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    found = []
    for (number, group), copies in zip(where, solver.getSolution().col_value):
        whole = int(copies + NEAR)
        if whole:
            flags = np.zeros(len(nodes), bool)
            flags[members[group]] = True
            found.append((number, flags, whole))
    return found

# The exact strategy: relaxation, column generation, integer programme, and contents onto real nodes.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objectives are taken one after the other; what an earlier one reached is a row of the later ones."""

from __future__ import annotations

import collections
import time
import typing as t
from dataclasses import dataclass

from .board import Board
from .case import Case, Kind, Placement
from .compile import Compiled, compile_case
from .generate import generate
from .greedy import FragmentationGradient, fill
from .layout import layout
from .master import Column, Master, column
from .packing import INFINITY, Row
from .relaxed import relaxation
from .solver import OPTIMAL_GAP

# Shares of the time that is left: for contents, for the integer programme.
COLUMN_TIME = 0.65
RELAXATION_TIME = 0.25
# How many units are looked through for one that runs there already.
LOOK = 200
Waiting = t.Tuple[str, t.FrozenSet[str]]
Log = t.Optional[t.Callable[[str], None]]


class Stage(t.NamedTuple):
    """How far one objective came: beside what stays anyway, its value, what no plan exceeds, and what was done."""

    objective: str
    value: float
    bound: float
    rounds: int
    contents: int
    in_time: bool


@dataclass
class Solution:
    """A filled board and its stages."""

    board: Board
    stages: list[Stage]


def solve(case: Case, known: t.Sequence[t.Sequence[Placement]], seconds: float, log: Log = None) -> Solution:
    """The best plan found in that time; ``known`` are plans to begin from."""
    ends = time.monotonic() + seconds
    board = Board(case)
    compiled = compile_case(case, board)
    packing = compiled.packing
    columns: dict[Column, None] = {}
    best: dict[Column, int] = {}
    for placements in known:
        best = _contents(case, compiled, placements)
        columns.update(dict.fromkeys(best))
    stages: list[Stage] = []
    chosen: tuple[dict[Column, int], list[float]] | None = None
    for place, (name, worths) in enumerate(compiled.objectives):
        for number, variable in enumerate(packing.variables):
            variable.worth = worths.get(number, 0.0)
        left = (ends - time.monotonic()) / (len(compiled.objectives) - place)
        relaxed = relaxation(packing, max(1.0, RELAXATION_TIME * left))
        generated = generate(packing, columns, relaxed, max(0.5, COLUMN_TIME * left), log=log)
        columns.update(dict.fromkeys(generated.master.columns))
        left = (ends - time.monotonic()) / (len(compiled.objectives) - place)
        found = _integer(compiled, columns, best, max(2.0, left))
        in_time = generated.in_time and found is not None and found[3]
        if found is None:
            stages.append(Stage(name, float("nan"), generated.bound, generated.rounds, len(columns), False))
            break
        value, best, amounts, _unused = found
        chosen = (best, amounts)
        stages.append(Stage(name, value, max(generated.bound, value), generated.rounds, len(columns), in_time))
        if log:
            log(f"{name}: {value:.3f} of {generated.bound:.3f}, {generated.rounds} rounds, {len(columns)} contents")
        lock = len(packing.rows)
        packing.rows.append(Row(value - 1e-6 * max(1.0, abs(value)), INFINITY))
        for number, worth in worths.items():
            packing.variables[number].uses[lock] = worth
    if chosen is not None:
        realise(case, compiled, board, *chosen)
    rest = left_over(case, board)
    fill(board, rest, FragmentationGradient(board))
    return Solution(board, stages)


def _integer(
    compiled: Compiled, columns: t.Iterable[Column], start: t.Mapping[Column, int], seconds: float
) -> tuple[float, dict[Column, int], list[float], bool] | None:
    """Whole nodes of each content: (value, nodes by content, variables, whether it came to its end)."""
    master = Master(compiled.packing, integer=True)
    for one in columns:
        master.add(one)
    master.solver.setOptionValue("mip_rel_gap", OPTIMAL_GAP)
    if start:
        master.start_from(start)
    value = master.solve(seconds)
    if value is None:
        return None
    amounts = [float(one) for one in master.solver.getSolution().col_value[: len(compiled.packing.variables)]]
    return value, master.chosen(), amounts, master.ended()


def _contents(case: Case, compiled: Compiled, placements: t.Sequence[Placement]) -> dict[Column, int]:
    """The contents of a plan, without what stays anyway, and how many nodes have each."""
    kind_of = {name: number for number, kind in enumerate(case.kinds) for name, _unused in kind.works}
    pinned = collections.Counter((one.workload, one.node) for one in case.pinned)
    held: dict[str, dict[int, int]] = collections.defaultdict(dict)
    for one in placements:
        if pinned[one.workload, one.node]:
            pinned[one.workload, one.node] -= 1
            continue
        size = compiled.size_of[kind_of[one.workload]]
        held[one.node][size] = held[one.node].get(size, 0) + 1
    group_of = {case.nodes[place].name: group for group, some in enumerate(compiled.members) for place in some}
    counts: dict[Column, int] = {}
    for name in sorted(held):
        one_column = column(group_of[name], held[name])
        counts[one_column] = counts.get(one_column, 0) + 1
    return counts


def realise(
    case: Case, compiled: Compiled, board: Board, contents: t.Mapping[Column, int], amounts: t.Sequence[float]
) -> None:
    """Give contents to nodes, copies to kinds, and kinds to workloads; a gang only whole."""
    pools: dict[int, dict[int, int]] = collections.defaultdict(dict)
    domain_of: dict[tuple[int, int], str] = {}
    for number, supply in compiled.supplies.items():
        amount = round(amounts[number])
        if amount > 0:
            pools[supply.cell][supply.kind] = amount
            domain_of[supply.kind, supply.cell] = supply.domain
    running = _running(case)
    places: dict[tuple[int, str], list[int]] = collections.defaultdict(list)
    for group, some in enumerate(compiled.members):
        wanted = [(content, count) for (of, content), count in sorted(contents.items()) if of == group]
        for node, content in _assign(compiled, some, wanted, running):
            for size, copies in content:
                cell = int(compiled.packing.cell[size, group])
                for _copy in range(copies):
                    pool = pools[cell]
                    if not pool:
                        break
                    kind = max(pool, key=lambda one: (running.get((node, one), 0) > 0, -one))
                    pool[kind] -= 1
                    if not pool[kind]:
                        del pool[kind]
                    places[kind, domain_of[kind, cell]].append(node)
    on_node: dict[int, list[tuple[int, str]]] = collections.defaultdict(list)
    runs_on = {work.name: frozenset(work.running_on) for work in case.problem.workloads}
    queues = {number: _queue(kind, runs_on) for number, kind in enumerate(case.kinds)}
    for (number, _unused), nodes in sorted(places.items()):
        unit = case.kinds[number].unit
        for first in range(0, len(nodes) - unit + 1, unit):
            together = nodes[first : first + unit]
            if not queues[number]:
                break
            workload = _next(queues[number], {case.nodes[node].name for node in together})
            for node in together:
                on_node[node].append((number, workload))
    for node in sorted(on_node):
        held = on_node[node]
        works = [case.kinds[number].work for number, _unused in held]
        free = [int(left) for left in board.gpu[node] if left >= 0]
        slots = layout([(work.gpus, work.gpu_share_milli if work.gpus else 0) for work in works], free)
        if slots is None:
            raise AssertionError(f"a content does not fit on {case.nodes[node].name}")
        for (number, workload), gpus in zip(held, slots):
            board.place(number, node, gpus, workload)


def _running(case: Case) -> dict[tuple[int, int], int]:
    """How many copies of a kind run on a node now."""
    works = {work.name: work for work in case.problem.workloads}
    place_of = {node.name: place for place, node in enumerate(case.nodes)}
    found: dict[tuple[int, int], int] = collections.defaultdict(int)
    for number, kind in enumerate(case.kinds):
        for name, _unused in kind.works:
            for node in works[name].running_on:
                if node in place_of:
                    found[place_of[node], number] += 1
    return found


def _assign(
    compiled: Compiled,
    nodes: t.Sequence[int],
    wanted: t.Sequence[tuple[tuple[tuple[int, int], ...], int]],
    running: t.Mapping[tuple[int, int], int],
) -> t.Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
    """Contents onto nodes of their group, so that much of what runs there may stay."""
    here: dict[int, dict[int, int]] = collections.defaultdict(dict)
    for (node, kind), copies in running.items():
        size = compiled.size_of[kind]
        here[node][size] = here[node].get(size, 0) + copies
    left = dict(wanted)
    busy = sorted((node for node in nodes if here.get(node)), key=lambda node: (-sum(here[node].values()), node))
    for node in [*busy, *(node for node in nodes if not here.get(node))]:
        if not left:
            return
        has = here.get(node, {})
        content = max(left, key=lambda one: (sum(min(has.get(size, 0), copies) for size, copies in one), one))
        left[content] -= 1
        if not left[content]:
            del left[content]
        yield node, content


def _queue(kind: Kind, runs_on: t.Mapping[str, frozenset[str]]) -> list[Waiting]:
    """Units of a kind, the first to come last so that ``pop`` gives it."""
    found: list[Waiting] = []
    for name, copies in kind.works:
        found += [(name, runs_on[name])] * (copies // kind.unit)
    return found[::-1]


def _next(queue: list[Waiting], nodes: set[str]) -> str:
    """The unit that runs there now, else the next one."""
    # The one at the end is looked at first; further ones only where something runs at all.
    for place in range(len(queue) - 1, max(-1, len(queue) - 1 - LOOK), -1):
        if queue[place][1] & nodes:
            return queue.pop(place)[0]
    return queue.pop()[0]


def left_over(case: Case, board: Board) -> list[tuple[int, str, int]]:
    """(kind, workload, copies) that are not placed, the most important and largest first."""
    placed = collections.Counter(one.workload for one in board.placements[len(case.pinned) :])
    rest = []
    for number, kind in enumerate(case.kinds):
        for name, copies in kind.works:
            missing = copies - placed[name]
            if missing > 0 and (not kind.work.gang or missing == copies):
                rest.append((number, name, missing))
    ranked = "priority" in case.problem.policy.objectives

    def rank(one: tuple[int, str, int]) -> tuple[t.Any, ...]:
        kind = case.kinds[one[0]]
        work = kind.work
        return (not kind.keep, -work.priority if ranked else 0, -work.gpu_milli, -work.cpu_milli, -work.memory_mib)

    return sorted(rest, key=rank)

# The exact strategy: relaxation, column generation, dive, repairs, integer programme, and contents onto real nodes.
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
from .case import Case, Kind, Placement, running
from .compile import Compiled, compile_case
from .cover import cover
from .dive import dive
from .generate import generate
from .greedy import FragmentationGradient, fill
from .layout import layout
from .master import Column, Master, column
from .numeric import np
from .packing import INFINITY, Packing, Row
from .power import wanted
from .relaxed import relaxation
from .repair import repair
from .score import HAIR
from .solver import OPTIMAL_GAP

# Shares of the time that is left: for the relaxation, for covering plans, for contents, for the dive.
RELAXATION_TIME = 0.25
COVER_TIME = 0.2
COLUMN_TIME = 0.55
DIVE_TIME = 0.7
# One content in so many is settled at a time.
PART = 10
# How many nodes of its tree the integer programme looks at.
SEARCH = 200
# Objectives that are small where everything stands on few nodes.
COVERING = ("fragmentation", "energy", "cost")
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
    """A filled board, its stages, and whether there was time to look at all that was left over."""

    board: Board
    stages: list[Stage]
    filled: bool


def solve(case: Case, known: t.Sequence[t.Sequence[Placement]], seconds: float, log: Log = None) -> Solution:
    """The best plan found in that time; ``known`` are plans to begin from, the last one the best."""
    ends = time.monotonic() + seconds
    board = Board(case)
    compiled = compile_case(case, board)
    packing = compiled.packing
    columns: dict[Column, None] = {}
    best: dict[Column, int] = {}
    placed: t.Mapping[int, int] = {}
    for placements in known:
        best, placed = _contents(case, compiled, placements)
        columns.update(dict.fromkeys(best))
    stages: list[Stage] = []
    amounts: list[float] | None = None
    for place, (name, worths) in enumerate(compiled.objectives):
        for number, variable in enumerate(packing.variables):
            variable.worth = worths.get(number, 0.0)
        kinds = compiled.kinds(worths)
        if kinds is not None and all(placed.get(kind, 0) >= case.kinds[kind].copies for kind in kinds):
            # Nothing is better than all of it, so there is nothing to look for.
            value = float(sum(worth * case.kinds[kind].copies for kind, worth in kinds.items()))
            stages.append(Stage(name, value, value, 0, len(columns), True))
        else:
            left = (ends - time.monotonic()) / (len(compiled.objectives) - place)
            found = _stage(compiled, name, columns, best, left, log)
            stages.append(found.stage)
            if found.amounts is None:
                break
            best, amounts = found.contents, found.amounts
            placed = compiled.placed(amounts)
            value = found.stage.value
        _keep(case, compiled, worths, placed, value)
    if amounts is None and len(stages) == len(compiled.objectives) and best:
        # All that was wanted was there already; which copies go into the contents is still open.
        whole = _integer(compiled, columns, best, max(1.0, ends - time.monotonic()))
        best, amounts = (whole.contents, whole.amounts) if whole is not None else (best, None)
    if amounts is not None:
        realise(case, compiled, board, best, amounts)
    filled = fill(board, left_over(case, board), FragmentationGradient(board), ends)
    return Solution(board, stages, filled)


class Found(t.NamedTuple):
    """A stage, the contents and the variables of its plan; ``amounts`` is None where none was found."""

    stage: Stage
    contents: dict[Column, int]
    amounts: list[float] | None


class Whole(t.NamedTuple):
    """An integer solution: its value, nodes by content, variables, and whether it came to its end."""

    value: float
    contents: dict[Column, int]
    amounts: list[float]
    in_time: bool


def _stage(
    compiled: Compiled,
    name: str,
    columns: dict[Column, None],
    start: dict[Column, int],
    seconds: float,
    log: Log,
) -> Found:
    """Bound, contents and whole nodes for the worth that the variables have now; adds to ``columns``."""
    began = time.monotonic()

    def left() -> float:
        return seconds - (time.monotonic() - began)

    packing = compiled.packing
    relaxed = relaxation(packing, RELAXATION_TIME * seconds)
    if relaxed is not None and name in COVERING:
        for plan in cover(packing, relaxed[1], COVER_TIME * left()):
            columns.update(dict.fromkeys(plan))
    generated = generate(packing, columns, relaxed, COLUMN_TIME * left(), log=log)
    columns.update(dict.fromkeys(generated.master.columns))
    bound = compiled.whole_bound(name, generated.bound)
    in_time = generated.in_time
    if log:
        log(f"{name}: linear {generated.value:.3f} of {bound:.3f}, {generated.rounds} rounds, {len(columns)} contents")
    if generated.value > -INFINITY:
        start, ended = _dive(packing, name, columns, start, bound - HAIR / 2, DIVE_TIME * left(), log)
        in_time = in_time and ended
    found = _integer(compiled, columns, start, left())
    if found is None:
        return Found(Stage(name, float("nan"), bound, generated.rounds, len(columns), False), start, None)
    if log:
        log(f"{name}: {found.value:.3f} of {bound:.3f}")
    stage = Stage(name, found.value, max(bound, found.value), generated.rounds, len(columns), in_time and found.in_time)
    return Found(stage, found.contents, found.amounts)


def _dive(
    packing: Packing,
    name: str,
    columns: dict[Column, None],
    start: dict[Column, int],
    enough: float,
    seconds: float,
    log: Log,
) -> tuple[dict[Column, int], bool]:
    """The better one of ``start`` and a dive from all ``columns``, repaired where nodes are to be saved, until it is
    worth ``enough``; and whether there was time for it."""
    ends = time.monotonic() + seconds

    master = Master(packing, columns)
    master.solve(seconds)
    value = _value(packing, start, seconds)
    dived = dive(packing, master, ends - time.monotonic(), PART)
    columns.update(dict.fromkeys(master.columns))
    # A dive that settled what cannot be together finds nothing.
    if dived is not None and dived[0] > value:
        value, start = dived
    if log:
        log(f"{name}: {value:.3f} in whole nodes")
    if name in COVERING:
        value, start = repair(packing, columns, start, value, enough, ends - time.monotonic())
        if log:
            log(f"{name}: {value:.3f} after repairs")
    return start, time.monotonic() < ends


def _keep(
    case: Case, compiled: Compiled, worths: t.Mapping[int, float], placed: t.Mapping[int, int], value: float
) -> None:
    """What an objective reached is a rule for the next ones.

    Where all copies run that it speaks of, each kind has to run: the rest is then a covering problem with its own good
    bound, which one row for their sum does not give.
    """
    packing = compiled.packing
    kinds = compiled.kinds(worths)
    if kinds is not None and all(placed.get(kind, 0) >= case.kinds[kind].copies for kind in kinds):
        compiled.require(kinds)
        return
    lock = len(packing.rows)
    # Less than a copy without GPU is worth.
    packing.rows.append(Row(value - max(HAIR / 2, 1e-9 * abs(value)), INFINITY))
    for number, worth in worths.items():
        packing.variables[number].uses[lock] = worth


def _value(packing: Packing, contents: t.Mapping[Column, int], seconds: float) -> float:
    """What these contents are worth at most; minus infinity where a rule forbids them."""
    if not contents:
        return -INFINITY
    master = Master(packing, contents)
    for number, nodes in enumerate(contents.values()):
        master.at_least(number, nodes)
    value = master.solve(seconds)
    return -INFINITY if value is None else value


def _integer(
    compiled: Compiled, columns: t.Iterable[Column], start: t.Mapping[Column, int], seconds: float
) -> Whole | None:
    """Whole nodes of each content."""
    master = Master(compiled.packing, columns, integer=True)
    master.solver.setOptionValue("mip_rel_gap", OPTIMAL_GAP)
    # Counted in nodes of its search, not in seconds, so that the same problem has the same answer.
    master.solver.setOptionValue("mip_max_nodes", SEARCH)
    if start:
        master.start_from(start)
    value = master.solve(seconds)
    if value is None:
        return None
    amounts = [float(one) for one in master.solver.getSolution().col_value[: len(compiled.packing.variables)]]
    return Whole(value, master.chosen(), amounts, master.ended())


def _contents(
    case: Case, compiled: Compiled, placements: t.Sequence[Placement]
) -> tuple[dict[Column, int], dict[int, int]]:
    """Of a plan without what stays anyway: how many nodes have each content, and how many copies of each kind run."""
    kind_of = {name: number for number, kind in enumerate(case.kinds) for name, _unused in kind.works}
    pinned = collections.Counter((one.workload, one.node) for one in case.pinned)
    nodes = {node.name: node for node in case.nodes}
    held: dict[str, dict[int, int]] = collections.defaultdict(dict)
    wants: dict[str, float] = collections.defaultdict(float)
    placed: dict[int, int] = collections.defaultdict(int)
    for one in placements:
        if pinned[one.workload, one.node]:
            pinned[one.workload, one.node] -= 1
            continue
        kind = kind_of[one.workload]
        placed[kind] += 1
        size = compiled.size_of[kind]
        held[one.node][size] = held[one.node].get(size, 0) + 1
        wants[one.node] = max(wants[one.node], wanted(case.kinds[kind].work, nodes[one.node]))
    groups_of: dict[str, list[int]] = collections.defaultdict(list)
    for group, some in enumerate(compiled.members):
        for place in some:
            groups_of[case.nodes[place].name].append(group)
    counts: dict[Column, int] = {}
    for name in sorted(held):
        # The lowest power limit that all of it may have.
        group = next(one for one in groups_of[name] if compiled.limits[one] >= wants[name])
        one_column = column(group, held[name])
        counts[one_column] = counts.get(one_column, 0) + 1
    return counts, placed


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
    runs = running(case)
    places: dict[tuple[int, str], list[int]] = collections.defaultdict(list)
    stock = compiled.packing.groups.stock
    for number in sorted(set(stock)):
        some = compiled.members[int(np.argmax(stock == number))]
        chosen = [(one, count) for one, count in sorted(contents.items()) if stock[one[0]] == number]
        for node, (group, content) in _assign(compiled, some, chosen, runs):
            for size, copies in content:
                cell = int(compiled.packing.cell[size, group])
                for _copy in range(copies):
                    pool = pools[cell]
                    if not pool:
                        break
                    kind = max(pool, key=lambda one: (runs.get((node, one), 0) > 0, -one))
                    pool[kind] -= 1
                    if not pool[kind]:
                        del pool[kind]
                    places[kind, domain_of[kind, cell]].append(node)
    on_node: dict[int, list[tuple[int, str]]] = collections.defaultdict(list)
    runs_on = {work.name: frozenset(work.running_on) for work in case.problem.workloads}
    moved = any(runs_on.values())
    queues = {number: _queue(kind, runs_on) for number, kind in enumerate(case.kinds)}
    for (number, _unused), nodes in sorted(places.items()):
        unit = case.kinds[number].unit
        for first in range(0, len(nodes) - unit + 1, unit):
            together = nodes[first : first + unit]
            if not queues[number]:
                break
            near = {case.nodes[node].name for node in together} if moved else set()
            workload = _next(queues[number], near)
            for node in together:
                on_node[node].append((number, workload))
    for node in sorted(on_node):
        held = on_node[node]
        works = [case.kinds[number].work for number, _unused in held]
        needs = [(work.gpus, work.gpu_share_milli if work.gpus else 0) for work in works]
        free, present = [left for left, _unused in board.shared(node)], [kin for _unused, kin in board.shared(node)]
        slots = layout(needs, free, [work.kin for work in works], present)
        if slots is None:
            raise AssertionError(f"a content does not fit on {case.nodes[node].name}")
        for (number, workload), gpus in zip(held, slots):
            board.place(number, node, gpus, workload)


def _assign(
    compiled: Compiled,
    nodes: t.Sequence[int],
    chosen: t.Sequence[tuple[Column, int]],
    runs: t.Mapping[tuple[int, int], int],
) -> t.Iterator[tuple[int, Column]]:
    """Contents onto nodes of their group, so that much of what runs there may stay."""
    here: dict[int, dict[int, int]] = collections.defaultdict(dict)
    for (node, kind), copies in runs.items():
        size = compiled.size_of[kind]
        here[node][size] = here[node].get(size, 0) + copies
    left = dict(chosen)
    busy = sorted((node for node in nodes if here.get(node)), key=lambda node: (-sum(here[node].values()), node))
    for node in [*busy, *(node for node in nodes if not here.get(node))]:
        if not left:
            return
        has = here.get(node)
        if has is None:
            best = next(reversed(left), (0, ()))
        else:
            best = max(left, key=lambda one: (sum(min(has.get(size, 0), copies) for size, copies in one[1]), one))
        left[best] -= 1
        if not left[best]:
            del left[best]
        yield node, best


def _queue(kind: Kind, runs_on: t.Mapping[str, frozenset[str]]) -> list[Waiting]:
    """Units of a kind, the first to come last so that ``pop`` gives it."""
    found: list[Waiting] = []
    for name, copies in kind.works:
        found += [(name, runs_on[name])] * (copies // kind.unit)
    return found[::-1]


def _next(queue: list[Waiting], nodes: set[str]) -> str:
    """The unit that runs there now, else the next one."""
    # The one at the end is looked at first; further ones only where something runs at all.
    for place in range(len(queue) - 1, max(-1, len(queue) - 1 - LOOK), -1) if nodes else ():
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

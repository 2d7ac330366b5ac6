# A case as a packing problem: groups, sizes, variables and rows.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formulation is written out in docs/docsite/rst/capacity_formulation.rst."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field, replace

from .board import Board
from .case import Case, Kind, running
from .model import Node
from .numeric import np
from .packing import FULL, INFINITY, Groups, Packing, Row, Sizes, Variable
from .power import OWN, copy_watts, gpu_watts, wanted
from .score import HAIR

if t.TYPE_CHECKING:
    from .numeric import Real, Whole

NO_LIMIT = 10**9
# Nodes are told apart by what runs on them where moves count, up to so many groups; beyond, moves are only bounded.
MOST_BY_LOAD = 100


class Supply(t.NamedTuple):
    """A variable: copies of a kind in one cell; ``domain`` where its gang or spread counts."""

    kind: int
    cell: int
    domain: str


@dataclass
class Compiled:
    """The packing and what its numbers stand for. ``objectives``: name, worth by variable number, in order.

    ``limits`` gives for each group the power limit that its GPUs have, as a setting of its nodes; ``demands`` for each
    kind the row that counts its units, -1 where its only variable does; ``steps`` for an objective what all its values
    are multiples of.
    """

    packing: Packing
    members: list[list[int]]
    limits: list[float]
    size_of: list[int]
    supplies: dict[int, Supply]
    gangs: dict[int, tuple[int, str]]
    demands: dict[int, int] = field(default_factory=dict)
    objectives: list[tuple[str, dict[int, float]]] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)

    def kinds(self, worths: t.Mapping[int, float]) -> dict[int, float] | None:
        """What a copy of each kind is worth; None where the worth is of anything but copies."""
        if any(number not in self.supplies for number in worths):
            return None
        return {self.supplies[number].kind: worth for number, worth in worths.items()}

    def placed(self, amounts: t.Sequence[float]) -> dict[int, int]:
        """How many copies of each kind the variables of a solution place."""
        found: dict[int, int] = {}
        for number, supply in self.supplies.items():
            found[supply.kind] = found.get(supply.kind, 0) + round(amounts[number])
        return found

    def require(self, kinds: t.Iterable[int]) -> None:
        """All copies of these kinds have to run."""
        only = {supply.kind: number for number, supply in self.supplies.items()}
        for kind in kinds:
            if self.demands[kind] >= 0:
                row = self.packing.rows[self.demands[kind]]
                row.low = row.high
            else:
                variable = self.packing.variables[only[kind]]
                variable.low = variable.high

    def whole_bound(self, objective: str, bound: float) -> float:
        """The bound, where the objective comes in steps: no plan is between two of them."""
        step = self.steps.get(objective)
        return bound if not step else step * math.floor(bound / step + 1e-6)


def compile_case(case: Case, board: Board) -> Compiled:
    """``board`` holds what is pinned and nothing else."""
    runs = running(case) if "moves" in case.problem.policy.objectives else {}
    groups, members, first, limits = _groups(case, board, runs)
    if len(set(groups.stock)) > MOST_BY_LOAD and runs:
        groups, members, first, limits = _groups(case, board, {})
    sizes, size_of, users = _sizes(case)
    stock_of = {place: int(stock) for stock, some in zip(groups.stock, members) for place in some}
    busy = {(stock_of[place], kind) for place, kind in runs}
    cell, rows, about = _cells(case, board, first, limits, members, groups, sizes, users, busy)
    cells = len(rows)
    variables: list[Variable] = []
    supplies: dict[int, Supply] = {}
    gangs: dict[int, tuple[int, str]] = {}
    demands = {
        number: _kind(case, board, number, kind, about.get(number, []), rows, variables, supplies, gangs)
        for number, kind in enumerate(case.kinds)
    }
    packing = Packing(groups, sizes, cell, cells, rows, variables)
    compiled = Compiled(packing, members, limits, size_of, supplies, gangs, demands)
    _limits(case, board, compiled, first)
    _objectives(case, compiled, first, [bool(board.holds[some[0]]) for some in members], runs)
    packing = compiled.packing
    # Rows and variables were added: what no more than so many copies are asked of is counted anew.
    compiled.packing = Packing(
        packing.groups, packing.sizes, packing.cell, packing.cells, packing.rows, packing.variables
    )
    return compiled


def _needed(case: Case) -> set[str]:
    """Domains that some rule speaks of."""
    needed = {kind.work.locality for kind in case.kinds if kind.work.gang} - {"any"}
    if any(kind.work.most_per_rack for kind in case.kinds):
        needed.add("rack")
    return needed


def _counts_power(case: Case) -> bool:
    """Whether it matters what nodes draw."""
    problem = case.problem
    return bool(problem.feeds) or problem.policy.limit_watts is not None or "energy" in problem.policy.objectives


def _groups(
    case: Case, board: Board, runs: t.Mapping[tuple[int, int], int]
) -> tuple[Groups, list[list[int]], list[Node], list[float]]:
    """Nodes that no rule tells apart, nor what runs on them, in each of their settings.

    Besides their numbers, what they are like, and the power limits that they have then.
    """
    loads: dict[int, list[tuple[int, int]]] = {}
    for (place, kind), copies in sorted(runs.items()):
        loads.setdefault(place, []).append((kind, copies))
    needed, limited = _needed(case), {feed.name for feed in case.problem.feeds}
    power = _counts_power(case)
    cost = "cost" in case.problem.policy.objectives
    found: dict[tuple[t.Any, ...], list[int]] = {}
    for place, node in enumerate(case.nodes):
        gpus = sorted(((free, kin) for free, kin in board.shared(place)), reverse=True)
        key: tuple[t.Any, ...] = (int(board.cpu[place]), int(board.memory[place]), int(board.network[place]))
        key += (tuple(free for free, _unused in gpus), tuple(kin for _unused, kin in gpus))
        key += node.like()
        key += tuple(node.domain(one) for one in sorted(needed))
        key += (node.feed if node.feed in limited else "",)
        key += (node.idle_watts, node.gpu_watts, node.gpu_idle_watts, node.core_watts) if power else ()
        key += (board.limit(place), int(board.gpu_used[place])) if power else ()
        key += (node.price_per_hour,) if cost else ()
        # A node that holds something that stays is on already.
        key += (bool(board.holds[place]),)
        key += tuple(name for name, held in board.spread.items() if held[place])
        key += tuple(loads.get(place, ()))
        found.setdefault(key, []).append(place)
    keys: list[tuple[t.Any, ...]] = []
    stock: list[int] = []
    first: list[Node] = []
    limits: list[float] = []
    for number, key in enumerate(sorted(found, key=lambda key: found[key][0])):
        for node, limit in _settings(case, board, found[key][0]):
            keys.append(key)
            stock.append(number)
            first.append(node)
            limits.append(limit)
    members = [found[key] for key in keys]

    def column(place: int) -> Whole:
        return t.cast("Whole", np.array([key[place] for key in keys], np.int64))

    count = np.array([len(some) for some in members], np.int64)
    free, kin = [key[3] for key in keys], [key[4] for key in keys]
    groups = Groups(column(0), column(1), column(2), count, free, kin, np.array(stock, np.int64))
    return groups, members, first, limits


def _settings(case: Case, board: Board, place: int) -> t.Iterator[tuple[Node, float]]:
    """A node under each power limit that some work wants, with the watts that it has then."""
    node, present = case.nodes[place], board.limit(place)
    # A node that holds something that stays is on whatever the plan says, and costs nothing more.
    if board.holds[place]:
        node = replace(node, idle_watts=0.0, price_per_hour=0.0)
    if not _counts_power(case):
        yield node, OWN
        return
    wants = {
        max(present, wanted(kind.work, node))
        for admits, kind in zip(board.admits, case.kinds)
        if kind.work.gpus and admits[place]
    }
    # The highest of those under which it draws the same.
    by_watts = {gpu_watts(node, limit): limit for limit in sorted(wants or {present})}
    for watts, limit in by_watts.items():
        raised = (watts - gpu_watts(node, present)) * int(board.gpu_used[place]) / FULL
        yield replace(node, gpu_watts=watts, idle_watts=node.idle_watts + raised), limit


def _sizes(case: Case) -> tuple[Sizes, list[int], list[list[int]]]:
    """Needs of one copy; the size of each kind; the kinds of each size."""
    found: dict[tuple[t.Any, ...], int] = {}
    size_of: list[int] = []
    power = _counts_power(case)
    for kind in case.kinds:
        work = kind.work
        apart = work.name if work.most_per_node or work.most_per_rack else ""
        # So that all kinds of a size may be under the same limits.
        share = work.gpu_share_milli if work.gpus else 0
        key = (
            work.cpu_milli,
            work.memory_mib,
            work.network_mbit,
            work.gpus,
            share,
            work.kin,
            work.most_per_node or NO_LIMIT,
            apart,
            work.gpu_limits if power else (),
        )
        size_of.append(found.setdefault(key, len(found)))
    columns = [np.array([key[place] for key in found], np.int64) for place in range(7)]
    users: list[list[int]] = [[] for _unused in found]
    for number, size in enumerate(size_of):
        users[size].append(number)
    return Sizes(*columns), size_of, users


def _cells(
    case: Case,
    board: Board,
    first: t.Sequence[Node],
    limits: t.Sequence[float],
    members: t.Sequence[t.Sequence[int]],
    groups: Groups,
    sizes: Sizes,
    users: t.Sequence[t.Sequence[int]],
    busy: t.Container[tuple[int, int]],
) -> tuple[Whole, list[Row], dict[int, list[tuple[int, str]]]]:
    """For each size the groups that are alike to all its kinds; and for each kind its cells with their domain."""
    cell = np.full((len(users), len(first)), -1, np.int64)
    rows: list[Row] = []
    about: dict[int, list[tuple[int, str]]] = {}
    for size, kinds in enumerate(users):
        known: dict[t.Any, int] = {}
        for group, node in enumerate(first):
            if sizes.cpu_milli[size] > groups.cpu_milli[group] or sizes.memory_mib[size] > groups.memory_mib[group]:
                continue
            fitting = sum(1 for free in groups.gpus[group] if free >= sizes.share[size])
            if sizes.network_mbit[size] > groups.network_mbit[group] or sizes.gpus[size] > fitting:
                continue
            place = members[group][0]
            sign = tuple(
                _domain(case.kinds[number], node)
                if board.admits[number][place]
                and not _held(board, case.kinds[number], place)
                and wanted(case.kinds[number].work, node) <= limits[group]
                else None
                for number in kinds
            )
            if all(part is None for part in sign):
                continue
            # Where a copy runs now is another place than where it does not.
            stock = int(groups.stock[group])
            mark = (sign, stock if any((stock, number) in busy for number in kinds) else -1)
            if mark not in known:
                known[mark] = len(rows)
                rows.append(Row(-INFINITY, 0.0))
                for number, part in zip(kinds, sign):
                    if part is not None:
                        about.setdefault(number, []).append((known[mark], part))
            cell[size, group] = known[mark]
    return cell, rows, about


def _domain(kind: Kind, node: Node) -> str:
    """The domain in which the copies are counted."""
    if kind.work.gang:
        return node.domain(kind.work.locality)
    return node.rack if kind.work.most_per_rack else ""


def _held(board: Board, kind: Kind, place: int) -> bool:
    """Whether a copy that stays there takes the node from the others: cautious where two would be allowed."""
    held = board.spread.get(kind.work.name)
    return bool(kind.work.most_per_node and held is not None and held[place])


def _kind(
    case: Case,
    board: Board,
    number: int,
    kind: Kind,
    cells: t.Sequence[tuple[int, str]],
    rows: list[Row],
    variables: list[Variable],
    supplies: dict[int, Supply],
    gangs: dict[int, tuple[int, str]],
) -> int:
    """Variables and rows of one kind; the row that counts its units, -1 where there is none."""
    work, copies = kind.work, float(kind.unit * kind.units)
    domains = sorted({domain for _unused, domain in cells})
    top = dict.fromkeys(domains, copies)
    if work.most_per_rack:
        held = board.spread.get(work.name)
        for domain in domains:
            there = 0 if held is None else sum(int(c) for c, node in zip(held, case.nodes) if node.rack == domain)
            top[domain] = min(copies, max(0.0, float(work.most_per_rack - there)))
    demand = -1
    if len(cells) > 1 or work.gang:
        demand = len(rows)
        rows.append(Row(-INFINITY, float(kind.units) if work.gang else copies))
    together: dict[str, int] = {}
    if work.gang or work.most_per_rack:
        for domain in domains:
            together[domain] = len(rows)
            rows.append(Row(0.0, 0.0) if work.gang else Row(-INFINITY, top[domain]))
    for place, domain in cells:
        uses = {place: 1.0}
        if domain in together:
            uses[together[domain]] = 1.0
        if demand >= 0 and not work.gang:
            uses[demand] = 1.0
        supplies[len(variables)] = Supply(number, place, domain)
        # Whole copies follow from whole contents unless a gang or a rule of a project stands between.
        variables.append(Variable(0.0, 0.0, top[domain], uses, whole=bool(together)))
    if work.gang:
        for domain in domains:
            gangs[len(variables)] = (number, domain)
            uses = {together[domain]: -float(work.copies), demand: 1.0}
            variables.append(Variable(0.0, 0.0, float(kind.units), uses, whole=True))
    return demand


def _row(compiled: Compiled, row: Row, uses: t.Mapping[int, float]) -> None:
    """Add a row with its entries by variable."""
    number = len(compiled.packing.rows)
    compiled.packing.rows.append(row)
    for variable, use in uses.items():
        compiled.packing.variables[variable].uses[number] = use


def _gpu_of(case: Case, compiled: Compiled, project: str) -> dict[int, float]:
    """GPU (whole ones) of each variable of a project."""
    return {
        number: case.kinds[supply.kind].work.gpu_milli / FULL
        for number, supply in compiled.supplies.items()
        if case.kinds[supply.kind].work.project == project and case.kinds[supply.kind].work.gpus
    }


def _watts(case: Case, compiled: Compiled, first: t.Sequence[Node], chosen: t.Callable[[Node], bool]) -> Row:
    """A row of the power of nodes, in kW: without load a node is off."""
    works: dict[int, t.Any] = {size: case.kinds[number].work for number, size in enumerate(compiled.size_of)}
    size = np.zeros((len(works), len(first)))
    node = np.zeros(len(first))
    for group, about in enumerate(first):
        if chosen(about):
            node[group] = about.idle_watts / 1000
            size[:, group] = [copy_watts(works[number], about, OWN) / 1000 for number in range(len(works))]
    return Row(-INFINITY, INFINITY, size, node)


def _limits(case: Case, board: Board, compiled: Compiled, first: t.Sequence[Node]) -> None:
    """Quotas and power ceilings."""
    for project in case.problem.projects:
        if project.quota_gpu_milli is not None:
            left = (project.quota_gpu_milli - board.project_used.get(project.name, 0)) / FULL
            uses = _gpu_of(case, compiled, project.name)
            for variable in uses:
                compiled.packing.variables[variable].whole = True
            _row(compiled, Row(-INFINITY, max(0.0, left)), uses)
    ceilings = [(feed.limit_watts - board.feed_used[feed.name], feed.name) for feed in case.problem.feeds]
    for left_watts, name in ceilings:
        row = _watts(case, compiled, first, lambda node, name=name: node.feed == name)  # type: ignore[misc]
        row.high, row.name = max(0.0, left_watts) / 1000, f"feed {name}"
        _row(compiled, row, {})
    limit = case.problem.policy.limit_watts
    if limit is not None:
        row = _watts(case, compiled, first, lambda node: True)
        row.high, row.name = max(0.0, limit - board.watts_used) / 1000, "all nodes"
        _row(compiled, row, {})


def worth_of(case: Case, kind: Kind, objective: str) -> float:
    """What one copy of a kind counts for an objective that is a sum over copies."""
    work = kind.work
    if objective == "allocation":
        # A copy without GPU counts a hair, so that it is placed where that costs nothing.
        return work.gpu_milli / FULL or HAIR
    if objective == "deadline":
        return 1.0 / work.copies if work.deadline_hours else 0.0
    if objective == "response_time":
        return 1.0 / work.copies / max(work.duration_hours, 1e-3) if work.duration_hours else 0.0
    raise ValueError(objective)


def _objectives(
    case: Case,
    compiled: Compiled,
    first: t.Sequence[Node],
    busy: t.Sequence[bool],
    runs: t.Mapping[tuple[int, int], int],
) -> None:
    """The objectives in their order, each to be maximised."""
    found = compiled.objectives

    def copies(name: str, worth: t.Callable[[Kind], float]) -> None:
        worths = {n: worth(case.kinds[supply.kind]) for n, supply in compiled.supplies.items()}
        found.append((name, {number: value for number, value in worths.items() if value}))

    if any(kind.keep for kind in case.kinds):
        copies("keep", lambda kind: 1.0 if kind.keep else 0.0)
    floors = [project for project in case.problem.projects if project.floor_gpu_milli]
    if floors:
        worths: dict[int, float] = {}
        for project in floors:
            uses = {number: -gpu for number, gpu in _gpu_of(case, compiled, project.name).items()}
            new = len(compiled.packing.variables)
            compiled.packing.variables.append(Variable(0.0, 0.0, project.floor_gpu_milli / FULL, {}))
            _row(compiled, Row(-INFINITY, 0.0), {**uses, new: 1.0})
            worths[new] = 1.0
        found.append(("floors", worths))
    for objective in case.problem.policy.objectives:
        if objective == "priority":
            for level in sorted({kind.work.priority for kind in case.kinds}, reverse=True):
                copies(
                    f"priority {level}",
                    lambda kind, level=level: (  # type: ignore[misc]
                        worth_of(case, kind, "allocation") if kind.work.priority == level else 0.0
                    ),
                )
        elif objective == "fairness":
            _fairness(case, compiled)
        elif objective in ("allocation", "deadline", "response_time"):
            copies(objective, lambda kind, name=objective: worth_of(case, kind, name))  # type: ignore[misc]
        elif objective == "moves":
            _moves(compiled, runs)
        else:
            _spent(case, compiled, first, busy, objective)


def _moves(compiled: Compiled, runs: t.Mapping[tuple[int, int], int]) -> None:
    """Running copies that stay: of each kind in a cell no more than run there, nor than are placed there."""
    packing = compiled.packing
    group_of = {place: group for group, some in enumerate(compiled.members) for place in some}
    there: dict[tuple[int, int], int] = {}
    for (place, kind), copies in runs.items():
        cell = int(packing.cell[compiled.size_of[kind], group_of[place]])
        there[kind, cell] = there.get((kind, cell), 0) + copies
    worths: dict[int, float] = {}
    for number, supply in sorted(compiled.supplies.items()):
        copies = there.get((supply.kind, supply.cell), 0)
        if copies:
            new = len(packing.variables)
            packing.variables.append(Variable(0.0, 0.0, float(copies), {}))
            _row(compiled, Row(-INFINITY, 0.0), {number: -1.0, new: 1.0})
            worths[new] = 1.0
    compiled.objectives.append(("moves", worths))
    compiled.steps["moves"] = 1.0


def _fairness(case: Case, compiled: Compiled) -> None:
    """The least share of GPU by weight, then the least of those projects that want more, and so on."""
    weight = {project.name: project.weight for project in case.problem.projects}
    names = {kind.work.project for kind in case.kinds if kind.work.gpus}
    wants = {
        name: sum(
            kind.work.gpu_milli / FULL * kind.unit * kind.units for kind in case.kinds if kind.work.project == name
        )
        for name in names
    }
    ratio = {name: wants[name] / weight.get(name, 1.0) for name in names if weight.get(name, 1.0) > 0}
    floor = 0.0
    for step, level in enumerate(sorted(set(ratio.values()))[:8]):
        active = [name for name in ratio if ratio[name] >= level]
        new = len(compiled.packing.variables)
        compiled.packing.variables.append(Variable(0.0, 0.0, level - floor, {}))
        for name in sorted(active):
            earlier = [
                variable
                for _unused, worths in compiled.objectives
                if _unused.startswith("fairness")
                for variable in worths
            ]
            part = weight.get(name, 1.0)
            uses = {number: -gpu for number, gpu in _gpu_of(case, compiled, name).items()}
            _row(compiled, Row(-INFINITY, 0.0), {**uses, **dict.fromkeys(earlier, part), new: part})
        compiled.objectives.append((f"fairness {step + 1}" if step else "fairness", {new: 1.0}))
        floor = level


def _spent(case: Case, compiled: Compiled, first: t.Sequence[Node], busy: t.Sequence[bool], objective: str) -> None:
    """Energy in kW, cost in price per hour, fragmentation in GPU nodes that are touched: each to be small."""
    if objective == "energy":
        row = _watts(case, compiled, first, lambda node: True)
    elif objective == "cost":
        row = Row(-INFINITY, 0.0, None, np.array([node.price_per_hour for node in first]))
    else:
        row = Row(
            -INFINITY, 0.0, None, np.array([1.0 if node.gpus and not on else 0.0 for node, on in zip(first, busy)])
        )
    row.high = 0.0
    packing = compiled.packing
    top = float(t.cast("Real", row.node) @ packing.groups.count)
    if row.size is not None:
        asked = [case.kinds[number].unit * case.kinds[number].units for number in range(len(case.kinds))]
        top += sum(copies * float(row.size[size].max()) for size, copies in zip(compiled.size_of, asked))
    new = len(packing.variables)
    packing.variables.append(Variable(0.0, 0.0, top, {}))
    _row(compiled, row, {new: -1.0})
    compiled.objectives.append((objective, {new: -1.0}))
    if row.size is None:
        step = _step(t.cast("Real", row.node))
        if step:
            compiled.steps[objective] = step


def _step(prices: Real) -> float:
    """What all prices are multiples of, in thousandths; 0 where they are finer."""
    milli = [round(float(price) * FULL) for price in prices]
    if any(abs(float(price) * FULL - whole) > 1e-6 for price, whole in zip(prices, milli)):
        return 0.0
    common = 0
    for whole in milli:
        common = math.gcd(common, whole)
    return common / FULL

# The strategies that need no solver, all in one frame: an order of units, and a score of nodes.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources: simulated annealing: Kirkpatrick and others, Science 1983; genetic search with order crossover: Davis,
IJCAI 1985; ant colony: Dorigo and Gambardella, IEEE Trans. Evol. Comp. 1997; earliest deadline: Jackson, 1955.

The searches change the order of kinds and leave the nodes to ``best_fit``. They count steps, not seconds, and draw from
a fixed seed, so that the same problem has the same answer.
"""

from __future__ import annotations

import collections
import math
import random
import time
import typing as t

from . import linear, numeric
from .board import Board
from .case import Case
from .greedy import FragmentationGradient, Score, best_fit, consolidate, dot_product, fill, first_fit
from .numeric import np
from .score import Values, better, values

if t.TYPE_CHECKING:
    from .numeric import Real, Whole

Order = t.List[t.Tuple[int, str, int]]
STEPS = 60
SEED = 1


class Weights(t.NamedTuple):
    """What a unit of each costs a strategy that counts costs: core, GiB, Gbit/s, GPU."""

    cpu: float = 1.0
    memory: float = 0.1
    network: float = 0.1
    gpu: float = 20.0


def arrival(case: Case) -> Order:
    """Units as they stand in the problem, whatever kind they are of."""
    at = {work.name: place for place, work in enumerate(case.problem.workloads)}
    units = [(number, name, copies) for number, kind in enumerate(case.kinds) for name, copies in kind.works]
    return sorted(units, key=lambda one: (not case.kinds[one[0]].keep, at[one[1]]))


def _sorted(case: Case, key: t.Callable[[int], t.Any]) -> Order:
    return sorted(arrival(case), key=lambda one: (not case.kinds[one[0]].keep, key(one[0])))


def by_size(case: Case) -> Order:
    """Largest GPU first, then CPU; a higher priority before that where it is an objective."""
    ranked = "priority" in case.problem.policy.objectives

    def key(number: int) -> tuple[float, ...]:
        work = case.kinds[number].work
        return (
            -work.priority if ranked else 0,
            -work.gpu_milli * case.kinds[number].unit,
            -work.cpu_milli,
            -work.memory_mib,
        )

    return _sorted(case, key)


def by_deadline(case: Case) -> Order:
    """The one that has to begin first goes first; without deadline last."""
    works = {work.name: work for work in case.problem.workloads}

    def latest(name: str) -> float:
        work = works[name]
        return work.deadline_hours - work.duration_hours if work.deadline_hours else math.inf

    return sorted(arrival(case), key=lambda one: (not case.kinds[one[0]].keep, latest(one[1])))


def by_bid(case: Case, weights: Weights) -> Order:
    """The one that bids most for what it costs: priority and GPU by the weighted sum of what it takes."""

    def key(number: int) -> float:
        work = case.kinds[number].work
        return -(1 + max(0, work.priority)) * (work.gpu_milli / 1000 or 1e-3) / max(1e-9, price(work, weights))

    return _sorted(case, key)


def price(work: t.Any, weights: Weights) -> float:
    """The weighted sum of what a copy takes."""
    return float(
        weights.cpu * work.cpu_milli / 1000
        + weights.memory * work.memory_mib / 1024
        + weights.network * work.network_mbit / 1000
        + weights.gpu * work.gpu_milli / 1000
    )


class CostScore:
    """The fewest weighted resources left on the node that is used: how whole copies of the linear programme find it."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def __call__(self, board: Board, number: int, nodes: Whole) -> tuple[Real, Whole]:
        weights = self.weights
        left = weights.cpu * board.cpu[nodes] / 1000 + weights.memory * board.memory[nodes] / 1024
        left = left + weights.network * board.network[nodes] / 1000
        left = left + weights.gpu * np.maximum(board.gpu[nodes], 0).sum(1) / 1000
        return left, np.full(len(nodes), -1, np.int64)


def run(case: Case, strategy: str, weights: Weights, seconds: float) -> tuple[Board, bool]:
    """A board that is filled by that strategy, and whether it came to its end in that time."""
    ends = time.monotonic() + seconds
    if strategy in _SEARCHES:
        return _SEARCHES[strategy](case, ends), time.monotonic() <= ends
    board = Board(case)
    order, score = _plain(case, board, strategy, weights)
    if "moves" in case.problem.policy.objectives:
        order = _stay(case, board, order)
    if strategy == "cost_weights" and numeric.HAS_HIGHSPY:
        order = _linear(board, order, score, weights, ends)
    return board, fill(board, order, score, ends)


def _linear(board: Board, order: Order, score: Score, weights: Weights, ends: float) -> Order:
    """Place whole copies of the plain linear programme on its nodes; the rest of the order.

    A copy is worth what it takes, by the weights, and more by its priority (its bid); gangs are left to the rest.
    """

    def bid(work: t.Any) -> float:
        return (1 + max(0, work.priority)) * price(work, weights)

    def whole(node: t.Any) -> float:
        return (
            weights.cpu * node.cpu_milli / 1000
            + weights.memory * node.memory_mib / 1024
            + weights.network * node.network_mbit / 1000
            + weights.gpu * node.gpus
        )

    found = linear.parts(board, bid, whole, max(1.0, (ends - time.monotonic()) / 2))
    if found is None:
        return order
    left = {(number, name): copies for number, name, copies in order}
    queues: dict[int, list[str]] = collections.defaultdict(list)
    for number, name, copies in reversed(order):
        if not board.case.kinds[number].work.gang:
            queues[number] += [name] * copies
    # Largest first, as in the order.
    rank = {number: place for place, (number, _name, _copies) in enumerate(reversed(order))}
    for number, nodes, copies in sorted(found, key=lambda one: -rank.get(one[0], 0)):
        units = [queues[number].pop() for _unused in range(min(copies, len(queues[number])))]
        before = len(board.placements)
        fill(board, [(number, name, times) for name, times in collections.Counter(units).items()], score, ends, nodes)
        for one in board.placements[before:]:
            left[number, one.workload] -= 1
    return [(number, name, left[number, name]) for number, name, _copies in order if left[number, name]]


def _stay(case: Case, board: Board, order: Order) -> Order:
    """Leave running copies where they are while there is room, first come first; the rest of the order."""
    works = {work.name: work for work in case.problem.workloads}
    pinned = collections.Counter((one.workload, one.node) for one in case.pinned)
    rest: Order = []
    for number, name, copies in order:
        placed, stays = 0, [node for node in works[name].running_on if node in board.number]
        for node, times in (collections.Counter(stays) - collections.Counter(dict(_of(pinned, name)))).items():
            place = np.array([board.number[node]], np.int64)
            for _unused in range(times):
                allowed = board.allowed(number)
                if placed == copies or not board.fits(number, place)[0] or not (allowed is None or allowed[place[0]]):
                    break
                board.place(number, int(place[0]), board.slots(number, int(place[0])), name)
                placed += 1
        domains = {case.nodes[board.number[node]].domain(works[name].locality) for node in stays}
        if works[name].gang and (placed < copies or len(domains) > 1):
            for _unused in range(placed):
                board.take_back(number)
            placed = 0
        if placed < copies:
            rest.append((number, name, copies - placed))
    return rest


def _of(pinned: t.Mapping[tuple[str, str], int], name: str) -> t.Iterator[tuple[str, int]]:
    """Copies of a workload by node."""
    return ((node, copies) for (work, node), copies in pinned.items() if work == name)


def _plain(case: Case, board: Board, strategy: str, weights: Weights) -> tuple[Order, Score]:
    plain: dict[str, t.Callable[[], tuple[Order, Score]]] = {
        "first_fit": lambda: (arrival(case), first_fit),
        "best_fit": lambda: (arrival(case), best_fit),
        "dot_product": lambda: (arrival(case), dot_product),
        "consolidate": lambda: (by_size(case), consolidate),
        "fragmentation_gradient": lambda: (arrival(case), FragmentationGradient(board)),
        "fragmentation_gradient_by_size": lambda: (by_size(case), FragmentationGradient(board)),
        "earliest_deadline": lambda: (by_deadline(case), best_fit),
        "cost_weights": lambda: (by_size(case), CostScore(weights)),
        "priority_bidding": lambda: (by_bid(case, weights), best_fit),
    }
    return plain[strategy]()


def _decoded(case: Case, order: t.Sequence[int], ends: float) -> tuple[Board, Values]:
    """The board and worth of an order of kinds."""
    board = Board(case)
    units = [(number, name, copies) for number in order for name, copies in case.kinds[number].works]
    fill(board, units, best_fit, ends)
    return board, values(case, board.placements)


def _first_order(case: Case) -> list[int]:
    return list(dict.fromkeys(entry[0] for entry in by_size(case)))


def _annealing(case: Case, ends: float) -> Board:
    """Swap two kinds; a worse order is kept with a chance that falls."""
    draw = random.Random(SEED)  # noqa: S311
    order = _first_order(case)
    board, worth = _decoded(case, order, ends)
    best, best_worth = board, worth
    for step in range(STEPS if len(order) > 1 else 0):
        if time.monotonic() > ends:
            break
        one, other = draw.sample(range(len(order)), 2)
        tried = list(order)
        tried[one], tried[other] = tried[other], tried[one]
        board, found = _decoded(case, tried, ends)
        if not better(worth, found) or draw.random() < 0.2 * (1 - step / STEPS):
            order, worth = tried, found
        if better(found, best_worth):
            best, best_worth = board, found
    return best


def _genetic(case: Case, ends: float) -> Board:
    """Order crossover between good orders, and a swap now and then."""
    draw = random.Random(SEED)  # noqa: S311
    base = _first_order(case)
    people = []
    for number in range(6):
        order = list(base)
        for _unused in range(number):
            if len(order) > 1:
                one, other = draw.sample(range(len(order)), 2)
                order[one], order[other] = order[other], order[one]
        people.append((order, *_decoded(case, order, ends)))
    for _unused in range(STEPS - len(people) if len(base) > 1 else 0):
        if time.monotonic() > ends:
            break
        mother, father = draw.sample(people, 2)
        start, end = sorted(draw.sample(range(len(base) + 1), 2))
        middle = mother[0][start:end]
        rest = [number for number in father[0] if number not in set(middle)]
        child = rest[:start] + middle + rest[start:]
        one, other = draw.sample(range(len(base)), 2)
        child[one], child[other] = child[other], child[one]
        board, worth = _decoded(case, child, ends)
        worst = 0
        for place in range(1, len(people)):
            if better(people[worst][2], people[place][2]):
                worst = place
        if better(worth, people[worst][2]):
            people[worst] = (child, board, worth)
    best = people[0]
    for person in people[1:]:
        if better(person[2], best[2]):
            best = person
    return best[1]


def _ants(case: Case, ends: float) -> Board:
    """Each ant draws an order by the trails of good ones; trails fade."""
    draw = random.Random(SEED)  # noqa: S311
    order = _first_order(case)
    best, best_worth = _decoded(case, order, ends)
    # A trail says how early a kind goes in good orders.
    trail = {number: float(place) for place, number in enumerate(order)}
    for _unused in range(STEPS if len(order) > 1 else 0):
        if time.monotonic() > ends:
            break
        spread = max(1.0, len(order) / 10)
        tried = sorted(order, key=lambda number: trail[number] + draw.gauss(0.0, spread))
        board, worth = _decoded(case, tried, ends)
        if better(worth, best_worth):
            best, best_worth = board, worth
            for place, number in enumerate(tried):
                trail[number] += 0.3 * (place - trail[number])
    return best


_SEARCHES: dict[str, t.Callable[[Case, float], Board]] = {
    "simulated_annealing": _annealing,
    "genetic": _genetic,
    "ant_colony": _ants,
}
PLAIN = (
    "first_fit",
    "best_fit",
    "dot_product",
    "consolidate",
    "fragmentation_gradient",
    "fragmentation_gradient_by_size",
    "earliest_deadline",
    "cost_weights",
    "priority_bidding",
)
STRATEGIES = ("optimal", *PLAIN, *_SEARCHES)

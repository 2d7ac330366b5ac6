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

import math
import random
import time
import typing as t

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
    """The plain linear programme of the mission: the fewest weighted resources left on a node that is used.

    Without whole numbers its optimum is a copy at a time on the node whose leftover costs least, so that is the score.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def __call__(self, board: Board, number: int, nodes: Whole) -> tuple[Real, Whole]:
        weights = self.weights
        left = weights.cpu * board.cpu[nodes] / 1000 + weights.memory * board.memory[nodes] / 1024
        left = left + weights.network * board.network[nodes] / 1000
        left = left + weights.gpu * np.maximum(board.gpu[nodes], 0).sum(1) / 1000
        return left, np.full(len(nodes), -1, np.int64)


def run(case: Case, strategy: str, weights: Weights, seconds: float) -> Board:
    """A board that is filled by that strategy."""
    ends = time.monotonic() + seconds
    if strategy in _SEARCHES:
        return _SEARCHES[strategy](case, ends)
    board = Board(case)
    order, score = _plain(case, board, strategy, weights)
    fill(board, order, score)
    return board


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


def _decoded(case: Case, order: t.Sequence[int]) -> tuple[Board, Values]:
    """The board and worth of an order of kinds."""
    board = Board(case)
    fill(board, [(number, name, copies) for number in order for name, copies in case.kinds[number].works], best_fit)
    return board, values(case, board.placements)


def _first_order(case: Case) -> list[int]:
    return list(dict.fromkeys(entry[0] for entry in by_size(case)))


def _annealing(case: Case, ends: float) -> Board:
    """Swap two kinds; a worse order is kept with a chance that falls."""
    draw = random.Random(SEED)  # noqa: S311
    order = _first_order(case)
    board, worth = _decoded(case, order)
    best, best_worth = board, worth
    for step in range(STEPS if len(order) > 1 else 0):
        if time.monotonic() > ends:
            break
        one, other = draw.sample(range(len(order)), 2)
        tried = list(order)
        tried[one], tried[other] = tried[other], tried[one]
        board, found = _decoded(case, tried)
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
        people.append((order, *_decoded(case, order)))
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
        board, worth = _decoded(case, child)
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
    best, best_worth = _decoded(case, order)
    # A trail says how early a kind goes in good orders.
    trail = {number: float(place) for place, number in enumerate(order)}
    for _unused in range(STEPS if len(order) > 1 else 0):
        if time.monotonic() > ends:
            break
        spread = max(1.0, len(order) / 10)
        tried = sorted(order, key=lambda number: trail[number] + draw.gauss(0.0, spread))
        board, worth = _decoded(case, tried)
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

# Strategies that place one unit after the other: an order, and a score of nodes.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of all greedy strategies. A score is lower where a node suits better; ties go to the first node.

Scores are kept by kind and made anew only for nodes that changed. Sources: dot product: Grandl and others, SIGCOMM
2014 (alignment of what is asked with what is free); fragmentation gradient: Weng and others, USENIX ATC 2023.
"""

from __future__ import annotations

import math
import time
import typing as t

from .board import FULL, Board
from .numeric import np

if t.TYPE_CHECKING:
    from .numeric import Flags, Real, Whole

NEVER = 1e18
CACHED = 20_000_000
BATCH = 4000
# Nodes -> score of each, and the GPU that a share gets (-1: the tightest).
Score = t.Callable[[Board, int, "Whole"], t.Tuple["Real", "Whole"]]


def _any_slot(nodes: Whole) -> Whole:
    return t.cast("Whole", np.full(len(nodes), -1, np.int64))


def first_fit(board: Board, number: int, nodes: Whole) -> tuple[Real, Whole]:
    """The first node with room."""
    return nodes.astype(float), _any_slot(nodes)


def _free(board: Board, nodes: Whole) -> Real:
    """What is free, as a part of the largest node, (nodes, 4)."""
    gpu = np.maximum(board.gpu[nodes], 0).sum(1)
    parts = (board.cpu[nodes], board.memory[nodes], board.network[nodes], gpu)
    return t.cast("Real", np.stack([part / max(1, int(size.max())) for part, size in zip(parts, board.size)], 1))


def _asked(board: Board, number: int) -> Real:
    work = board.case.kinds[number].work
    asked = (work.cpu_milli, work.memory_mib, work.network_mbit, work.gpu_milli)
    return t.cast("Real", np.array([need / max(1, int(size.max())) for need, size in zip(asked, board.size)]))


def best_fit(board: Board, number: int, nodes: Whole) -> tuple[Real, Whole]:
    """The node on which least is left over."""
    return _free(board, nodes).sum(1) - _asked(board, number).sum(), _any_slot(nodes)


def dot_product(board: Board, number: int, nodes: Whole) -> tuple[Real, Whole]:
    """The node whose free resources look most like what is asked."""
    return -(_free(board, nodes) @ _asked(board, number)), _any_slot(nodes)


def consolidate(board: Board, number: int, nodes: Whole) -> tuple[Real, Whole]:
    """A used GPU, else a used node, else the node that holds most."""
    work = board.case.kinds[number].work
    free = _free(board, nodes).sum(1)
    usable = board.usable(work, nodes)
    gpu = np.where(usable >= max(1, work.gpu_share_milli), usable, 10 * FULL).min(1)
    used = board.holds[nodes] > 0
    tier = np.where((gpu < FULL) & (work.gpus > 0), 0, np.where(used, 1, 2))
    return tier * 100.0 + np.where(tier == 2, 10 - free, gpu / (100 * FULL) + free), _any_slot(nodes)


class FragmentationGradient:
    """The node, and the GPU of it, on which the expected GPU that the usual mix of workloads cannot use grows least."""

    def __init__(self, board: Board) -> None:
        kinds = board.case.kinds
        self.kinds = [number for number, kind in enumerate(kinds) if kind.work.gpus]
        works = [kinds[number].work for number in self.kinds]
        count = np.array([float(kinds[number].units * kinds[number].unit) for number in self.kinds])
        self.part = count / max(1.0, float(count.sum()))
        self.cpu = np.array([work.cpu_milli for work in works], np.int64)
        self.gpus = np.array([work.gpus for work in works], np.int64)
        share = np.array([work.gpu_share_milli for work in works], np.int64)
        self.shares, self.which = np.unique(share, return_inverse=True)
        self.admits = np.array([board.admits[number] for number in self.kinds]).reshape(len(works), len(board.cpu))

    def lost(self, cpu: Whole, gpu: Whole, nodes: Whole) -> Real:
        """Expected GPU in thousandths that a workload of the mix cannot use, of each state of a node."""
        free = np.maximum(gpu, 0)
        large = free[:, :, None] >= self.shares[None, None, :]
        number = large.sum(1)
        small = (free[:, :, None] * ~large).sum(1)
        fits = (cpu[:, None] >= self.cpu) & (number[:, self.which] >= self.gpus) & self.admits[:, nodes].T
        return t.cast("Real", np.where(fits, small[:, self.which], free.sum(1)[:, None]) @ self.part)

    def __call__(self, board: Board, number: int, nodes: Whole) -> tuple[Real, Whole]:
        """Scores."""
        if not self.kinds:
            return best_fit(board, number, nodes)
        work = board.case.kinds[number].work
        before = self.lost(board.cpu[nodes], board.gpu[nodes], nodes)
        cpu = board.cpu[nodes] - work.cpu_milli
        if work.gpus != 1 or work.gpu_share_milli == FULL:
            after = board.gpu[nodes].copy()
            whole = after == FULL
            after[whole & (np.cumsum(whole, 1) <= work.gpus)] = 0
            return self.lost(cpu, after, nodes) - before, _any_slot(nodes)
        best, slot = np.full(len(nodes), NEVER), np.zeros(len(nodes), np.int64)
        usable = board.usable(work, nodes)
        for gpu in range(board.gpu.shape[1]):
            can = usable[:, gpu] >= work.gpu_share_milli
            if not can.any():
                continue
            after = board.gpu[nodes[can]].copy()
            after[:, gpu] -= work.gpu_share_milli
            change = self.lost(cpu[can], after, nodes[can]) - before[can]
            better = change < best[can] - 1e-9
            where = np.flatnonzero(can)[better]
            best[where], slot[where] = change[better], gpu
        return best, slot


def fill(
    board: Board,
    order: t.Iterable[tuple[int, str, int]],
    score: Score,
    ends: float = math.inf,
    nodes: Flags | None = None,
) -> bool:
    """Place units in that order: (kind, workload, copies). A gang goes whole or not at all, others copy by copy.

    Copies outside gangs go to ``nodes`` only, if given. ``ends`` is of ``time.monotonic``; False if it came before the
    end of the order.
    """
    filler = _Filler(board, score)
    for number, workload, copies in order:
        if time.monotonic() > ends:
            return False
        kind = board.case.kinds[number]
        if not kind.work.gang:
            for _unused in range(copies):
                if time.monotonic() > ends:
                    return False
                if not filler.put(number, workload, nodes):
                    break
            continue
        for domain in _domains(board, number):
            placed = 0
            while placed < copies and filler.put(number, workload, domain):
                placed += 1
            if placed == copies:
                break
            for _unused in range(placed):
                board.take_back(number)
    return True


def _domains(board: Board, number: int) -> t.Iterator[Flags | None]:
    """Where all copies of a gang may stand: nodes of each domain, the tightest one with room first."""
    work = board.case.kinds[number].work
    if work.locality == "any":
        yield None
        return
    domains: dict[str, list[int]] = {}
    for place, node in enumerate(board.case.nodes):
        if board.admits[number][place]:
            domains.setdefault(node.domain(work.locality), []).append(place)
    free = {name: int(np.maximum(board.gpu[places], 0).sum()) for name, places in domains.items()}
    for name in sorted(domains, key=lambda one: (free[one], one)):
        if free[name] >= work.copies * work.gpu_milli:
            flags = np.zeros(len(board.cpu), bool)
            flags[domains[name]] = True
            yield flags


class _Filler:
    """Scores that are kept while nothing changes."""

    def __init__(self, board: Board, score: Score) -> None:
        self.board, self.score = board, score
        self.keep = len(board.case.kinds) * len(board.cpu) <= CACHED
        self.kept: dict[int, tuple[Real, Whole, int]] = {}

    def put(self, number: int, workload: str, domain: Flags | None = None) -> bool:
        """Place one copy on the best node."""
        board = self.board
        if not len(board.cpu):
            return False
        scores, slots = self._scores(number)
        allowed = board.allowed(number)
        for flags in (allowed, domain):
            if flags is not None:
                scores = np.where(flags, scores, NEVER)
        node = int(scores.argmin())
        if scores[node] >= NEVER:
            return False
        board.place(number, node, board.slots(number, node, int(slots[node])), workload)
        return True

    def _scores(self, number: int) -> tuple[Real, Whole]:
        board, count = self.board, len(self.board.cpu)
        if number in self.kept:
            scores, slots, seen = self.kept[number]
            stale = np.flatnonzero(board.stamp > seen)
        else:
            scores, slots = np.full(count, NEVER), np.full(count, -1, np.int64)
            stale = np.arange(count)
        if len(stale):
            scores[stale] = NEVER
            good = stale[board.fits(number, stale)]
            for first in range(0, len(good), BATCH):
                some = good[first : first + BATCH]
                scores[some], slots[some] = self.score(board, number, some)
        if self.keep:
            self.kept[number] = (scores, slots, board.clock - 1)
        return scores, slots

# What no schedule can beat: lower bounds of the mean response time.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet is taken for one pool of GPUs (or cores, or memory) that may be divided and moved at will. Three bounds on
sum of weight times completion hold for every schedule, so the largest does:

* each job starts when it arrives (or when those before it ended), alone;
* the pool serves what has least left: the shortest remaining processing time is optimal on one machine with
  interruptions (Schrage, Operations Research 16, 1968). For equal weights only;
* mean busy times: a job that runs d without a break ends d / 2 after its mean busy time, and the weighted sum of those
  is least on the pool that always serves the greatest weight by work (Goemans, Queyranne, Schulz, Skutella and Wang,
  SIAM Journal on Discrete Mathematics 15, 2002; for parallel machines Schulz and Skutella, ibid.).

Maintenance, gangs, borders of nodes and models of GPUs are left out, which only makes the bound lower.
"""

from __future__ import annotations

import heapq
import typing as t

from .order import sizes

if t.TYPE_CHECKING:
    from .model import Timed


def earliest(timed: Timed) -> dict[str, int]:
    """When each job can start at the earliest, by its arrival and by those that have to end before it."""
    jobs = {job.work.name: job for job in timed.jobs}
    waits = {name: set(job.work.after) for name, job in jobs.items()}
    followers: dict[str, list[str]] = {}
    for name, others in waits.items():
        for other in others:
            followers.setdefault(other, []).append(name)
    # A job that runs has begun already, whatever it waits for.
    found = {name: max(0, job.arrival) for name, job in jobs.items()}
    ready = [name for name, others in waits.items() if not others]
    while ready:
        name = ready.pop()
        for follower in followers.get(name, ()):
            if not jobs[follower].work.running_on:
                found[follower] = max(found[follower], found[name] + jobs[name].duration)
            waits[follower].discard(name)
            if not waits[follower]:
                ready.append(follower)
    return found


class _Piece(t.NamedTuple):
    """A job on the pool: seconds of the whole pool, and seconds of its own."""

    release: int
    work: float
    duration: int
    weight: float


def response_bound(timed: Timed, names: t.Collection[str], weighted: bool) -> float:
    """No schedule in which these jobs end has a smaller mean (by weight) of end less arrival, in seconds."""
    begin, share = earliest(timed), sizes(timed)
    chosen = [job for job in timed.jobs if job.work.name in names]
    weights = [job.weight if weighted else 1.0 for job in chosen]
    if not chosen or not sum(weights):
        return 0.0
    best = sum(weight * (begin[job.work.name] + job.duration) for job, weight in zip(chosen, weights))
    for resource in range(3):
        pieces = [
            _Piece(begin[job.work.name], share[job.work.name][resource] * job.duration, job.duration, weight)
            for job, weight in zip(chosen, weights)
        ]
        best = max(best, _mean_busy(pieces))
        if not weighted:
            best = max(best, _shortest_remaining(pieces))
    return (best - sum(weight * job.arrival for job, weight in zip(chosen, weights))) / sum(weights)


def _shortest_remaining(pieces: t.Sequence[_Piece]) -> float:
    """The least sum of completion times on the pool."""
    coming = sorted(pieces)
    waiting: list[float] = []
    now, total, at = 0.0, 0.0, 0
    while at < len(coming) or waiting:
        if not waiting:
            now = max(now, coming[at].release)
        while at < len(coming) and coming[at].release <= now:
            heapq.heappush(waiting, coming[at].work)
            at += 1
        left = heapq.heappop(waiting)
        room = coming[at].release - now if at < len(coming) else left
        if left <= room:
            now += left
            total += now
        else:
            heapq.heappush(waiting, left - room)
            now = float(coming[at].release)
    return total


def _mean_busy(pieces: t.Sequence[_Piece]) -> float:
    """The least weighted sum of mean busy times on the pool, and half of each duration."""
    coming = sorted(pieces)
    waiting: list[tuple[float, int, float]] = []
    now, total, at = 0.0, sum(piece.weight * piece.duration / 2 for piece in pieces), 0
    while at < len(coming) or waiting:
        if not waiting:
            now = max(now, coming[at].release)
        while at < len(coming) and coming[at].release <= now:
            piece = coming[at]
            if piece.work > 0:
                heapq.heappush(waiting, (-piece.weight / piece.work, at, piece.work))
            else:
                total += piece.weight * piece.release
            at += 1
        if not waiting:
            continue
        ratio, which, left = heapq.heappop(waiting)
        served = min(left, coming[at].release - now) if at < len(coming) else left
        # Served from now on: so much of its weight, in the middle of that time.
        total += -ratio * served * (now + served / 2)
        now += served
        if left > served:
            heapq.heappush(waiting, (ratio, which, left - served))
    return total

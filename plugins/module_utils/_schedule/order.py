# Who goes first: the two orders of the queue.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources: earliest due date: Jackson, UCLA Management Science Research Project 43, 1955; weight by work: Smith, Naval
Research Logistics Quarterly 3, 1956, with the work of a parallel job as its share of the fleet times its duration.
"""

from __future__ import annotations

import typing as t

from .model import ENDLESS

if t.TYPE_CHECKING:
    from .model import Timed

ORDERS = ("fifo", "deadline")
Key = t.Tuple[float, ...]


def sizes(timed: Timed) -> dict[str, tuple[float, ...]]:
    """Of each job the part of all GPUs, cores and memory that its copies take together."""
    whole = (
        sum(node.gpus for node in timed.nodes) * 1000,
        sum(node.cpu_milli for node in timed.nodes),
        sum(node.memory_mib for node in timed.nodes),
    )
    found = {}
    for job in timed.jobs:
        work = job.work
        needs = (work.gpu_milli, work.cpu_milli, work.memory_mib)
        found[work.name] = tuple(need * work.copies / size if size else 0.0 for need, size in zip(needs, whole))
    return found


def keys(timed: Timed, order: str) -> list[Key]:
    """The key of each job; the least goes first.

    ``fifo``: arrival. ``deadline``: priority, then the earliest deadline, then, of those without, what is worth most
    for its work.
    """
    if order == "fifo":
        return [(job.arrival, job.place) for job in timed.jobs]
    share = sizes(timed)
    found: list[Key] = []
    for job in timed.jobs:
        due = ENDLESS if job.deadline is None or job.endless else job.deadline
        work = max(share[job.work.name]) * job.duration
        ratio = work / job.weight if job.weight > 0 else float("inf")
        found.append((-job.work.priority, due, ratio, job.arrival, job.place))
    return found

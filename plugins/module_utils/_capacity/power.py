# What a node draws under the power limit that its work lets it have.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit is a setting of a node, since a scheduler gives out whichever GPU is free: the highest that anything there
wants, so that nothing is slowed more than it may be. In watts; infinity is the limit that the GPUs have of their own.
"""

from __future__ import annotations

import math
import typing as t

if t.TYPE_CHECKING:
    from .model import Node, Workload

OWN = math.inf


def wanted(work: Workload, node: Node) -> float:
    """The lowest limit that a copy may have on that node; 0 where it uses no GPU."""
    if not work.gpus:
        return 0.0
    return next((watts for model, watts in work.gpu_limits if model == node.gpu_model), OWN)


def gpu_watts(node: Node, limit: float) -> float:
    """What a GPU in use adds to the power of that node under a limit."""
    return min(node.gpu_watts, max(0.0, limit - node.gpu_idle_watts))


def copy_watts(work: Workload, node: Node, limit: float) -> float:
    """What a copy adds to the power of that node under a limit."""
    return work.gpu_milli / 1000 * gpu_watts(node, limit) + work.cpu_milli / 1000 * node.core_watts


def node_watts(node: Node, held: t.Collection[Workload]) -> float:
    """The power of a node that holds these copies; without any it is off."""
    if not held:
        return 0.0
    limit = max(wanted(work, node) for work in held)
    return node.idle_watts + sum(copy_watts(work, node, limit) for work in held)

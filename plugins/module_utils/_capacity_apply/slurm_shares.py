# The fair shares of Slurm's accounts, from the weights that the plan was fair by.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Project
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmNow, is_account

MOST = 1_000_000
"""The largest share that is ever set; far below what Slurm can hold, far above what anybody needs."""

_PARTS = 100


def whole_shares(projects: t.Sequence[Project]) -> dict[str, int]:
    """Project -> its weight as a whole number, 1 at least, all of them without a common divisor.

    They are exact to a hundredth. Weights that are all the same are all 1, which is what Slurm gives to new accounts.
    """
    largest = max((project.weight for project in projects), default=0.0)
    scale = min(float(_PARTS), MOST / largest) if largest else 1.0
    parts = {project.name: max(1, round(project.weight * scale)) for project in projects}
    divisor = functools.reduce(math.gcd, parts.values(), 0) or 1
    return {name: part // divisor for name, part in parts.items()}


def share_changes(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> None:
    """Add what has to change about the shares of accounts."""
    if not policy.shares:
        return
    for name, share in whole_shares(wanted.problem.projects).items():
        thing = f"account {name:.80}"
        if not is_account(name):
            found.refused.append(NotDone("share", thing, "no account of Slurm can have this name"))
        elif now.no_shares:
            found.refused.append(NotDone("share", thing, now.no_shares))
        elif name not in now.shares:
            found.refused.append(NotDone("share", thing, "Slurm has no such account; make it with sacctmgr"))
        elif now.shares[name] != share:
            before = now.shares[name]
            shown = "the share of its parent" if before is None else f"share {before}"
            why = "its weight among the projects of the plan"
            found.changes.append(Change("share", thing, shown, f"share {share}", why, (name,), str(share)))

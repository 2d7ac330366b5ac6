# The order of changes, and how many nodes may go at a time.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    GOING,
    ORDER,
    Change,
    Difference,
    NotDone,
)
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress


def ordered(found: Difference, most_out: int) -> Difference:
    """The changes in their order, with no more nodes going than ``most_out``; the others are for a later run."""
    changes = sorted(found.changes, key=lambda change: (ORDER.index(change.kind), change.thing))
    kept: list[Change] = []
    later = list(found.later)
    out: set[str] = set()
    for change in changes:
        if change.kind not in GOING:
            kept.append(change)
            continue
        why = f"policy.most_out lets {most_out} nodes go in a run; run this again"
        # The nodes of a job go together.
        if change.kind == "requeue":
            if len(out | set(change.out)) > most_out:
                later.append(NotDone(change.kind, change.thing, why))
                continue
            out |= set(change.out)
            kept.append(change)
            continue
        names = [name for name in change.names if name in out]
        names += [name for name in change.names if name not in out][: max(0, most_out - len(out))]
        rest = sorted(set(change.names) - set(names))
        out |= set(names)
        if names:
            chosen = tuple(sorted(names))
            kept.append(dataclasses.replace(change, thing=f"nodes {compress(chosen)}", names=chosen, out=chosen))
        if rest:
            later.append(NotDone(change.kind, f"nodes {compress(rest)}", why))
    return Difference(kept, found.refused, later, found.notes)

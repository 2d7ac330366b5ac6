# Filter: what is left of a plan of datasets, and where they are by now.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of pure functions."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan import remaining


def _pairs(rows: t.Any, key: str) -> list[tuple[str, str]]:
    return [(row["piece"], row[key]) for row in rows]


def dataset_moves(
    plan: t.Any, placement: t.Any = None, copied: t.Any = (), dropped: t.Any = (), tried: int = 0
) -> dict[str, t.Any]:
    """What is left of a plan that aidc.ops.dataset_plan returned, from the placement that was reached."""
    try:
        after = remaining.read_placement("placement of the plan", plan.get("placement"))
        remaining.check_names(after)
        moves = remaining.read_moves(plan.get("moves"), after)
        given = None if placement is None else remaining.read_placement("placement that was reached", placement)
        now = remaining.reached(moves, after, given, _pairs(copied, "to"), _pairs(dropped, "drop"))
        left = remaining.steps(moves, after, now, tried)
    except StoragePlanError as exc:
        raise AnsibleFilterError(f"aidc.ops.dataset_moves: {exc}") from exc
    except (AttributeError, KeyError, TypeError) as exc:
        needs = "what aidc.ops.dataset_plan returned, a placement, and steps of this filter"
        raise AnsibleFilterError(f"aidc.ops.dataset_moves: takes {needs}: {exc!r}") from exc
    return {
        "changed": given != now,
        "placement": {piece: list(names) for piece, names in now.items()},
        "moves": [step._asdict() for step in left],
        "nodes": sorted({node for step in left for node in (step.source, step.to, step.drop, step.keep) if node}),
        "waves": sorted({step.wave for step in left}),
        "bytes": sum(step.size for step in left),
        "lines": remaining.lines(left),
    }


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"dataset_moves": dataset_moves}

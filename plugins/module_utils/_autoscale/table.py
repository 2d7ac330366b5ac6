# The decisions of one run as lines of text; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

Results = t.Sequence[t.Mapping[str, t.Any]]
HEADER = ("workload", "now", "then", "outcome", "why")


def lines(decided: Results, resized: Results, dry: bool) -> list[str]:
    """A header and one line for each service.

    *decided* and *resized* are the results of two looped tasks, autoscale_decision and workload_resize, whose items
    have the workload at C(item.workload) and C(item.item.workload).
    """
    ways = {str(one["item"]["item"]["workload"]): one for one in resized}
    rows = [HEADER, *(_row(one, ways.get(str(one["item"]["workload"])), dry) for one in decided)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]) for row in rows]


def _row(decision: t.Mapping[str, t.Any], resize: t.Mapping[str, t.Any] | None, dry: bool) -> tuple[str, ...]:
    name = str(decision["item"]["workload"])
    if decision.get("failed"):
        return name, "?", "?", "failed", _plain(decision.get("msg"))
    now, then = str(decision["current"]), str(decision["replicas"])
    why = _plain("; ".join([decision["reason"], *decision["notes"]]))
    if resize is not None and resize.get("failed"):
        return name, now, now, "failed", _plain(resize.get("msg"))
    if resize is None:
        return name, now, now, "blind" if decision["blind"] else "kept", why
    return name, now, then, f"would go {decision['action']}" if dry else f"went {decision['action']}", why


def _plain(text: t.Any) -> str:
    return " ".join(str(text).split())[:500]

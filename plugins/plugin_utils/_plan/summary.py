# Tells a terminal about a plan: what it changes, what it refuses and why, what to buy.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.aidc.ops.plugins.plugin_utils._plan import page, tables
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.page import Material
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.situation import now_and_then
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import clean

_MOST = 10


def summary(material: Material) -> list[str]:
    """Lines of text. KeyError, TypeError and ValueError for a plan of another problem."""
    plan = material.plan
    now, then = now_and_then(material.problem, plan, material.fail_nodes, material.scale_projects)
    running = any(now.on.values())
    lines = [page.verdict(plan, then)["text"], page.proof(plan)]
    if plan["note"]:
        lines.append(f"Note: {clean(plan['note'])}.")
    lines += [f"If {text}:" for text in (" and ".join(page.asked(material)),) if text]
    head = ["", "now", "plan", "change"] if running else ["", "", "plan", ""]
    rows = [head, *tables.comparison(now.figures() if running else None, then.figures(), material.grams_per_kwh)]
    lines += ["", *_aligned(rows)]
    if running:
        lines.append(page.moves(now, then))
    lines += [f"MIG: {text}." for text in (tables.mig(plan),) if text]
    lines += [f"Power limits: {text}." for text in (tables.limits(plan, then),) if text]
    found = tables.refused(plan, then)
    if found:
        lines += ["", "REFUSED"]
        for name, project, missing, why in found["rows"][:_MOST]:
            lines.append(f"  {name['text']} ({project['text']}), {missing['text']} copies: {why['text']}")
        left = len(plan["refused"]) - _MOST
        lines += [f"  and {left} more, which are on the page"] if left > 0 else []
    if material.purchase is not None:
        bought = tables.purchase(material.purchase, then)
        lines += ["", "TO BUY"]
        lines += [
            f"  {count['text']} x {name['text']} for {price['text']}"
            for name, _gpus, count, _one, price in bought["rows"]
        ]
        lines += [f"  {text}" for text in (bought["empty"], bought["proof"], bought["still"]) if text]
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under each other; numbers to the right. Columns without anything are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    made = []
    for row in zip(*columns, strict=True):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        made.append("  ".join(cells).rstrip())
    return made

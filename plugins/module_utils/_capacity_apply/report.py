# Changes as a table for people, and as the two sides of a diff.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import Change, Difference

_WIDEST = 60


def table(found: Difference) -> list[str]:
    """Lines: one for each change in its order, then what is not done, what is left for later, and the notes."""
    rows = [("", "change", "what", "from", "to", "why")]
    for number, change in enumerate(found.changes, 1):
        rows.append((str(number), _words(change.kind), change.thing, change.before, change.after, change.why))
    lines = _aligned(rows) if found.changes else ["Nothing has to be changed."]
    for title, those in (("refused", found.refused), ("later", found.later)):
        lines += [f"{title}: {_words(one.kind)} {plain(one.thing)}: {plain(one.why)}" for one in those]
    return lines + [f"note: {plain(note)}" for note in found.notes]


def sides(changes: t.Sequence[Change]) -> dict[str, str]:
    """The diff: a line for each thing that changes, as it is and as it will be."""
    return {
        "before_header": "scheduler",
        "after_header": "plan",
        "before": "".join(f"{plain(one.thing)}: {plain(one.before) or '-'}\n" for one in changes),
        "after": "".join(f"{plain(one.thing)}: {plain(one.after) or '-'}\n" for one in changes),
    }


def plain(text: str) -> str:
    """A text from outside as one line without control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _aligned(rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    clean = [[plain(cell) or "-" for cell in row] for row in rows]
    clean[0][0] = ""
    widths = [min(_WIDEST, max(len(row[column]) for row in clean)) for column in range(len(clean[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in clean]

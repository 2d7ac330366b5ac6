# Reads what aidc.ops.prometheus_query answered to the questions of the report.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

PANEL_LABEL = "aidc_report"
"""Tells which question of a bundle a series answers: the panel and the name of its query with a dot between."""

Points = Sequence[tuple[float, float | None]]
"""Times in seconds since 1970 and values, oldest first; None is a value that is no finite number."""

_LONGEST = 240


class Series(t.NamedTuple):
    """One answer: labels, and the values at one time or many."""

    labels: Mapping[str, str]
    points: Points

    @property
    def value(self) -> float | None:
        """The last value."""
        return self.points[-1][1] if self.points else None


class Answers:
    """What came back, by section, kind of question, panel and query; and why nothing came."""

    def __init__(self, results: Iterable[Mapping[str, t.Any]]) -> None:
        """*results* are those of a loop over ``questions``; the question is in each. KeyError, TypeError."""
        self._found: dict[tuple[str, str, str], list[Series]] = {}
        self._failed: dict[tuple[str, str], str] = {}
        for result in results:
            question = result[result.get("ansible_loop_var", "item")]
            section, kind = question["section"], question["kind"]
            if result.get("result") is None:
                self._failed[section, kind] = clean(result.get("msg") or "there was no answer")
                continue
            for entry in result["result"]:
                labels = dict(entry["labels"])
                name = labels.pop(PANEL_LABEL)
                self._found.setdefault((section, kind, name), []).append(Series(labels, _points(entry)))

    def series(self, section: str, kind: str, panel: str, query: str) -> list[Series]:
        """All series of a query. An empty list says that there is nothing, which is no zero."""
        return self._found.get((section, kind, f"{panel}.{query}"), [])

    def failure(self, section: str, kind: str) -> str | None:
        """Why a bundle was not answered; None if it was."""
        return self._failed.get((section, kind))


def clean(text: t.Any) -> str:
    """Foreign text without what is not printed, and not endless. It is not escaped yet."""
    shown = "".join(one if one.isprintable() else " " for one in str(text)).strip()
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _points(entry: Mapping[str, t.Any]) -> Points:
    pairs = entry["values"] if "values" in entry else [(entry["timestamp"], entry["value"])]
    # Prometheus' NaN and infinities come as texts.
    return [(float(moment), float(value) if isinstance(value, (int, float)) else None) for moment, value in pairs]

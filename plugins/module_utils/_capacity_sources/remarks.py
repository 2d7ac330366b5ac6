# What a reading has to say about many nodes or jobs, one sentence for each matter.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

SHOWN = 5


class Remarks:
    """Sentences such as C(3 jobs are held and not planned: 5, 7, 9.), in the order in which they came up."""

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], list[str]] = {}
        self._plain: list[str] = []

    def add(self, what: str, thing: str, name: str) -> None:
        """The matter holds for one more thing of that kind (node, job, pod …); once for each name."""
        names = self._named.setdefault((what, thing), [])
        if name not in names[-1:]:
            names.append(name)

    def say(self, sentence: str) -> None:
        self._plain.append(sentence)

    def sentences(self) -> list[str]:
        found = []
        for (what, thing), names in self._named.items():
            names = list(dict.fromkeys(names))
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            things = thing if len(names) == 1 else f"{thing}s"
            found.append(f"{len(names)} {things}: {what}: {', '.join(names[:SHOWN])}{more}.")
        return found + self._plain

# What came of a resize.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """``before`` and ``after`` hold what was asked about and nothing else, in the engine's own words.

    ``method``: rolling, in_place or update. ``notes`` are sentences about what the reader would not expect.
    """

    before: dict[str, t.Any]
    after: dict[str, t.Any]
    method: str
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there was something to do."""
        return self.before != self.after

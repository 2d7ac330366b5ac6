# Where the level of a series changed for good, so that what was before no longer counts.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import statistics
import typing as t

FEWEST = 4
"""Seasons on either side of a shift; fewer could be a weekend."""

WIDE = 8.0
"""A shift is this many times the usual distance of a season's median from the median of its side."""


def last_shift(values: t.Sequence[float], season: int) -> int | None:
    """The index at which the last lasting change of level begins; None if there is none.

    Compared are the medians of whole seasons, counted from the end: an hour or two, or a wild day, move them little.
    """
    count = len(values) // season
    offset = len(values) - count * season
    medians = [statistics.median(values[offset + n * season : offset + (n + 1) * season]) for n in range(count)]
    found = None
    begin = 0
    while True:
        split = _split(medians[begin:])
        if split is None:
            return None if found is None else offset + found * season
        begin += split
        found = begin


def _split(medians: t.Sequence[float]) -> int | None:
    """The split of medians with the widest step between its sides, if that is wide enough."""
    best: tuple[float, int] | None = None
    for split in range(FEWEST, len(medians) - FEWEST + 1):
        before, after = medians[:split], medians[split:]
        low, high = statistics.median(before), statistics.median(after)
        spread = statistics.fmean([abs(each - low) for each in before] + [abs(each - high) for each in after])
        step = abs(high - low)
        # Also against its own size, so that steps between nearly equal values do not count.
        if step > 0.2 * max(abs(low), abs(high)) and step > WIDE * spread and (best is None or step - spread > best[0]):
            best = (step - spread, split)
    return None if best is None else best[1]

# Makes regular series of what was measured: gaps, restarts, doubles and nonsense are dealt with, and said.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import statistics
import typing as t

MAX_STEPS = 5000
"""Steps of history that are looked at. Older ones say nothing that 200 days of hours do not, and cost time."""

SHORT_GAP = 3
"""Steps without a value that a straight line fills."""

MAX_GAP = 2
"""Seasons without a value that are filled; before a longer gap the history is not used."""

Point = t.Tuple[float, t.Optional[float]]


class Regular(t.NamedTuple):
    """One value for each *step* seconds, the first for the step that begins at *start* seconds since 1970.

    ``values`` is empty if there is nothing to go by; ``notes`` say what was done, and why.
    """

    start: float
    values: list[float]
    notes: list[str]


def usable(points: t.Iterable[Point], notes: list[str]) -> list[tuple[float, float]]:
    """The points with a finite time and value, oldest first, one for each time; of several the last that was given."""
    given = list(points)
    good = [
        (float(moment), float(value))
        for moment, value in given
        if value is not None and _finite(moment) and _finite(value)
    ]
    if len(good) < len(given):
        notes.append(f"{len(given) - len(good)} of {len(given)} points have no finite value and were left out")
    late = sum(after[0] < before[0] for before, after in zip(good, good[1:]))
    if late:
        notes.append(f"{late} points were out of order and were sorted")
    single = dict(good)
    if len(single) < len(good):
        notes.append(f"{len(good) - len(single)} points had a time that was there already; the last of each was taken")
    return sorted(single.items())


def rates(points: list[tuple[float, float]], notes: list[str]) -> list[tuple[float, float]]:
    """Per second, of a counter. A counter that is smaller than before began again at zero."""
    found = []
    resets = 0
    for (earlier, before), (later, after) in zip(points, points[1:]):
        resets += after < before
        found.append((later, (after if after < before else after - before) / (later - earlier)))
    if resets:
        notes.append(f"the counter began again {resets} times; what it counted since then was taken")
    return found


def looks_like_counter(values: t.Sequence[float]) -> bool:
    """Whether values grow nearly always and fall only to nearly nothing, as no demand does."""
    if len(values) < 24 or min(values) < 0:
        return False
    pairs = list(zip(values, values[1:]))
    falls = [(before, after) for before, after in pairs if after < before]
    grows = sum(after > before for before, after in pairs)
    return grows > 0.9 * len(pairs) and all(after < 0.1 * before for before, after in falls)


def last_step(series: t.Iterable[t.Iterable[Point]], step: float) -> tuple[int, str] | None:
    """The number of the last whole step (*step* in seconds, counted from 1970) of all series, and what to say of it.

    A step that has only begun has less than half of the points that steps have, and may be no like its whole.
    """
    counts: dict[int, int] = {}
    for points in series:
        for moment, value in points:
            if _finite(moment) and _finite(value):
                number = math.floor(moment / step)
                counts[number] = counts.get(number, 0) + 1
    if not counts:
        return None
    last = max(counts)
    if len(counts) > 1 and counts[last] < statistics.median(counts.values()) / 2:
        del counts[last]
        return max(counts), "the last step has less than half of its points and was left out"
    return last, ""


def regular(
    points: t.Iterable[Point], step: float, season: int, final: int | None = None, counter: bool = False
) -> Regular:
    """The mean of each step (seconds) up to the step *final*, with gaps filled.

    *final* is the last step that is known of others of the same fleet; without it the last point is the end. *season*
    is in steps, 1 for none.
    """
    notes: list[str] = []
    known = usable(points, notes)
    if counter:
        known = rates(known, notes)
    steps: dict[int, list[float]] = {}
    for moment, value in known:
        number = math.floor(moment / step)
        if final is None or number <= final:
            steps.setdefault(number, []).append(value)
    if not steps:
        return Regular(0.0, [], [*notes, "there is no usable value; no forecast"])
    first, last = min(steps), max(steps)
    final = last if final is None else final
    if final - last > season:
        hours = (final - last) * step / 3600
        return Regular(0.0, [], [*notes, f"it ended {hours:g} hours before the others; no forecast"])
    if final - first >= MAX_STEPS:
        first = final - MAX_STEPS + 1
        notes.append(f"only the last {MAX_STEPS} steps of the history were used")
    row = [statistics.fmean(steps[each]) if each in steps else None for each in range(first, final + 1)]
    begin = next(index for index, value in enumerate(row) if value is not None)
    values = _filled(row[begin:], season, notes)
    if not counter and looks_like_counter(values):
        notes.append("it grows nearly always, as a counter does; if it is one, say so (counter: true)")
    return Regular((final + 1 - len(values)) * step, values, notes)


def _finite(value: t.Any) -> bool:
    try:
        return value is not None and math.isfinite(value)
    except TypeError:
        return False


def _filled(row: list[float | None], season: int, notes: list[str]) -> list[float]:
    """Short gaps by a straight line, longer ones by the season before, and nothing from before a very long one."""
    gaps = _gaps(row)
    long = [(begin, end) for begin, end in gaps if end - begin > MAX_GAP * max(season, SHORT_GAP)]
    if long:
        begin, end = long[-1]
        if len(row) - end >= begin:
            notes.append(f"before a gap of {end - begin} steps the history was not used")
            row = row[end:]
            gaps = _gaps(row)
    filled = sum(end - begin for begin, end in gaps)
    if filled:
        longest = max(end - begin for begin, end in gaps)
        notes.append(f"{filled} of {len(row)} steps have no value and were filled (longest gap {longest} steps)")
    # The first value is always known.
    values = [value if value is not None else math.nan for value in row]
    for begin, end in gaps:
        line = end - begin <= SHORT_GAP and end < len(values)
        for index in range(begin, end):
            if not line and season > 1 and index >= season:
                values[index] = values[index - season]
            elif end < len(values):
                share = (index - begin + 1) / (end - begin + 1)
                values[index] = values[begin - 1] + share * (values[end] - values[begin - 1])
            else:
                values[index] = values[begin - 1]
    return values


def _gaps(row: t.Sequence[float | None]) -> list[tuple[int, int]]:
    """Begin and end (not included) of each run without values."""
    found: list[tuple[int, int]] = []
    for index, value in enumerate(row):
        if value is None:
            if found and found[-1][1] == index:
                found[-1] = (found[-1][0], index + 1)
            else:
                found.append((index, index + 1))
    return found

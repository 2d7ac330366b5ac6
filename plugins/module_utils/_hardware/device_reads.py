# Reads the devices of a node through a library that may hang on one of them, and loses only that one.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One child reads all devices; only if it hangs or dies is every device it has not read asked in a child of its own.

So a healthy node costs one process, and a node of hanging devices costs the time limit once, however many hang.
"""

from __future__ import annotations

import functools
import typing as t

from .child import Progress, call_all_bounded
from .kept import Kept

Keep = t.Callable[[t.Any], None]


class Reader(t.Protocol):
    """What reads in the child.

    C(progress) is told each step before it begins. C(keep) is given a head C({"count": …}) first and then, for each
    device, readings C({"index": …, "whole": …}); a later reading of a device takes the place of an earlier one.
    Without devices it returns an answer instead. C(only) is the one device to read.
    """

    def __call__(self, progress: Progress, keep: Keep, only: int | None) -> t.Any: ...


class Reads(t.NamedTuple):
    """What came back: an answer without devices, or a head, a reading or None for each device, and what was wrong."""

    answer: t.Any
    head: dict[str, t.Any]
    readings: list[dict[str, t.Any] | None]
    problems: dict[int, str]


def _split(values: t.Sequence[t.Any]) -> tuple[dict[str, t.Any] | None, dict[int, dict[str, t.Any]]]:
    head = next((value for value in values if "count" in value), None)
    return head, {value["index"]: value for value in values if "index" in value}


def read_devices(read: Reader, timeout: float) -> Reads:
    """Return what C(read) found within C(timeout) seconds.

    Raises ChildTimeout or ChildFailed if it did not even get to the number of devices.
    """
    # The second round needs as much time as the first: a slow device is told from one that hangs by it.
    half = timeout / 2
    with Kept() as kept:
        outcome = call_all_bounded({"": lambda progress: read(progress, kept.add, None)}, half)[""]
        head, found = _split(kept.values())
    if head is None:
        if outcome.problem is not None:
            raise outcome.problem
        return Reads(outcome.value, {}, [], {})
    problems: dict[int, str] = {}
    if outcome.problem is not None:
        rest = [index for index in range(head["count"]) if not found.get(index, {}).get("whole")]
        problems = _read_rest(read, rest, half, found)
    return Reads(outcome.value, head, [found.get(index) for index in range(head["count"])], problems)


def _read_one(read: Reader, kept: Kept, index: int, progress: Progress) -> None:
    read(progress, kept.add, index)


def _read_rest(
    read: Reader, rest: t.Sequence[int], timeout: float, found: dict[int, dict[str, t.Any]]
) -> dict[int, str]:
    """Read the devices one by one at the same time into C(found); return index -> what was wrong."""
    kept = {index: Kept() for index in rest}
    try:
        calls = {index: functools.partial(_read_one, read, kept[index], index) for index in rest}
        outcomes = call_all_bounded(calls, timeout)
        for index in rest:
            found.update(_split(kept[index].values())[1])
    finally:
        for each in kept.values():
            each.close()
    return {index: str(outcome.problem) for index, outcome in outcomes.items() if outcome.problem is not None}

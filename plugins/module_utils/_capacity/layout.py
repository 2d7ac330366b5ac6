# Which GPU of a node each copy gets.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of one node onto its GPUs: whole ones first, then shares."""

from __future__ import annotations

import math
import typing as t

from .packing import FULL

# Beyond that many steps a content is refused: it would fit, but nobody waits for the proof.
MAX_STEPS = 20_000

Place = t.Tuple[int, ...]
# Shares on one GPU: (thousandths, copies).
Way = t.Tuple[t.Tuple[int, int], ...]


def layout(
    copies: t.Sequence[tuple[int, int]],
    free: t.Sequence[int],
    kins: t.Sequence[int] = (),
    present: t.Sequence[int] = (),
) -> list[Place] | None:
    """GPU numbers of each copy (GPUs, share of each in thousandths), or None if they do not fit on what is free.

    ``kins`` are those of the copies and ``present`` of what shares each GPU already: no GPU is shared by two kins.
    Without them all are of one.
    """
    room = list(free)
    places: list[Place] = [()] * len(copies)
    for number in sorted(range(len(copies)), key=lambda one: -copies[one][0]):
        gpus, share = copies[number]
        if not gpus or share < FULL:
            continue
        whole = [gpu for gpu, left in enumerate(room) if left == FULL][:gpus]
        if len(whole) < gpus:
            return None
        for gpu in whole:
            room[gpu] = 0
        places[number] = tuple(whole)
    shared = [number for number, (gpus, share) in enumerate(copies) if gpus and share < FULL]
    shares = [copies[number][1] for number in shared]
    if any(kins) or any(present):
        slots = _by_kin(shares, [kins[number] for number in shared], room, present)
    else:
        slots = _shares(shares, room)
    if slots is None:
        return None
    for number, gpu in zip(shared, slots):
        places[number] = (gpu,)
    return places


def _by_kin(
    shares: t.Sequence[int], kins: t.Sequence[int], room: t.Sequence[int], present: t.Sequence[int]
) -> list[int] | None:
    """As below for two kins: one takes as few of the GPUs that are wholly free as it can, the other has the rest."""
    fresh = [gpu for gpu, left in enumerate(room) if left == FULL]
    order = sorted(range(len(shares)), key=lambda number: -kins[number])
    first = sum(kins)
    for taken in range(len(fresh) + 1):
        own = {*fresh[:taken], *(gpu for gpu, left in enumerate(room) if left < FULL and present[gpu])}
        mine = [left if gpu in own else 0 for gpu, left in enumerate(room)]
        theirs = [0 if gpu in own else left for gpu, left in enumerate(room)]
        slots = _shares([shares[number] for number in order[:first]], mine)
        if slots is not None:
            others = _shares([shares[number] for number in order[first:]], theirs)
            return None if others is None else [slot for _unused, slot in sorted(zip(order, slots + others))]
    return None


def _shares(shares: t.Sequence[int], free: t.Sequence[int]) -> list[int] | None:
    """The GPU of each share: the tightest that has room, largest share first; where that fails GPU by GPU."""
    order = sorted(range(len(shares)), key=lambda one: -shares[one])
    room, slots = list(free), [0] * len(shares)
    for number in order:
        gpus = [gpu for gpu, left in enumerate(room) if left >= shares[number]]
        if not gpus:
            break
        slots[number] = min(gpus, key=lambda gpu: (room[gpu], gpu))
        room[slots[number]] -= shares[number]
    else:
        return slots
    queues: dict[int, list[int]] = {}
    for number in order:
        queues.setdefault(shares[number], []).append(number)
    ways = _completed({share: len(queue) for share, queue in queues.items()}, free)
    if ways is None:
        return None
    for gpu, way in ways.items():
        for share, copies in way:
            for _unused in range(copies):
                slots[queues[share].pop()] = gpu
    return slots


def _completed(counts: t.Mapping[int, int], free: t.Sequence[int]) -> dict[int, Way] | None:
    """What each GPU holds: one after the other is filled until nothing more fits (bin completion: Korf, AAAI 2002)."""
    sizes = sorted(counts, reverse=True)
    order = sorted((gpu for gpu, left in enumerate(free) if left), key=lambda gpu: free[gpu])
    left = [sum(free[gpu] for gpu in order[place:]) for place in range(len(order) + 1)]
    chosen: dict[int, Way] = {}
    dead: set[tuple[int, tuple[int, ...]]] = set()
    steps = 0

    def full(rest: tuple[int, ...], room: int, least: float) -> t.Iterator[tuple[int, ...]]:
        """Copies of the last sizes that leave less room than the smallest size left out; many large ones first."""
        nonlocal steps
        steps += 1
        own = sizes[len(sizes) - len(rest) :]
        if steps > MAX_STEPS or room - sum(share * copies for share, copies in zip(own, rest)) >= least:
            return
        if not rest:
            yield ()
            return
        for copies in range(min(rest[0], room // own[0]), -1, -1):
            for others in full(rest[1:], room - copies * own[0], own[0] if copies < rest[0] else least):
                yield (copies, *others)

    def fill(place: int, rest: tuple[int, ...]) -> bool:
        if not any(rest):
            return True
        if sum(share * copies for share, copies in zip(sizes, rest)) > left[place] or (place, rest) in dead:
            return False
        for way in full(rest, free[order[place]], math.inf):
            chosen[order[place]] = tuple(zip(sizes, way))
            if fill(place + 1, tuple(has - taken for has, taken in zip(rest, way))):
                return True
        chosen.pop(order[place], None)
        dead.add((place, rest))
        return False

    return chosen if fill(0, tuple(counts[share] for share in sizes)) else None

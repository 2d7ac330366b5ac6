# Which GPU of a node each copy gets.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of one node onto its GPUs: whole ones first, shares by depth-first search with a memory of dead ends."""

from __future__ import annotations

import typing as t

from .packing import FULL

# Beyond that many steps a content is refused: it would fit, but nobody waits for the proof.
MAX_STEPS = 20_000

Place = t.Tuple[int, ...]


def layout(copies: t.Sequence[tuple[int, int]], free: t.Sequence[int]) -> list[Place] | None:
    """GPU numbers of each copy (GPUs, share of each in thousandths), or None if they do not fit on what is free."""
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
    slots = _shares([copies[number][1] for number in shared], room)
    if slots is None:
        return None
    for number, gpu in zip(shared, slots):
        places[number] = (gpu,)
    return places


def _shares(shares: t.Sequence[int], free: t.Sequence[int]) -> list[int] | None:
    """The GPU of each share; tightest GPU first."""
    order = sorted(range(len(shares)), key=lambda one: -shares[one])
    room, slots = list(free), [0] * len(shares)
    dead: set[tuple[int, tuple[int, ...]]] = set()
    steps = 0

    def put(place: int) -> bool:
        nonlocal steps
        if place == len(order):
            return True
        steps += 1
        mark = (place, tuple(sorted(room)))
        if mark in dead or steps > MAX_STEPS:
            return False
        share = shares[order[place]]
        tried = set()
        for gpu in sorted(range(len(room)), key=lambda one: room[one]):
            if room[gpu] < share or room[gpu] in tried:
                continue
            tried.add(room[gpu])
            room[gpu] -= share
            slots[order[place]] = gpu
            if put(place + 1):
                return True
            room[gpu] += share
        dead.add(mark)
        return False

    return slots if put(0) else None

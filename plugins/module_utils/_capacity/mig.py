# MIG profiles as parts of a GPU whose sum says exactly what fits.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU that MIG can cut has seven compute slices and eight places of memory, or four of each (NVIDIA, MIG user guide).
An instance takes slices, and places from certain ones on, so neither slices nor places alone say what fits together.
The parts below do: instances have a layout exactly if their parts add up to 1000 at most. A test tries all layouts.
"""

from __future__ import annotations

import re
import typing as t

SLICES = (4, 7)
"""Compute slices that a GPU may have."""

# The name of a profile rounds: an eighth of a GPU of 141 GB is called 18gb.
NEAR = 0.1
_PROFILE = re.compile(r"([1-7])g\.([1-9][0-9]{0,3})gb")
_PLACES = {4: 4, 7: 8}
# (compute slices, places of memory) -> thousandths of a GPU.
_PARTS: dict[int, dict[tuple[int, int], int]] = {
    7: {(1, 1): 130, (1, 2): 220, (2, 2): 260, (3, 4): 480, (4, 4): 520, (7, 8): 1000},
    4: {(1, 1): 250, (2, 2): 500, (4, 4): 1000},
}


# Model, compute slices and memory in MiB of a GPU.
Kind = t.Tuple[str, int, int]


class Cut(t.NamedTuple):
    """What an instance takes of a GPU."""

    slices: int
    places: int


def cut(profile: str, slices: int, gpu_memory_mib: int) -> Cut | None:
    """What a profile such as C(1g.10gb) takes of a GPU with so many slices and so much memory; None: it has no such."""
    found = _PROFILE.fullmatch(profile)
    if found is None or slices not in _PLACES or not gpu_memory_mib:
        return None
    memory = int(found[2]) * 1024 * _PLACES[slices] / gpu_memory_mib
    wanted = Cut(int(found[1]), round(memory))
    return wanted if wanted in _PARTS[slices] and abs(memory - wanted.places) <= NEAR * memory else None


def part(profile: str, slices: int, gpu_memory_mib: int) -> int | None:
    """The same in thousandths of the GPU."""
    wanted = cut(profile, slices, gpu_memory_mib)
    return None if wanted is None else _PARTS[slices][wanted]


def parts(profile: str, kinds: t.Iterable[Kind]) -> dict[str, int]:
    """The same by model, of those GPUs that have such a profile; the least where one model has several sizes."""
    found: dict[str, int] = {}
    for model, slices, memory in kinds:
        own = part(profile, slices, memory)
        if own is not None:
            found[model] = min(own, found.get(model, own))
    return found


def is_profile(text: str) -> bool:
    """Whether that is the name of a profile. Those with an attribute (C(+me), C(+gfx)) are not planned."""
    return _PROFILE.fullmatch(text) is not None

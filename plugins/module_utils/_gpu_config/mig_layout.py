# Decides which MIG instances stay, which go, and where the new ones are put; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU has at most seven instances in eight places, so everything is tried: the most instances stay for which the
missing ones still find places.
"""

from __future__ import annotations

import collections
import itertools
import typing as t

from .._errors import GpuConfigError


class Profile(t.NamedTuple):
    """A size of instance. C(starts) are the places of the GPU at which one may begin, C(size) how many it takes."""

    id: int
    name: str | None
    slices: int
    size: int
    starts: tuple[int, ...]


class Instance(t.NamedTuple):
    """A GPU instance that is there.

    C(compute) is V(whole) with one compute instance as large as itself, V(none) without one, else V(other).
    """

    id: int
    profile: int
    start: int
    size: int
    compute: str


class Change(t.NamedTuple):
    """What has to be done, in this order. C(complete) are instances that lack their compute instance only."""

    destroy: tuple[Instance, ...]
    complete: tuple[Instance, ...]
    create: tuple[tuple[Profile, int], ...]


def label(profile: Profile) -> str:
    """The name that people use, or the id where the driver tells no name."""
    return profile.name or str(profile.id)


def find(profiles: t.Sequence[Profile], wanted: t.Sequence[str]) -> list[Profile]:
    """Return the profiles that the names or ids mean, largest first; raise GpuConfigError for one that is unknown."""
    known = {str(profile.id): profile for profile in profiles}
    known.update({profile.name.lower(): profile for profile in profiles if profile.name})
    found = []
    for name in wanted:
        profile = known.get(name.lower())
        if profile is None:
            has = ", ".join(f"{label(one)} (id {one.id})" for one in profiles) or "none"
            raise GpuConfigError(f"mig_layout: this GPU has no profile {name[:40]!r}; it has {has}")
        found.append(profile)
    return sorted(found, key=lambda profile: (-profile.size, -profile.slices, profile.id))


def _places(missing: t.Sequence[Profile], taken: frozenset[int], first: int = 0) -> list[int] | None:
    """Return where each of the profiles begins, None if not all have a place.

    C(first) is where the first one begins at the earliest: equal ones stand together and go in order.
    """
    if not missing:
        return []
    for start in missing[0].starts:
        place = frozenset(range(start, start + missing[0].size))
        if start >= first and not place & taken:
            after = start + 1 if missing[1:2] == missing[:1] else 0
            rest = _places(missing[1:], taken | place, after)
            if rest is not None:
                return [start, *rest]
    return None


def _rest(wanted: t.Sequence[Profile], kept: t.Iterable[Instance]) -> list[Profile] | None:
    """Return the wanted profiles without those of the kept instances; None if one of these is not wanted."""
    counts = collections.Counter(instance.profile for instance in kept)
    rest = []
    for profile in wanted:
        if counts[profile.id] > 0:
            counts[profile.id] -= 1
        else:
            rest.append(profile)
    return None if any(counts.values()) else rest


def change(instances: t.Sequence[Instance], wanted: t.Sequence[Profile]) -> Change:
    """Return what turns the instances into the wanted ones (as C(find) returns them), destroying as few as can be.

    Raises GpuConfigError if they do not fit into one GPU.
    """
    usable = [instance for instance in instances if instance.compute != "other"]
    for count in range(min(len(usable), len(wanted)), -1, -1):
        for kept in itertools.combinations(usable, count):
            rest = _rest(wanted, kept)
            if rest is None:
                continue
            taken = frozenset(place for one in kept for place in range(one.start, one.start + one.size))
            starts = _places(rest, taken)
            if starts is not None:
                return Change(
                    destroy=tuple(one for one in instances if one not in kept),
                    complete=tuple(one for one in kept if one.compute == "none"),
                    create=tuple(zip(rest, starts)),
                )
    names = ", ".join(label(profile) for profile in wanted)
    raise GpuConfigError(f"mig_layout: {names} do not fit into one GPU together")

# Tests of the choice of MIG instances: what stays, what goes, where the new ones are put.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._errors import GpuConfigError
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config.mig_layout import (
    Instance,
    Profile,
    change,
    find,
    label,
)

# The profiles of an H100 of 80 GB.
PROFILES = [
    Profile(19, "1g.10gb", 1, 1, tuple(range(7))),
    Profile(20, "1g.10gb+me", 1, 1, tuple(range(7))),
    Profile(15, "1g.20gb", 1, 2, (0, 2, 4, 6)),
    Profile(14, "2g.20gb", 2, 2, (0, 2, 4)),
    Profile(9, "3g.40gb", 3, 4, (0, 4)),
    Profile(5, "4g.40gb", 4, 4, (0,)),
    Profile(0, "7g.80gb", 7, 8, (0,)),
]
BY_NAME = {profile.name: profile for profile in PROFILES}
NAMES = sorted(str(profile.name) for profile in PROFILES)


def there(number: int, name: str, start: int, compute: str = "whole") -> Instance:
    profile = BY_NAME[name]
    return Instance(number, profile.id, start, profile.size, compute)


def starts(names: list[str], instances: list[Instance]) -> list[tuple[str, int]]:
    return [(label(profile), start) for profile, start in change(instances, find(PROFILES, names)).create]


def test_names_numbers_and_order() -> None:
    assert [label(one) for one in find(PROFILES, ["19", "3G.40GB", "2g.20gb"])] == ["3g.40gb", "2g.20gb", "1g.10gb"]
    assert label(Profile(9, None, 3, 4, ())) == "9"
    with pytest.raises(GpuConfigError, match=r"no profile '4'; it has 1g\.10gb \(id 19\)"):
        find(PROFILES, ["4"])


def test_what_fits_only_in_one_way_is_found() -> None:
    """Three of four slices cannot begin at 0 beside a 4g, and two small ones in the middle keep the 3g away from 0."""
    assert starts(["3g.40gb", "4g.40gb"], []) == [("4g.40gb", 0), ("3g.40gb", 4)]
    small = [there(1, "1g.10gb", 2), there(2, "1g.10gb", 3)]
    assert starts(["3g.40gb", "1g.10gb", "1g.10gb", "2g.20gb"], small) == [("3g.40gb", 4), ("2g.20gb", 0)]


def test_as_few_as_can_be_are_destroyed() -> None:
    spread = [there(1, "1g.10gb", 0), there(2, "1g.10gb", 4), there(3, "1g.10gb", 6)]
    done = change(spread, find(PROFILES, ["3g.40gb", "1g.10gb", "1g.10gb"]))
    assert [one.id for one in done.destroy] == [1], "that one alone opens four places"
    assert [(label(profile), start) for profile, start in done.create] == [("3g.40gb", 0)]
    nothing = change(spread, find(PROFILES, ["1g.10gb"] * 3))
    assert not any(nothing)
    assert [one.id for one in change(spread, []).destroy] == [1, 2, 3]


def test_instances_without_or_with_foreign_compute_instances() -> None:
    found = change([there(1, "3g.40gb", 0, "none"), there(2, "3g.40gb", 4, "other")], find(PROFILES, ["3g.40gb"] * 2))
    assert [one.id for one in found.complete] == [1]
    assert [one.id for one in found.destroy] == [2]
    assert [start for _profile, start in found.create] == [4]


@pytest.mark.parametrize("names", [["4g.40gb"] * 2, ["1g.10gb"] * 8, ["7g.80gb", "1g.10gb"], ["1g.20gb"] * 5])
def test_too_much_is_said(names: list[str]) -> None:
    with pytest.raises(GpuConfigError, match="do not fit into one GPU together"):
        change([], find(PROFILES, names))


@settings(deadline=None)  # a busy machine is slow
@given(st.data())
def test_the_result_is_what_was_wanted_without_overlap(data: st.DataObject) -> None:
    instances: list[Instance] = []
    for number, name in enumerate(data.draw(st.lists(st.sampled_from(NAMES), max_size=7)), 1):
        taken = {place for one in instances for place in range(one.start, one.start + one.size)}
        free = [s for s in BY_NAME[name].starts if not taken & set(range(s, s + BY_NAME[name].size))]
        if free:
            compute = data.draw(st.sampled_from(("whole", "none", "other")))
            instances.append(there(number, name, data.draw(st.sampled_from(free)), compute))
    wanted = find(PROFILES, data.draw(st.lists(st.sampled_from(NAMES), max_size=7)))
    try:
        todo = change(instances, wanted)
    except GpuConfigError:
        with pytest.raises(GpuConfigError):  # then an empty GPU has no room either
            change([], wanted)
        return
    kept = [one for one in instances if one not in todo.destroy]
    result = [(one.profile, one.start, one.size) for one in kept]
    result += [(profile.id, start, profile.size) for profile, start in todo.create]
    assert collections.Counter(row[0] for row in result) == collections.Counter(profile.id for profile in wanted)
    places = [place for _profile, start, size in result for place in range(start, start + size)]
    assert len(places) == len(set(places))
    assert all(start in profile.starts for profile, start in todo.create)
    assert set(todo.complete) == {one for one in kept if one.compute == "none"}
    assert all(one.compute != "other" for one in kept)

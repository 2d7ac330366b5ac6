# Tests of which GPU each copy of a node gets.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._capacity.layout import Place, layout


def left(copies: list[tuple[int, int]], free: list[int], places: list[Place]) -> list[int]:
    """What is free afterwards; below nothing where too much was given."""
    room = list(free)
    for (gpus, share), place in zip(copies, places, strict=True):
        assert len(place) == len(set(place)) == gpus
        for gpu in place:
            room[gpu] -= share
    return room


def fits(shares: list[int], free: list[int]) -> bool:
    """All ways, one after the other."""
    if not shares:
        return True
    ways = {tuple(sorted(free[:gpu] + [room - shares[0]] + free[gpu + 1 :])) for gpu, room in enumerate(free)}
    return any(fits(shares[1:], list(way)) for way in ways if min(way) >= 0)


def test_whole_gpus_come_before_shares() -> None:
    places = layout([(1, 500), (2, 1000), (0, 0), (1, 300)], [1000, 400, 1000, 600])
    assert places is not None and places[1:3] == [(0, 2), ()]
    assert left([(1, 500), (2, 1000), (0, 0), (1, 300)], [1000, 400, 1000, 600], places) == [0, 100, 0, 100]
    assert layout([(2, 1000)], [1000, 999]) is None


def test_gpus_that_are_filled_to_the_brim() -> None:
    ways = ([480, 520], [480, 260, 260], [520, 220, 260], [480, 130, 130, 130, 130], [220, 260, 260, 260])
    draw = random.Random(4)
    for _unused in range(20):
        shares = [share for way in draw.choices(ways, k=16) for share in way]
        draw.shuffle(shares)
        copies = [(1, share) for share in shares]
        places = layout(copies, [1000] * 16)
        assert places is not None and left(copies, [1000] * 16, places) == [0] * 16
        assert layout([*copies, (1, 1)], [1000] * 16) is None


def test_many_sizes_that_hardly_fit_come_to_an_end() -> None:
    # Thirty sizes, of which there are more subsets than anybody counts; one more thousandth and there is no way.
    shares = [101 + 7 * number for number in range(30)] * 2
    room = -(-sum(shares) // 13)
    copies = [(1, share) for share in shares]
    for free in ([room] * 13, [1000] * 12, [room - 1] * 13):
        places = layout(copies, free)
        assert places is None or min(left(copies, free, places)) >= 0
    assert layout(copies, [room - 1] * 13) is None


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    shares=st.lists(st.sampled_from([130, 220, 260, 330, 480, 500, 520]), max_size=7),
    free=st.lists(st.sampled_from([0, 130, 500, 740, 1000]), min_size=1, max_size=3),
)
def test_a_place_is_found_where_there_is_one(shares: list[int], free: list[int]) -> None:
    copies = [(1, share) for share in shares]
    places = layout(copies, free)
    assert (places is not None) == fits(sorted(shares, reverse=True), free)
    assert places is None or min(left(copies, free, places)) >= 0


def fits_by_kin(shares: list[tuple[int, int]], free: list[tuple[int, int]]) -> bool:
    """All ways, one after the other; free and kin of each GPU."""
    if not shares:
        return True
    (share, kin), rest = shares[0], shares[1:]
    ways = {
        tuple(sorted(free[:gpu] + [(room - share, kin)] + free[gpu + 1 :]))
        for gpu, (room, of) in enumerate(free)
        if room >= share and (room == 1000 or of == kin)
    }
    return any(fits_by_kin(rest, list(way)) for way in ways)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    shares=st.lists(st.tuples(st.sampled_from([250, 330, 500, 700]), st.integers(0, 1)), max_size=6),
    free=st.lists(st.tuples(st.sampled_from([1000, 1000, 700, 500]), st.integers(0, 1)), min_size=1, max_size=4),
)
def test_two_kins_share_no_gpu(shares: list[tuple[int, int]], free: list[tuple[int, int]]) -> None:
    copies = [(1, share) for share, _kin in shares]
    kins, rooms, present = [kin for _share, kin in shares], [room for room, _kin in free], [kin for _room, kin in free]
    places = layout(copies, rooms, kins, present)
    assert (places is not None) == fits_by_kin(shares, free)
    if places is not None:
        assert min(left(copies, rooms, places), default=0) >= 0
        on: dict[int, set[int]] = {gpu: {kin} for gpu, (room, kin) in enumerate(free) if room < 1000}
        for place, kin in zip(places, kins, strict=True):
            on.setdefault(place[0], set()).add(kin)
        assert all(len(both) == 1 for both in on.values())

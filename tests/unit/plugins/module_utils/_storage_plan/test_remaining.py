# Tests of what is left of a plan: after each step, after failures, and from placements that do not belong to it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.filter.dataset_moves import FilterModule
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import Node, Piece
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.plan import make_plan

Plan = dict[str, t.Any]
left = FilterModule().filters()["dataset_moves"]


def row(piece: str, source: str, to: str, drop: str, wave: int, size: int = 10) -> dict[str, t.Any]:
    return {"piece": piece, "size": size, "source": source, "to": to, "drop": drop, "wave": wave}


PLAN: Plan = {
    "placement": {"p": ["c"], "q": ["a"], "r": ["c", "b"], "stays": ["a", "b"]},
    "moves": [
        row("r", "b", "c", "", 1),
        row("p", "a", "c", "a", 1),
        row("q", "b", "a", "b", 2),
    ],
}


def test_the_placement_before_is_in_the_plan() -> None:
    found = left(PLAN)
    assert found["placement"] == {"p": ["a"], "q": ["b"], "r": ["b"], "stays": ["a", "b"]}
    assert [(one["piece"], one["source"], one["to"], one["drop"], one["keep"]) for one in found["moves"]] == [
        ("r", "b", "c", "", ""),
        ("p", "a", "c", "a", "c"),
        ("q", "b", "a", "b", "a"),
    ]
    assert (found["waves"], found["bytes"], found["nodes"]) == ([1, 2], 30, ["a", "b", "c"])
    assert found["lines"][1] == "wave 1: p, 10 bytes from a to c, then removed from a"
    assert not any(one["why"] for one in found["moves"])


def test_step_by_step_to_the_end() -> None:
    first = left(PLAN)
    assert first["changed"] and not left(PLAN, first["placement"])["changed"]
    copied = left(PLAN, first["placement"], copied=first["moves"][:2])
    assert copied["changed"]
    assert copied["placement"]["p"] == ["a", "c"]
    assert [(one["piece"], one["to"], one["drop"], one["size"]) for one in copied["moves"]] == [
        ("p", "", "a", 0),
        ("q", "a", "b", 10),
    ]
    dropped = left(PLAN, copied["placement"], dropped=copied["moves"][:1], tried=1)
    assert [(one["piece"], one["why"]) for one in dropped["moves"]] == [("q", "")]
    # Whatever is told twice is there once.
    again = left(PLAN, dropped["placement"], copied=first["moves"][:2][:1], dropped=copied["moves"][:1], tried=1)
    assert again == {**dropped, "changed": False}
    last = left(PLAN, dropped["placement"], copied=dropped["moves"])
    end = left(PLAN, last["placement"], dropped=last["moves"], tried=2)
    assert (end["moves"], end["waves"], end["bytes"], end["lines"]) == ([], [], 0, [])
    assert {piece: sorted(names) for piece, names in end["placement"].items()} == {
        piece: sorted(names) for piece, names in PLAN["placement"].items()
    }


def test_what_needs_the_room_of_a_failed_move_waits_and_the_rest_goes_on() -> None:
    plan = {
        "placement": {**PLAN["placement"], "s": ["c"], "t": ["b"]},
        "moves": [*PLAN["moves"], row("s", "b", "c", "b", 3), row("t", "a", "b", "a", 4)],
    }
    start = left(plan)
    assert not any(one["why"] for one in start["moves"])
    after = left(plan, start["placement"], copied=start["moves"][:1], tried=1)
    why = {one["piece"]: one["why"] for one in after["moves"]}
    # p stays on a, so q cannot come there, so it stays on b, so t cannot come there.
    assert why == {
        "p": "it was not done in its wave",
        "q": "the room that it needs on a was not made",
        "s": "",
        "t": "the room that it needs on b was not made",
    }
    assert after["lines"][1].endswith("not now: the room that it needs on a was not made")


def test_copies_too_many_go_only_where_another_is_sure() -> None:
    plan = {
        "placement": {"p": ["d"], "q": ["a"]},
        "moves": [row("p", "a", "d", "a", 1), row("p", "", "", "b", 2, 0), row("q", "", "", "b", 2, 0)],
    }
    start = left(plan)
    assert [(one["piece"], one["drop"], one["keep"], one["why"]) for one in start["moves"]] == [
        ("p", "a", "d", ""),
        ("p", "b", "", "there is no other copy"),
        ("q", "b", "a", ""),
    ]
    copied = left(plan, start["placement"], copied=start["moves"][:1])
    assert [(one["piece"], one["drop"], one["keep"], one["why"]) for one in copied["moves"]] == [
        ("p", "a", "d", ""),
        ("p", "b", "d", ""),
        ("q", "b", "a", ""),
    ]
    # One that would not go stays, and so do those that the plan removes after it.
    stuck = left(plan, copied["placement"], tried=1)
    assert [one["why"] for one in stuck["moves"]] == [
        "it was not done in its wave",
        "an earlier move of this piece was not done",
        "",
    ]


def test_new_and_lost_data_waits_for_people() -> None:
    plan = {"placement": {"new": ["a", "b"]}, "moves": [row("new", "", "a", "", 1), row("new", "", "b", "", 1)]}
    start = left(plan)
    assert start["placement"] == {"new": []}
    assert all("put the data there" in one["why"] for one in start["moves"])
    told = left(plan, {"new": ["a"]})
    assert [(one["source"], one["to"], one["why"]) for one in told["moves"]] == [("a", "b", "")]


def test_another_copy_serves_where_the_planned_one_is_gone() -> None:
    plan = {
        "placement": {"p": ["c", "d"]},
        "moves": [row("p", "a", "c", "a", 1), row("p", "a", "d", "", 2)],
    }
    found = left(plan, {"p": ["c"]})
    assert [(one["source"], one["to"]) for one in found["moves"]] == [("c", "d")]


def test_nodes_that_are_gone_and_pieces_that_are_not_in_the_plan() -> None:
    given = {"p": ["a", "dead"], "q": ["b"], "r": ["b"], "stays": ["a", "b"], "other": ["x"]}
    found = left(PLAN, given)["placement"]
    assert found == {"p": ["a"], "q": ["b"], "r": ["b"], "stays": ["a", "b"], "other": ["x"]}


@pytest.mark.parametrize("seed", range(5))
def test_any_plan_of_the_planner_ends_whatever_fails(seed: int) -> None:
    draw = random.Random(seed)
    nodes = [Node(f"n{number}", f"r{number % 4}", 1000) for number in range(9)]
    pieces = [Piece(f"p{number}", draw.randint(5, 40), draw.randint(1, 3)) for number in range(60)]
    before = make_plan(nodes[:6], pieces, {}).placement
    made = make_plan(nodes[1:], pieces, before, per_node=3, wave_bytes=200)
    plan = {"placement": made.placement, "moves": [move._asdict() for move in made.moves]}
    alive = {name: [node for node in held if node != "n0"] for name, held in before.items()}
    now: dict[str, list[str]] | None = None
    runs = 0
    while True:
        found = left(plan, now)
        if not found["moves"] or runs > 30:
            break
        runs += 1
        for wave in found["waves"]:
            ready = [one for one in found["moves"] if one["wave"] == wave and not one["why"]]
            copied = [one for one in ready if one["to"] and draw.random() < 0.7]
            assert all(one["source"] in found["placement"][one["piece"]] for one in ready if one["to"])
            found = left(plan, found["placement"], copied=copied, tried=wave - 1)
            drops = [one for one in found["moves"] if one["wave"] == wave and not one["why"] and not one["to"]]
            # Whatever is removed, the copy that it is compared with is there.
            assert all(one["keep"] in found["placement"][one["piece"]] and one["keep"] != one["drop"] for one in drops)
            found = left(plan, found["placement"], dropped=[one for one in drops if draw.random() < 0.7], tried=wave)
            # No piece has ever fewer copies than it had, or than it is to have.
            for piece in pieces:
                assert len(found["placement"][piece.name]) >= min(len(alive[piece.name]), piece.replicas)
        now = found["placement"]
    assert runs > 1 and now is not None
    lost = {name for name, held in alive.items() if not held}
    assert {one["piece"] for one in found["moves"]} <= lost
    for piece in pieces:
        if piece.name not in lost:
            assert set(now[piece.name]) == set(made.placement[piece.name])


@pytest.mark.parametrize(
    ("plan", "placement", "says"),
    [
        (None, None, "takes what aidc.ops.dataset_plan returned"),
        ([], None, "takes what aidc.ops.dataset_plan returned"),
        ({}, None, "placement of the plan has to be the nodes of each piece"),
        ({"placement": {}}, None, "has no list of moves"),
        ({"placement": {}, "moves": {}}, None, "has no list of moves"),
        ({"placement": {"p": "a"}, "moves": []}, None, "p has to be a list of names"),
        ({"placement": {"p": ["a", "a"]}, "moves": []}, None, "p names a node twice"),
        ({"placement": {"p": ["a"]}, "moves": [7]}, None, "7 is no move of a plan"),
        ({"placement": {"p": ["a"]}, "moves": [{"piece": "p"}]}, None, "is no move of a plan"),
        ({"placement": {"p": ["a"]}, "moves": [row("p", "b", "a", "", 1, float("nan"))]}, None, "another kind"),  # type: ignore[arg-type]
        ({"placement": {"p": ["a"]}, "moves": [row("p", "b", "a", None, 1)]}, None, "another kind"),  # type: ignore[arg-type]
        ({"placement": {"p": ["a"]}, "moves": [row("p", "b", "a", "", 1, -1)]}, None, "does not belong"),
        ({"placement": {"p": ["a"]}, "moves": [row("q", "b", "a", "", 1)]}, None, "does not belong"),
        ({"placement": {"p": ["a"]}, "moves": [row("p", "a", "c", "", 1)]}, None, "does not belong"),
        ({"placement": {"p": ["a"]}, "moves": [row("p", "", "", "a", 1)]}, None, "does not belong"),
        ({"placement": {"p": ["a"]}, "moves": [row("p", "", "", "", 1)]}, None, "does not belong"),
        ({"placement": {"p": ["a"]}, "moves": [row("p", "b", "a", "", 0)]}, None, "does not belong"),
        ({"placement": {"../p": ["a"]}, "moves": []}, None, "cannot be a directory"),
        ({"placement": {"/p": ["a"]}, "moves": []}, None, "cannot be a directory"),
        ({"placement": {"p//q": ["a"]}, "moves": []}, None, "cannot be a directory"),
        ({"placement": {"": ["a"]}, "moves": []}, None, "cannot be a directory"),
        ({"placement": {"p": ["a"], "p/0": ["a"]}, "moves": []}, None, "would lie in the directory of piece 'p'"),
        (PLAN, [], "placement that was reached has to be"),
        (PLAN, {"p": [1]}, "p has to be a list of names"),
        (PLAN, {**left(PLAN)["placement"], "stays": ["a"]}, "by the plan stays was on b"),
        (PLAN, {}, "make a new plan"),
    ],
)
def test_what_is_no_plan_or_no_placement_of_it(plan: t.Any, placement: t.Any, says: str) -> None:
    with pytest.raises(AnsibleFilterError, match=says):
        left(plan, placement)

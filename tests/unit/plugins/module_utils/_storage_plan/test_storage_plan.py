# Tests of plans for replicas: every rule on random fleets by an independent verifier, and figures worked out by hand.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import typing as t

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import (
    Node,
    Piece,
    fair_loads,
    make_nodes,
    make_pieces,
)
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.moves import Move, in_waves, list_moves, order
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.plan import Plan, least_bytes, make_plan
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.straw import Straws, shortest, uniform
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.verify import problems


def fleet(draw: random.Random, racks: int, per_rack: int) -> list[Node]:
    return [
        Node(f"n{rack}-{index}", f"r{rack}", draw.choice((6000, 10000, 16000)))
        for rack in range(racks)
        for index in range(per_rack)
    ]


def data(draw: random.Random, nodes: list[Node], count: int, most_replicas: int) -> list[Piece]:
    """Half of what the nodes hold."""
    weights = [draw.lognormvariate(0, 0.6) for _n in range(count)]
    unit = 0.5 * sum(node.capacity for node in nodes) / most_replicas / sum(weights)
    return [
        Piece(f"p{n}", max(1, int(weight * unit)), draw.randint(1, most_replicas)) for n, weight in enumerate(weights)
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 6), st.integers(1, 4), st.integers(1, 120))
@example(11588, 3, 4, 50)
def test_every_rule_holds_through_a_life(seed: int, racks: int, per_rack: int, count: int) -> None:
    draw = random.Random(seed)
    nodes = fleet(draw, racks, per_rack)
    pieces = data(draw, nodes, count, 2)
    try:
        first = make_plan(nodes, pieces, {}, per_node=1)
    except StoragePlanError:
        # Few nodes and large pieces: room is in pieces too.
        return
    assert problems(nodes, pieces, {}, first) == []
    assert first.moved_bytes == 0
    again = make_plan(nodes, pieces, first.placement)
    assert (again.placement, again.moves) == (first.placement, [])
    grown = [*nodes, Node("new", "r0", 10000)]
    lost = nodes[1:]
    for changed in (grown, lost):
        try:
            plan = make_plan(changed, pieces, first.placement)
        except StoragePlanError:
            continue
        assert problems(changed, pieces, first.placement, plan) == []
        assert plan.moved_bytes >= sum(
            piece.size
            for piece in pieces
            for name in first.placement[piece.name]
            if name not in {n.name for n in changed}
        )


@pytest.mark.slow
def test_few_bytes_move_and_nodes_are_equally_full() -> None:
    draw = random.Random(4)
    nodes = fleet(draw, 8, 4)
    pieces = [piece._replace(replicas=3) for piece in data(draw, nodes, 3000, 3)]
    first = make_plan(nodes[:-1], pieces, {})
    assert first.fullest_after <= 1.02 + 1e-9
    for changed in (nodes, nodes[1:-1]):
        plan = make_plan(changed, pieces, first.placement)
        assert problems(changed, pieces, first.placement, plan) == []
        assert plan.fullest_after <= 1.02 + 1e-9
        assert plan.moved_bytes <= 1.02 * plan.least_bytes


def test_the_bound_by_hand() -> None:
    nodes = [Node("a", "1", 100), Node("b", "2", 100)]
    pieces = [Piece(f"p{n}", 10, 1) for n in range(6)]
    before = {f"p{n}": ("a",) for n in range(6)}
    # Six tens on one of two equal nodes: three of them must move.
    assert least_bytes(nodes, pieces, before, 0.0) == 30
    plan = make_plan(nodes, pieces, before, 0.0)
    assert (plan.moved_bytes, plan.fullest_before, plan.fullest_after) == (30, 2.0, 1.0)
    # On a node that is gone, all of them.
    assert least_bytes(nodes[1:], pieces, before, 0.0) == 60


def test_a_large_rack_gets_one_copy_of_each_at_most() -> None:
    nodes = [Node("a", "1", 1000), Node("b", "2", 100), Node("c", "3", 100)]
    pieces = [Piece("p", 30, 2), Piece("q", 30, 2)]
    assert fair_loads(nodes, pieces) == {"a": 60.0, "b": 30.0, "c": 30.0}


def test_lost_copies_come_first_and_those_with_one_left_before_others() -> None:
    nodes = [Node(name, name, 1000) for name in "abcd"]
    pieces = [Piece("two", 10, 3), Piece("one", 10, 3), Piece("fine", 10, 1)]
    before = {"two": ("a", "b", "x"), "one": ("c", "x", "y"), "fine": ("a",)}
    plan = make_plan(nodes, pieces, before, 1.0)
    assert problems(nodes, pieces, before, plan) == []
    assert [move.piece for move in plan.moves] == ["one", "one", "two"]
    assert {move.source for move in plan.moves if move.piece == "one"} == {"c"}


def test_copies_too_many_go_and_two_of_one_rack_are_parted() -> None:
    nodes = [Node(name, rack, 1000) for name, rack in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "3"))]
    pieces = [Piece("many", 10, 1), Piece("close", 10, 2)]
    before = {"many": ("a", "c", "d"), "close": ("a", "b")}
    plan = make_plan(nodes, pieces, before, 1.0)
    assert problems(nodes, pieces, before, plan) == []
    assert plan.placement["many"] == ("a",)
    assert (plan.moved_bytes, plan.least_bytes) == (10, 10)


def test_an_interrupted_plan_goes_on() -> None:
    draw = random.Random(9)
    nodes = fleet(draw, 5, 3)
    pieces = data(draw, nodes, 200, 2)
    first = make_plan(nodes[:-1], pieces, {})
    plan = make_plan(nodes, pieces, first.placement)
    assert len(plan.moves) > 3
    state = {name: list(held) for name, held in first.placement.items()}
    for move in plan.moves[:2]:
        state[move.piece].append(move.to)
        if move.drop:
            state[move.piece].remove(move.drop)
    half = {name: tuple(held) for name, held in state.items()}
    rest = make_plan(nodes, pieces, half, earlier=(plan.fingerprint, plan.placement))
    assert [move.piece for move in rest.moves] == [move.piece for move in plan.moves[2:]]
    assert "continued" in rest.notes[0]
    done = make_plan(nodes, pieces, plan.placement, earlier=(plan.fingerprint, plan.placement))
    assert done.moves == []
    other = make_plan(nodes[1:], pieces, half, earlier=(plan.fingerprint, plan.placement))
    assert "a new one was made" in other.notes[0]


def test_the_same_input_gives_the_same_plan_in_any_order() -> None:
    draw = random.Random(2)
    nodes = fleet(draw, 4, 3)
    pieces = data(draw, nodes, 100, 2)
    assert make_plan(nodes, pieces, {}) == make_plan(nodes, pieces, {})
    assert make_plan(nodes[::-1], pieces, {}).placement == make_plan(nodes, pieces, {}).placement


def test_waves_keep_to_their_limits() -> None:
    moves = [Move(f"p{n}", 10, "a", to, "") for n, to in enumerate(("b", "c", "d", "b"))]
    assert [move.wave for move in in_waves(moves, 2, 1000)] == [1, 1, 2, 2]
    assert [move.wave for move in in_waves(moves, 9, 25)] == [1, 1, 2, 2]
    assert [move.wave for move in in_waves(moves, 9, 5)] == [1, 2, 3, 4]


def test_no_node_gets_in_a_wave_what_another_move_of_it_makes_room_for() -> None:
    nodes = [Node("a", "1", 20), Node("b", "2", 20)]
    pieces = [Piece("p", 15, 1), Piece("q", 15, 1), Piece("r", 5, 1)]
    before = {"p": ("a",), "q": ("a",), "r": ("b",)}
    after = {"p": ("b",), "q": ("a",), "r": ("a",)}
    # On a, which holds too much, r finds room only when p is gone.
    moves = in_waves(order(list_moves(before, after, nodes, pieces), before, nodes, pieces), 9, 1000)
    assert [(move.piece, move.wave) for move in moves] == [("p", 1), ("r", 2)]
    assert [move.wave for move in in_waves([moves[0], Move("s", 1, "a", "b", "")], 9, 1000)] == [1, 1]


def test_one_wave_that_needs_what_it_frees_is_seen() -> None:
    nodes = [Node("a", "1", 20), Node("b", "2", 20)]
    pieces = [Piece("p", 15, 1), Piece("r", 10, 1)]
    before = {"p": ("a",), "r": ("b",)}
    plan = make_plan(nodes, pieces, {"p": ("b",), "r": ("a",)}, 1.0)
    swap = [Move("p", 15, "a", "b", "a", 1), Move("r", 10, "b", "a", "b", 1)]
    found = problems(nodes, pieces, before, plan._replace(moves=swap, moved_bytes=25))
    assert "r: a has no room for it at that time" in found


def test_what_has_more_copies_now_and_stays_nowhere_is_copied_from_where_it_is() -> None:
    nodes = [Node(name, name, 100) for name in "abc"]
    pieces = [Piece("p", 10, 2)]
    moves = list_moves({"p": ("a",)}, {"p": ("b", "c")}, nodes, pieces)
    assert [(move.source, move.to, move.drop) for move in moves] == [("a", "c", ""), ("a", "b", "a")]
    # c is full until later; by then the copy on a is gone.
    full = [*pieces, Piece("old", 95, 1)]
    more = [*moves, Move("old", 0, "", "", "c")]
    waited = order(more, {"p": ("a",), "old": ("c",)}, nodes, full)
    assert [(move.piece, move.source, move.to) for move in waited] == [
        ("p", "a", "b"),
        ("old", "", ""),
        ("p", "b", "c"),
    ]


def test_straws_follow_weights_and_change_little() -> None:
    weights = {"a": 100, "b": 300}
    names = [shortest(f"p{n}", weights, 1)[0] for n in range(4000)]
    assert 0.72 < names.count("b") / 4000 < 0.78
    more = [shortest(f"p{n}", {**weights, "c": 400}, 1)[0] for n in range(4000)]
    assert all(new in (old, "c") for old, new in zip(names, more, strict=True))
    assert 0 < uniform("p", "a") < 1
    assert uniform("ab", "c") != uniform("a", "bc")
    assert len(set(Straws([Node("a", "1", 1), Node("b", "1", 1), Node("c", "2", 1)]).place(Piece("p", 1, 2)))) == 2


Corruption = t.Callable[[Plan], Plan]


@pytest.mark.parametrize(
    ("corrupt", "says"),
    [
        (lambda plan: plan._replace(placement={**plan.placement, "p0": ()}), "copies instead of"),
        (lambda plan: plan._replace(placement={**plan.placement, "p0": ("n0-0", "n0-1")}), "two copies in one rack"),
        (lambda plan: plan._replace(placement={**plan.placement, "p0": ("n0-0", "zz")}), "node that there is not"),
        (lambda plan: plan._replace(moves=plan.moves[1:]), "do not lead to the placement"),
        (lambda plan: plan._replace(moves=[plan.moves[0]._replace(size=1), *plan.moves[1:]]), "another size"),
        (lambda plan: plan._replace(moves=[plan.moves[0]._replace(source="zz"), *plan.moves[1:]]), "copied from zz"),
        (lambda plan: plan._replace(moves=[plan.moves[0]._replace(drop="zz"), *plan.moves[1:]]), "removed from zz"),
        (lambda plan: plan._replace(moves=[*plan.moves, plan.moves[0]._replace(wave=0)]), "before that of an earlier"),
        (lambda plan: plan._replace(moved_bytes=plan.moved_bytes + 1), "bytes moved are not"),
    ],
)
def test_the_verifier_sees_corrupted_plans(corrupt: Corruption, says: str) -> None:
    draw = random.Random(9)
    nodes = fleet(draw, 5, 3)
    pieces = [piece._replace(replicas=2) for piece in data(draw, nodes, 100, 2)]
    before = make_plan(nodes[:-1], pieces, {}).placement
    plan = make_plan(nodes, pieces, before)
    assert problems(nodes, pieces, before, plan) == []
    assert any(says in problem for problem in problems(nodes, pieces, before, corrupt(plan)))


def test_the_verifier_sees_a_full_node() -> None:
    nodes = [Node("a", "1", 10), Node("b", "2", 10)]
    pieces = [Piece("p", 10, 1), Piece("q", 10, 1)]
    plan = make_plan(nodes, pieces, {})
    assert problems(nodes, pieces, {}, plan) == []
    tight = [node._replace(capacity=9) for node in nodes]
    assert any("no room" in problem for problem in problems(tight, pieces, {}, plan))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no node"),
        ([{"name": "a", "bytes": 1}, {"name": "a", "bytes": 1}], "node a is there more than once"),
        ([{"name": "a", "bytes": 0}], "at least 1, not 0"),
        ([{"name": "a", "bytes": "much"}], "whole number"),
        ([{"name": "a", "bytes": -5}], "at least 1"),
    ],
)
def test_bad_nodes(rows: list[dict[str, t.Any]], says: str) -> None:
    with pytest.raises(StoragePlanError, match=says):
        make_nodes(rows)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no dataset"),
        ([{"name": "d", "bytes": 5, "replicas": 4}], "4 replicas need as many racks"),
        ([{"name": "d", "bytes": 5, "replicas": -1}], "replicas need"),
        ([{"name": "d", "bytes": 5}, {"name": "d", "bytes": 5}], "dataset d is there more than once"),
        ([{"name": "d", "bytes": 20}, {"name": "d/0", "bytes": 5}], "piece d/0 is there more than once"),
        ([{"name": "d", "bytes": 10**30}], "more than 200000 pieces"),
        ([{"name": "d", "bytes": -1}], "at least 1"),
    ],
)
def test_bad_datasets(rows: list[dict[str, t.Any]], says: str) -> None:
    with pytest.raises(StoragePlanError, match=says):
        make_pieces(rows, 10, 3)


def test_pieces_are_equal_and_whole() -> None:
    found = make_pieces([{"name": "d", "bytes": 25, "replicas": 2}], 10, 2)
    assert [(piece.name, piece.size) for piece in found] == [("d/0", 9), ("d/1", 8), ("d/2", 8)]


def test_what_does_not_fit_is_told() -> None:
    nodes = [Node("a", "1", 100), Node("b", "2", 100)]
    with pytest.raises(StoragePlanError, match="100 are missing"):
        make_plan(nodes, [Piece("p", 150, 2)], {})
    with pytest.raises(StoragePlanError, match="p: no node of a rack"):
        make_plan(nodes, [Piece("p", 150, 1)], {})
    with pytest.raises(StoragePlanError, match="names a node twice"):
        make_plan(nodes, [Piece("p", 10, 2)], {"p": ("a", "a")})

# Tests of the search that empties a few nodes and plans anew what they held.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.board import Board
from ansible_collections.aidc.ops.plugins.module_utils._capacity.case import prepare
from ansible_collections.aidc.ops.plugins.module_utils._capacity.compile import compile_case
from ansible_collections.aidc.ops.plugins.module_utils._capacity.master import Column, column
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.packing import Packing
from ansible_collections.aidc.ops.plugins.module_utils._capacity.repair import repair

COPIES = 40


@pytest.fixture
def packing() -> Packing:
    """Forty nodes at a price of one each, forty copies of half a node, and all of them have to run."""
    node: dict[str, Any] = {"cpu_milli": 64000, "memory_mib": 512000, "gpus": 8, "gpu_model": "H100"}
    asked = {
        "schema_version": 1,
        "nodes": [{**node, "name": f"n{place}", "price_per_hour": 1.0} for place in range(COPIES)],
        "workloads": [{"name": "half", "copies": COPIES, "gpus": 4, "cpu_milli": 20000}],
        "policy": {"objectives": ["allocation", "cost"]},
    }
    case = prepare(read_problem(asked))
    compiled = compile_case(case, Board(case))
    compiled.require(range(len(case.kinds)))
    worths = dict(compiled.objectives)["cost"]
    for number, variable in enumerate(compiled.packing.variables):
        variable.worth = worths.get(number, 0.0)
    return compiled.packing


def repaired(
    packing: Packing, start: dict[Column, int], value: float, enough: float, seconds: float = 60
) -> tuple[float, dict[Column, int]]:
    columns = dict.fromkeys([column(0, {0: 1}), column(0, {0: 2})])

    return repair(packing, columns, start, value, enough, seconds)


def test_half_empty_nodes_become_full_ones(packing: Packing) -> None:
    alone, pair = column(0, {0: 1}), column(0, {0: 2})
    value, contents = repaired(packing, {alone: COPIES}, -COPIES, -COPIES / 2)
    assert value == pytest.approx(-COPIES / 2)
    assert {one: count for one, count in contents.items() if count} == {pair: COPIES // 2}


def test_what_is_good_enough_stays_as_it_is(packing: Packing) -> None:
    pairs = {column(0, {0: 2}): COPIES // 2}
    assert repaired(packing, pairs, -COPIES / 2, -COPIES / 2) == (-COPIES / 2, pairs)


def test_what_cannot_be_better_is_not_made_worse(packing: Packing) -> None:
    pairs = {column(0, {0: 2}): COPIES // 2}
    value, contents = repaired(packing, pairs, -COPIES / 2, -COPIES / 2 + 1)
    assert value == pytest.approx(-COPIES / 2)
    assert contents == pairs


def test_without_time_the_start_is_the_answer(packing: Packing) -> None:
    start = {column(0, {0: 1}): COPIES}
    assert repaired(packing, start, -COPIES, -COPIES / 2, seconds=-1) == (-COPIES, start)

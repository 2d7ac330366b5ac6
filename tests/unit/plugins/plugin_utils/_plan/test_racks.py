# Tests of the picture of the fleet.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from ansible_collections.aidc.ops.plugins.plugin_utils._plan import racks
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.situation import now_and_then
from ansible_collections.aidc.ops.tests.unit.plugins.plugin_utils._plan.cases import (
    limited,
    placed,
    plan,
    problem,
    work,
)


def shown(found: dict[str, Any], made: dict[str, Any]) -> list[Any]:
    now, then = now_and_then(found, made, (), {})
    return racks.racks(now, then, racks.colours(then))


def cells(svg: str, name: str) -> list[tuple[float, ...]]:
    """Left, top, width and height of what is drawn in a class."""
    paths = [one.get("d") or "" for one in ElementTree.fromstring(svg) if one.get("class") == name]
    return [
        tuple(map(float, found))
        for path in paths
        for found in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-", path)
    ]


def test_racks_and_nodes_are_in_order_with_their_states() -> None:
    found = shown(problem(policy={"reserve_per_rack": 1}), plan())
    assert [rack["name"] for rack in found] == ["Rack r1", "Rack r2"]
    first, second = ([(one["name"], one["state"], one["changed"]) for one in rack["nodes"]] for rack in found)
    # What all names of a rack begin with is left out; 10 comes after 2, and the oldest free node is kept.
    assert first == [("1", "used", True), ("2", "out", False), ("10", "kept", False)]
    assert second == [("cpu-1", "used", True), ("gpu-3", "used", True)]
    assert found[0]["told"] == "3 nodes, 4 of 8 GPUs, 3 kW"
    assert [one["count"] for one in racks.states(found)] == [3, 1, 1]


def test_cells_are_the_gpus_of_the_plan_and_shares_fill_a_part() -> None:
    _now, then = now_and_then(problem(), plan(), (), {})
    assert racks.colours(then) == {"vision": 0, "chat": 1}
    node = then.nodes["gpu-3"]
    svg = racks.tile(node, then, racks.colours(then), "used")
    assert cells(svg, "r") == [(left, 0, 8, 10) for left in (0, 9, 18, 27)]
    # Two halves on the first GPU, the upper one above the lower; half of the second.
    assert sorted(cells(svg, "p1")) == [(0, 0, 8, 5), (0, 5, 8, 5), (9, 5, 8, 5)]
    whole = racks.tile(then.nodes["gpu-1"], then, racks.colours(then), "used")
    assert [left for left, *_rest in cells(whole, "p0")] == [0, 9, 18, 27]


def test_more_than_eight_gpus_take_rows_and_a_node_without_shows_its_cpu() -> None:
    found = problem()
    found["nodes"][0]["gpus"] = 16
    _now, then = now_and_then(
        found, plan(placements=[placed("train", "gpu-1", 8, 9), placed("crunch", "cpu-1")]), (), {}
    )
    wide = racks.tile(then.nodes["gpu-1"], then, racks.colours(then), "used")
    assert cells(wide, "p0") == [(0, 11, 8, 10), (9, 11, 8, 10)] and 'viewBox="0 0 71 21"' in wide
    cores = racks.tile(then.nodes["cpu-1"], then, racks.colours(then), "used")
    assert 'class="c" d="M0 0h4.4v10H0z"' in cores and "4 of 64 cores in use" in cores


def test_the_title_says_in_words_what_the_colours_say() -> None:
    made = [placed("serve", "gpu-3", 0), placed("serve", "gpu-3", 0), placed("train", "gpu-3", 2, 3)]
    _now, then = now_and_then(problem(), plan(placements=made), (), {})
    svg = racks.tile(then.nodes["gpu-3"], then, racks.colours(then), "used")
    title = ElementTree.fromstring(svg)[0].text
    assert title == "gpu-3; 3 of 4 H100 GPUs in use; 2 x serve (chat); train (vision)"
    assert "out of service" in racks.tile(then.nodes["gpu-2"], then, {}, "out")


def test_the_title_says_the_power_limit_where_there_is_one() -> None:
    _now, then = now_and_then(*limited(), (), {})
    chosen = racks.colours(then)
    titles = [
        ElementTree.fromstring(racks.tile(then.nodes[name], then, chosen, "used"))[0].text
        for name in ("gpu-1", "gpu-3")
    ]
    assert titles == [
        "gpu-1; 4 of 4 H100 GPUs in use; power limit 400 W; 2 x train (vision)",
        "gpu-3; 1.5 of 4 H100 GPUs in use; 3 x serve (chat)",
    ]


def test_more_projects_than_colours_share_the_last() -> None:
    works = [work(f"w{number}", f"p{number}", 20 - number) for number in range(12)]
    _now, then = now_and_then(problem(workloads=works, projects=[]), plan(placements=[], refused=[]), (), {})
    chosen = racks.colours(then)
    assert [chosen[f"p{number}"] for number in range(12)] == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7]
    assert [one["name"] for one in racks.legend(chosen)][-2:] == ["p6", "5 other projects"]
    few = {f"p{number}": number for number in range(8)}
    assert [one["name"] for one in racks.legend(few)][-1] == "p7"


def test_what_names_begin_with_is_cut_at_a_mark_only() -> None:
    assert racks.common_start(["gpu-a1", "gpu-a2"]) == "gpu-"
    assert racks.common_start(["node1", "node2"]) == "" and racks.common_start(["gpu-a1"]) == ""
    assert racks.common_start(["gpu-a", "gpu-a-1"]) == "gpu-" and racks.common_start([]) == ""

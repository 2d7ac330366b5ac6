# Tests of requests and limits: what makes no sense, and what is left as it is written.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import containers
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._resize.services import container


def wishes(requests: dict[str, Any] | None = None, limits: dict[str, Any] | None = None) -> containers.Wishes:
    return containers.read_wishes([{"name": "server", "requests": requests, "limits": limits}])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"name": "a", "requests": {"cpu": "x"}}], r"container a: requests.cpu is 'x', which is no quantity"),
        ([{"name": "a", "limits": {"cpu": "NaN"}}], r"limits.cpu is 'NaN'"),
        ([{"name": "a", "limits": {"memory": -1}}], "cannot be negative"),
        ([{"name": "a", "limits": {"bad name": 1}}], "no name of a resource"),
        ([{"name": "a"}], "nothing is wished of it"),
        ([{"name": "a", "limits": {"cpu": 1}}, {"name": "a", "limits": {"cpu": 2}}], "named twice"),
        (
            [{"name": "a", "requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}}],
            "nvidia.com/gpu is requested as 1 and limited to 2",
        ),
    ],
)
def test_wishes_that_make_no_sense(given: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ResizeError, match=message):
        containers.read_wishes(given)


def test_devices_are_set_on_both_sides() -> None:
    made = containers.resized([container()], wishes(limits={"nvidia.com/gpu": 2}), "chat")
    assert made[0]["resources"] == {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}}
    more = containers.resized(made, wishes({"nvidia.com/gpu": "4"}), "chat")
    assert more[0]["resources"]["limits"] == {"nvidia.com/gpu": "4"}
    assert containers.gpus([*more, container("log")]) == 4


def test_the_same_quantity_stays_as_it_is_written() -> None:
    present = [container(requests={"cpu": "1000m"}, limits={"memory": "1073741824", "cpu": 2}), container("log")]
    kept = copy.deepcopy(present)
    assert containers.resized(present, wishes({"cpu": 1}, {"memory": "1Gi", "cpu": "2000m"}), "chat") == kept
    made = containers.resized(present, wishes({"cpu": "1500m"}), "chat")
    assert made[0]["resources"] == {"requests": {"cpu": "1500m"}, "limits": {"memory": "1073741824", "cpu": 2}}
    assert made[1] == container("log") and present == kept


def test_a_limit_below_its_request() -> None:
    present = [container(requests={"cpu": "4", "memory": "8Gi"}, limits={"cpu": "6"})]
    with pytest.raises(ResizeError, match="limit of cpu would be 3, below its request of 4; change both"):
        containers.resized(present, wishes(limits={"cpu": 3}), "chat")
    with pytest.raises(ResizeError, match="limit of cpu would be 6, below its request of 8"):
        containers.resized(present, wishes({"cpu": 8}), "chat")
    assert containers.resized(present, wishes({"cpu": 2}, {"cpu": 3}), "chat")


def test_a_container_that_is_not_there() -> None:
    with pytest.raises(ResizeError, match="chat has no container 'server'; it has log, main"):
        containers.resized([container("main"), container("log")], wishes({"cpu": 1}), "chat")


def test_what_is_touched() -> None:
    present = [container(requests={"cpu": "1"}, limits={"memory": "1Gi"})]
    wish = wishes({"cpu": "1000m", "memory": "1Gi"}, {"memory": "2Gi", "nvidia.com/gpu": 1})
    before = containers.shown(present, wish)
    after = containers.shown(containers.resized(present, wish, "chat"), wish)
    assert before["server"]["limits"] == {"memory": "1Gi", "nvidia.com/gpu": None}
    assert containers.touched(before, after) == {"memory", "nvidia.com/gpu"}

# GPU instances and compute instances: made, listed and destroyed through nvidia-ml-py.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Node

PROGRAM = """
def profile(number, index=0, version=2):
    info = n.nvmlDeviceGetGpuInstanceProfileInfo(gpu(index), number, version)
    return [info.id, info.sliceCount, info.instanceCount, info.memorySizeMB] + ([info.name] if version == 2 else [])
def places(identity, index=0):
    array, count = (n.c_nvmlGpuInstancePlacement_t * 16)(), n.c_uint(16)
    n.nvmlDeviceGetGpuInstancePossiblePlacements(gpu(index), identity, array, n.byref(count))
    return [[one.start, one.size] for one in array[:count.value]]
def instances(identity, index=0):
    array, count = (n.c_nvmlGpuInstance_t * 16)(), n.c_uint(16)
    n.nvmlDeviceGetGpuInstances(gpu(index), identity, array, n.byref(count))
    return array[:count.value]
def told(instance):
    info = n.nvmlGpuInstanceGetInfo(instance)
    return [info.id, info.profileId, info.placement.start, info.placement.size]
def computes(instance, number):
    array, count = (n.c_nvmlComputeInstance_t * 8)(), n.c_uint(8)
    n.nvmlGpuInstanceGetComputeInstances(instance, number, array, n.byref(count))
    return array[:count.value]
def at(start, size):
    return n.byref(n.c_nvmlGpuInstancePlacement_t(start, size))
def divide(identity, number):
    instance = n.nvmlDeviceCreateGpuInstance(gpu(0), identity)
    n.nvmlGpuInstanceCreateComputeInstance(instance, number)
    return instance
def names():
    found = []
    for place in range(7):
        if not error(n.nvmlDeviceGetMigDeviceHandleByIndex, gpu(0), place):
            mig = n.nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), place)
            found.append([n.nvmlDeviceGetName(mig).rpartition(" ")[2], n.nvmlDeviceGetGpuInstanceId(mig)])
    return found
"""


def ask(node: Node, code: str) -> Any:
    return node.ask(PROGRAM + code)


def test_profiles_and_places(node: Node) -> None:
    answer = ask(
        node,
        """
answer = [[profile(number) for number in range(5)], error(profile, 5), profile(2, version=1),
          error(places, 19), error(instances, 19)]
n.nvmlDeviceSetMigMode(gpu(0), 1)
answer += [[places(identity) for identity in (19, 14, 9, 5, 0)], error(places, 3), instances(19)]
""",
    )
    eighth = (81559 - 480) / 8
    assert answer == [
        [
            [19, 1, 7, int(eighth), "MIG 1g.10gb"],
            [14, 2, 3, int(2 * eighth), "MIG 2g.20gb"],
            [9, 3, 2, int(4 * eighth), "MIG 3g.40gb"],
            [5, 4, 1, int(4 * eighth), "MIG 4g.40gb"],
            [0, 7, 1, int(8 * eighth), "MIG 7g.80gb"],
        ],
        3,
        [9, 3, 2, int(4 * eighth)],
        3,
        3,
        [[[s, 1] for s in range(7)], [[0, 2], [2, 2], [4, 2]], [[0, 4], [4, 4]], [[0, 4]], [[0, 8]]],
        3,
        [],
    ]


def test_an_instance_is_made_seen_and_destroyed(node: Node) -> None:
    answer = ask(
        node,
        """
n.nvmlDeviceSetMigMode(gpu(0), 1)
first = n.nvmlDeviceCreateGpuInstanceWithPlacement(gpu(0), 9, at(4, 4))
empty = names()
info = n.nvmlGpuInstanceGetComputeInstanceProfileInfo(first, 2, 0)
other = [error(n.nvmlGpuInstanceGetComputeInstanceProfileInfo, first, number, 0) for number in (0, 3, 8)]
made = n.nvmlGpuInstanceCreateComputeInstance(first, info.id)
again = error(n.nvmlGpuInstanceCreateComputeInstance, first, info.id)
divide(14, 1)
seen, whole = names(), n.nvmlComputeInstanceGetInfo(made)
busy = error(n.nvmlGpuInstanceDestroy, first)
listed = [told(one) for identity in (9, 14) for one in instances(identity)]
n.nvmlComputeInstanceDestroy(computes(first, 2)[0])
n.nvmlGpuInstanceDestroy(first)
answer = [empty, info.id, other, again, seen, [whole.id, whole.profileId, whole.placement.size], busy, listed, names(),
          error(n.nvmlGpuInstanceGetInfo, first), error(n.nvmlComputeInstanceGetInfo, made),
          error(n.nvmlDeviceGetGpuInstanceById, gpu(0), 1), told(n.nvmlDeviceGetGpuInstanceById(gpu(0), 2))]
""",
    )
    assert answer == [
        [], 2, [3, 3, 3], 23, [["3g.40gb", 1], ["2g.20gb", 2]], [0, 2, 3], 19, [[1, 9, 4, 4], [2, 14, 0, 2]],
        [["2g.20gb", 2]], 6, 6, 6, [2, 14, 0, 2],
    ]  # fmt: skip
    assert node.entry("mig_instances", 0) == "2:2:0"


def test_what_does_not_fit(node: Node) -> None:
    answer = ask(
        node,
        """
n.nvmlDeviceSetMigMode(gpu(0), 1)
n.nvmlDeviceCreateGpuInstance(gpu(0), 5)
calls = [(n.nvmlDeviceCreateGpuInstance, 5), (n.nvmlDeviceCreateGpuInstance, 0), (n.nvmlDeviceCreateGpuInstance, 4),
         (n.nvmlDeviceCreateGpuInstanceWithPlacement, 19, at(1, 1)),
         (n.nvmlDeviceCreateGpuInstanceWithPlacement, 19, at(7, 1)),
         (n.nvmlDeviceCreateGpuInstanceWithPlacement, 9, at(4, 2))]
answer = [error(call[0], gpu(0), *call[1:]) for call in calls]
answer.append(told(n.nvmlDeviceCreateGpuInstance(gpu(0), 9))[2])
""",
    )
    assert answer == [23, 23, 3, 23, 23, 2, 4]


def test_processes_keep_their_instances(node: Node) -> None:
    ask(node, "n.nvmlDeviceSetMigMode(gpu(0), 1); divide(0, 4); answer = names()")
    node.gpusim("set", "--gpu", "0", "processes=7:1")
    answer = ask(
        node,
        "one = instances(0)[0]; answer = [error(n.nvmlComputeInstanceDestroy, computes(one, 4)[0]),"
        " error(n.nvmlGpuInstanceDestroy, one), names()]",
    )
    assert answer == [19, 19, [["7g.80gb", 1]]]


def test_the_command_and_the_library_agree(node: Node) -> None:
    """What the command divides the library lists, and what the library makes a reset drops."""
    node.gpusim("mig", "--gpu", "0", "1g.10gb", "2g.20gb", "3g.40gb")
    listed = "answer = [told(one) for identity in (9, 14, 19) for one in instances(identity)]"
    assert ask(node, listed) == [[3, 9, 4, 4], [2, 14, 2, 2], [1, 19, 0, 1]]
    node.gpusim("reset", "--gpu", "0")
    assert ask(node, listed) == []
    ask(node, "divide(9, 2); n.nvmlDeviceSetMigMode(gpu(0), 0); n.nvmlDeviceSetMigMode(gpu(0), 1); answer = 0")
    assert ask(node, listed) == [], "without the mode there are no instances"


def test_handles_and_refusals(node: Node) -> None:
    node.gpusim("mig", "--gpu", "0", "3g.40gb")
    node.gpusim("inject", "no-permission")
    answer = ask(
        node,
        """
answer = [error(n.nvmlDeviceCreateGpuInstance, gpu(0), 9), error(n.nvmlGpuInstanceGetInfo, None),
          error(n.nvmlComputeInstanceGetInfo, None),
          error(n.nvmlComputeInstanceDestroy, computes(instances(9)[0], 2)[0])]
""",
    )
    assert answer == [4, 2, 2, 4]


@pytest.mark.parametrize("text", ["1", "1:5:0", "1:3:8", "16:3:0", "x:3:0", "1:3:0;", ",", "1:1:0," * 7 + "1:1:0"])
def test_a_malformed_list_is_an_error(node: Node, text: str) -> None:
    node.gpusim("set", "--gpu", "0", "mig_mode_current=1", f"mig_instances={text}")
    assert ask(node, "answer = error(instances, 9)") == 999


def test_a_model_without_mig(bare_node: Node) -> None:
    bare_node.gpusim("init", "--model", "NVIDIA L40S", "--gpus", "1", "--node", "n1")
    assert ask(bare_node, "answer = [error(profile, 0), error(n.nvmlDeviceCreateGpuInstance, gpu(0), 19)]") == [3, 3]

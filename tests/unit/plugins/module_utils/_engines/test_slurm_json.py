# Tests of the reader of Slurm's JSON, on recorded answers of two releases and on broken ones.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import slurm_json
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "slurm"
RECORDED = ["sinfo_22.05", "scontrol_nodes_24.11", "rest_nodes_v0.0.42"]


def read(name: str) -> str:
    return (FIXTURES / f"{name}.json").read_text(encoding="utf-8")


def answer(**changes: Any) -> str:
    node = {"name": "gpu1", "state": ["IDLE"], "partitions": ["gpu"], "gres": "gpu:8", "cpus": 16}
    return json.dumps({"errors": [], "nodes": [{**node, **changes}]})


@pytest.mark.parametrize("name", RECORDED)
def test_all_shapes_say_the_same(name: str) -> None:
    nodes = {one.node.name: one for one in slurm_json.parse(read(name))}
    assert list(nodes) == ["cpu1", "gpu1", "gpu2", "gpu3"]
    assert {each: one.node.states for each, one in nodes.items()} == {
        "cpu1": ("down", "not_responding"),
        "gpu1": ("idle",),
        "gpu2": ("idle", "drain"),
        "gpu3": ("unknown", "not_responding"),
    }
    assert {each: one.partitions for each, one in nodes.items()} == {
        "cpu1": ("cpu",),
        "gpu1": ("gpu",),
        "gpu2": ("gpu", "night"),
        "gpu3": ("gpu",),
    }
    assert nodes["gpu2"].node.reason == "aidc.ops:7 gpu_fell_off_bus"
    assert nodes["cpu1"].node.reason == '{{ lookup("pipe","id") }} disk'
    assert (nodes["gpu2"].reason_by, nodes["gpu1"].reason_by) == ("root", None)
    assert nodes["gpu2"].reason_at is not None and nodes["gpu2"].reason_at > 1_700_000_000
    assert nodes["gpu1"].reason_at is None
    assert {each: one.gpus for each, one in nodes.items()} == {
        "cpu1": {},
        "gpu1": {"h100": 4},
        "gpu2": {"h100": 4},
        "gpu3": {"h100": 4, "a100": 2},
    }
    assert (nodes["gpu1"].cpus, nodes["gpu1"].memory_mib) == (16, 64000)
    assert nodes["gpu1"].features == ("hbm3", "ib")
    assert {each: one.node.out for each, one in nodes.items()} == {
        "cpu1": True,
        "gpu1": False,
        "gpu2": True,
        "gpu3": True,
    }


@pytest.mark.parametrize("name", ["no_controller_22.05", "no_controller_24.11"])
def test_an_error_is_never_an_empty_cluster(name: str) -> None:
    with pytest.raises(EngineError, match="Slurm could not answer: "):
        slurm_json.parse(read(name))


@pytest.mark.parametrize("name", RECORDED)
def test_every_cut_of_an_answer_is_an_error(name: str) -> None:
    text = read(name).rstrip()
    for end in range(0, len(text), max(1, len(text) // 60)):
        with pytest.raises(EngineError, match="no JSON"):
            slurm_json.parse(text[:end])


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "[]",
        "{}",
        '{"nodes": null}',
        '{"nodes": {}}',
        '{"nodes": ["gpu1"]}',
        '{"nodes": [{}]}',
        '{"nodes": [{"name": ""}]}',
        '{"nodes": [], "errors": "no"}',
        '{"nodes": [], "errors": ["no"]}',
        '{"nodes": [], "errors": [{}]}',
        "[" * 100_000,
        "sinfo: error: invalid partition",
    ],
)
def test_what_is_no_answer_is_an_error(text: str) -> None:
    with pytest.raises(EngineError):
        slurm_json.parse(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"state": []},
        {"state": [None]},
        {"state": ""},
        {"state": 5},
        {"state_flags": "DRAIN"},
        {"reason": ["x"]},
        {"partitions": [1]},
        {"partitions": {"gpu": 1}},
        {"cpus": "16"},
        {"cpus": True},
        {"real_memory": {"set": True, "number": "1"}},
        {"gres": 8},
        {"gres": "gpu::8"},
        {"gres": "gpu:a:b:8"},
    ],
)
def test_a_malformed_node_is_an_error_that_names_it(changes: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=r"malformed: .* node gpu1"):
        slurm_json.parse(answer(**changes))


def test_a_node_twice_is_an_error() -> None:
    doubled = json.loads(answer())
    doubled["nodes"] *= 2
    with pytest.raises(EngineError, match="twice: gpu1"):
        slurm_json.parse(json.dumps(doubled))


def test_a_cluster_that_answers_and_has_no_node_is_none() -> None:
    assert slurm_json.parse('{"errors": [], "nodes": []}') == []


def test_numbers_that_are_not_set_are_unknown() -> None:
    for value in ({"set": False, "infinite": False, "number": 0}, {"set": True, "infinite": True, "number": 5}, None):
        assert slurm_json.parse(answer(real_memory=value))[0].memory_mib is None


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("", {}),
        ("gpu:8", {"gpu": 8}),
        ("gpu", {"gpu": 1}),
        ("gpu:h100", {"h100": 1}),
        ("gpu:h100:8(S:0-1)", {"h100": 8}),
        ("gpu:h100:4(S:0,2),gpu:a100:2(S:1),shard:16,nic:mlx5:4", {"h100": 4, "a100": 2}),
        ("gpu:h100:4(S:0),gpu:h100:4(S:1)", {"h100": 8}),
        ("mps:800", {}),
    ],
)
def test_gpus(gres: str, gpus: dict[str, int]) -> None:
    assert slurm_json.gpus(gres, "gpu1") == gpus


def test_many_nodes_take_little_time() -> None:
    node = json.loads(answer())["nodes"][0]
    text = json.dumps({"nodes": [{**node, "name": f"n{number}"} for number in range(10_000)]})
    assert len(slurm_json.parse(text)) == 10_000

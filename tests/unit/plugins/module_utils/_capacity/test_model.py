# Tests of reading a capacity problem: the schema, and every message about a wrong one.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity import model

SCHEMA = Path(__file__).parents[5] / "docs" / "schemas" / "capacity_problem.schema.json"
NODE = {"name": "n1", "cpu_milli": 8000, "memory_mib": 1000, "gpus": 2, "gpu_model": "A10"}


def data(**more: Any) -> dict[str, Any]:
    return {"schema_version": 1, "nodes": [NODE], "workloads": [{"name": "w", "gpus": 1}], **more}


def message(given: Any) -> str:
    with pytest.raises(model.ProblemError) as error:
        model.read_problem(given)
    return str(error.value)


def test_the_schema_and_the_values_have_the_same_names() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data(), schema)
    tables = schema["properties"]
    for name, kind in (
        ("nodes", model.Node),
        ("workloads", model.Workload),
        ("projects", model.Project),
        ("feeds", model.Feed),
    ):
        # Limits of workloads are worked out.
        assert set(tables[name]["items"]["properties"]) == {field.name for field in fields(kind)} - {"gpu_limits"}, name
    assert set(tables["policy"]["properties"]) == {field.name for field in fields(model.Policy)}
    made = {field.name for field in fields(model.Problem)} - {"power_choices"}
    assert set(tables) == made | {"schema_version", "power_curves"}


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (None, "the problem: expected object, got 'None'"),
        ([], "the problem: expected object"),
        ({}, "schema_version: missing"),
        (data(schema_version=2), "schema_version: expected 1, got 2"),
        (data(nodes=[]), "nodes: there is none"),
        (data(nodes=[{**NODE, "cpu_milli": -1}]), "nodes[n1].cpu_milli: -1 is less than 0"),
        (data(nodes=[{**NODE, "cpu_milli": True}]), "nodes[n1].cpu_milli: expected integer, got 'True'"),
        (data(nodes=[{**NODE, "idle_watts": float("nan")}]), "nodes[n1].idle_watts: expected number, got 'nan'"),
        (data(nodes=[{**NODE, "color": "red"}]), "nodes[n1].color: no such key"),
        (data(nodes=[NODE, NODE]), "nodes[n1]: the name is there twice"),
        (data(nodes=[{**NODE, "gpu_model": ""}]), "nodes[n1].gpu_model: missing, although it has 2 GPUs"),
        (data(workloads=[{"name": "w", "copies": 0}]), "workloads[w].copies: 0 is less than 1"),
        (data(workloads=[{"name": "w"}, {"name": "w"}]), "workloads[w]: the name is there twice"),
        (data(workloads=[{"name": ""}]), "workloads[0].name: must not be empty"),
        (
            data(workloads=[{"name": "w", "gpus": 1, "gpu_models": ["H900"]}]),
            "workloads[w].gpu_models: unknown GPU model 'H900'; known are A10",
        ),
        (data(workloads=[{"name": "w", "gpus": 2, "gpu_share_milli": 500}]), "a share is of one GPU, and gpus is 2"),
        (data(workloads=[{"name": "w", "locality": "moon"}]), "'moon' is none of any, nvlink, rack, leaf"),
        (data(workloads=[{"name": "w", "locality": "rack"}]), "only copies of a gang have to stand together"),
        (
            data(workloads=[{"name": "w", "copies": 4, "gang": True, "locality": "rack", "most_per_rack": 1}]),
            "all copies in one rack, and at most 1 in a rack, cannot both be",
        ),
        (data(workloads=[{"name": "w", "running_on": ["n9"]}]), "workloads[w].running_on: no node 'n9'"),
        (data(workloads=[{"name": "w", "after": ["x"]}]), "workloads[w].after: no workload 'x'"),
        (
            data(
                workloads=[{"name": "a", "after": ["b"]}, {"name": "b", "after": ["a"]}, {"name": "c", "after": ["a"]}]
            ),
            "3 workloads wait for each other or for such ones: a, b, c",
        ),
        (
            data(workloads=[{"name": "w", "project": "p"}], projects=[{"name": "q"}]),
            "workloads[w].project: no project 'p'",
        ),
        (data(policy={"objectives": ["joy"]}), "'joy' is none of"),
        (data(policy={"objectives": []}), "policy.objectives: name each objective once"),
        (data(policy={"objectives": ["energy"]}), "policy.objectives: begin with one that places something"),
        (data(workloads=[{"name": f"w{n}", "copies": 0} for n in range(9)]), "; and 4 more"),
    ],
)
def test_what_is_wrong_is_said(given: Any, part: str) -> None:
    assert part in message(given)


@pytest.mark.slow
def test_very_many_workloads_are_read_and_more_are_refused() -> None:
    rows = [{"name": f"w{number}", "after": [f"w{number - 1}"] if number % 50 else []} for number in range(200_000)]
    assert len(model.read_problem(data(workloads=rows)).workloads) == 200_000
    assert "workloads: 200001 are too many" in message(data(workloads=[*rows, {"name": "more"}]))


def test_the_reserve_is_of_each_kind_in_each_rack() -> None:
    rows = [
        {**NODE, "name": f"{rack}{number}", "rack": rack, "age_days": float(number)}
        for rack in "ab"
        for number in range(3)
    ]
    problem = model.read_problem(data(nodes=rows, policy={"reserve_per_rack": 1}))
    assert problem.reserved() == {"a2", "b2"}

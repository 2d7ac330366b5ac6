# Tests of the fleet file: what is written can be read, and what is not whole is an error.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from ansible_collections.aidc.ops.plugins.module_utils._hardware import fleet

ROOT = Path(__file__).parents[5]
FIXTURE = ROOT / "tests" / "unit" / "fixtures" / "hardware_record" / "node.json"
SCHEMAS = ROOT / "docs" / "schemas"


def record(name: str = "gpu1", **node: Any) -> dict[str, Any]:
    one = json.loads(FIXTURE.read_text(encoding="utf-8"))
    one["node"].update({"hostname": name, "id": f"dmi:{name}"} | node)
    return dict(one)


def render(*names: str) -> str:
    return fleet.render(fleet.verify([record(name) for name in names]))


def parse(content: bytes) -> list[dict[str, Any]]:
    return fleet.parse(io.BytesIO(content), "fleet.jsonl")


def line(**changes: Any) -> bytes:
    return json.dumps({**record(), **changes}).encode() + b"\n"


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    records = [record("gpu2"), record("gpu1"), record("gpü{{ 3 }}")]
    path = tmp_path / "fleet.jsonl"
    path.write_text(fleet.render(fleet.verify(records)), encoding="utf-8")
    assert fleet.read(str(path)) == [records[1], records[0], records[2]]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_the_order_of_the_records_does_not_matter() -> None:
    assert render("b", "a") == render("a", "b")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "empty fleet is never written"),
        ([record(), record("gpu2", id="dmi:gpu1")], "'gpu1' and 'gpu2', have the same stable id 'dmi:gpu1'"),
        ([record(id=None, id_source=None)], "'gpu1' has no stable id"),
        ([record(), {"schema_version": 1}], "record 1 of 2 is no hardware record"),
        ([None], "record 0 of 1 is no hardware record"),
    ],
)
def test_what_is_no_fleet_is_not_written(records: list[Any], message: str) -> None:
    with pytest.raises(fleet.FleetError, match=message):
        fleet.verify(records)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"fleet\.jsonl is empty"),
        (b"\n", "line 1 is no JSON"),
        (line() + b"\n", "line 2 is no JSON"),
        (line()[:-1], "line 1 has no end; the file was cut off"),
        (line() + line(node=record("gpu2")["node"])[:-20], "line 2 is no JSON .* cut off, so nodes may be missing"),
        (line()[:500] + b"\n", "line 1 is no JSON"),
        (line() + line(), "line 2 has the same stable id as line 1: 'dmi:gpu1'"),
        (line(schema_version=2), "line 1 has schema version 2; this release reads 1"),
        (line(schema_version=True), "schema version True"),
        (line(schema_version="1"), "schema version '1'"),
        (line(schema_version=None), "schema version None"),
        (b"[]\n", "line 1 is no hardware record but a list"),
        (b"{}\n", "schema version None"),
        (line(node=None), "line 1 is a record without the stable id"),
        (line(node={"id": ""}), "line 1 is a record without the stable id"),
        (line(node={"id": 7}), "line 1 is a record without the stable id"),
        (b"\xff\xfe" + line(), "line 1 is not UTF-8"),
        (line(x=float("nan")), "NaN is no JSON"),
        (b"[" * 100_000 + b"\n", "line 1 is no JSON"),
    ],
)
def test_a_file_that_is_not_whole_is_an_error(content: bytes, message: str) -> None:
    with pytest.raises(fleet.FleetError, match=message):
        parse(content)


def test_a_deep_look_finds_wrong_values() -> None:
    content = line(gpus=8)
    assert parse(content)[0]["gpus"] == 8
    with pytest.raises(fleet.FleetError, match="line 1 is no hardware record: gpus: expected"):
        fleet.parse(io.BytesIO(content), "fleet.jsonl", deep=True)


def test_every_cut_inside_a_line_is_an_error() -> None:
    content = line() + line(node=record("gpu2")["node"])
    first = len(line())
    for end in [*range(1, first, 97), *range(first + 1, len(content), 97), first - 1, len(content) - 1]:
        with pytest.raises(fleet.FleetError):
            parse(content[:end])


def test_a_huge_line_and_a_huge_file_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MAX_LINE_BYTES", len(line()) - 1)
    with pytest.raises(fleet.FleetError, match="line 1 is longer than"):
        parse(line())
    monkeypatch.undo()
    monkeypatch.setattr(fleet, "MAX_NODES", 1)
    with pytest.raises(fleet.FleetError, match="more than 1 lines"):
        parse(line() + line(node=record("gpu2")["node"]))


@pytest.mark.parametrize("there", [True, False])
def test_a_path_that_cannot_be_read_is_named(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "fleet.jsonl"
    if there:
        path.mkdir()
    with pytest.raises(fleet.FleetError, match=f"{path} cannot be read: "):
        fleet.read(str(path))


def test_the_summary_follows_the_hardware_and_not_the_readings() -> None:
    before = record()
    warm = copy.deepcopy(before)
    warm["collected_at"] = "2027-01-01T00:00:00Z"
    warm["gpus"][0]["temperature_celsius"] = 90
    other = copy.deepcopy(before)
    other["gpus"][0]["serial"] = "X"
    assert fleet.summary([before]) == fleet.summary([warm])
    assert fleet.summary([before]) != fleet.summary([other])
    assert fleet.summary([before])["dmi:gpu1"].startswith("dmi:gpu1 gpu1 2 GPUs ")
    assert " unknown GPUs " in fleet.summary([{**before, "gpus": None}])["dmi:gpu1"]


def test_every_line_follows_the_published_schema() -> None:
    schemas = {
        name: json.loads((SCHEMAS / name).read_text()) for name in ("fleet.schema.json", "hardware_record.schema.json")
    }
    registry: Any = Registry().with_resources(
        (name, Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    validator = jsonschema.Draft202012Validator(schemas["fleet.schema.json"], registry=registry)
    validator.check_schema(schemas["fleet.schema.json"])
    for text in render("gpu1", "gpu2").splitlines():
        validator.validate(json.loads(text))
    assert not validator.is_valid(record(id=None))
    assert not validator.is_valid({**record(), "gpus": 8})

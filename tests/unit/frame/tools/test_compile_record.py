# Tests of the compiler of the hardware record's schema: both files are fresh, and a wrong schema is refused.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import compile_record
import pytest

SCHEMA: dict[str, Any] = {
    "title": "Thing",
    "description": "A thing.",
    "type": "object",
    "properties": {
        "size": {"type": ["integer", "null"], "description": "Bytes.", "minimum": 0, "x-volatile": True},
        "parts": {
            "type": "array",
            "description": "Parts.",
            "items": {
                "title": "Part",
                "type": "object",
                "description": "A part.",
                "properties": {"kind": {"enum": ["a", None], "description": "Kind."}},
                "required": ["kind"],
            },
        },
    },
    "required": ["size"],
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**SCHEMA, **changes}


def test_both_files_are_what_the_schema_gives() -> None:
    assert compile_record.main(["--check"]) == 0


def test_files_that_differ_are_noticed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    monkeypatch.setattr(compile_record, "SCHEMA", tmp_path / "schema.json")
    monkeypatch.setattr(compile_record, "ROOM", tmp_path)
    assert compile_record.main(["--check"]) == 1
    assert "_record_table.py is not what the schema gives" in capsys.readouterr().err
    assert compile_record.main([]) == 0
    assert compile_record.main(["--check"]) == 0
    (tmp_path / "_record_types.py").write_text("", encoding="utf-8")
    assert compile_record.main(["--check"]) == 1


def test_the_table_keeps_the_rules_and_drops_the_words() -> None:
    namespace: dict[str, Any] = {}
    exec(compile_record.compile_schema(SCHEMA)["_record_table.py"], namespace)
    assert namespace["RECORD"] == {
        "type": "object",
        "properties": {
            "size": {"type": ["integer", "null"], "minimum": 0, "volatile": True},
            "parts": {
                "type": "array",
                "items": {"type": "object", "properties": {"kind": {"enum": ["a", None]}}},
            },
        },
        # Not all of them are required, so the list stays.
        "required": ["size"],
    }


def test_the_types_name_every_field() -> None:
    namespace: dict[str, Any] = {}
    exec(compile_record.compile_schema(SCHEMA)["_record_types.py"], namespace)
    assert namespace["Thing"].__annotations__["size"].__forward_arg__ == "int | None"
    assert namespace["Thing"].__annotations__["parts"].__forward_arg__ == "list[Part]"
    assert namespace["Part"].__annotations__["kind"].__forward_arg__ == "t.Literal['a', None]"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (changed(additionalProperties=False), "the record: the keyword additionalProperties is not understood"),
        (changed(properties={"a": {"type": "string"}}, required=[]), "a: the description is missing"),
        (
            changed(properties={"a": {"type": "object", "description": "x", "properties": {}}}),
            "a: an object needs a title",
        ),
        (changed(required=["colour"]), "colour is required but not described"),
        (
            changed(properties={"a": {**SCHEMA}, "b": {**SCHEMA}}, required=[]),
            "two objects have the title Part",
        ),
    ],
)
def test_wrong_schemas(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(compile_record.SchemaError, match=message):
        compile_record.compile_schema(schema)


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "object"}'])
def test_a_source_that_cannot_be_used_is_told(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "schema.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(compile_record, "SCHEMA", tmp_path / "schema.json")
    assert compile_record.main(["--check"]) == 2
    assert "The schema of the hardware record is wrong" in capsys.readouterr().err

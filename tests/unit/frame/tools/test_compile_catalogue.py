# Tests of the catalogue's compiler: the table is fresh, and wrong sources are refused with the place.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import compile_catalogue
import pytest
import yaml

ROW = {
    "name": "one",
    "title": "One",
    "severity": "low",
    "scope": "node",
    "workflow": [],
    "validation": "",
    "authority": "never",
    "retry_after_failed_validation": False,
    "xids": [1],
    "any_other_xid": True,
    "lines": [],
    "alerts": False,
    "description": "x",
    "sources": [],
}


def test_the_table_is_what_its_sources_give() -> None:
    assert compile_catalogue.main(["--check"]) == 0


def test_a_table_that_differs_is_noticed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [ROW])
    monkeypatch.setattr(compile_catalogue, "FAULTS", tmp_path)
    assert compile_catalogue.main(["--check"]) == 1
    assert compile_catalogue.main([]) == 0
    assert compile_catalogue.main(["--check"]) == 0
    namespace: dict[str, Any] = {}
    exec((tmp_path / "_table.py").read_text(encoding="utf-8"), namespace)
    assert namespace["ROWS"][0]["xids"] == (1,)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**ROW, "severity": "dire"}], "one: severity has to be one of"),
        ([{**ROW, "colour": "red"}], "one: colour is unknown"),
        ([{key: value for key, value in ROW.items() if key != "title"}], "one: title is missing"),
        ([{**ROW, "workflow": ["explode"]}], "unknown steps"),
        ([{**ROW, "workflow": ["cordon", "resume"]}], "without a validation"),
        ([{**ROW, "xids": 5}], "xids has to be tuple"),
        ([{**ROW, "lines": ["NVRM"]}], "has to name the groups"),
        ([ROW, {**ROW, "xids": [2], "any_other_xid": False}], "class given twice"),
        ([ROW, {**ROW, "name": "two", "any_other_xid": False}], "xid given twice"),
        ([{**ROW, "any_other_xid": False}], "exactly one class"),
    ],
)
def test_wrong_sources(tmp_path: Path, rows: list[Any], message: str) -> None:
    write(tmp_path, rows)
    with pytest.raises(compile_catalogue.CatalogueError, match=message):
        compile_catalogue.read_sources(tmp_path / "catalogue")


def test_a_long_text_comes_back_whole() -> None:
    text = 'word\'s "end" ' * 50
    assert eval(compile_catalogue.render_value(text)) == text


def write(folder: Path, rows: list[Any]) -> None:
    (folder / "catalogue").mkdir()
    (folder / "catalogue" / "a.yml").write_text(yaml.safe_dump({"schema_version": 1, "classes": rows}), "utf-8")

# Tests of the catalogue's compiler: tables are fresh, wrong sources refused with the place, newer codes noticed.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import compile_catalogue
import pytest
import yaml

ROW: dict[str, Any] = {
    "name": "one",
    "title": "One",
    "domain": "gpu",
    "severity": "low",
    "scope": "node",
    "xids": [1],
    "drill": {"kind": "none", "why": "x"},
    "description": "x",
    "sources": ["x"],
}
BENIGN = {"title": "B", "pattern": "abc <<pci>>", "example": "abc 0000:1b:00", "why": "x"}
SOURCES = compile_catalogue.FAULTS / "catalogue"


def test_the_tables_are_what_their_sources_give() -> None:
    assert compile_catalogue.main(["--check"]) == 0


def test_a_table_that_differs_is_noticed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, [ROW])
    for name in ("nvidia_xid.csv", "nvidia_nvlink5.csv", "nvswitch_sxid.csv"):
        shutil.copy(SOURCES / name, tmp_path / "catalogue" / name)
    (tmp_path / "_table_gone.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(compile_catalogue, "FAULTS", tmp_path)
    assert compile_catalogue.main(["--check"]) == 1
    assert "_table_gone.py is not what its sources give" in capsys.readouterr().err
    assert compile_catalogue.main([]) == 0
    assert compile_catalogue.main(["--check"]) == 0
    assert not (tmp_path / "_table_gone.py").exists()
    namespace: dict[str, Any] = {}
    exec((tmp_path / "_table_a.py").read_text(encoding="utf-8"), namespace)
    (row,) = namespace["ROWS"]
    assert list(row) == list(compile_catalogue.KEYS)
    assert (row["xids"], row["workflow"], row["delay_seconds"], row["alerts"]) == ((1,), (), 0.0, False)
    exec((tmp_path / "_table_benign.py").read_text(encoding="utf-8"), namespace)
    assert namespace["BENIGN"][0][1].startswith("abc (?P<domain>")
    (tmp_path / "catalogue" / "a.yml").write_text("schema_version: 2\n", encoding="utf-8")
    assert compile_catalogue.main([]) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**ROW, "severity": "dire"}], r"a\.yml: one\.severity: 'dire' is not one of"),
        ([{**ROW, "colour": "red"}], r"a\.yml: one: Additional properties"),
        ([{key: value for key, value in ROW.items() if key != "title"}], "one: 'title' is a required property"),
        ([{**ROW, "workflow": ["explode"]}], r"one\.workflow\.0: 'explode' is not one of"),
        ([{**ROW, "xids": 5}], r"one\.xids: 5 is not of type 'array'"),
        ([{**ROW, "drill": {"kind": "line"}}], "one.drill: 'text' is a required property"),
        (["x"], "0: 'x' is not of type 'object'"),
        ([ROW, {**ROW, "xids": [2]}], "class given twice"),
        ([ROW, {**ROW, "name": "two"}], "XID given twice"),
        ([{**ROW, "sxids": [1]}, {**ROW, "name": "two", "xids": [], "sxids": [1]}], "SXID given twice"),
        (
            [{**ROW, "repeat": {"count": 2, "within_seconds": 60, "same": "device", "becomes": "two"}}],
            r"one\.repeat\.becomes: there is no class two",
        ),
    ],
)
def test_wrong_sources(tmp_path: Path, rows: list[Any], message: str) -> None:
    write(tmp_path, rows)
    with pytest.raises(compile_catalogue.CatalogueError, match=message):
        compile_catalogue.read_sources(tmp_path / "catalogue")


def test_a_newer_table_of_codes_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """This is how a new edition of NVIDIA's table is taken in: nothing it has may be missing here without a word."""
    ours = (SOURCES / "nvidia_xid.csv").read_text(encoding="utf-8")
    newer = tmp_path / "newer.csv"
    newer.write_text(ours, encoding="utf-8")
    assert compile_catalogue.main(["--newer", str(newer)]) == 0
    changed = ours.replace(
        "14,ROBUST_CHANNEL_FAKE_ERROR,YES,YES,YES,YES,IGNORE", "14,ROBUST_CHANNEL_FAKE_ERROR,YES,YES,YES,YES,RESET_GPU"
    )
    newer.write_text(changed + "173,SOMETHING_NEW,NO,NO,YES,YES,RESET_GPU,,\n", encoding="utf-8")
    assert compile_catalogue.main(["--newer", str(newer)]) == 1
    told = capsys.readouterr().err
    assert "XID 173 (SOMETHING_NEW) is not in our table: give it a fault class" in told
    assert "XID 14: immediate_action is 'RESET_GPU', ours says 'IGNORE'" in told
    assert len(told.splitlines()) == 2


def test_any_value_comes_back_whole() -> None:
    for value in (
        'word\'s "end" ' * 50,
        "\\" * 300,
        ("a" * 200, {"k": "b" * 200}),
        "",
        (),
        {"x": 1.5, "y": None},
        "é\n" * 90,
    ):
        text = compile_catalogue.entry("    ", value)
        assert eval(f"[{text}]") == [value]
        assert max(map(len, text.splitlines())) <= compile_catalogue.WIDTH


def write(folder: Path, rows: list[Any]) -> None:
    (folder / "catalogue").mkdir()
    text = yaml.safe_dump({"schema_version": 1, "classes": rows, "benign": [BENIGN]})
    (folder / "catalogue" / "a.yml").write_text(text, "utf-8")

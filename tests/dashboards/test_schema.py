# The dashboards against Grafana's own types, and the check itself against what it must refuse.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import grafana_schema
import pytest
from pages import FILES, load


def test_grafana_knows_every_field_and_the_check_finds_what_it_does_not_know() -> None:
    # One run of the compiler for all of it: starting it is what takes long.
    pages = {path.name: load(path) for path in FILES}
    for name, change in WRONG.items():
        broken = copy.deepcopy(pages["fleet.json"])
        change(broken)
        pages[name] = broken
    found = grafana_schema.problems(pages)
    assert [line for line in found if not line.startswith(tuple(WRONG))] == []
    assert {line.split(",")[0].split(":")[0] for line in found} == set(WRONG)
    (where,) = [line for line in found if line.startswith("panel option")]
    assert where.startswith('panel option, panel \'Nodes that answer\', options: "graphMode": "curve"'), where


def wrong_field(page: dict[str, Any]) -> None:
    page["titel"] = "x"


def wrong_type(page: dict[str, Any]) -> None:
    page["panels"][0]["id"] = "one"


def wrong_option(page: dict[str, Any]) -> None:
    page["panels"][0]["options"]["graphMode"] = "curve"


WRONG = {"field": wrong_field, "type": wrong_type, "panel option": wrong_option}


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert grafana_schema.main([]) == 2
    assert "there is no program called npm" in capsys.readouterr().err


def test_it_says_that_a_file_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grafana_schema.main([str(tmp_path / "page.json")]) == 2
    assert "page.json" in capsys.readouterr().err


def test_a_failed_download_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = subprocess.run

    def refuse(line: list[str], check: bool, **options: Any) -> subprocess.CompletedProcess[str]:
        if line[0] == "npm":
            return subprocess.CompletedProcess(line, 1, "", "no network\n")
        return real(line, check=check, **options)

    monkeypatch.setattr(grafana_schema, "CACHE", tmp_path)
    monkeypatch.setattr(grafana_schema.shutil, "which", lambda name: name)
    monkeypatch.setattr(grafana_schema.subprocess, "run", refuse)
    assert grafana_schema.main([]) == 2
    assert "npm cannot fetch" in capsys.readouterr().err
    assert not list(tmp_path.glob("*/complete"))


def test_a_new_kind_of_panel_has_to_be_listed() -> None:
    page = {"panels": [{"type": "newkind", "title": "x", "options": {}, "fieldConfig": {"defaults": {}}}]}
    with pytest.raises(grafana_schema.SchemaError, match="'x' is of the kind newkind"):
        grafana_schema.program({"a.json": page})

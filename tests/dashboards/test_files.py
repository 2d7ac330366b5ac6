# The committed dashboards are what their Python sources give.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import dashboards
import pytest
from dashboard_sources import PAGES
from pages import FILES


def test_files_are_what_the_sources_give() -> None:
    assert dashboards.main(["--check"]) == 0


def test_pages_are_the_same_in_every_run() -> None:
    assert dashboards.pages() == dashboards.pages()


def test_differences_are_named_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dashboards, "FOLDER", tmp_path / "dashboards")
    assert dashboards.main(["--check"]) == 1
    assert "fleet.json" in capsys.readouterr().err
    assert dashboards.main([]) == 0
    assert dashboards.main(["--check"]) == 0
    (tmp_path / "dashboards" / "fleet.json").write_text("{}")
    (tmp_path / "dashboards" / "old.json").write_text("{}")
    assert dashboards.main(["--check"]) == 1
    assert capsys.readouterr().err.startswith("fleet.json, old.json: not what the sources give")
    assert dashboards.main([]) == 0
    assert {path.stem for path in (tmp_path / "dashboards").iterdir()} == set(PAGES)


def test_only_the_lowest_threshold_is_empty() -> None:
    for path in FILES:
        text = path.read_text()
        assert text.count("null") == text.count('"value": null'), path.stem

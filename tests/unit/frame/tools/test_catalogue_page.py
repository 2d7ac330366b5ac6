# Tests of the page of the fault catalogue: it is fresh, complete, and sound reStructuredText.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import catalogue_page
import docutils.core
import pytest

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES


def test_the_page_is_what_its_sources_give() -> None:
    assert catalogue_page.main(["--check"]) == 0


def test_everything_is_on_the_page() -> None:
    text = catalogue_page.PAGE.read_text(encoding="utf-8")
    for name, row in CLASSES.items():
        assert f"\n{name}\n{'^' * len(name)}\n\n**{row.title}**" in text, name
    rows = re.findall(r"^   \* - ([0-9]+)$", text, flags=re.MULTILINE)
    assert len(rows) == 172 + 95 + 399
    assert text.count(":Drill: ") == text.count(":Who may act: ") == len(CLASSES)


def test_the_page_is_sound() -> None:
    text = catalogue_page.PAGE.read_text(encoding="utf-8")
    # A warning raises.
    docutils.core.publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})


def test_a_page_that_differs_is_noticed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue_page, "PAGE", tmp_path / "page.rst")
    assert catalogue_page.main(["--check"]) == 1
    assert "page.rst is not what its sources give" in capsys.readouterr().err
    assert catalogue_page.main([]) == 0
    assert catalogue_page.main(["--check"]) == 0

# Tests of the page of the alert rules and of the workflows for their labels: fresh, complete, sound.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import alert_page
import docutils.core
import pytest
from prometheus_rendered import alerts

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES


def test_page_and_workflows_are_what_their_sources_give() -> None:
    assert alert_page.main(["--check"]) == 0


def test_every_alert_and_its_rule_file_are_on_the_page() -> None:
    text = alert_page.PAGE.read_text(encoding="utf-8")
    for rule in alerts():
        assert f"   * - ``{rule['alert']}``\n" in text, rule["alert"]
    assert text.count("Rule file ``") == len([name for name in alert_page.RULE_FILES if alert_page.alerts(name)])


def test_every_rule_file_with_alerts_has_a_title() -> None:
    for name in alert_page.RULE_FILES:
        assert name in alert_page.FILES or not alert_page.alerts(name), name


def test_every_alert_says_what_the_loop_does() -> None:
    for rule in alerts():
        name = rule["labels"].get("fault_class")
        expected = {alert_page.word(vars(CLASSES[name]))} if name else {"person", "none"}
        assert rule["labels"]["workflow"] in expected, rule["alert"]
    assert {rule["labels"]["workflow"] for rule in alerts()} <= set(alert_page.WORDS)
    assert {alert_page.word(vars(row)) for row in CLASSES.values()} | {"person", "none"} == set(alert_page.WORDS)


def test_the_page_is_sound() -> None:
    text = alert_page.PAGE.read_text(encoding="utf-8")
    # A warning raises.
    docutils.core.publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})


def test_what_differs_is_noticed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alert_page, "PAGE", tmp_path / "page.rst")
    monkeypatch.setattr(alert_page, "WORKFLOWS", tmp_path / "workflows.j2")
    assert alert_page.main(["--check"]) == 1
    assert "page.rst is not what its sources give" in capsys.readouterr().err
    assert alert_page.main([]) == 0
    assert alert_page.main(["--check"]) == 0


def test_an_alert_without_a_test_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alert_page, "CASES", tmp_path)
    assert alert_page.main(["--check"]) == 2
    assert "no test names it" in capsys.readouterr().err

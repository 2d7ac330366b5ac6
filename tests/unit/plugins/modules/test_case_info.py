# Tests of the module case_info.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.aidc.ops.plugins.modules import case_info
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

Call = Callable[..., dict[str, Any]]


def test_all_cases(call: Call) -> None:
    answer = call(case_info.main)
    (case,) = answer["cases"]
    assert (answer["changed"], case["case_id"], case["state"], case["token"]) == (False, 1, "open", "aidc.ops:1")
    assert case["faults"][0]["device"] == "gpu:0000:1b:00"
    assert "timeline" not in case
    assert answer["controls"]["breaker"] is None


def test_history_holds_foreign_text_as_it_came(call: Call) -> None:
    (case,) = call(case_info.main, case_id=1, timeline=True)["cases"]
    assert [event["kind"] for event in case["timeline"]] == ["signal", "opened"]
    assert case["timeline"][0]["text"].endswith("{{ 7 * 7 }}")


def test_filters(call: Call) -> None:
    assert call(case_info.main, state="quarantined")["cases"] == []
    assert call(case_info.main, case_id=1, state="quarantined")["cases"] == []
    assert len(call(case_info.main, case_id=1, state="open")["cases"]) == 1


def test_the_environment_names_the_settings_file(call: Call, controller: Controller, monkeypatch: Any) -> None:
    monkeypatch.setenv("AIDC_OPS_CONFIG", controller.config)
    assert len(call(case_info.main, config=None)["cases"]) == 1


def test_failures(call: Call, controller: Controller) -> None:
    assert "no case 99" in call(case_info.main, case_id=99)["msg"]
    for path in Path(controller.folder).glob("ledger.sqlite*"):
        os.unlink(path)
    answer = call(case_info.main)
    assert answer["failed"] and "There is no ledger" in answer["msg"]
    assert not list(Path(controller.folder).glob("ledger.sqlite*"))

# Tests that every alert points to a runbook that exists, and that no runbook is left over.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from render import ROOT

RULES = ROOT / "roles" / "prometheus" / "templates" / "rules"
RUNBOOKS = ROOT / "docs" / "runbooks"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.j2")))
    named = set(re.findall(r"prometheus_runbook_base_url ~ '/(\w+\.md)'", text))
    assert named == {path.name for path in RUNBOOKS.iterdir()}
    assert text.count("- alert:") == text.count("runbook_url:")

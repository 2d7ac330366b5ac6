# Tests that every alert points to a runbook that exists, and that no runbook is left over.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import PurePosixPath

from prometheus_rendered import alerts
from render import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    named = {PurePosixPath(rule["annotations"]["runbook_url"]).name for rule in alerts()}
    assert named == {path.name for path in RUNBOOKS.iterdir()}

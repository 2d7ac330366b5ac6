# Says at the end how many histories ran, in all processes together.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    ran = sum(value for report in reports for name, value in report.user_properties if name == "histories")
    if ran:
        terminalreporter.write_line(f"{ran} random histories ran.")

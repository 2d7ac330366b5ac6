# Filter: tells a person about remediation cases.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure functions."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._cases import report


def case_report(answer: t.Any, full: bool = False) -> list[str]:
    """The lines for an answer of aidc.ops.case_info; with *full* each case with everything that happened to it."""
    try:
        cases = answer["cases"]
        lines = report.controls(answer.get("controls") or {}, answer.get("opt_outs") or [])
        if full:
            return [*lines, *(line for case in cases for line in ["", *report.story(case)])]
        return [*lines, *report.table(cases, time.time())]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"aidc.ops.case_report takes an answer of aidc.ops.case_info: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"case_report": case_report}

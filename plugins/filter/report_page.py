# Filter: makes what a report page shows of the answers to its questions.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure functions."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.plugin_utils._report import page
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import Answers, clean
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import Material


def report_page(
    sections: t.Any,
    answers: t.Any,
    start: float,
    end: float,
    step: float,
    ledger: t.Any = None,
    alerts: t.Any = None,
) -> dict[str, t.Any]:
    """The sections with numbers, tables and pictures."""
    try:
        known = dict(ledger or {})
        if "cases" not in known:
            known["failure"] = clean(known.get("msg") or "")
        material = Material(Answers(answers), float(start), float(end), float(step), known, alerts or ())
        return page.page(sections, material)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(
            f"aidc.ops.report_page takes the sections of a report and the answers to its questions: {exc!r}"
        ) from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report_page": report_page}

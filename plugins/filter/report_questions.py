# Filter: makes the questions of a report page.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure function."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.plugin_utils._report import questions


def report_questions(sections: t.Any) -> list[dict[str, str]]:
    """The bundles of PromQL that the sections need."""
    try:
        return questions.questions(sections)
    except (AttributeError, KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"aidc.ops.report_questions takes the sections of a report: {exc!r}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report_questions": report_questions}

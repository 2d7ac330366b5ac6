# Filter: tells a person about a capacity plan.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure functions."""

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.plugin_utils._plan.asked import tell
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.summary import summary


def capacity_report(plan: t.Any, problem: t.Any, **parts: t.Any) -> list[str]:
    """The lines about the plan of a problem; *parts* are fields of Material."""
    return tell("capacity_report", summary, plan, problem, parts)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"capacity_report": capacity_report}

# Filter: tells a person about a capacity plan.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure functions."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.plugin_utils._plan.page import Material
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.summary import summary


def capacity_report(plan: t.Any, problem: t.Any, **parts: t.Any) -> list[str]:
    """The lines about the plan of a problem; *parts* are fields of Material."""
    try:
        return summary(Material(plan, problem, **{name: part for name, part in parts.items() if part is not None}))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        told = f"{exc}" if isinstance(exc, ValueError) else repr(exc)
        raise AnsibleFilterError(
            f"aidc.ops.capacity_report takes a plan of aidc.ops.capacity_plan and the problem it belongs to: {told}"
        ) from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"capacity_report": capacity_report}

# Filter: tells how the loop reacted to an injected fault.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure functions."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._cases import drill


def drill_report(answer: t.Any, fault_class: str, injected: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The results for an answer of aidc.ops.case_info with timelines; *injected*: node -> when, in seconds."""
    try:
        times = {str(node): float(at) for node, at in injected.items()}
        rows = drill.results(answer["cases"], fault_class, times)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        needs = "an answer of aidc.ops.case_info with timelines, and a time for each node"
        raise AnsibleFilterError(f"aidc.ops.drill_report: takes {needs}: {exc!r}") from exc
    return {"results": rows, "lines": drill.lines(rows)}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"drill_report": drill_report}

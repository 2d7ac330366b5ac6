# Filter: shows what was decided and done about the replicas of services.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure function."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._autoscale import table


def autoscale_table(decided: t.Any, resized: t.Sequence[t.Mapping[str, t.Any]], check_mode: bool = False) -> list[str]:
    """Lines of text for the results of aidc.ops.autoscale_decision, and of aidc.ops.workload_resize over these."""
    try:
        return table.lines(decided, resized, check_mode)
    except (AttributeError, KeyError, TypeError) as exc:
        needs = "the results of aidc.ops.autoscale_decision, and those of aidc.ops.workload_resize"
        raise AnsibleFilterError(f"aidc.ops.autoscale_table: takes {needs}: {exc!r}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"autoscale_table": autoscale_table}

# Filter: makes workloads for the planner of a forecast of demand.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure function of the same name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import demand as pure


def forecast_demand(*arguments: t.Any, **options: t.Any) -> t.Any:
    """Call the pure function; its complaints about the input become errors of the filter."""
    try:
        return pure.forecast_demand(*arguments, **options)
    except (TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"aidc.ops.forecast_demand: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"forecast_demand": forecast_demand}

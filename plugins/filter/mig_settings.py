# Filter: says which GPU of a node gets which MIG layout of a plan.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure function of the same name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._gpu_config import mig_plan as pure


def mig_settings(*arguments: t.Any, **options: t.Any) -> t.Any:
    """Call the pure function; its complaints about the input become errors of the filter."""
    try:
        return pure.mig_settings(*arguments, **options)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"aidc.ops.mig_settings: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mig_settings": mig_settings}

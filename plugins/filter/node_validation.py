# Filter: judges whether a node is fit for work.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure function C(validate)."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._hardware.validation import validate


def node_validation(*arguments: t.Any, **options: t.Any) -> t.Any:
    """Call the pure function; its complaints about the input become errors of the filter."""
    try:
        return validate(*arguments, **options)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"aidc.ops.node_validation: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"node_validation": node_validation}

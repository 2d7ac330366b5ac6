# Filter: tells a person what a discovery run found.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front end of the pure function."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.module_utils._hardware import report as pure


def hardware_report(*arguments: t.Any, **options: t.Any) -> t.Any:
    """Call the pure function; its complaints about the input become errors of the filter."""
    try:
        return pure.report(*arguments, **options)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"aidc.ops.hardware_report: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"hardware_report": hardware_report}

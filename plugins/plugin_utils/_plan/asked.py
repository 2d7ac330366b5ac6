# What the filters about a plan share: parts of a play become material, and whatever is wrong with them an error.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.plugin_utils._plan.page import Material

_Told = t.TypeVar("_Told")


def tell(
    name: str, about: t.Callable[[Material], _Told], plan: t.Any, problem: t.Any, parts: dict[str, t.Any]
) -> _Told:
    """What *about* makes of a plan; a part that is None counts as not given. AnsibleFilterError names the filter."""
    try:
        return about(Material(plan, problem, **{key: part for key, part in parts.items() if part is not None}))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        told = f"{exc}" if isinstance(exc, ValueError) else repr(exc)
        raise AnsibleFilterError(
            f"aidc.ops.{name} takes a plan of aidc.ops.capacity_plan and the problem it belongs to: {told}"
        ) from exc

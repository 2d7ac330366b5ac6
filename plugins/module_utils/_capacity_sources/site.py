# What a person says about a site: projects, feeds, offers, curves, policy, and more about some nodes and workloads.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import word
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks

_LISTS = ("projects", "feeds", "offers", "power_curves", "maintenance")
_DICTS = ("nodes", "workloads", "policy")
# What only the scheduler can know.
_FIXED = {"nodes": frozenset({"name"}), "workloads": frozenset({"name", "copies", "running_on"})}
_MARKS = "*?["


def check_site(site: Mapping[str, Any]) -> None:
    """SourceError for a key that there is not, or a value of another kind."""
    for key, value in site.items():
        kind: type = list if key in _LISTS else dict
        if key not in _LISTS and key not in _DICTS:
            raise SourceError(f"site.{key!s:.60}: no such key; known are {', '.join(sorted((*_LISTS, *_DICTS)))}")
        if not isinstance(value, kind):
            raise SourceError(f"site.{key} has to be a {'list' if kind is list else 'dictionary'}")


def add_site(site: Mapping[str, Any], what: str, rows: Mapping[str, dict[str, Any]], remarks: Remarks) -> None:
    """Put what the site says about C(nodes) or C(workloads) into their rows, by name or pattern, in its order.

    Whether the values are right is checked with the problem. SourceError for what only the scheduler can know.
    """
    for pattern, values in (site.get(what) or {}).items():
        where = f"site.{what}[{pattern!s:.60}]"
        if not isinstance(pattern, str) or not isinstance(values, dict):
            raise SourceError(f"{where}: has to be a name or pattern, with a dictionary of what to put there")
        fixed = sorted(_FIXED[what] & set(values))
        if fixed:
            raise SourceError(f"{where}.{fixed[0]}: that is what the scheduler says, and cannot be set")
        exact = pattern in rows
        names = [pattern] if exact else fnmatch.filter(rows, pattern) if set(pattern) & set(_MARKS) else []
        if not names and what == "nodes":
            remarks.say(f"{where} is about no node that there is.")
        for name in names:
            rows[name].update(values)


def same_models(things: Collection[dict[str, Any]], known: Collection[str]) -> None:
    """Write GPU models that people wrote (C(NVIDIA H100 80GB HBM3)) as the words that the nodes have (C(h100))."""
    for thing in things:
        model = thing.get("gpu_model")
        if isinstance(model, str) and model:
            thing["gpu_model"] = like_known(model, known)
        models = thing.get("gpu_models")
        if isinstance(models, list):
            thing["gpu_models"] = [like_known(one, known) if isinstance(one, str) else one for one in models]


def like_known(model: str, known: Collection[str]) -> str:
    """The word among ``known`` for a model; its own short word where none of them means it."""
    if model in known:
        return model
    return model.lower() if model.lower() in known else word(model)

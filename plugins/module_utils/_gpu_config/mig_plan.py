# Which GPU of a node gets which MIG layout of a plan; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan counts the GPUs of a node, but no scheduler is told which one it meant. So a layout goes to the GPU that has
most of it already, and what runs there goes on. Of equal ones those that are free are cut, and the others used whole.
"""

from __future__ import annotations

import collections
import typing as t

Row = t.Mapping[str, t.Any]


def mig_settings(layouts: t.Sequence[Row], gpus: t.Sequence[Row]) -> list[dict[str, t.Any]]:
    """Return the options of C(gpu_config) that bring the GPUs of a node to the layouts of a plan.

    C(layouts) are the rows of C(mig_layouts) of a plan for this node: C({"gpu": 0, "profiles": ["3g.40gb"]}); without
    profiles the GPU is used whole. C(gpus) are those of C(gpu_info). GPUs that the plan leaves idle stay as they are.
    Raises ValueError if fewer GPUs answer than there are layouts.
    """
    usable = [gpu for gpu in gpus if gpu.get("uuid") and not gpu.get("lost") and not gpu.get("error")]
    if len(layouts) > len(usable):
        raise ValueError(
            f"the plan uses {len(layouts)} GPUs of the node, of which {len(usable)} answer; make a new plan"
        )
    pairs = sorted(
        (-_alike(row["profiles"], gpu), bool(row["profiles"]) == bool(gpu.get("processes")), number, place)
        for number, row in enumerate(layouts)
        for place, gpu in enumerate(usable)
    )
    chosen: dict[int, int] = {}
    for _alikeness, _busy, number, place in pairs:
        if number not in chosen and place not in chosen.values():
            chosen[number] = place
    settings: dict[tuple[str, ...], list[str]] = {}
    for number, place in sorted(chosen.items(), key=lambda one: one[1]):
        settings.setdefault(tuple(layouts[number]["profiles"]), []).append(str(usable[place]["uuid"]))
    return [
        {"gpus": uuids, "mig_layout": list(profiles)} if profiles else {"gpus": uuids, "mig": False}
        for profiles, uuids in settings.items()
    ]


def _alike(profiles: t.Sequence[str], gpu: Row) -> int:
    """How many instances stay less those that have to go; a GPU that is whole is alike to one that is used whole."""
    has = collections.Counter(str(one.get("profile")) for one in gpu.get("mig_devices") or ())
    wanted = collections.Counter(profiles)
    if not wanted:
        return -sum(has.values()) if gpu.get("mig_mode") else 1
    stay = sum((has & wanted).values())
    return stay - (sum(has.values()) - stay)

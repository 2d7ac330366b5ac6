# Whether the fleet that a plan was made for is still there.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import some


class NodeNow(t.Protocol):
    """What is compared of a node, whichever the scheduler. ``gpus`` None: the scheduler does not know."""

    @property
    def reason(self) -> str: ...

    @property
    def serviceable(self) -> bool: ...

    @property
    def gpus(self) -> dict[str, int] | None: ...


def differences(problem: Problem, now: t.Mapping[str, NodeNow]) -> tuple[list[str], list[str]]:
    """What the plan counts on and is not there, and what there is to know besides; a sentence each."""
    lost: list[str] = []
    returned: list[str] = []
    for node in problem.nodes:
        found = now.get(node.name)
        if not node.in_service:
            if found is not None and found.serviceable:
                returned.append(node.name)
            continue
        if found is None:
            lost.append(f"{node.name}: the scheduler does not know it any more")
            continue
        if not found.serviceable:
            lost.append(f"{node.name}: out of service now ({found.reason[:100] or 'no reason given'})")
            continue
        if found.gpus is None:
            continue
        count = sum(found.gpus.values())
        if count < node.gpus:
            lost.append(f"{node.name}: {count} GPUs now, the plan counts on {node.gpus}")
        elif node.gpus and not any(_same(node.gpu_model, model) for model in found.gpus):
            lost.append(f"{node.name}: GPUs are {some(found.gpus)} now, the plan counts on {node.gpu_model}")
    notes = []
    new = set(now) - {node.name for node in problem.nodes}
    if new:
        notes.append(f"The plan does not know {some(new)}; such nodes are left as they are.")
    if returned:
        notes.append(f"In service again, and not used by the plan: {some(returned)}.")
    return lost, notes


def _same(planned: str, found: str) -> bool:
    """Whether two names can mean one model: C(h100) is C(NVIDIA-H100-80GB-HBM3), and C(gpu) says nothing."""
    one, other = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (planned, found))
    return "gpu" in (one, other) or one in other or other in one

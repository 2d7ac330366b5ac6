# The PriorityClass of a workload, where it has another priority than the plan went by.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import Change, Difference, NotDone, some
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import KubeNow


def priority_changes(wanted: Wanted, now: KubeNow, found: Difference) -> None:
    """Add what has to change about priorities, if they were asked for. Only classes that are there are named."""
    if now.priorities is None:
        return
    classes = now.priorities.classes
    for workload, named in sorted(now.priorities.named.items()):
        value = wanted.works[workload].priority
        present = classes.get(named) if named else now.priorities.usual
        # 0 is also what a problem says where it does not know.
        if value in (0, present):
            continue
        thing = f"workload {workload}"
        fitting = sorted(name for name, one in classes.items() if one == value)
        if len(fitting) == 1:
            shown = f"PriorityClass {named}" if named else ""
            why = f"the plan went by the priority {value}"
            change = Change("priority", thing, shown, f"PriorityClass {fitting[0]}", why, (workload,), fitting[0])
            found.changes.append(change)
        else:
            which = f"{some(fitting)} all have" if fitting else "no PriorityClass has"
            why = f"{which} the value {value}; let one have it, or change the problem"
            found.refused.append(NotDone("priority", thing, why))

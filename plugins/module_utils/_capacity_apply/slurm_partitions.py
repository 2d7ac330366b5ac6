# The nodes of a project's partition in Slurm: those on which the plan has work of it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
    some,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_named import named
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmNow


def partition_changes(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> None:
    """Add what has to change about partitions. Only nodes in service that the plan knows come or go."""
    present = {name: frozenset(nodes) for name, nodes in now.partitions.items()}
    in_service = {node.name for node in wanted.problem.nodes if node.in_service}
    owners = dict(_usable(wanted, now, policy, found))
    after = dict(present)
    for name, project in owners.items():
        after[name] = present[name] - in_service | wanted.nodes_of(project)
    for name, project in owners.items():
        elsewhere = {node for other, nodes in after.items() if other != name for node in nodes}
        stays = present[name] - after[name] - elsewhere
        if stays:
            found.notes.append(f"{some(stays)}: stays in the partition {name}, as it would be in none otherwise.")
            after[name] |= stays
        _add("widen_partition", name, after[name] - present[name], f"the plan has work of {project} there", found)
        _add("narrow_partition", name, present[name] - after[name], f"the plan has no work of {project} there", found)


def _usable(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> list[tuple[str, str]]:
    """Partition and project, where it is clear what the partition has and shall have."""
    usable = []
    for name, project in named(policy.partitions, "partition", "partition", wanted, found):
        thing = f"partition {name}"
        strange = set(now.partitions.get(name, ())) - set(now.nodes)
        if name not in now.partitions:
            found.refused.append(NotDone("partition", thing, "Slurm has no such partition; make it in slurm.conf"))
        elif strange:
            why = f"Slurm names {some(strange):.200} as its nodes, and shows no such node"
            found.refused.append(NotDone("partition", thing, why))
        elif not wanted.nodes_of(project):
            found.notes.append(
                f"The plan has no node for {project}, so the partition {name} stays as it is: without nodes it "
                "could run nothing."
            )
        else:
            usable.append((name, project))
    return usable


def _add(kind: str, partition: str, nodes: frozenset[str], why: str, found: Difference) -> None:
    if not nodes:
        return
    names, shown = tuple(sorted(nodes)), f"partition {partition}"
    into = kind == "widen_partition"
    before, after = ("", shown) if into else (shown, "")
    out = () if into else names
    found.changes.append(Change(kind, f"nodes {compress(names)}", before, after, why, names, partition, out))

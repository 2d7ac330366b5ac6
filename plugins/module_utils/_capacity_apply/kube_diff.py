# What has to change in Kubernetes so that its scheduler goes by the plan: labels, taints, replicas, priorities, sizes.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import order, stale
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.kube_priority import priority_changes
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.kube_requests import request_changes
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
    StaleError,
    some,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import (
    PROJECT,
    KubeNow,
    is_project,
    is_scalable,
)


def difference(wanted: Wanted, now: KubeNow, policy: ApplyPolicy) -> Difference:
    """All of it. StaleError if the plan is of another fleet."""
    lost, notes = stale.differences(wanted.problem, now.nodes)
    if lost:
        raise StaleError(lost)
    found = Difference(notes=notes)
    _nodes(wanted, now, policy, found)
    _replicas(wanted, now, policy, found)
    priority_changes(wanted, now, found)
    request_changes(wanted, now, found)
    return order.ordered(found, policy.most_out)


def workloads(wanted: Wanted) -> list[str]:
    """The workloads that have to be read."""
    return [name for name in wanted.works if is_scalable(name)]


def _nodes(wanted: Wanted, now: KubeNow, policy: ApplyPolicy, found: Difference) -> None:
    labels: dict[tuple[str, str], list[str]] = {}
    old: dict[str, list[str]] = {}
    new: dict[str, list[str]] = {}
    unfit: dict[str, list[str]] = {}
    for node in wanted.problem.nodes:
        if not node.in_service:
            continue
        project = wanted.owner(node.name)
        if project and not is_project(project):
            unfit.setdefault(project, []).append(node.name)
            continue
        here = now.nodes[node.name]
        if here.project != project:
            labels.setdefault((here.project, project), []).append(node.name)
        taint = project if policy.dedicated and project else None
        if here.taint != taint and here.taint is not None:
            old.setdefault(here.taint, []).append(node.name)
        if here.taint != taint and taint is not None:
            new.setdefault(taint, []).append(node.name)
    for project, names in sorted(unfit.items()):
        thing = f"nodes {compress(names)}"
        why = f"the project {project!r:.80} cannot be the value of a label of Kubernetes"
        found.refused.append(NotDone("label", thing, why))
    for (before, after), names in sorted(labels.items()):
        kind = "label" if not before else "relabel" if after else "unlabel"
        why = f"all work there is of {after}" if after else "the plan has work of several there, or none"
        found.changes.append(_node_change(kind, names, f"{PROJECT}={before}" if before else "", after, why))
    for before, names in old.items():
        why = "the plan gives them to others, or the policy gives nodes to nobody alone"
        found.changes.append(_node_change("untaint", names, f"taint {PROJECT}={before}", "", why))
    for after, names in new.items():
        why = "the policy keeps others away from a project's nodes"
        found.changes.append(_node_change("taint", names, "", after, why))


def _node_change(kind: str, names: t.Sequence[str], before: str, after: str, why: str) -> Change:
    shown = f"{'taint ' if kind == 'taint' else ''}{PROJECT}={after}" if after else ""
    nodes = tuple(names)
    return Change(kind, f"nodes {compress(names)}", before, shown, why, nodes, after, nodes if kind == "taint" else ())


def _replicas(wanted: Wanted, now: KubeNow, policy: ApplyPolicy, found: Difference) -> None:
    names = workloads(wanted)
    gone = [name for name in names if name not in now.replicas]
    if gone:
        found.notes.append(f"No longer there, so nothing is done about them: {some(gone)}.")
    # With copies that the plan left where they are: they are replicas as well.
    replicas = {name: wanted.copies.get(name, 0) + wanted.works[name].unplanned_copies for name in names}
    differ = [name for name in names if name in now.replicas and now.replicas[name] != replicas[name]]
    if differ and not policy.scale:
        found.notes.append(f"The plan has other numbers of copies of {some(differ)}; policy.scale is off.")
        return
    for name in differ:
        before, after = now.replicas[name], replicas[name]
        if not after:
            why = "the plan has no place for any copy; a service is switched off by a person only"
            found.refused.append(NotDone("scale_down", f"workload {name}", why))
            continue
        kind = "scale_up" if after > before else "scale_down"
        why = "the plan has a place for so many"
        thing = f"workload {name}"
        found.changes.append(Change(kind, thing, f"{before} replicas", f"{after} replicas", why, (name,), str(after)))

# What has to change in Slurm so that its scheduler goes by the plan: nodes, reservations, and what others add.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import order, stale
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
    StaleError,
    some,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_features import feature_changes
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_jobs import job_changes, jobs_by_workload
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_limits import limit_changes
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_order import order_changes
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_partitions import partition_changes
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_shares import share_changes
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import (
    PREFIX,
    ReservationInputs,
    SlurmNow,
    is_account,
)

USED, IDLE, RESERVE = 10, 1000, 2000
"""Weights: what the plan uses is filled first, and what it leaves free for failures last."""

_NEEDED_FLAGS = frozenset({"MAGNETIC", "FLEX"})
# Other reservations may be on the nodes of such a one.
_SHARING_FLAGS = frozenset({"MAINT", "OVERLAP"})


def difference(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy) -> Difference:
    """All of it. StaleError if the plan is of another fleet."""
    lost, notes = stale.differences(wanted.problem, now.nodes)
    if lost:
        raise StaleError(lost)
    found = Difference(notes=notes)
    _power(wanted, now, policy, found)
    limit_changes(wanted, now, policy, found)
    share_changes(wanted, now, policy, found)
    _weights(wanted, now, found)
    _reservations(wanted, now, found)
    feature_changes(wanted, now, policy, found)
    partition_changes(wanted, now, policy, found)
    job_changes(wanted, now, policy, found)
    order_changes(wanted, now, policy, found)
    return order.ordered(found, policy.most_out)


def _power(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> None:
    needed = set(wanted.projects) | wanted.reserve
    asleep = sorted(name for name in needed if name in now.nodes and now.nodes[name].powered_off)
    if asleep and now.no_power:
        found.refused.append(NotDone("power_up", f"nodes {compress(asleep)}", now.no_power))
    elif asleep:
        why = "the plan uses them, or leaves them free for failures"
        found.changes.append(Change("power_up", f"nodes {compress(asleep)}", "off", "on", why, tuple(asleep)))
    on = sorted(name for name in wanted.idle if not now.nodes[name].powered_off)
    theirs = _foreign(now, frozenset())
    free = [name for name in on if not now.nodes[name].busy and name not in theirs]
    if not on:
        return
    if not policy.power_off:
        found.notes.append(f"The plan needs none of {some(on)}; policy.power_off is off, so they stay on.")
        return
    if now.no_power:
        found.refused.append(NotDone("power_down", f"nodes {compress(on)}", now.no_power))
        return
    if len(free) < len(on):
        found.notes.append(f"{some(set(on) - set(free))}: not switched off while something runs there, or reserves it.")
    if free:
        why = "the plan puts nothing there"
        names = tuple(free)
        found.changes.append(Change("power_down", f"nodes {compress(free)}", "on", "off", why, names, out=names))


def _weights(wanted: Wanted, now: SlurmNow, found: Difference) -> None:
    groups = (
        (USED, sorted(wanted.projects), "the plan uses them, so they are filled first"),
        (IDLE, wanted.idle, "the plan does not need them, so they are filled after those that it uses"),
        (RESERVE, sorted(wanted.reserve), "they are left free for failures, so they are filled last"),
    )
    for weight, names, why in groups:
        other = [name for name in names if name in now.nodes and now.nodes[name].weight != weight]
        if other:
            before = sorted({now.nodes[name].weight for name in other})
            shown = f"weight {before[0]}" if len(before) == 1 else f"weights {before[0]} to {before[-1]}"
            thing = f"nodes {compress(other)}"
            found.changes.append(Change("weight", thing, shown, f"weight {weight}", why, tuple(other), str(weight)))


def _reservations(wanted: Wanted, now: SlurmNow, found: Difference) -> None:
    targets = _targets(wanted, now, found)
    for name, present in sorted(now.reservations.items()):
        # One that has ended is on its way out already.
        if name.startswith(PREFIX) and name not in targets and present.active:
            why = "the plan keeps no node for this project alone"
            found.changes.append(_end(present, why))
    for name, (project, nodes) in sorted(targets.items()):
        here = now.reservations.get(name)
        before = frozenset(here.nodes) if here is not None and here.active else frozenset()
        kept = before & nodes
        thing = f"reservation {name}"
        shown = _shown(before)
        if here is not None and before - nodes:
            why = "the plan has work of others there, or none"
            if not kept:
                found.changes.append(_end(here, why))
            else:
                change = Change("narrow_reservation", thing, shown, _shown(kept), why, tuple(sorted(kept)), project)
                found.changes.append(change)
            shown = _shown(kept)
        elif here is not None and before == nodes and not _is_as_made(here, project):
            kept = frozenset()
            shown = f"{shown}, other accounts or flags"
        if kept != nodes:
            why = f"all work there is of {project}"
            names = tuple(sorted(nodes))
            found.changes.append(Change("reservation", thing, shown, _shown(nodes), why, names, project))


def _targets(wanted: Wanted, now: SlurmNow, found: Difference) -> dict[str, tuple[str, frozenset[str]]]:
    """Name of a reservation -> project, nodes."""
    foreign = _foreign(now, _SHARING_FLAGS)
    nodes: dict[str, set[str]] = {}
    for node in wanted.projects:
        project = wanted.owner(node)
        if not project:
            continue
        if node in foreign:
            found.notes.append(f"{node}: stays in the reservation {foreign[node]} of somebody else.")
            continue
        nodes.setdefault(project, set()).add(node)
    accounts = _accounts(wanted, now)
    targets = {}
    for project, names in sorted(nodes.items()):
        thing = f"reservation {PREFIX}{project:.80}"
        others = accounts.get(project, {})
        if not is_account(project):
            found.refused.append(NotDone("reservation", thing, "no account of Slurm can have this name"))
        elif others:
            job, account = sorted(others.items())[0]
            why = f"it would shut out {job}, which is of account {account or 'none'!r:.80}; name projects as accounts"
            found.refused.append(NotDone("reservation", thing, why))
        else:
            targets[PREFIX + project] = (project, frozenset(names))
    return targets


def _foreign(now: SlurmNow, sharing: frozenset[str]) -> dict[str, str]:
    """Node -> a reservation of somebody else that holds it and has none of these flags."""
    found: dict[str, str] = {}
    for name, present in now.reservations.items():
        if not name.startswith(PREFIX) and not sharing & set(present.flags):
            found.update(dict.fromkeys(present.nodes, name))
    return found


def _accounts(wanted: Wanted, now: SlurmNow) -> dict[str, dict[str, str]]:
    """Project -> its jobs that are of another account, with that."""
    found: dict[str, dict[str, str]] = {}
    for workload, job in jobs_by_workload(now, wanted.copies).items():
        project = wanted.works[workload].project
        if job.account != project:
            found.setdefault(project, {})[workload] = job.account
    return found


def _is_as_made(present: ReservationInputs, project: str) -> bool:
    return present.accounts == (project,) and set(present.flags) >= _NEEDED_FLAGS


def _end(present: ReservationInputs, why: str) -> Change:
    thing = f"reservation {present.name}"
    return Change("end_reservation", thing, _shown(present.nodes), "", why, (present.name,))


def _shown(nodes: t.Iterable[str]) -> str:
    names = list(nodes)
    return f"nodes {compress(names)}" if names else ""

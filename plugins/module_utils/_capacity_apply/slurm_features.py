# A feature on the nodes that a plan gives to one project alone, by which its jobs may ask for them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import PREFIX, SlurmNow, is_account


def feature_changes(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> None:
    """Add what has to change about features of ours.

    A node that changes hands has both for a moment: a job that asks for a feature of no node at all is put aside.
    """
    new: dict[str, list[str]] = {}
    old: dict[str, list[str]] = {}
    for node in wanted.problem.nodes:
        here = now.nodes.get(node.name)
        if here is None:
            continue
        project = wanted.owner(node.name) if policy.features else ""
        feature = f"{PREFIX}{project}" if project else ""
        if feature and not {feature} <= set(here.features) & set(here.active):
            new.setdefault(feature, []).append(node.name)
        for name in {*here.features, *here.active}:
            if name.startswith(PREFIX) and name != feature:
                old.setdefault(name, []).append(node.name)
    for feature, names in sorted(new.items()):
        thing = f"nodes {compress(names)}"
        if not is_account(feature[len(PREFIX) :]):
            why = "no account of Slurm can have this name"
            found.refused.append(NotDone("feature", f"{thing}, {feature:.80}", why))
        elif now.no_features:
            found.refused.append(NotDone("feature", thing, now.no_features))
        else:
            why = f"all work there is of {feature[len(PREFIX) :]}"
            shown = f"feature {feature}"
            found.changes.append(Change("feature", thing, "", shown, why, tuple(names), feature))
    for feature, names in sorted(old.items()):
        thing = f"nodes {compress(names)}"
        if now.no_features:
            found.refused.append(NotDone("unfeature", thing, now.no_features))
        else:
            why = "the plan gives them to others, or to nobody alone" if policy.features else "the policy sets none"
            found.changes.append(Change("unfeature", thing, f"feature {feature}", "", why, tuple(names), feature))

# The GPU limits of Slurm's accounts and QOS, from the quotas of projects.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Project
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    NotDone,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.slurm_named import named
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmNow, is_account


def limit_changes(wanted: Wanted, now: SlurmNow, policy: ApplyPolicy, found: Difference) -> None:
    """Add what has to change about limits."""
    with_quota = {one.name: one for one in wanted.problem.projects if one.quota_gpu_milli is not None}
    for project in with_quota.values():
        thing = f"account {project.name:.80}"
        if not is_account(project.name):
            found.refused.append(NotDone("limit", thing, "no account of Slurm can have this name"))
        elif now.no_limits:
            found.refused.append(NotDone("limit", thing, now.no_limits))
        elif project.name not in now.limits:
            found.refused.append(NotDone("limit", thing, "Slurm has no such account; make it with sacctmgr"))
        else:
            _change("limit", thing, project.name, project, now.limits[project.name], found)
    for name, owner in named(policy.qos, "limit", "QOS", wanted, found):
        thing = f"QOS {name}"
        if owner not in with_quota:
            found.notes.append(f"{owner} has no quota of GPUs in the problem, so the QOS {name} stays as it is.")
        elif now.no_limits:
            found.refused.append(NotDone("limit", thing, now.no_limits))
        elif name not in now.qos:
            found.refused.append(NotDone("limit", thing, "Slurm has no such QOS; make it with sacctmgr"))
        else:
            _change("qos_limit", thing, name, with_quota[owner], now.qos[name], found)


def _change(kind: str, thing: str, name: str, project: Project, limit: int | None, found: Difference) -> None:
    quota = project.quota_gpu_milli or 0
    whole = quota // 1000
    note = f"{project.name}: a limit of Slurm is in whole GPUs, so its quota is {whole}."
    if quota % 1000 and note not in found.notes:
        found.notes.append(note)
    if limit == whole:
        return
    way = "raise" if limit is not None and limit < whole else "lower"
    before = "no limit of GPUs" if limit is None else f"{limit} GPUs"
    why = "its quota" if kind == "limit" else f"the quota of {project.name}"
    found.changes.append(Change(f"{way}_{kind}", thing, before, f"{whole} GPUs", why, (name,), str(whole)))

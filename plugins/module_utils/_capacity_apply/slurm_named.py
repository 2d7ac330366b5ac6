# What the policy names for a project in Slurm: a partition, a QOS.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import Difference, NotDone, some
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import is_account


def named(asked: t.Mapping[str, str], kind: str, word: str, wanted: Wanted, found: Difference) -> list[tuple[str, str]]:
    """Name and project, by name. What cannot be meant is refused, as that kind; ``word`` says what is named."""
    known = {project.name for project in wanted.problem.projects} | {work.project for work in wanted.works.values()}
    projects: dict[str, list[str]] = {}
    for project, name in asked.items():
        projects.setdefault(name, []).append(project)
    meant = []
    for name, owners in sorted(projects.items()):
        why = ""
        unknown = [project for project in owners if not project or project not in known]
        if not is_account(name):
            why = f"no {word} of Slurm can have this name (letters, digits, dot, dash, underscore)"
        elif len(owners) > 1:
            why = f"the policy names it for {some(owners):.200}; it can be that of one project alone"
        elif unknown:
            why = f"the problem has no project {unknown[0]!r:.80}"
        if why:
            found.refused.append(NotDone(kind, f"{word} {name:.80}", why))
        else:
            meant.append((name, owners[0]))
    return meant

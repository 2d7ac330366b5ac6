# Asks one check of a role's preflight whether it accepts options.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from render import ROOT, load_variables


def accepts(role: str, check: str, **variables: Any) -> bool:
    """Whether the task *check* of the role's preflight, which has no loop, accepts its defaults with *variables*."""
    folder = ROOT / "roles" / role
    names = {**load_variables(folder / "defaults/main.yml"), **load_variables(folder / "vars/main.yml"), **variables}
    tasks = DataLoader().load_from_file(str(folder / "tasks/preflight.yml"), cache="none", trusted_as_template=True)
    (task,) = [task["ansible.builtin.assert"] for task in tasks if task["name"] == check]
    conditions = task["that"] if isinstance(task["that"], list) else [task["that"]]
    templar = Templar(DataLoader(), variables=names)
    # The message must be one that can be shown.
    assert templar.template(trust_as_template(task["fail_msg"]))
    return all(templar.evaluate_conditional(trust_as_template(str(condition))) for condition in conditions)

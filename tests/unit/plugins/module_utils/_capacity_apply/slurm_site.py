# A Slurm of four nodes with a plan for two of them, and the ways to compare and to apply.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, slurm_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmInputs
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.plans import (
    plan,
    problem,
    work,
)
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_fake import FakeSlurm

ALL = ApplyPolicy(hold=True, requeue=True, power_off=True)
NAMES = ("gpu1", "gpu2", "gpu3", "gpu4")
VISION, CHAT = work("job/1", "vision"), work("job/2", "chat")
TWO = problem(NAMES, [VISION, CHAT])
PLAN = plan([("job/1", "gpu1"), ("job/2", "gpu2")])


class Site:
    """A Slurm of four nodes, and the ways to compare and to apply."""

    def __init__(self) -> None:
        self.slurm = FakeSlurm(NAMES)
        self.inputs = SlurmInputs("/bin/scontrol", "/bin/squeue", 5)

    def compare(self, made_of: Any = TWO, made: Any = None, policy: ApplyPolicy = ALL) -> Difference:
        wanted = wanted_of(read_problem(made_of), PLAN if made is None else made)
        accounts = [project.name for project in wanted.problem.projects]
        now = self.inputs.now(accounts, policy.qos.values(), bool(policy.partitions))
        return slurm_diff.difference(wanted, now, policy)

    def apply(self, made_of: Any = TWO, made: Any = None, policy: ApplyPolicy = ALL) -> list[Change]:
        """All changes made; a second comparison finds none."""
        changes = self.compare(made_of, made, policy).changes
        for change in changes:
            assert carry_out.in_slurm(change, self.inputs)
        assert self.compare(made_of, made, policy).changes == []
        return changes


def told(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(one.kind, one.thing, one.before, one.after) for one in changes]

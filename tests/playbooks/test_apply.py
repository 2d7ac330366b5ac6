# Runs the playbook apply against a stand-in of Slurm that keeps what it is told.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.tests.playbooks.console import ROOT, Console
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply import plans
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_fake import FakeSlurm, Job

PROGRAM = f"""#!{sys.executable}
import pickle, sys
sys.path.insert(0, {str(ROOT / ".ansible" / "collections")!r})
from pathlib import Path
state = Path(__file__).with_name("state")
slurm = pickle.loads(state.read_bytes())
answer = slurm.run(sys.argv, 5)
state.write_bytes(pickle.dumps(slurm))
sys.stdout.write(answer.stdout)
sys.stderr.write(answer.stderr)
sys.exit(answer.rc)
"""


class Site(Console):
    """A control node whose Slurm has four nodes; the plan uses two of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        names = self.controller.names
        for program in (self.controller.slurm.scontrol, self.controller.slurm.squeue):
            program.write_text(PROGRAM)
            program.chmod(0o755)
        # Each call starts Python.
        settings = json.loads(self.controller.config.read_text())
        settings["engine"]["timeout_seconds"] = 120
        self.controller.config.write_text(json.dumps(settings))
        self.state = self.controller.slurm.scontrol.with_name("state")
        slurm = FakeSlurm(names)
        slurm.jobs = {"1": Job("vision"), "2": Job("chat")}
        self.state.write_bytes(pickle.dumps(slurm))
        problem = plans.problem(names, [plans.work("job/1", "vision"), plans.work("job/2", "chat")])
        plan = plans.plan([("job/1", "gpu1"), ("job/2", "gpu2")])
        (folder / "problem.json").write_text(json.dumps(problem))
        (folder / "plan.json").write_text(json.dumps(plan))

    def slurm(self) -> FakeSlurm:
        made: FakeSlurm = pickle.loads(self.state.read_bytes())
        return made

    def change(self, how: Callable[[FakeSlurm], None]) -> None:
        slurm = self.slurm()
        how(slurm)
        self.state.write_bytes(pickle.dumps(slurm))

    def apply(self, *arguments: str, **variables: object) -> tuple[int, str]:
        # As seen from where the playbook is called.
        paths = {
            f"apply_{name}_path": os.path.relpath(self.folder / f"{name}.json", ROOT) for name in ("problem", "plan")
        }
        return self.run("apply", *arguments, apply_policy={"power_off": True}, **paths, **variables)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_show_apply_and_nothing_more(site: Site) -> None:
    status, told = site.apply("--check", "--diff")
    assert status == 0, told
    assert "changed=1" in told and site.slurm().changes == []
    assert "+reservation aidc_plan_vision: nodes gpu1" in told and "power down" in told
    status, told = site.apply()
    assert status == 0 and "changed=1" in told, told
    slurm = site.slurm()
    assert slurm.reservations["aidc_plan_vision"].nodes == ["gpu1"] and "POWERED_DOWN" in slurm.nodes["gpu4"].state
    status, told = site.apply()
    assert status == 0 and "changed=0" in told and "Nothing has to be changed." in told, told


def test_what_the_playbook_plan_wrote_is_taken(site: Site) -> None:
    (site.folder / "plan.json").unlink()
    status, told = site.run("plan", plan_problem_path=str(site.folder / "problem.json"), plan_dir=str(site.folder))
    assert status == 0, told
    status, told = site.apply("--check")
    # Both jobs fit on one node, which then belongs to no project alone.
    assert status == 0 and told.count("nodes gpu[2-4]") == 2 and "power down" in told, told
    assert "+reservation" not in told
    assert site.slurm().changes == []


def test_limits_that_a_plan_counts_on_are_told_where_nobody_sets_them(site: Site) -> None:
    plan = json.loads((site.folder / "plan.json").read_text())
    rows = [{"node": "gpu1", "limit_watts": 500}, {"node": "gpu2", "limit_watts": None}]
    for limits, told_or_not in ((rows, True), (rows[1:], False)):
        (site.folder / "plan.json").write_text(json.dumps({**plan, "power_limits": limits}))
        status, told = site.apply("--check", "--tags=scheduler")
        assert status == 0, told
        assert ("The plan limits the power of 1 of its nodes; without apply_power" in told) == told_or_not, told


def test_a_lost_node_is_told(site: Site) -> None:
    def lose(slurm: FakeSlurm) -> None:
        slurm.nodes["gpu2"].state = "DOWN*"

    site.change(lose)
    status, told = site.apply()
    assert status != 0 and "gpu2: out of service now" in told and "make a new plan" in told, told
    status, told = site.apply(apply_power=True, apply_gpu_hosts="all")
    assert status != 0 and "gpu2: out of service now" in told, told
    assert "PLAY [Lower the power limits]" not in told, "no GPU is slowed for a plan that is refused"
    assert site.slurm().changes == []

# The event loop is killed at every step of one case: nothing is lost, and the node is rebooted exactly once.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path

from demo_lab import SCENARIO

PROGRAM = Path(__file__).with_name("kill_at_steps.py")
NODE = "gpu1"
STEPS = ["cordon", "evidence", "drain", "reboot", "validate", "resume"]


def test_crashes_at_every_step_neither_lose_nor_repeat_anything(healthy) -> None:
    before, boots = healthy.last_case(), healthy.boots(NODE)
    command = ["podman", "exec", "-i", f"aidc-{SCENARIO}-ctl", "python3", "-", NODE, str(before), *STEPS]
    with (
        PROGRAM.open("rb") as program,
        subprocess.Popen(command, stdin=program, stdout=subprocess.PIPE, text=True) as killer,
    ):
        assert killer.stdout is not None
        assert killer.stdout.readline() == "watching\n"
        healthy.lab.exec(NODE, "gpusim", "inject", "xid79", "--gpu", "2")
        kills = [line.split() for line in killer.stdout]
    assert [step for step, _pid in kills] == STEPS
    # Each kill hit another process.
    assert len({pid for _step, pid in kills}) == len(STEPS)

    def ended():
        cases = healthy.cases_after(before)
        return cases if cases and all(case["closed_at"] for case in cases) else None

    cases = healthy.until("the end of the case", 180, ended)
    assert [(case["node"], case["state"]) for case in cases] == [(NODE, "returned")]
    assert healthy.boots(NODE) == boots + 1
    assert healthy.story.slurm()[NODE]["State"] == "IDLE"
    # What was begun before a crash is brought to its end, not begun again.
    events = healthy.timeline(cases[0]["case_id"])
    assert [event["step"] for event in events if event["kind"] == "begun"] == STEPS

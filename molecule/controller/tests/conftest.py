# Fixtures of the scenario controller: its two nodes, and the cases that the controller knows.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import time
import typing as t

import pytest
import testinfra

SERVICE = "aidc-ops-rulebook.service"


class Lab:
    """What a test does with the controller ``ctl`` and the node ``gpu2``."""

    def __init__(self) -> None:
        self.ctl = testinfra.get_host("podman://aidc-controller-ctl")
        self.gpu2 = testinfra.get_host("podman://aidc-controller-gpu2")

    def cases(self) -> list[dict[str, t.Any]]:
        return list(json.loads(self.ctl.check_output("aidc-cases list --json")))

    def timeline(self, case_id: int) -> list[dict[str, t.Any]]:
        return list(json.loads(self.ctl.check_output(f"aidc-cases timeline {case_id} --json")))

    def steps(self, case_id: int, kind: str) -> list[str]:
        """The steps with such an event, in order."""
        return [event["step"] for event in self.timeline(case_id) if event["kind"] == kind]

    def until(self, what: str, check: t.Callable[[], t.Any], seconds: float = 240) -> t.Any:
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if value := check():
                return value
            time.sleep(1)
        log = self.ctl.run(f"journalctl --unit {SERVICE} --no-pager --lines 60").stdout
        pytest.fail(f"waited {seconds} s for {what}\n{self.ctl.run('aidc-cases list').stdout}\n{log}")

    def closed(self, case_id: int, state: str = "returned") -> t.Callable[[], bool]:
        return lambda: any(case["case_id"] == case_id and case["state"] == state for case in self.cases())

    def settled(self) -> None:
        """Wait until no case is open and the node is ready for the next fault."""
        self.until("all cases closed", lambda: all(case["closed_at"] for case in self.cases()))
        self.until("the loop", lambda: self.ctl.run("aidc-cases status --require kernel_log").rc == 0)
        # A fault of a node that came back a moment ago counts as an echo of the old one.
        time.sleep(2)

    def inject(self, fault: str, gpu: int = 1) -> int:
        """Break a GPU; return the number of the case that follows."""
        known = {case["case_id"] for case in self.cases()}
        self.gpu2.check_output(f"gpusim inject --gpu {gpu} {fault}")
        fresh = self.until("a new case", lambda: {case["case_id"] for case in self.cases()} - known, 60)
        return int(min(fresh))

    def restarts(self) -> int:
        """How often the node was rebooted."""
        command = ["podman", "inspect", "--format", "{{.RestartCount}}", "aidc-controller-gpu2"]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()

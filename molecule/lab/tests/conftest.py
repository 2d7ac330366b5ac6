# What the tests of the lab share: the lab itself, and faults that are followed to their end.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools"), str(Path(__file__).parent)]

import latencies
from bmcsim.certificates import make_certificate
from bmcsim.model import RESETS, Bmc
from bmcsim.server import Place, Simulator
from containers import container
from demo_lab import SCENARIO, SITE, Lab
from demo_progress import Progress
from demo_story import Story

LEDGER = "/var/lib/aidc_ops/ledger.sqlite"
# The loop's own copy of the lab's inventory.
INVENTORY = "/etc/aidc_ops/inventory"


class Loop:
    """The remediation loop, seen from outside."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.story = Story(lab)

    def sql(self, query: str) -> list[list[Any]]:
        """Rows of a query to the ledger, which is only read."""
        script = (
            f"import json, sqlite3, sys; db = sqlite3.connect('file:{LEDGER}?mode=ro', uri=True); "
            "print(json.dumps(db.execute(sys.argv[1]).fetchall()))"
        )
        return list(json.loads(self.lab.exec("ctl", "python3", "-c", script, query)))

    def last_case(self) -> int:
        """Highest number of a case so far; 0 without any."""
        return int(self.sql("SELECT coalesce(max(id), 0) FROM cases")[0][0])

    def cases_after(self, number: int) -> list[dict[str, Any]]:
        """The cases that were opened later than this one."""
        return [case for case in self.story.cases() if case["case_id"] > number]

    def timeline(self, number: int) -> list[dict[str, Any]]:
        """Everything that happened to a case."""
        return list(json.loads(self.lab.exec("ctl", "aidc-cases", "timeline", str(number), "--json")))

    def boots(self, node: str) -> int:
        """How often the node was booted by itself since it was created or restarted by hand."""
        template = "{{.RestartCount}}"
        return int(self.lab.host.run("podman", "inspect", "--format", template, f"aidc-{SCENARIO}-{node}"))

    def until(self, what: str, seconds: float, check: Callable[[], Any]) -> Any:
        """Wait for something that is true, and return it; fail with what it was after so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = check()
            if value:
                return value
            time.sleep(1)
        pytest.fail(f"{what}: not within {seconds:.0f} s; cases: {self.story.cases()}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = latencies.table()
    if lines:
        terminalreporter.section(f"seconds since each fault was injected ({latencies.FILE.relative_to(ROOT)})")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    made = Lab(Progress())
    with made.lock():
        made.locate()
        yield made


@pytest.fixture(scope="session")
def loop(lab: Lab) -> Loop:
    return Loop(lab)


@pytest.fixture(scope="session")
def healthy(loop: Loop) -> Loop:
    """The loop of a lab in which nothing is broken."""
    loop.story.reset()
    loop.story.wait("The lab is healthy", 120, loop.story.problems, "podman exec aidc-lab-ctl systemctl --failed")
    return loop


@pytest.fixture
def paused(healthy):
    """The loop records and opens cases, but takes no action; afterwards those cases are cancelled."""
    before = healthy.last_case()
    healthy.lab.exec("ctl", "aidc-cases", "pause")
    yield healthy
    for case in healthy.cases_after(before):
        if case["closed_at"] is None:
            healthy.lab.exec("ctl", "aidc-cases", "cancel", str(case["case_id"]))
    healthy.lab.succeeds("ctl", "aidc-cases", "rearm")
    healthy.lab.exec("ctl", "aidc-cases", "resume")


@pytest.fixture(scope="session")
def bmc(healthy: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bmc]:
    """A BMC of the node gpu2, on this host, that the loop knows. Its switch of the power is that of the container."""
    lab, node, slot = healthy.lab, "gpu2", "2"
    network = json.loads(lab.host.run("podman", "network", "inspect", f"aidc-{SCENARIO}"))[0]
    address = network["subnets"][0]["gateway"]
    folder = tmp_path_factory.mktemp("bmc")
    certificate, key = make_certificate(folder, [address])

    def off() -> None:
        lab.host.run("podman", "stop", "--time", "0", container(SCENARIO, node))

    def on() -> None:
        lab.host.run("podman", "start", container(SCENARIO, node))
        # The simulator knows no fault that only a cold start heals.
        lab.exec(node, "gpusim", "replace", "--gpu", slot)

    def switch(_bmc: Bmc, kind: str) -> None:
        for state in RESETS[kind]:
            power.submit({"Off": off, "On": on}[state])

    board = Bmc(node, on_reset=switch)
    place = Place(board, address, 0)
    with ThreadPoolExecutor(1) as power, Simulator([place], str(certificate), str(key)):
        known = f"""\
aidc_ops_bmc_address: {address}
aidc_ops_bmc_port: {place.port}
aidc_ops_bmc_username: {board.username}
aidc_ops_bmc_password: {board.password}
aidc_ops_bmc_protocol: redfish
aidc_ops_bmc_ca_path: {SITE}/bmc.crt
"""
        lab.exec("ctl", "mkdir", "-p", f"{INVENTORY}/host_vars")
        lab.exec("ctl", "tee", f"{SITE}/bmc.crt", stdin=certificate.read_text())
        lab.exec("ctl", "tee", f"{INVENTORY}/host_vars/{node}.yml", stdin=known)
        yield board
        lab.exec("ctl", "rm", "-r", f"{INVENTORY}/host_vars", f"{SITE}/bmc.crt")

# Runs the playbook drill against a stand-in of Alertmanager, with a thread that does what the loop would do.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import alerts_to_signals, lines_to_signals
from ansible_collections.aidc.ops.plugins.module_utils._engines import open_engines
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager, when
from ansible_collections.aidc.ops.tests.fakes.certificates import Authority
from ansible_collections.aidc.ops.tests.playbooks.console import Console

REMAP = {"drill_class": "gpu_row_remap_exhausted", "drill_pci": "00000000:1B:00.0"}


class Loop:
    """Sees alerts and kernel lines, and takes nodes out."""

    def __init__(self, folder: Path, server: FakeAlertmanager) -> None:
        self.server = server
        self.kernel_log = folder / "kernel.log"
        self.console = Console(folder, [server.url], "act")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        settings, ledger = self.console.settings, self.console.controller.ledger()
        while not self._stop.wait(0.2):
            posted = [{"startsAt": when(time.time()), **item} for item in self.server.active()]
            signals = alerts_to_signals(posted, settings, time.time())[0]
            # One key for each alert, as an Alertmanager gives one start to each.
            signals = [signal.__class__(**{**vars(signal), "dedup_key": signal.node}) for signal in signals]
            for line in self.kernel_log.read_text().splitlines() if self.kernel_log.exists() else []:
                self.console.controller.log("gpu1", line, time="2030-01-01T00:00:00Z")
                signals += lines_to_signals(self.console.controller.spool.read_bytes(), settings)[0]
            found = ledger.record(signals, None, settings)
            contain(ledger, settings, open_engines(settings), [*found.new_case_ids, *found.merged_case_ids])
        ledger.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    with FakeAlertmanager() as server:
        made = Loop(tmp_path, server)
        yield made
        made.stop()


def test_an_alert_is_raised_followed_and_ended(loop: Loop) -> None:
    loop.start()
    status, output = loop.console.run(
        "drill", **REMAP, target="gpu1,gpu2", drill_confirm=True, drill_until="contained", drill_wait_seconds=60
    )
    assert status == 0, output
    assert "NODE  CASE  RECOGNISED  CONTAINED" in output and "gpu2  " in output
    first = loop.server.posted[0]["labels"]
    assert first["alertname"] == "GpuRowRemapExhausted" and first["drill"] == "true"
    assert first["pci_bus_id"] == "0000:1b:00.0"
    assert len(loop.server.posted) == 4 and loop.server.active() == []
    assert loop.console.controller.slurm.reason("gpu1").startswith("aidc.ops:")


def test_an_alertmanager_that_wants_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with FakeAlertmanager(authority.server()) as server:
        made = Loop(tmp_path, server)
        config = made.console.controller.config
        content = json.loads(config.read_text())
        content["alertmanager"].update(authority.options())
        config.write_text(json.dumps(content))
        variables = {**REMAP, "target": "gpu1", "drill_confirm": True, "drill_wait_seconds": 2}
        status, output = made.console.run("drill", **variables)
        assert status != 0 and "Not ended after 2 s: gpu1" in output, output
        assert len(server.posted) == 2 and server.active() == [], "raised and ended"


def test_a_node_that_does_not_get_there_is_named(loop: Loop) -> None:
    status, output = loop.console.run("drill", **REMAP, target="gpu1", drill_confirm=True, drill_wait_seconds=2)
    assert status != 0
    assert "Not ended after 2 s: gpu1" in output and "NODE  CASE" in output, output
    assert loop.server.active() == []


def test_a_line_of_the_kernel(loop: Loop) -> None:
    loop.start()
    status, output = loop.console.run(
        "drill",
        drill_class="gpu_ecc_uncontained",
        drill_pci="0000:1b:00.0",
        drill_kernel_log=str(loop.kernel_log),
        target="gpu1",
        drill_confirm=True,
        drill_until="recognised",
        drill_wait_seconds=60,
    )
    assert status == 0, output
    assert "(PCI:0000:1b:00)" in loop.kernel_log.read_text()
    assert loop.server.posted == []


def test_check_mode_says_what_would_happen(loop: Loop) -> None:
    status, output = loop.console.run("drill", "--check", **REMAP, target="gpu1")
    assert status == 0, output
    assert "injected as alert; then cordon, evidence, drain" in output
    assert loop.server.posted == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "Say what to inject with -e drill_class="),
        ({"drill_class": "gpu_bored", "target": "gpu1"}, "not in the fault catalogue: gpu_bored"),
        ({"drill_class": "gpu_suspect", "target": "gpu1"}, "gpu_suspect cannot be injected: "),
        ({**REMAP, "target": "gpu1"}, "The loop will really do this to gpu1: cordon, "),
        (
            {"drill_class": "clock_skew", "target": "gpu1", "drill_until": "contained", "drill_confirm": True},
            "takes no node out",
        ),
        (
            {**REMAP, "target": "gpu1", "drill_confirm": True, "drill_alertmanagers": ["http://127.0.0.1:1"]},
            "No Alertmanager took the alert",
        ),
    ],
)
def test_what_is_refused(loop: Loop, variables: dict[str, Any], message: str) -> None:
    status, output = loop.console.run("drill", **variables)
    assert status != 0 and message in output, output
    assert loop.server.posted == []

# The bars that the event loop has to clear, on the real ansible-rulebook; those about our sources alone are unit tests.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each test names what a stock set-up did in the same situation."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

from ansible_collections.aidc.ops.tests.fakes.alertmanager import alert, when

if t.TYPE_CHECKING:
    from ansible_collections.aidc.ops.tests.rulebooks.conftest import Loop

MakeLoop = t.Callable[..., "Loop"]
COMMAND = Path(__file__).resolve().parents[2] / "roles" / "remediation_controller" / "files" / "aidc_cases.py"
MEMORY_MIB = 200


def remap(node: str, bus: int = 0x1B) -> dict[str, t.Any]:
    return alert(
        "GpuRowRemapFailure",
        f"{node}-{bus}",
        when(time.time()),
        instance=node,
        fault_class="gpu_row_remap_failure",
        pci_bus_id=f"00000000:{bus:02X}:00.0",
    )


def test_a_group_of_60_alerts_and_a_kill_in_the_middle_of_it(loop: Loop) -> None:
    """Stock: 85 runs for 60 alerts without the kill, 174 to 185 or losses with it."""
    group = [remap(node, bus) for node in loop.controller.names for bus in range(0x10, 0x1F)]
    assert len(group) == 60
    loop.alertmanager.alerts = group[:30]
    loop.start()
    loop.until("the first cases", lambda: len(loop.controller.ledger().cases()) == 2)
    loop.alertmanager.alerts = group
    loop.until("a step in work", lambda: ("begun", "evidence") in loop.kinds(1))
    loop.kill()
    loop.sweep()
    loop.start()
    for case_id in (1, 2, 3, 4):
        loop.until(f"case {case_id}", loop.in_state(case_id, "held"), 120)
    ledger = loop.controller.ledger()
    assert sorted(case.node for case in ledger.cases()) == sorted(loop.controller.names)
    faults = [(case.node, fault.device) for case in ledger.cases() for fault in ledger.faults(case.id)]
    assert len(faults) == len(set(faults)) == 60
    for case_id in (1, 2, 3, 4):
        assert loop.kinds(case_id).count(("finished", "cordon")) == 1
        assert loop.kinds(case_id).count(("finished", "evidence")) == 1


def test_a_storm_of_1000_alerts_in_5_seconds(make_loop: MakeLoop) -> None:
    """Stock: a queue of 13 minutes; with more slots, gigabytes of runs. Ours: the budget holds, and nothing is lost."""
    names = [f"gpu{number}" for number in range(1, 1001)]
    gate = {"storm_nodes": 10_000, "out_percent": 100, "out_max": 3, "per_rack": 1000}
    loop = make_loop(names=names, gate=gate)
    loop.start()
    loop.ready()
    began = time.monotonic()
    for share in range(1, 6):
        loop.alertmanager.alerts = [remap(name) for name in names[: share * 200]]
        time.sleep(max(0.0, began + share - time.monotonic()))
    loop.until("all cases", lambda: len(loop.controller.ledger().cases()) == 1000, 60)
    print(f"1,000 alerts recorded {time.monotonic() - began:.1f} s after the first, peak {loop.peak_mib():.0f} MiB")
    skipped = loop.until("the last decision", lambda: _all_decided(loop), 60)
    assert sum(1 for name in names if loop.controller.slurm.state(name) != "IDLE") == 3
    assert sum(skipped.values()) >= 997
    assert loop.peak_mib() < MEMORY_MIB


def _all_decided(loop: Loop) -> dict[str, int]:
    counts: dict[str, int] = loop.controller.ledger().counters()["skipped"]
    return counts if sum(counts.values()) >= 997 else {}


def test_a_stop_with_a_run_in_flight(loop: Loop) -> None:
    """Stock: the run is orphaned and the queue is lost. The service calls quiesce before systemd sends SIGTERM."""
    marks = loop.controller.root / "marks"
    command = ["sh", "-c", f"echo begun >> {marks}; sleep 4; echo ended >> {marks}"]
    loop.inventory({"remediation_evidence_commands": [{"name": "slow", "argv": command}]})
    loop.start()
    loop.ready()
    loop.controller.log("gpu2")
    loop.until("the step in work", marks.exists)
    environment = {**os.environ, **loop.environment()}
    arguments = ["--config", str(loop.controller.config), "quiesce", "--seconds", "60"]
    done = subprocess.run(
        [sys.executable, str(COMMAND), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loop.kill(signal.SIGTERM)
    assert marks.read_text().split() == ["begun", "ended"]
    assert loop.kinds(1).count(("finished", "evidence")) == 1
    assert loop.controller.ledger().case(1).lease_holder is None
    # What came meanwhile is there after the start.
    loop.controller.log("gpu4")
    (loop.controller.root / "quiesce").unlink()
    loop.start()
    loop.until("the other case", lambda: len(loop.controller.ledger().cases()) == 2)


def test_a_syntax_error_in_the_playbook_is_told(make_loop: MakeLoop, collections: Path, tmp_path: Path) -> None:
    """Stock: silence, for no callback fires. Two scrape intervals are 30 s; ours can be read after 20 s."""
    broken = tmp_path / "broken"
    shutil.copytree(collections / "ansible_collections", broken / "ansible_collections")
    playbook = broken / "ansible_collections" / "aidc" / "ops" / "playbooks" / "remediate.yml"
    playbook.write_text(playbook.read_text() + "\n- hosts: localhost\n  tasks: {no such: list\n")
    loop = make_loop(collections=broken)
    loop.start()
    loop.ready()
    loop.controller.log("gpu2")
    loop.until("the drain", lambda: loop.controller.slurm.state("gpu2") == "IDLE+DRAIN", 10)
    began = time.monotonic()
    loop.until("the metric", lambda: _metric(loop, "aidc_remediation_runs_not_started_total") >= 1, 40)
    print(f"told {time.monotonic() - began:.1f} s after the drain")
    assert _metric(loop, "aidc_remediation_cases_without_run") == 1


def _metric(loop: Loop, name: str) -> float:
    if not loop.controller.metrics.exists():
        return -1.0
    for line in loop.controller.metrics.read_text().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    return -1.0


def test_a_hint_is_faster_than_the_poll(make_loop: MakeLoop, tmp_path: Path) -> None:
    """The sources are loaded each by its path, and still have to find each other."""
    (tmp_path / "token").write_text("a-token-of-many-characters")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    loop = make_loop(alertmanager={"poll_seconds": 600}, webhook={"port": port, "token_file": str(tmp_path / "token")})
    loop.start()
    loop.ready()
    loop.until("the listener", lambda: _is_open(port), 20)
    loop.alertmanager.alerts = [remap("gpu3")]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/alertmanager",
        data=b"{}",
        headers={"Authorization": "Bearer a-token-of-many-characters"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202
    loop.until("the drain", lambda: loop.controller.slurm.state("gpu3") == "IDLE+DRAIN", 10)
    assert _metric(loop, "aidc_remediation_ledger_errors_total") == 0


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

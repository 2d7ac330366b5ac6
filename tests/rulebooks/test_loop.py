# The loop on the real ansible-rulebook: signal, ledger, containment, playbook; stops, kills and hostile input.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import signal
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.tests.fakes.alertmanager import alert, when
from ansible_collections.aidc.ops.tests.fakes.controller import XID79

if t.TYPE_CHECKING:
    from ansible_collections.aidc.ops.tests.rulebooks.conftest import Loop


def remap(node: str, fingerprint: str = "f1", **labels: str) -> dict[str, t.Any]:
    return alert(
        "GpuRowRemapFailure",
        fingerprint,
        when(time.time()),
        **{"instance": node, "fault_class": "gpu_row_remap_failure", "pci_bus_id": "00000000:1B:00.0", **labels},
    )


def test_both_lanes_reach_their_playbook(loop: Loop) -> None:
    """Both cases go on until a person has to approve what these tests must not do."""
    loop.start()
    loop.ready()
    loop.controller.log("gpu2")
    began = time.monotonic()
    loop.until("the drain", lambda: loop.controller.slurm.state("gpu2") == "IDLE+DRAIN", 10)
    contained = time.monotonic() - began
    loop.until("the first step", lambda: ("begun", "evidence") in loop.kinds(1), 20)
    first_step = time.monotonic() - began
    loop.until("the held case", loop.in_state(1, "held"))
    assert (loop.controller.root / "evidence" / "1" / "manifest.json").exists()
    assert [kind for kind in loop.kinds(1) if kind[0] == "finished"] == [
        ("finished", "cordon"),
        ("finished", "evidence"),
        ("finished", "drain"),
    ]
    # Said for the reader; a test under load must not measure.
    print(f"drain after {contained:.2f} s, first step after {first_step:.2f} s")

    loop.alertmanager.alerts = [remap("gpu3")]
    loop.until("the other held case", loop.in_state(2, "held"))
    assert loop.controller.slurm.reason("gpu3") == "aidc.ops:2 gpu_row_remap_failure"
    assert loop.controller.slurm.state("gpu1") == "IDLE"
    loop.until("the lease given back", lambda: loop.controller.ledger().case(2).lease_holder is None)
    loop.until("the metrics", lambda: 'aidc_remediation_cases{state="held"} 2' in loop.controller.metrics.read_text())


def test_hostile_input_is_inert_and_the_loop_goes_on(loop: Loop, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    hostile = "{{ lookup('ansible.builtin.pipe', 'touch " + str(trap) + "') }}"
    loop.start()
    loop.ready()
    loop.alertmanager.alerts = [
        remap(hostile, "h1"),
        remap("all", "h2"),
        remap("gpu1,gpu2", "h3"),
        remap("*", "h4"),
        remap("", "h5"),
        remap("gpu1", "h6", pci_bus_id=hostile),
        remap("gpu1", "h7", fault_class=hostile),
        {"fingerprint": hostile, "labels": {hostile: hostile}},
        5,
        # A sound one with hostile annotations and an additional hostile label is acted on, and its text stays text.
        {**remap("gpu3", "h8", note=hostile), "annotations": {"summary": hostile, hostile: hostile}},
    ]
    loop.controller.log(hostile)
    loop.controller.log("gpu2", f"{XID79} {hostile}")
    loop.controller.write(b"\xff{{ 1 }}\n" + b"y" * 100_000 + b"\n")
    loop.until("both cases", lambda: loop.in_state(1, "held")() and loop.in_state(2, "held")())
    assert sorted(case.node for case in loop.controller.ledger().cases()) == ["gpu2", "gpu3"]
    assert not trap.exists()
    refused = loop.controller.ledger().counters()["refused"]
    assert {"unknown_node", "no_node", "unrecognised", "bad_shape", "bad_encoding", "too_long"} <= set(refused)
    texts = [event.text for event in loop.controller.ledger().timeline(1) + loop.controller.ledger().timeline(2)]
    assert any(hostile in text for text in texts)
    assert 'aidc_remediation_signals_refused_total{reason="unknown_node"}' in loop.until(
        "the metrics", lambda: "unknown_node" in (text := loop.controller.metrics.read_text()) and text, 15
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_kill_in_a_step_loses_and_repeats_nothing(loop: Loop, number: int) -> None:
    marks = loop.controller.root / "marks"
    command = ["sh", "-c", f"echo begun >> {marks}; sleep 3"]
    loop.inventory({"remediation_evidence_commands": [{"name": "slow", "argv": command}]})
    loop.start()
    loop.ready()
    loop.controller.log("gpu2")
    loop.until("the step in work", marks.exists)
    loop.kill(number)
    loop.sweep()
    # What arrives meanwhile waits in the spool and with Alertmanager.
    loop.controller.log("gpu4")
    loop.alertmanager.alerts = [remap("gpu3")]
    loop.start()
    for case_id in (1, 2, 3):
        loop.until(f"case {case_id}", loop.in_state(case_id, "held"))
    assert sorted(case.node for case in loop.controller.ledger().cases()) == ["gpu2", "gpu3", "gpu4"]
    # The attempt was counted before it acted and is taken up again, not counted again.
    assert loop.kinds(1).count(("finished", "evidence")) == 1
    assert loop.kinds(1).count(("finished", "cordon")) == 1
    assert len(loop.controller.slurm.calls("update NodeName=gpu2")) == 1


def test_an_orphaned_run_is_not_joined_by_a_second_one(loop: Loop) -> None:
    """Without systemd nobody sweeps: the run of the killed process goes on, and its lease keeps others away."""
    marks = loop.controller.root / "marks"
    command = ["sh", "-c", f"echo begun >> {marks}; sleep 8; echo ended >> {marks}"]
    loop.inventory({"remediation_evidence_commands": [{"name": "slow", "argv": command}]})
    loop.start()
    loop.ready()
    loop.controller.log("gpu2")
    loop.until("the step in work", marks.exists)
    loop.kill()
    loop.start()
    loop.until("the held case", loop.in_state(1, "held"))
    lines = marks.read_text().split()
    assert "begunbegun" not in "".join(lines)


def test_sources_survive_what_they_depend_on(loop: Loop) -> None:
    """No spool, no Alertmanager, no scheduler: each is tried again, and nothing is lost."""
    loop.controller.spool.unlink()
    loop.alertmanager.status = 503
    loop.controller.slurm.break_it()
    loop.start()
    loop.until("a failed round", lambda: b"kernel_log: FileNotFoundError" in loop.log_path.read_bytes())
    loop.controller.log("gpu2")
    loop.alertmanager.alerts, loop.alertmanager.status = [remap("gpu3")], 200
    loop.until("both cases", lambda: len(loop.controller.ledger().cases()) == 2)
    loop.controller.slurm.break_it(False)
    for case_id in (1, 2):
        loop.until(f"case {case_id}", loop.in_state(case_id, "held"), 90)
    assert loop.controller.slurm.state("gpu2") == loop.controller.slurm.state("gpu3") == "IDLE+DRAIN"

# Runs the playbooks cases and shadow as the person whom the loop waits for, on a real ledger.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import open_engines
from ansible_collections.aidc.ops.tests.fakes.alertmanager import when
from ansible_collections.aidc.ops.tests.playbooks.console import Console

HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/aidc_ops_hostile') }}\x1b[2J"
HOLDER = "test:1:1"


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(tmp_path)


def ask(console: Console, case_id: int) -> None:
    """Let the loop ask for the next step, which waits for approval."""
    console.ledger.lease([case_id], HOLDER, 60)
    step = console.ledger.case(case_id).step
    console.ledger.begin_step(case_id, str(step), HOLDER, console.settings, open_engines(console.settings).nodes())
    console.ledger.release(HOLDER)


def said(console: Console) -> list[dict[str, Any]]:
    return [
        event.detail
        for case in console.ledger.cases()
        for event in console.ledger.timeline(case.id)
        if event.detail.get("by")
    ]


def test_a_case_from_the_list_to_its_approval_and_its_end(console: Console) -> None:
    console.see(text=HOSTILE)
    console.see("gpu3", "gpu_gsp_error")
    ask(console, 1)
    console.ledger.cancel(2, "the night shift")

    status, output = console.run("cases")
    assert status == 0, output
    assert "1     gpu2  held   cordon     gpu_fell_off_bus  gpu:0000:1b:00" in output
    assert "waits for a person's approval" in output and "gpu3" not in output
    assert "[WARNING]" not in output

    status, output = console.run("cases", state="all")
    assert status == 0 and "gpu3  cancelled" in output

    status, output = console.run("cases", case_id=1)
    assert status == 0, output
    assert "whole way    cordon > evidence > drain > reboot > validate > resume" in output
    assert "approved by  nobody" in output and "lookup(" in output and "\\u001b" not in output
    assert not Path("/tmp/aidc_ops_hostile").exists()

    status, output = console.run("cases", "--check", do="approve", case_id=1)
    assert status == 0 and console.ledger.case(1).approved_by is None, output
    status, output = console.run("cases", do="approve", case_id=1)
    assert status == 0 and "approved by  kim, 20" in output, output
    status, output = console.run("cases", do="cancel", case_id=1, by="robin")
    assert status == 0 and "state        cancelled" in output, output
    assert [(item["action"], item["by"]) for item in said(console) if "action" in item] == [("approve", "kim")]
    assert said(console)[-1]["by"] == "the night shift" and {"by": "robin", "state": "cancelled"} in said(console)


def test_switches(console: Console) -> None:
    console.see()
    status, output = console.run("cases", do="pause")
    assert status == 0 and "PAUSED by kim since" in output, output
    status, output = console.run("cases", do="opt_out", node="gpu2", seconds=3600, reason="a new fan", by="robin")
    assert status == 0 and "The node gpu2 is left alone until" in output and "a new fan (robin)" in output, output
    status, output = console.run("cases", do="opt_out", fault_class="gpu_gsp_error", seconds=60, reason="known")
    assert status == 0 and "The class gpu_gsp_error is left alone" in output, output
    for word, rest in (("unpause", {}), ("opt_in", {"node": "gpu2"}), ("opt_in", {"fault_class": "gpu_gsp_error"})):
        status, output = console.run("cases", do=word, **rest)
        assert status == 0, output
    assert "PAUSED" not in output and "left alone" not in output
    assert console.ledger.opt_outs() == []


def test_the_breaker_is_re_armed(console: Console) -> None:
    with console.ledger._store.transaction() as db:
        db.execute(
            "INSERT INTO controls (name, at, by_whom, text) VALUES ('breaker', 1, 'storm', 'A storm of faults.')"
        )
    status, output = console.run("cases")
    assert status == 0 and "A storm of faults. (1970-01-01 00:00:01Z)" in output, output
    assert "There are no cases." in output
    status, output = console.run("cases", do="rearm")
    assert status == 0 and "A storm" not in output and console.ledger.controls()["breaker"] is None, output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"do": "approve", "case_id": 99}, "There is no case 99 in the ledger."),
        ({"do": "explode"}, "value of action must be one of: pause, unpause, approve"),
        ({"state": "odd"}, "state is open or all, not odd"),
    ],
)
def test_wrong_input(console: Console, variables: dict[str, Any], message: str) -> None:
    status, output = console.run("cases", **variables)
    assert status != 0 and message in output, output


def test_shadow_tells_what_would_have_happened_and_touches_nothing(console: Console, tmp_path: Path) -> None:
    now = time.time()
    for node, at in (("gpu1", now - 7200), ("gpu2", now - 3600)):
        console.controller.log(node, time=when(at))
    report = tmp_path / "report.json"
    variables = {"shadow_kernel_lines": str(console.controller.spool), "shadow_report": str(report)}
    status, output = console.run("shadow", shadow_drains_max=1000000, **variables)
    assert status == 0, output
    assert "2 cases; 2 nodes would have been taken out" in output
    written = json.loads(report.read_text())
    assert written["totals"]["drains"] == 2 and "lines" not in written and "failed" not in written
    assert console.ledger.cases() == [] and console.controller.slurm.calls("update") == []
    status, output = console.run("shadow", "--check", shadow_hours=24, shadow_drains_max=1, **variables)
    assert status != 0 and "500.0 nodes in 1,000 node-days would have been taken out, 1 may" in output, output
    status, output = console.run("shadow", shadow_alerts=[str(tmp_path / "none")])
    assert status != 0 and "none cannot be read" in output, output

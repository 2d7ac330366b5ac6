# Tests of the loop on real services: a fault from end to end, a clean stop, and a kill in every step.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

if t.TYPE_CHECKING:
    from conftest import Lab

SERVICE = "aidc-ops-rulebook.service"
WORKFLOW = ["cordon", "evidence", "drain", "reboot", "validate", "resume"]

# Runs on the controller: kills the main process of the service the moment that each step of the next case has begun.
KILLER = """
import os, signal, sqlite3, subprocess, sys, time
known, steps = int(sys.argv[1]), sys.argv[2:]
show = ["systemctl", "show", "--property=MainPID", "--value", "aidc-ops-rulebook.service"]
ledger = sqlite3.connect("file:/var/lib/aidc_ops/ledger.sqlite?mode=ro", uri=True)
for step in steps:
    while not ledger.execute("SELECT 1 FROM attempts WHERE case_id > ? AND step = ?", (known, step)).fetchone():
        time.sleep(0.02)
    while not (main := int(subprocess.check_output(show))):
        time.sleep(0.02)
    os.kill(main, signal.SIGKILL)
    print("killed", main, "in", step, flush=True)
    time.sleep(0.5)
"""


def test_a_gpu_off_the_bus_heals(lab: Lab) -> None:
    before = lab.restarts()
    case_id = lab.inject("xid79")
    lab.until("the node returned", lab.closed(case_id))
    assert lab.steps(case_id, "finished") == WORKFLOW
    assert lab.restarts() == before + 1
    folder = f"/var/lib/aidc_ops/evidence/{case_id}"
    manifest = json.loads(lab.ctl.file(f"{folder}/manifest.json").content_string)
    assert manifest["problems"] == []
    assert {"nvidia_smi.txt", "gpu_info.json", "scheduler.txt"} <= {item["name"] for item in manifest["files"]}
    assert "has fallen off the bus" in lab.ctl.file(f"{folder}/node_kernel_log.txt").content_string
    calls = lab.ctl.file("/opt/slurm_stand_in/calls").content_string
    assert f"Reason=aidc.ops:{case_id} gpu_fell_off_bus" in calls
    assert lab.ctl.file("/opt/slurm_stand_in/nodes/gpu2").content_string == "IDLE|\n"


def test_a_stop_waits_for_the_step_and_a_start_goes_on(lab: Lab) -> None:
    lab.settled()
    case_id = lab.inject("xid79")
    lab.until("evidence begun", lambda: "evidence" in lab.steps(case_id, "begun"), 60)
    lab.ctl.check_output(f"systemctl stop {SERVICE}")
    assert lab.ctl.run("pgrep --uid aidc-ops --full ansible-playbook").rc != 0
    # The step that was in work came to its end, and the next one was not begun.
    begun, finished = lab.steps(case_id, "begun"), lab.steps(case_id, "finished")
    assert begun == finished and "evidence" in finished
    lab.ctl.check_output(f"systemctl start {SERVICE}")
    lab.until("the node returned", lab.closed(case_id))
    assert lab.steps(case_id, "finished") == WORKFLOW


def test_a_kill_in_every_step_repeats_nothing(lab: Lab) -> None:
    lab.settled()
    reboots = lab.restarts()
    known = str(max(case["case_id"] for case in lab.cases()))
    lab.ctl.check_output(f"systemd-run --unit killer --collect python3 -c %s {known} {' '.join(WORKFLOW)}", KILLER)
    case_id = lab.inject("xid79")
    lab.until("the node returned", lab.closed(case_id), 400)
    killed = lab.ctl.check_output("journalctl --unit killer --output cat --no-pager | grep ^killed").splitlines()
    assert [line.split()[-1] for line in killed] == WORKFLOW
    # Each step ended once, whatever was begun again, and the node went down once.
    assert lab.steps(case_id, "finished") == WORKFLOW
    assert lab.restarts() == reboots + 1
    assert lab.ctl.file("/opt/slurm_stand_in/nodes/gpu2").content_string == "IDLE|\n"


def test_a_broken_gpu_is_not_returned(lab: Lab) -> None:
    lab.settled()
    case_id = lab.inject("--permanent xid64", gpu=3)
    lab.until("a ticket", lab.closed(case_id, "quarantined"))
    ticket = json.loads(lab.ctl.file(f"/var/lib/aidc_ops/tickets/{case_id}.json").content_string)
    assert ticket["state"] == "open" and ticket["node_id"] == "dmi:SN-gpu2"
    (device,) = ticket["devices"]
    assert device["serial"] and device["uuid"].startswith("GPU-")
    assert "resume" not in lab.steps(case_id, "finished")
    assert lab.ctl.file("/opt/slurm_stand_in/nodes/gpu2").content_string.startswith("IDLE+DRAIN|")

# Drills: every fault that the kernel log can tell is recognised in the lab, and one goes from injection to return.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from containers import container
from demo_lab import LOGS, SCENARIO, VENV

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, Recognition, recognise_line

NODE = "gpu3"
PCI = "0000:1b:00"
KERNEL_LOG = "/var/lib/gpusim/kernel.log"


def lines() -> dict[str, tuple[str, Recognition]]:
    """Of each class that is drilled by a line of the log: that line, and what it means."""
    found = {}
    for name, row in CLASSES.items():
        if row.drill["kind"] == "line":
            line = row.drill["text"].replace("{pci}", PCI)
            seen = recognise_line(line)
            assert seen is not None, name
            found[name] = line, seen
    return found


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


def test_every_line_that_is_drilled_reaches_the_ledger(paused) -> None:
    told = lines()
    assert len(told) > 30
    newest = paused.sql("SELECT coalesce(max(id), 0) FROM signals")[0][0]
    text = "".join(f"{line}\n" for line, _seen in told.values())
    paused.lab.exec(NODE, "tee", "-a", KERNEL_LOG, stdin=text)
    # A line that only follows another one is taken as such, and its class may be promoted by a repetition.
    wanted = {(seen.fault_class, seen.device, seen.code) for _line, seen in told.values()}

    def recorded():
        query = f"SELECT fault_class, device, code FROM signals WHERE node = '{NODE}' AND id > {newest}"
        seen = {tuple(row) for row in paused.sql(query)}
        return seen if len({row[1:] for row in seen}) >= len({item[1:] for item in wanted}) else None

    seen = paused.until("every line is in the ledger", 60, recorded)
    missing = {item for item in wanted if item[1:] not in {row[1:] for row in seen}}
    assert not missing


def test_a_drill_goes_the_way_that_check_mode_says(healthy) -> None:
    """A GPU reset: Xid 109 on a GPU that is healthy."""

    def drill(*arguments: str) -> str:
        log = LOGS / "drill.log"
        command = [
            "podman",
            "exec",
            "--env=ANSIBLE_CONFIG=/etc/aidc_ops/ansible.cfg",
            container(SCENARIO, "ctl"),
            f"{VENV}/bin/ansible-playbook",
            "aidc.ops.drill",
            *(
                "-e",
                "drill_class=gpu_context_timeout",
                "-e",
                f"target={NODE}",
                "-e",
                "drill_gpu=2",
                "-e",
                "drill_wait_seconds=240",
            ),
            *arguments,
        ]
        status = healthy.lab.stream(command, log)
        text = log.read_text()
        assert status == 0, text[-3000:]
        return text

    before = healthy.last_case()
    announced = drill("--check")
    drill("-e", "drill_confirm=true")
    case = healthy.cases_after(before)[-1]
    assert (case["node"], case["state"], case["fault_class"]) == (NODE, "returned", "gpu_context_timeout")
    steps = [event["step"] for event in healthy.timeline(case["case_id"]) if event["kind"] == "finished"]
    shown = re.search(r"; then ([a-z_, ]+)", announced)
    assert shown is not None
    assert shown[1].split(", ") == list(dict.fromkeys(steps))

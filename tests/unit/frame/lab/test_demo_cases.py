# Tests of tools/demo_cases.py: milestones, tables, Slurm's text.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import demo_cases


def event(at: float, kind: str, step: str | None = None, **detail: Any) -> dict[str, Any]:
    return {"at": at, "kind": kind, "step": step, "text": "", "detail": detail}


HEALED = [
    event(100.1, "signal", lane="kernel"),
    event(100.1, "opened"),
    event(100.2, "begun", "cordon"),
    event(100.5, "finished", "cordon", outcome="done"),
    event(101.0, "signal", lane="alert"),
    event(103.0, "finished", "evidence", outcome="done"),
    event(104.0, "waiting", "reboot"),
    event(109.0, "finished", "reboot", outcome="done"),
    event(110.0, "finished", "validate", outcome="done"),
    event(111.0, "finished", "resume", outcome="done"),
    event(111.5, "state", state="returned"),
]


def test_a_healed_case_has_every_milestone() -> None:
    row = demo_cases.timeline_row("gpu2", 100.0, HEALED)
    assert row == ["gpu2", "0.1 kernel", "0.1", "0.5", "3.0", "9.0 reboot", "10.0", "11.5 returned"]


def test_a_case_that_ends_in_a_ticket() -> None:
    events = [
        *HEALED[:6],
        event(106, "finished", "reset", outcome="failed"),
        event(107, "finished", "validate", outcome="failed"),
        event(108, "finished", "ticket", outcome="done"),
        event(108, "state"),
    ]
    assert demo_cases.timeline_row("gpu3", 100.0, events)[-3:] == ["6.0 reset failed", "7.0 failed", "8.0 ticket"]


def test_nothing_happened_yet() -> None:
    assert demo_cases.timeline_row("gpu4", 100.0, []) == ["gpu4", *["-"] * 7]


def test_the_table_is_aligned() -> None:
    text = demo_cases.table(["a", "long"], [["1", "2"], ["333", ""]])
    assert text.splitlines() == ["a    long", "---  ----", "1    2", "333"]


def test_reasons_of_slurm_nodes_may_have_spaces() -> None:
    text = (
        "NodeName=gpu2 Arch=x86_64 CPUAlloc=0 State=IDLE+DRAIN Gres=gpu:h100:8(S:0) OS=Linux 6.1 #1 SMP "
        "Reason=aidc.ops:7 gpu_fell_off_bus [aidc-ops@2026-01-01T00:00:00]\nNodeName=gpu1 State=MIXED\n\n"
    )
    nodes = demo_cases.slurm_nodes(text)
    assert set(nodes) == {"gpu1", "gpu2"}
    assert nodes["gpu2"]["State"] == "IDLE+DRAIN"
    assert nodes["gpu2"]["Reason"] == "aidc.ops:7 gpu_fell_off_bus [aidc-ops@2026-01-01T00:00:00]"


def test_a_job_that_was_requeued_differs() -> None:
    before = demo_cases.job("JobId=5 JobName=x JobState=RUNNING Restarts=0 StartTime=T1 NodeList=gpu1")
    after = demo_cases.job("JobId=5 JobName=x JobState=RUNNING Restarts=1 StartTime=T2 NodeList=gpu1")
    assert before["JobId"] == "5"
    assert before != after

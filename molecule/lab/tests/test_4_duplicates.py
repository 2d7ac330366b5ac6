# One fault is one case: told twice, told by both lanes, or told again from before a reboot.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

NODE = "gpu2"
SPOOL = "/var/spool/aidc_ops/kernel.jsonl"


def spool_lines(loop) -> list[str]:
    """What the collector wrote about the node; bad lines of other tests stand in between."""
    return [
        line for line in loop.lab.exec("ctl", "cat", SPOOL).splitlines() if f'"node":"{NODE}"' in line.replace(" ", "")
    ]


def tell_again(loop, *lines: str) -> None:
    """Append lines to the spool as the collector would."""
    loop.lab.exec(
        "ctl", "runuser", "-u", "aidc-ops", "--", "tee", "-a", SPOOL, stdin="".join(line + "\n" for line in lines)
    )


def tell_as_alert(loop, slot: int) -> None:
    """Post the alert about a lost GPU that Prometheus would raise, were the reboot not faster; it ends by itself."""
    pci = loop.lab.exec(NODE, "gpusim", "show", "--gpu", str(slot), "bus_id").strip().partition("=")[2]
    alert = {
        "labels": {
            "alertname": "TestGpuLost",
            "instance": NODE,
            "fault_class": "gpu_fell_off_bus",
            "pci_bus_id": pci,
            "severity": "critical",
        },
        # Without a beginning Alertmanager would take the end for it.
        "startsAt": datetime.fromtimestamp(time.time(), UTC).isoformat(),
        "endsAt": datetime.fromtimestamp(time.time() + 15, UTC).isoformat(),
    }
    post = ["--header", "Content-Type: application/json", "--data", "@-"]
    loop.lab.ask(9093, "api/v2/alerts", *post, stdin=json.dumps([alert]))


@pytest.fixture(scope="module")
def healed(healthy):
    """A fault that was told by both lanes and twice by one, and its case when it has ended."""
    before = healthy.last_case()
    boots = healthy.boots(NODE)
    earlier = len(spool_lines(healthy))
    healthy.lab.exec(NODE, "gpusim", "inject", "xid79", "--gpu", "6")
    tell_as_alert(healthy, slot=6)
    first = healthy.until(
        "the line arrives", 30, lambda: [line for line in spool_lines(healthy)[earlier:] if "Xid" in line]
    )[0]
    # The same fact a moment later, which is another line: broken devices repeat themselves.
    told = json.loads(first)
    tell_again(healthy, first, json.dumps({**told, "line": told["line"] + " "}))

    def ended():
        cases = healthy.cases_after(before)
        return cases if cases and all(case["closed_at"] for case in cases) else None

    cases = healthy.until("the case", 240, ended)
    return healthy, first, cases, boots


def test_both_lanes_and_a_repetition_make_one_case(healed) -> None:
    loop, _line, cases, boots = healed
    assert [(case["node"], case["state"]) for case in cases] == [(NODE, "returned")]
    assert loop.boots(NODE) == boots + 1
    lanes = {row[0] for row in loop.sql(f"SELECT DISTINCT lane FROM signals WHERE case_id = {cases[0]['case_id']}")}
    assert lanes == {"kernel", "alert"}


def test_a_line_from_before_the_reboot_makes_no_case(healed) -> None:
    loop, line, _cases, boots = healed
    last = loop.last_case()
    refused = loop.sql("SELECT count(*) FROM refusals WHERE reason IN ('old_boot', 'duplicate')")[0][0]
    old = json.loads(line)
    # Another device of the same old boot: not a duplicate of anything, only too old.
    tell_again(loop, line, json.dumps({**old, "line": old["line"].replace("PCI:0000:", "PCI:0001:")}))
    loop.until(
        "the refusal of both lines",
        30,
        lambda: (
            loop.sql("SELECT count(*) FROM refusals WHERE reason IN ('old_boot', 'duplicate')")[0][0] >= refused + 2
        ),
    )
    time.sleep(3)
    assert loop.last_case() == last
    assert loop.boots(NODE) == boots + 1
    assert loop.story.slurm()[NODE]["State"] == "IDLE"


FAULT = {
    "node": NODE,
    "from": "%(address)s",
    "boot": "b",
    "time": "2026-01-01T00:00:00Z",
    "line": "NVRM: Xid (PCI:0000:1b:00): 79, x",
}


@pytest.mark.parametrize(
    "bad",
    [
        "not json",
        "{}",
        json.dumps({**FAULT, "node": "all"}),
        json.dumps({**FAULT, "from": "192.0.2.1"}),
    ],
)
def test_bad_lines_are_refused_and_the_loop_goes_on(healthy, bad: str) -> None:
    last = healthy.last_case()
    refused = healthy.sql("SELECT count(*) FROM refusals")[0][0]
    tell_again(healthy, bad % {"address": healthy.lab.addresses[NODE]} if "%(" in bad else bad)
    healthy.until("the refusal", 30, lambda: healthy.sql("SELECT count(*) FROM refusals")[0][0] > refused)
    assert healthy.last_case() == last
    assert healthy.lab.succeeds("ctl", "aidc-cases", "status", "--require", "kernel_log")

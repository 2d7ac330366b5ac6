# Every way in which a run of ansible-playbook can end, and who reports it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.tests.callbacks.runs import GOOD, Site, active
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager

HEAD = "- name: Do things\n  hosts: all\n  gather_facts: false\n"
FAIL = "    - name: Fail\n      ansible.builtin.command: 'false'\n"
FAILED = {("AnsibleRunFailed", "a"), ("AnsibleRunFailed", "b")}
NO_HOSTS = {("AnsibleRunFailed", "ctl")}
NOT_STARTED = {("AnsibleRunNotStarted", "ctl")}


class Row(t.NamedTuple):
    """A way to end: the play, the status, the alerts, ``last_run_success`` (None: no figure), the audit log."""

    play: str
    status: int
    alerts: set[tuple[str, str]]
    success: float | None
    audit: list[str]
    arguments: tuple[str, ...] = ()


ROWS = {
    "ok": Row(GOOD, 0, set(), 1, ["start", "task", "task", "end"]),
    "failed": Row(f"{HEAD}  tasks:\n{FAIL}", 2, FAILED, 0, ["start", "task", "task", "end"]),
    "failed on one": Row(
        f"{HEAD}  tasks:\n{FAIL}      when: inventory_hostname == 'b'\n",
        2,
        {("AnsibleRunFailed", "b")},
        0,
        ["start", "task", "end"],
    ),
    "unreachable": Row(
        f"{HEAD}  vars: {{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}\n  tasks:\n{FAIL}",
        4,
        FAILED,
        0,
        ["start", "task", "task", "end"],
    ),
    "rescued": Row(
        f"{HEAD}  tasks:\n    - block:\n{FAIL.replace('    ', '        ')}"
        "      rescue:\n        - name: Rescue\n          ansible.builtin.debug:\n",
        0,
        set(),
        1,
        ["start", "task", "task", "end"],
    ),
    "ignored": Row(f"{HEAD}  tasks:\n{FAIL}      ignore_errors: true\n", 0, set(), 1, ["start", "task", "task", "end"]),
    "no hosts matched": Row(
        GOOD.replace("hosts: all", "hosts: none_such"), 0, NO_HOSTS, 0, ["start", "no_hosts", "end"]
    ),
    "undefined hosts": Row(GOOD.replace("hosts: all", 'hosts: "{{ none_such }}"'), 4, NOT_STARTED, None, ["start"]),
    "unknown module": Row(GOOD.replace("builtin.command", "builtin.none_such"), 4, NOT_STARTED, None, []),
    "broken YAML": Row("- [", 4, NOT_STARTED, None, []),
    "missing role": Row(f"{HEAD}  roles: [none_such]\n", 1, NOT_STARTED, None, []),
    "missing playbook": Row(GOOD, 1, NOT_STARTED, None, [], ("none_such.yml",)),
    "limit that matches nothing": Row(GOOD, 1, NOT_STARTED, None, [], ("--limit", "none_such")),
    "inventory path missing": Row(GOOD, 0, NO_HOSTS, 0, ["start", "no_hosts", "end"], ("-i", "/none/such")),
    "check mode": Row(f"{HEAD}  tasks:\n    - name: Fail\n      ansible.builtin.fail:\n", 2, set(), 0,
                      ["start", "task", "task", "end"], ("--check",)),
    "syntax check": Row("- [", 4, set(), None, [], ("--syntax-check",)),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_ends(site: Site, fake: FakeAlertmanager, name: str) -> None:
    row = ROWS[name]
    playbook = str(site.write(row.play))
    arguments = [*row.arguments] if row.arguments[:1] == ("none_such.yml",) else [playbook, *row.arguments]
    run = site.run(*arguments, launcher=True)
    assert run.status == row.status, run.output
    assert active(fake) == row.alerts, run.output
    assert site.value("ansible_playbook_last_run_success") == row.success
    assert [line["event"] for line in site.lines()] == row.audit
    assert "WARNING]: aidc.ops" not in run.output and "aidc-run:" not in run.output
    # That nobody is alarmed without the launcher where it has alarmed is why there is one.
    if row.alerts == NOT_STARTED:
        assert all(item["labels"]["alertname"] == "AnsibleRunNotStarted" for item in fake.posted)
    if row.success is None and row.audit == ["start"]:
        assert site.value("ansible_playbook_start_timestamp_seconds") and site.value(
            "ansible_playbook_end_timestamp_seconds"
        ) == 0, "Prometheus sees a start without an end"  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_killed(site: Site, fake: FakeAlertmanager, number: int) -> None:
    began = site.folder / "began"
    path = site.write(GOOD.replace('"true"', f"sh -c 'touch {began}; sleep 60'"))
    process = site.start(str(path), launcher=True)
    give_up_at = time.monotonic() + 60
    while not began.exists():
        assert time.monotonic() < give_up_at and process.poll() is None
        time.sleep(0.1)
    if number == signal.SIGKILL:
        # The run itself, not its launcher.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), number)
    else:
        process.send_signal(number)
    output, _nothing = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 99, signal.SIGTERM: 143, signal.SIGKILL: 137}[number], output
    assert active(fake) == NOT_STARTED, output
    start, end = (site.value(f"ansible_playbook_{name}_timestamp_seconds") for name in ("start", "end"))
    assert start and end == 0, "Prometheus sees a start without an end"
    assert [line["event"] for line in site.lines()] == ["start"]
    # The next good run of the same playbook ends all of it.
    path.write_text(GOOD)
    assert site.run(str(path), launcher=True).status == 0
    assert active(fake) == set()
    assert site.value("ansible_playbook_last_run_success") == 1


def test_a_broken_playbook_and_its_repair(site: Site, fake: FakeAlertmanager) -> None:
    site.write("- [")
    assert site.run("site.yml", launcher=True).status == 4
    site.write(GOOD.replace("true", "false"))
    assert site.run("site.yml", launcher=True).status == 2
    assert active(fake) == FAILED, "it starts again, and fails now"
    site.write(GOOD)
    assert site.run("site.yml", launcher=True).status == 0
    assert active(fake) == set()


def test_a_second_playbook_that_is_broken(site: Site, fake: FakeAlertmanager) -> None:
    site.write(GOOD, "first")
    site.write("- [", "second")
    assert site.run("first.yml", "second.yml", launcher=True).status == 4
    assert active(fake) == NOT_STARTED


def test_runs_of_the_loop_raise_nothing_but_a_start_that_failed(site: Site, fake: FakeAlertmanager) -> None:
    site.write(GOOD.replace("true", "false"))
    assert site.run("site.yml", launcher=True, AIDC_OPS_CASE_RUN="1").status == 2
    assert fake.posted == []
    site.write("- [")
    assert site.run("site.yml", launcher=True, AIDC_OPS_CASE_RUN="1").status == 4
    assert active(fake) == NOT_STARTED

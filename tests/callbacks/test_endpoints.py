# What is not there, does not answer or is full costs a run little, and never its result.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.tests.callbacks.runs import GOOD, TOOLS, Site
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager
from ansible_collections.aidc.ops.tests.fakes.web import Server

FAIL = GOOD.replace("true", "false")
SLACK = 3.0
"""Seconds that the end of a run may take besides on a busy machine."""


@pytest.fixture
def silent() -> t.Iterator[str]:
    """The address of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def refused() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def unknown() -> str:
    return "http://no-such-name.invalid:9093"


@pytest.fixture
def slow() -> t.Iterator[str]:
    with Server() as server:
        server.delay, server.body = 0.2, b"[]"
        yield server.url


@pytest.mark.parametrize(("name", "warnings"), [("silent", 1), ("refused", 1), ("unknown", 1), ("slow", 0)])
@pytest.mark.parametrize(
    ("callback", "variable", "play"),
    [
        ("aidc.ops.alerts", "AIDC_OPS_ALERTMANAGER_URLS", GOOD),
        ("aidc.ops.alerts", "AIDC_OPS_ALERTMANAGER_URLS", FAIL),
        ("aidc.ops.metrics", "AIDC_OPS_PUSHGATEWAY_URL", GOOD),
    ],
    ids=["alerts-good", "alerts-failed", "metrics"],
)
def test_a_bad_endpoint(
    site: Site, request: pytest.FixtureRequest, callback: str, variable: str, play: str, name: str, warnings: int
) -> None:
    run = site.play(play, ANSIBLE_CALLBACKS_ENABLED=callback, **{variable: request.getfixturevalue(name)})
    assert run.status == (0 if play == GOOD else 2), run.output
    assert run.warnings(callback) == warnings, run.output
    assert run.after_recap < 2 + SLACK
    if callback == "aidc.ops.metrics":
        assert site.value("ansible_playbook_last_run_success") == 1, "the file is written all the same"


def test_nothing_can_be_written(site: Site) -> None:
    places = {"AIDC_OPS_AUDIT_PATH": "/dev/full", "AIDC_OPS_RUN_METRICS_DIR": "/no/such/directory"}
    run = site.play(GOOD, **places)
    assert run.status == 0
    assert [run.warnings(f"aidc.ops.{name}") for name in ("audit", "metrics", "alerts")] == [1, 1, 0], run.output


def test_a_disk_that_is_full(site: Site) -> None:
    """A filesystem of two pages in a mount namespace: the audit log begins, and ends too early."""
    small = site.folder / "small"
    small.mkdir()
    enter = ["unshare", "--map-root-user", "--mount"]
    probe = subprocess.run(
        [*enter, "mount", "-t", "tmpfs", "none", str(small)], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"this machine lets nobody mount in a namespace: {probe.stderr.strip()}")
    path = site.write(
        GOOD + "      loop: [1, 2, 3]\n" + "    - name: Again\n      ansible.builtin.command: 'true'\n" * 30
    )
    script = (
        f"mount -t tmpfs -o size=8k none {small} && {TOOLS}/ansible-playbook {path}; rc=$?; wc -l {small}/*; exit $rc"
    )
    done = subprocess.run(
        [*enter, "sh", "-c", script],
        cwd=site.folder,
        env={
            **site.environment,
            "AIDC_OPS_AUDIT_PATH": f"{small}/audit.jsonl",
            "AIDC_OPS_RUN_METRICS_DIR": str(small),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert output.count("[WARNING]: aidc.ops.audit") == 1 and output.count("[WARNING]: aidc.ops.metrics") <= 1, output
    assert "audit.jsonl" in done.stdout


def test_hostile_names(site: Site, fake: FakeAlertmanager) -> None:
    name = 'x\\n\\e[31m\\" 1\\nevil 1 ' + "y" * 2000 + " password=hunter2hunter2"
    play = f'- name: "{name}"\n  hosts: all\n  gather_facts: false\n  tasks:\n'
    play += f'    - name: "{name}"\n      ansible.builtin.command: "false"\n'
    run = site.play(play, AIDC_OPS_RUN_METRICS_SLOWEST_TASKS="5")
    assert run.status == 2 and "WARNING]: aidc.ops" not in run.output
    assert site.value("ansible_playbook_hosts", state="failed") == 2
    assert all(len(item["annotations"]["description"]) <= 300 for item in fake.posted)
    content = site.audit.read_text()
    assert "hunter2hunter2" not in content and "\\u001b" not in content and "\x1b" not in content
    assert [line["event"] for line in site.lines()] == ["start", "task", "task", "end"]
    (path,) = site.metrics.iterdir()
    assert not any(line.startswith("evil") for line in path.read_text().splitlines())


def test_two_runs_at_once(site: Site, fake: FakeAlertmanager) -> None:
    site.write(GOOD, "one")
    site.write(FAIL, "two")
    results: dict[str, int] = {}

    def run(name: str) -> None:
        results[name] = site.run(f"{name}.yml").status

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"one": 0, "two": 2}
    assert len({line["run"] for line in site.lines()}) == 2
    verify = [sys.executable, "-m", "ansible_collections.aidc.ops.plugins.plugin_utils._audit_log", str(site.audit)]
    done = subprocess.run(verify, env=site.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "the audit log is whole\n"), done.stderr
    assert len(list(site.metrics.glob("*.prom"))) == 2


SECRETS = """
- name: Secrets
  hosts: a
  gather_facts: false
  vars:
    harmless_name: hunter2hunter2
    vaulted: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      VAULTED
  tasks:
    - name: A variable in a command
      ansible.builtin.command: "echo {{ harmless_name }}"
    - name: A vaulted value in a command
      ansible.builtin.command: "echo {{ vaulted }}"
    - name: A vaulted value in a harmless argument
      ansible.builtin.file: {path: "{{ playbook_dir }}/{{ vaulted }}", state: touch, mode: "0600"}
    - name: As content
      ansible.builtin.copy: {content: "{{ vaulted }}", dest: "{{ playbook_dir }}/out", mode: "0600"}
      diff: true
    - name: A password in the command itself
      ansible.builtin.command: mysqladmin -phunter2hunter2 ping
      ignore_errors: true
    - name: Hidden
      ansible.builtin.command: "echo hunter2hunter2"
      no_log: true
    - name: In a loop
      ansible.builtin.command: "echo {{ item }}"
      loop: ["{{ vaulted }}", hunter2hunter2]
    - name: In a message
      ansible.builtin.fail: {msg: "not with {{ vaulted }}"}
      ignore_errors: true
"""


def test_no_secret_gets_into_anything(site: Site, fake: FakeAlertmanager, tmp_path: Path) -> None:
    (tmp_path / "vault").write_text("word\n")
    vault = [str(TOOLS / "ansible-vault"), "encrypt_string", "--vault-password-file", "vault", "hunter2hunter2"]
    done = subprocess.run(vault, cwd=tmp_path, env=site.environment, capture_output=True, text=True, check=True)
    digits = "\n".join(f"      {line.strip()}" for line in done.stdout.splitlines()[2:])
    play = SECRETS.replace("      VAULTED", digits)
    run = site.play(
        play,
        "--vault-password-file",
        "vault",
        "-e",
        "db_password=hunter2hunter2",
        AIDC_OPS_RUN_METRICS_SLOWEST_TASKS="9",
    )
    assert run.status == 0, run.output
    written = site.audit.read_text() + "".join(path.read_text() for path in site.metrics.iterdir()) + str(fake.posted)
    assert "hunter2hunter2" not in written
    assert "hunter2hunter2" in run.output, "on the screen it is"
    lines = [line for line in site.lines() if line["event"] == "task"]
    assert [line["status"] for line in lines] == ["changed"] * 4 + ["ignored", "changed", "changed", "ignored"]
    assert lines[0]["command"] == "echo {{ harmless_name }}"
    assert lines[3]["diff"] == [{"path": str(tmp_path / "out"), "added": 1, "removed": 0}]
    assert lines[5]["no_log"] is True and lines[6]["items"]["total"] == 2

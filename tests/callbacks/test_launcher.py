# Tests of the launcher aidc-run, with small programs in place of ansible-playbook.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
import types
import typing as t
from pathlib import Path

import pytest
from ansible.cli.playbook import PlaybookCLI

from ansible_collections.aidc.ops.plugins.plugin_utils._run_reports import playbook_label
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager
from ansible_collections.aidc.ops.tests.fakes.certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "roles" / "remediation_controller" / "files" / "aidc_run.py"
STARTED = """echo '{"event": "start", "playbook": "told"}' >> "$AIDC_OPS_RUN_RECORD";"""
PLAYING = STARTED + """echo '{"event": "play", "playbook": "told"}' >> "$AIDC_OPS_RUN_RECORD";"""
FAILED = PLAYING + """echo '{"event": "end", "playbook": "told", "failed": true}' >> "$AIDC_OPS_RUN_RECORD";"""


def load() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("aidc_run", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


aidc_run = load()


def test_the_options_with_values_are_those_of_ansible_playbook() -> None:
    cli = PlaybookCLI(["ansible-playbook", "x.yml"])
    cli.init_parser()
    valued = {name for action in cli.parser._actions for name in action.option_strings if action.nargs != 0}
    assert valued == aidc_run.VALUED
    known = {name for action in cli.parser._actions for name in action.option_strings}
    assert known >= aidc_run.LOOKING | aidc_run.HELPING


@pytest.mark.parametrize(
    ("words", "options", "playbooks"),
    [
        ("site.yml", [], ["site.yml"]),
        ("-i hosts -vvv site.yml -e a=b", ["-i", "-v", "-v", "-v", "-e"], ["site.yml"]),
        ("--limit -C site.yml", ["--limit"], ["site.yml"]),
        ("-ihosts --limit=a site.yml other.yml", ["-i", "--limit"], ["site.yml", "other.yml"]),
        ("-bC site.yml", ["-b", "-C"], ["site.yml"]),
        ("-Ce x=1 site.yml", ["-C", "-e"], ["site.yml"]),
        ("-b -- -odd.yml", ["-b"], ["-odd.yml"]),
        ("", [], []),
    ],
)
def test_arguments(words: str, options: list[str], playbooks: list[str]) -> None:
    assert aidc_run.options_of(words.split()) == (options, playbooks)


@pytest.mark.parametrize("words", ["-C x.yml", "--check x.yml", "--syntax-check x.yml", "--version", "-h", "-bC x.yml"])
def test_runs_that_only_look(words: str) -> None:
    assert aidc_run.only_looks(words.split())
    assert not aidc_run.only_looks(["-l", "-C", "x.yml"])


@pytest.mark.parametrize(
    "path",
    ["site.yml", "/srv/plays/site.yml", "/c/ansible_collections/aidc/ops/playbooks/site.yml", "x" * 300 + ".yml"],
)
def test_labels_are_those_of_the_callbacks(path: str) -> None:
    assert aidc_run.label_of(path)[:120] == playbook_label(path)[:120]


def test_a_playbook_by_its_full_name() -> None:
    assert aidc_run.label_of("aidc.ops.site") == "aidc.ops.site"
    assert aidc_run.label_of("a.b.yml") == "a.b"


def hear_signals() -> None:
    """A job in the background, or one under nohup, inherits signals as ignored, and then no shell can catch them."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


class Launcher:
    """Runs the launcher as a process of its own, with a shell script in place of ansible-playbook."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / ".ansible" / "collections"),
            "AIDC_OPS_ANSIBLE_PLAYBOOK": str(folder / "program"),
            "AIDC_OPS_ALERTMANAGER_URLS": url,
            "AIDC_OPS_CONTROLLER_NAME": "ctl",
            "HOME": str(folder),
            "TMPDIR": str(folder),
        }

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        program = self.folder / "program"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *(arguments or ("-i", "hosts", "site.yml"))],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hear_signals,
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Leave nothing of a test that failed: its shell, and what that waits for."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def run(self, script: str, *arguments: str) -> tuple[int, str]:
        process = self.start(script, *arguments)
        out, err = process.communicate(timeout=60)
        assert not list(self.folder.glob("aidc-run-*")), "the record is removed"
        return process.returncode, out + err


@pytest.fixture
def launcher(tmp_path: Path, fake: FakeAlertmanager) -> t.Iterator[Launcher]:
    made = Launcher(tmp_path, fake.url)
    yield made
    made.end()


def active(fake: FakeAlertmanager) -> set[str]:
    return {item["labels"]["playbook"] for item in fake.active()}


def test_a_run_that_never_began(launcher: Launcher, fake: FakeAlertmanager) -> None:
    assert launcher.run("echo out; echo err >&2; exit 4") == (4, "out\nerr\n")
    (alert,) = fake.posted
    assert alert["labels"] == {
        "alertname": "AnsibleRunNotStarted",
        "fault_class": "ansible_run_not_started",
        "instance": "ctl",
        "playbook": "site",
        "severity": "medium",
    }
    assert "did not begin" in alert["annotations"]["summary"] and "exit status 4" in alert["annotations"]["description"]
    assert launcher.run("exit 0", "other.yml")[0] == 0
    assert active(fake) == {"site"}
    assert launcher.run("exit 0")[0] == 0
    assert active(fake) == set()


def test_an_alertmanager_that_wants_a_certificate(launcher: Launcher, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with FakeAlertmanager(authority.server()) as server:
        launcher.environment["AIDC_OPS_ALERTMANAGER_URLS"] = server.url
        status, said = launcher.run("exit 4")
        assert status == 4 and "not every Alertmanager was told" in said and server.posted == []
        # Paths are looked for beside ansible.cfg.
        lines = [f"{name} = {Path(path).name}" for name, path in authority.options().items()]
        (tmp_path / "ansible.cfg").write_text("\n".join(["[callback_aidc_ops_alerts]", *lines, ""]))
        assert launcher.run("exit 4") == (4, "")
        assert active(server) == {"site"}


def test_a_run_that_came_to_no_end(launcher: Launcher, fake: FakeAlertmanager) -> None:
    assert launcher.run(f"{STARTED} exit 4")[0] == 4
    assert active(fake) == {"told"} and "came to no end" in fake.posted[0]["annotations"]["summary"]


def test_what_a_callback_reports_is_not_told_again(launcher: Launcher, fake: FakeAlertmanager) -> None:
    launcher.run(f"{STARTED} exit 4")
    assert launcher.run(f"{FAILED} exit 2")[0] == 2
    assert active(fake) == set(), "and it was a good start"
    assert len(fake.posted) == 2


def test_a_start_resolves_while_the_run_goes_on(launcher: Launcher, fake: FakeAlertmanager) -> None:
    launcher.run(f"{STARTED} exit 4")
    process = launcher.start(f"{PLAYING} exec sleep 30")
    give_up_at = time.monotonic() + 20
    while active(fake) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    assert active(fake) == set() and process.poll() is None
    process.terminate()
    process.communicate(timeout=30)
    assert active(fake) == {"told"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(launcher: Launcher, fake: FakeAlertmanager, number: int) -> None:
    process = launcher.start("trap 'exit 9' TERM INT HUP USR1; echo ready; while :; do sleep 0.1; done")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 9
    assert active(fake) == {"site"}


def test_a_run_that_was_killed(launcher: Launcher, fake: FakeAlertmanager) -> None:
    assert launcher.run(f"{STARTED} kill -KILL $$")[0] == 128 + 9
    assert "signal 9" in fake.posted[0]["annotations"]["description"]


@pytest.mark.parametrize("argument", ["--check", "--syntax-check", "--list-hosts", "--version"])
def test_who_only_looks_raises_nothing(launcher: Launcher, fake: FakeAlertmanager, argument: str) -> None:
    assert launcher.run('[ -z "$AIDC_OPS_RUN_RECORD" ] && exit 7', argument, "site.yml")[0] == 7
    assert fake.posted == [] and fake.queries == []


def test_a_record_of_nonsense(launcher: Launcher, fake: FakeAlertmanager) -> None:
    nonsense = "\\n".join(
        ["nonsense", "[]", '{"event": {}}', '{"playbook": 5}', '{"event": "end", "failed": false}', "x"]
    )
    assert launcher.run(f"printf '{nonsense}' > $AIDC_OPS_RUN_RECORD; exit 3")[0] == 3
    assert active(fake) == {"site"}
    assert launcher.run("rm $AIDC_OPS_RUN_RECORD; touch $AIDC_OPS_RUN_RECORD; exit 0")[0] == 0


def test_a_dead_alertmanager_costs_two_seconds_and_not_the_status(launcher: Launcher, fake: FakeAlertmanager) -> None:
    fake.delay = 30
    began = time.monotonic()
    status, output = launcher.run("exit 4")
    assert status == 4 and "not every Alertmanager was told" in output
    assert time.monotonic() - began < 2 + 3, "and the start of Python"


def test_settings_of_the_callback_in_ansible_cfg(launcher: Launcher, fake: FakeAlertmanager) -> None:
    for name in ("URLS", "CONTROLLER_NAME"):
        for variable in [key for key in launcher.environment if key.endswith(name)]:
            del launcher.environment[variable]
    (launcher.folder / "ansible.cfg").write_text(
        f"[callback_aidc_ops_alerts]\nurls = http://127.0.0.1:1,{fake.url}\ncontroller_name = told\nseverity = high\n"
    )
    (launcher.folder).chmod(0o755)
    status, output = launcher.run("exit 4")
    assert status == 4 and "127.0.0.1:1" in output, "one of the two does not answer"
    (alert,) = fake.posted
    assert alert["labels"]["instance"] == "told" and alert["labels"]["severity"] == "high"


def test_without_ansible_playbook(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIDC_OPS_ANSIBLE_PLAYBOOK", raising=False)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    monkeypatch.setenv("PATH", "/no/such")
    assert aidc_run.main(["site.yml"]) == 127

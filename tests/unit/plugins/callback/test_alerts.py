# Tests of the callback that raises alerts for failed runs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.utils.context_objects import CLIArgs

from ansible_collections.aidc.ops.plugins.callback import alerts
from ansible_collections.aidc.ops.plugins.plugin_utils import _run_reports
from ansible_collections.aidc.ops.plugins.plugin_utils._http import Access
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager

HOSTILE = "{{ lookup('ansible.builtin.pipe', 'id') }}"


class Stats:
    """The statistics of a run: host → summary."""

    def __init__(self, **hosts: str) -> None:
        self.hosts = hosts
        self.processed = dict.fromkeys(hosts, 1)

    def summarize(self, host: str) -> dict[str, int]:
        summary = dict.fromkeys(("ok", "failures", "unreachable", "changed", "skipped", "rescued", "ignored"), 0)
        summary[self.hosts[host]] = 1
        return summary


@pytest.fixture
def fake() -> t.Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as server:
        yield server


class Runs:
    """Makes runs of a playbook that end as told."""

    def __init__(self, urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: dict[str, t.Any] = dict.fromkeys(Access.__dataclass_fields__)
        self.options |= {"urls": urls, "controller_name": "ctl", "severity": "medium", "expire_hours": 720}
        self.warnings: list[str] = []
        self.monkeypatch = monkeypatch
        monkeypatch.delenv("AIDC_OPS_CASE_RUN", raising=False)
        monkeypatch.delenv("JOB_ID", raising=False)

    def callback(self) -> alerts.CallbackModule:
        callback = alerts.CallbackModule()
        callback.get_option = self.options.__getitem__  # type: ignore[method-assign, assignment]
        callback._display = SimpleNamespace(warning=self.warnings.append, debug=lambda *_args: None)
        return callback

    def run(
        self, playbook: str = "site.yml", failure: tuple[str, str] | None = None, cli: t.Any = (), **hosts: str
    ) -> None:
        self.monkeypatch.setattr(_run_reports.context, "CLIARGS", CLIArgs(dict(cli)))
        callback = self.callback()
        callback.v2_playbook_on_start(SimpleNamespace(_file_name=playbook))
        if failure:
            host, message = failure
            callback.v2_runner_on_failed(
                SimpleNamespace(
                    task=SimpleNamespace(get_name=lambda: "Do it"),
                    host=SimpleNamespace(get_name=lambda: host),
                    result={"msg": message},
                )
            )
        callback.v2_playbook_on_stats(Stats(**hosts))


@pytest.fixture
def runs(fake: FakeAlertmanager, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs([fake.url], monkeypatch)


def active(fake: FakeAlertmanager) -> set[str]:
    return {item["labels"]["instance"] for item in fake.active()}


def test_one_alert_for_each_host_that_failed(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(failure=("gpu4", "it broke"), gpu1="ok", gpu3="unreachable", gpu4="failures")
    assert active(fake) == {"gpu3", "gpu4"}
    alert = next(item for item in fake.posted if item["labels"]["instance"] == "gpu4")
    assert alert["labels"] == {
        "alertname": "AnsibleRunFailed",
        "fault_class": "ansible_run_failed",
        "instance": "gpu4",
        "playbook": "site",
        "severity": "medium",
    }
    assert "it broke" in alert["annotations"]["description"]
    assert alert["endsAt"] > alert["startsAt"]
    assert not runs.warnings


def test_rescued_and_ignored_failures_are_no_failures(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(failure=("gpu1", "expected"), gpu1="rescued", gpu2="ignored")
    assert fake.posted == []


def test_only_a_good_run_of_the_same_playbook_on_the_same_host_resolves(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(gpu4="failures")
    runs.run(playbook="other.yml", gpu4="ok")
    runs.run(gpu1="ok")
    runs.run(gpu4="failures")
    runs.run(gpu4="unreachable")
    runs.run(gpu4="ok", cli={"check": True})
    runs.run(gpu4="ok", cli={"tags": ["verify"]})
    runs.run(gpu4="ok", cli={"skip_tags": ["verify"]})
    runs.run(gpu4="ok", cli={"start_at_task": "Do it"})
    assert active(fake) == {"gpu4"}
    runs.run(gpu4="ok", cli={"tags": ["all"]})
    assert active(fake) == set()


def test_a_resolve_has_the_labels_of_the_alert(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(gpu4="failures")
    runs.run(gpu4="ok")
    raised, resolved = fake.posted
    assert raised["labels"] == resolved["labels"]
    assert resolved["endsAt"] <= raised["endsAt"]


def test_a_run_without_hosts_is_a_failure_of_the_controller(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run()
    assert active(fake) == {"ctl"}
    runs.run(gpu1="ok")
    assert active(fake) == set()


def test_localhost_is_the_controller(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(localhost="failures")
    assert active(fake) == {"ctl"}


def test_runs_of_the_loop_never_raise(fake: FakeAlertmanager, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDC_OPS_CASE_RUN", "1")
    runs.run(gpu4="failures")
    assert fake.posted == [] and fake.queries == []


def test_check_mode_never_raises(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(gpu4="failures", cli={"check": True})
    assert fake.posted == []


def test_every_alertmanager_is_told_though_the_first_is_dead(
    fake: FakeAlertmanager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeAlertmanager() as dead:
        dead.delay = 30
        runs = Runs([dead.url, fake.url], monkeypatch)
        began = time.monotonic()
        runs.run(gpu4="failures")
        assert time.monotonic() - began < alerts.BUDGET_SECONDS + 0.5
    assert active(fake) == {"gpu4"}
    assert len(runs.warnings) == 1


@pytest.mark.parametrize("body", [b"nonsense", b"[1, null]", b'[{"labels": null}]', b'[{"labels": 5}]'])
def test_a_broken_alertmanager_cannot_fail_the_run(fake: FakeAlertmanager, runs: Runs, body: bytes) -> None:
    fake.body = body
    runs.run(gpu1="ok", gpu4="failures")
    assert len(runs.warnings) <= 1


def test_broken_statistics_cannot_fail_the_run(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stats, "summarize", lambda _self, _host: 1 / 0)
    runs.run(gpu4="failures")
    assert len(runs.warnings) == 1


def test_without_urls_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs([], monkeypatch)
    runs.run(gpu4="failures")
    assert not runs.warnings


def test_foreign_text_is_capped_and_not_touched(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(failure=("gpu4", HOSTILE + "\x00\x1b[31m" + "x" * 100_000 + "\nsecond line"), gpu4="failures")
    text = fake.posted[0]["annotations"]["description"]
    assert HOSTILE in text and len(text) <= alerts.TEXT_LIMIT and text.isprintable() and "second" not in text


def test_a_storm_of_failures_is_capped(fake: FakeAlertmanager, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "MAX_FAILED_HOSTS", 3)
    runs.run(**dict.fromkeys((f"gpu{number}" for number in range(10)), "failures"))
    assert len(fake.posted) == 3
    assert "7 failed hosts" in runs.warnings[0]


def test_a_silenced_alert_is_resolved_too(fake: FakeAlertmanager, runs: Runs) -> None:
    runs.run(gpu4="ok")
    (query,) = fake.queries
    assert (query["silenced"], query["inhibited"], query["active"]) == (["true"], ["true"], ["true"])


def test_a_second_playbook_says_nothing_about_the_hosts_of_the_first(
    fake: FakeAlertmanager, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ansible's figures are those of all playbooks of a command together."""
    runs.run(playbook="second.yml", gpu4="failures")
    monkeypatch.setattr(_run_reports.context, "CLIARGS", CLIArgs({}))
    callback = runs.callback()
    callback.v2_playbook_on_start(SimpleNamespace(_file_name="first.yml"))
    callback.v2_playbook_on_stats(Stats(gpu4="ok"))
    callback.v2_playbook_on_start(SimpleNamespace(_file_name="second.yml"))
    callback.v2_playbook_on_stats(Stats(gpu4="ok", gpu5="ok"))
    assert active(fake) == {"gpu4"}


def test_an_alert_says_where_awx_shows_the_job(
    fake: FakeAlertmanager, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_ID", "42")
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    runs.options["controller_name"] = None
    runs.run()
    (alert,) = fake.posted
    assert alert["labels"]["instance"] == "awx.example.com", "not the name of a container"
    assert alert["annotations"]["job_url"] == "https://awx.example.com/#/jobs/playbook/42/output"


def test_the_launcher_is_told(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "record"
    monkeypatch.setattr(_run_reports, "RECORD_PATH", str(record))
    runs.run(gpu4="failures")
    runs.run(gpu4="ok")
    monkeypatch.setenv("AIDC_OPS_CASE_RUN", "1")
    runs.run(gpu4="failures")
    events = [json.loads(line) for line in record.read_text().splitlines()]
    assert [event.get("failed") for event in events if event["event"] == "end"] == [True, False, True]
    assert {event["playbook"] for event in events} == {"site"}


def test_the_launcher_hears_no_end_where_nothing_was_reported(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_run_reports, "RECORD_PATH", str(tmp_path / "record"))
    runs.options["urls"] = []
    runs.run(gpu4="failures")
    assert "end" not in (tmp_path / "record").read_text()


@pytest.fixture
def play(tmp_path: Path) -> t.Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a real ansible-playbook with the callback on."""
    book = tmp_path / "book.yml"
    book.write_text(
        "- hosts: '{{ group }}'\n  gather_facts: false\n  tasks:\n"
        "    - name: Fail when told\n      ansible.builtin.assert:\n        that: good | bool\n"
    )
    (tmp_path / "hosts").write_text("gpu4 ansible_connection=local\n")

    def run(url: str, good: bool, group: str = "all") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACKS_ENABLED": "aidc.ops.alerts",
            "AIDC_OPS_ALERTMANAGER_URLS": url,
            "AIDC_OPS_CONTROLLER_NAME": "ctl",
            "ANSIBLE_COLLECTIONS_PATH": str(Path(alerts.__file__).resolve().parents[2] / ".ansible" / "collections"),
            "ANSIBLE_INVENTORY": str(tmp_path / "hosts"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
        }
        environment.pop("AIDC_OPS_CASE_RUN", None)
        tool = Path(sys.executable).with_name("ansible-playbook")
        arguments = [str(tool), str(book), "-e", f"good={good}", "-e", f"group={group}"]
        return subprocess.run(
            arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.mark.slow
def test_a_real_run_raises_and_resolves(
    fake: FakeAlertmanager, play: t.Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert play(fake.url, good=False).returncode == 2
    assert active(fake) == {"gpu4"}
    assert "Fail when told" in fake.posted[0]["annotations"]["description"]
    assert play(fake.url, good=True, group="none_such").returncode == 0
    assert active(fake) == {"gpu4", "ctl"}
    assert play(fake.url, good=True).returncode == 0
    assert active(fake) == set()

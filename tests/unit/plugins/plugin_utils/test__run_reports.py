# Tests of what the callbacks about runs have in common.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import platform
import threading
import time
from types import SimpleNamespace

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils import _run_reports as reports


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("site.yml", "site"),
        ("/srv/plays/site.yml", "site"),
        ("/c/ansible_collections/aidc/ops/playbooks/site.yml", "aidc.ops.site"),
        ("/c/ansible_collections/aidc/ops/tests/site.yml", "site"),
        ("", ""),
        ("x" * 500 + ".yml", "x" * 127 + "…"),
    ],
)
def test_playbook_label(path: str, label: str) -> None:
    assert reports.playbook_label(path) == label


@pytest.mark.parametrize(
    ("option", "environment", "name"),
    [
        ("ctl", {"JOB_ID": "1", "AWX_HOST": "https://awx.example.com"}, "ctl"),
        (None, {"JOB_ID": "1", "AWX_HOST": "https://awx.example.com:8043/"}, "awx.example.com"),
        (None, {"JOB_ID": "1", "AWX_HOST": "nonsense"}, platform.node()),
        (None, {"AWX_HOST": "https://awx.example.com"}, platform.node()),
        ("", {}, platform.node()),
    ],
)
def test_controller_name(
    option: str | None, environment: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("JOB_ID", "AWX_HOST"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert reports.controller_name(option) == name


@pytest.mark.parametrize("job", ["", "x", "1/../2", "1\n2"])
def test_no_address_of_a_job_without_one(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ID", job)
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    assert reports.awx_job_url() == ""


@pytest.mark.parametrize("host", ["", "javascript:alert(1)", "https://user:secret@awx.example.com"])
def test_no_address_of_a_job_with_an_odd_one(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ID", "1")
    monkeypatch.setenv("AWX_HOST", host)
    assert reports.awx_job_url() == ""


def test_awx_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_ID", raising=False)
    monkeypatch.delenv("AWX_HOST", raising=False)
    assert reports.awx_job({"awx_user_name": "no job, so nobody"}) == {}
    variables = {"awx_job_id": 42, "awx_user_name": "operator\x00", "awx_project_revision": None, "secret": "x"}
    assert reports.awx_job(variables) == {"job_id": "42", "user_name": "operator"}
    monkeypatch.setenv("JOB_ID", "7")
    assert reports.awx_job({}) == {"job_id": "7"}


def stats(**hosts: dict[str, int]) -> SimpleNamespace:
    return SimpleNamespace(processed=dict.fromkeys(hosts, 1), summarize=lambda host: dict(hosts[host]))


def test_a_tally_is_of_one_playbook() -> None:
    tally = reports.Tally()
    assert tally.take(stats(a={"ok": 2, "failures": 0})) == {"a": {"ok": 2, "failures": 0}}
    later = stats(a={"ok": 2, "failures": 0}, b={"ok": 1, "failures": 1})
    assert tally.take(later) == {"b": {"ok": 1, "failures": 1}}
    assert tally.take(stats(a={"ok": 3, "failures": 0}, b={"ok": 1, "failures": 1})) == {"a": {"ok": 1, "failures": 0}}


def test_bounded_gives_up_in_time() -> None:
    never = threading.Event()
    began = time.monotonic()
    assert reports.bounded(lambda: [] if never.wait(30) else ["x"], 0.2, "test") == ["no answer within 0.2 s"]
    assert time.monotonic() - began < 2
    never.set()


def test_bounded_tells_what_went_wrong() -> None:
    def work() -> list[str]:
        raise OSError("no such thing")

    assert reports.bounded(work, 2, "test") == ["OSError: no such thing"]


def test_a_report_warns_once_and_never_raises() -> None:
    warnings: list[str] = []

    class Report(reports.RunReport):
        CALLBACK_NAME = "test"

        @reports.harmless
        def break_down(self) -> None:
            raise ValueError("x" * 9999 + "\nsecond line")

    report = Report()
    report._display = SimpleNamespace(warning=warnings.append)
    report.break_down()
    report.break_down()
    assert len(warnings) == 1 and len(warnings[0]) < 600 and warnings[0].startswith("test: ")


def test_the_launcher_hears_of_this_run_only(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(reports, "RECORD_PATH", f"{tmp_path}/record")
    report = reports.RunReport()
    report.begin(SimpleNamespace(_file_name="site.yml"))
    report.tell_launcher("end", failed=True)
    with open(f"{tmp_path}/record", encoding="utf-8") as file:
        assert file.read() == '{"event": "end", "playbook": "site", "failed": true}\n'

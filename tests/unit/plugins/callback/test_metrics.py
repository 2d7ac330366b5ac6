# Tests of the callback that writes metrics about runs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.utils.context_objects import CLIArgs
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.plugins.callback import metrics
from ansible_collections.aidc.ops.plugins.plugin_utils import _run_reports
from ansible_collections.aidc.ops.plugins.plugin_utils._http import Access
from ansible_collections.aidc.ops.tests.fakes.web import Server

HOSTILE = '{{ 1/0 }}"} 1\nevil 1\x1b'


def stats(**hosts: str) -> SimpleNamespace:
    def summarize(host: str) -> dict[str, int]:
        counts = dict.fromkeys(("ok", "failures", "unreachable", "changed", "skipped", "rescued", "ignored"), 0)
        counts[hosts[host]] = 1
        return counts

    return SimpleNamespace(processed=dict.fromkeys(hosts, 1), summarize=summarize)


def named(name: str) -> SimpleNamespace:
    return SimpleNamespace(get_name=lambda: name)


class Runs:
    """Makes runs of a playbook that end as told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: dict[str, t.Any] = dict.fromkeys(Access.__dataclass_fields__)
        self.options |= {"textfile_dir": str(folder), "pushgateway_url": None, "controller_name": "ctl"}
        self.options["slowest_tasks"] = 0
        self.warnings: list[str] = []
        self.folder = folder
        monkeypatch.setattr(_run_reports.context, "CLIARGS", CLIArgs({}))

    def callback(self) -> metrics.CallbackModule:
        callback = metrics.CallbackModule()
        callback.get_option = self.options.__getitem__  # type: ignore[method-assign, assignment]
        callback._display = SimpleNamespace(warning=self.warnings.append)
        return callback

    def run(self, name: str = "site", tasks: t.Sequence[str] = (), **hosts: str) -> None:
        callback = self.callback()
        callback.v2_playbook_on_start(SimpleNamespace(_file_name=f"{name}.yml"))
        callback.v2_playbook_on_play_start(named(f"Play of {name}"))
        for task in tasks:
            callback.v2_playbook_on_task_start(named(task), False)
        callback.v2_playbook_on_stats(stats(**hosts))

    def value(self, metric: str, **labels: str) -> float | None:
        for path in self.folder.glob("*.prom"):
            for family in text_string_to_metric_families(path.read_text()):
                for sample in family.samples:
                    if sample.name == metric and labels.items() <= sample.labels.items():
                        return sample.value
        return None


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(tmp_path, monkeypatch)


@pytest.fixture
def gateway() -> t.Iterator[Server]:
    with Server() as server:
        server.status, server.body = 202, b""
        yield server


@pytest.mark.parametrize(
    ("hosts", "success"),
    [
        ({"a": "ok"}, 1),
        ({"a": "rescued", "b": "ignored", "c": "changed", "d": "skipped"}, 1),
        ({"a": "ok", "b": "failures"}, 0),
        ({"a": "ok", "b": "unreachable"}, 0),
        ({}, 0),
    ],
)
def test_success_is_what_the_statistics_say(runs: Runs, hosts: dict[str, str], success: int) -> None:
    runs.run(**hosts)
    assert runs.value("ansible_playbook_last_run_success", playbook="site", controller="ctl") == success
    assert (runs.value("ansible_playbook_last_success_timestamp_seconds") is not None) == bool(success)
    assert runs.value("ansible_playbook_play_duration_seconds", play="Play of site") is not None
    assert not runs.warnings


def test_a_run_that_does_not_end_is_seen(runs: Runs) -> None:
    runs.run(a="ok")
    runs.callback().v2_playbook_on_start(SimpleNamespace(_file_name="site.yml"))
    start, end = (runs.value(f"ansible_playbook_{name}_timestamp_seconds") for name in ("start", "end"))
    assert start is not None and end is not None and start >= end
    assert runs.value("ansible_playbook_last_run_success") == 1


def test_each_playbook_of_a_command_is_its_own_run(runs: Runs) -> None:
    callback = runs.callback()
    hosts: dict[str, str] = {}
    for name, host in (("first", "a"), ("second", "b")):
        callback.v2_playbook_on_start(SimpleNamespace(_file_name=f"{name}.yml"))
        hosts[host] = "ok"
        callback.v2_playbook_on_stats(stats(**hosts))
    assert runs.value("ansible_playbook_hosts", playbook="second", state="ok") == 1


def test_check_mode_is_a_label(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run_reports.context, "CLIARGS", CLIArgs({"check": True}))
    runs.run(a="failures")
    assert runs.value("ansible_playbook_last_run_success", check_mode="true") == 0


def test_no_host_and_no_task_is_a_label(runs: Runs) -> None:
    runs.run(tasks=["Secret task"], secret_host="failures")
    content = "".join(path.read_text() for path in runs.folder.iterdir())
    assert "secret_host" not in content and "Secret task" not in content


def test_the_slowest_tasks_if_wanted(runs: Runs) -> None:
    runs.options["slowest_tasks"] = 2
    runs.run(tasks=["one", HOSTILE, "two", "one"], a="ok")
    (path,) = runs.folder.glob("*.prom")
    families = {family.name: family for family in text_string_to_metric_families(path.read_text())}
    assert len(families["ansible_playbook_slowest_task_duration_seconds"].samples) == 2
    assert "evil" not in families


def test_hostile_names(runs: Runs) -> None:
    callback = runs.callback()
    callback.v2_playbook_on_start(SimpleNamespace(_file_name=f"/x/{HOSTILE}.yml"))
    callback.v2_playbook_on_play_start(named(HOSTILE * 100))
    callback.v2_playbook_on_stats(stats(a="ok"))
    (path,) = runs.folder.iterdir()
    assert {family.name for family in text_string_to_metric_families(path.read_text())} >= {
        "ansible_playbook_last_run_success"
    }
    assert max(map(len, path.read_text().splitlines())) < 1000


def test_a_directory_that_cannot_be_written_costs_one_warning(runs: Runs) -> None:
    runs.options["textfile_dir"] = "/no/such/directory"
    runs.run(a="ok")
    assert len(runs.warnings) == 1


def test_without_any_place_nothing_happens(runs: Runs) -> None:
    runs.options["textfile_dir"] = None
    runs.run(a="ok")
    assert not runs.warnings and not list(runs.folder.iterdir())


def test_pushgateway(runs: Runs, gateway: Server) -> None:
    runs.options["pushgateway_url"] = gateway.url + "/"
    runs.run(name="odd name/x", a="ok")
    runs.run(name="odd name/x", a="failures")
    first, second, _third, fourth = gateway.asked
    name = base64.urlsafe_b64encode(b"x").decode()
    assert first["path"].startswith(f"/metrics/job/ansible_playbook/playbook@base64/{name}/controller@base64/")
    assert first["method"] == "POST", "a PUT would forget the last success"
    assert b"start_timestamp" in first["content"] and b"end_timestamp" not in first["content"]
    assert b"last_success" in second["content"] and b"last_success" not in fourth["content"]
    assert not runs.warnings


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.2, 30])
def test_a_slow_pushgateway_costs_two_seconds_in_all(runs: Runs, gateway: Server, delay: float) -> None:
    runs.options["pushgateway_url"] = gateway.url
    gateway.delay = delay
    began = time.monotonic()
    runs.run(a="ok")
    assert time.monotonic() - began < _run_reports.BUDGET_SECONDS + 0.5
    assert len(runs.warnings) == (delay > 1)
    assert runs.value("ansible_playbook_last_run_success") == 1, "the file is written all the same"


def test_a_pushgateway_that_says_no_costs_one_warning(runs: Runs, gateway: Server) -> None:
    runs.options["pushgateway_url"] = gateway.url
    gateway.status = 400
    runs.run(a="ok")
    assert len(runs.warnings) == 1 and "400" in runs.warnings[0]


def test_the_launcher_is_told(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run_reports, "RECORD_PATH", str(tmp_path / "record"))
    runs.run(a="failures")
    events = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "play", "end"] and events[2]["failed"] is True

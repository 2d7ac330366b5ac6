# What the callbacks send is what the real Alertmanager, Pushgateway and node_exporter take.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.event_source import alertmanager as event_source
from ansible_collections.aidc.ops.tests.callbacks.programs import get, serving
from ansible_collections.aidc.ops.tests.callbacks.runs import GOOD, Site
from ansible_collections.aidc.ops.tests.fakes.controller import Controller

FAIL = GOOD.replace("true", "false")
NAME = 'odd "name" \\ é'


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    arguments = [
        "--config.file=am.yml",
        "--storage.path=data",
        "--web.listen-address=ADDRESS",
        "--cluster.listen-address=",
    ]
    with serving("prometheus-alertmanager", folder, *arguments) as url:
        yield url


def firing(url: str) -> dict[tuple[str, str], str]:
    """Name and instance of the alerts that fire, with their state."""
    alerts = json.loads(get(f"{url}/api/v2/alerts?active=true&silenced=true"))
    return {(alert["labels"]["alertname"], alert["labels"]["instance"]): alert["status"]["state"] for alert in alerts}


def until(check: t.Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not check():
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def test_alertmanager(site: Site, alertmanager: str) -> None:
    settings = {"AIDC_OPS_ALERTMANAGER_URLS": alertmanager}
    failed = {("AnsibleRunFailed", "a"), ("AnsibleRunFailed", "b")}
    run = site.play(FAIL, **settings)
    assert run.status == 2 and "WARNING]: aidc.ops" not in run.output
    until(lambda: set(firing(alertmanager)) == failed)
    silence = {
        "matchers": [{"name": "instance", "value": "a", "isRegex": False}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "test",
        "comment": "maintenance",
    }
    post(f"{alertmanager}/api/v2/silences", silence)
    until(lambda: firing(alertmanager).get(("AnsibleRunFailed", "a")) == "suppressed")
    assert site.play(GOOD, **settings).status == 0
    until(lambda: not firing(alertmanager))

    site.write("- [")
    assert site.run("site.yml", launcher=True, **settings).status == 4
    until(lambda: set(firing(alertmanager)) == {("AnsibleRunNotStarted", "ctl")})
    site.write(GOOD)
    assert site.run("site.yml", launcher=True, **settings).status == 0
    until(lambda: not firing(alertmanager))


def test_a_failed_run_becomes_a_case_of_the_loop(
    site: Site, alertmanager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal makes its whole way: run, callback, Alertmanager, event source, ledger; and back."""
    # A young Alertmanager is not believed when it has no alerts.
    monkeypatch.setattr(event_source, "fetch_start_time", lambda *_args: 0.0)
    (tmp_path / "controller").mkdir()
    controller = Controller(tmp_path / "controller", [alertmanager], names=("a", "b"))
    source = event_source.AlertPoll(str(controller.config))
    assert site.play(FAIL, "--limit", "b", AIDC_OPS_ALERTMANAGER_URLS=alertmanager).status == 2

    def case_is_there() -> bool:
        source.step()
        return bool(controller.ledger().cases())

    until(case_is_there)
    (case,) = controller.ledger().cases()
    assert (case.node, case.fault_class) == ("b", "ansible_run_failed")
    assert controller.slurm.reason("b") == "", "a run that failed takes no node out"
    assert controller.ledger().firing_alerts()
    assert site.play(GOOD, AIDC_OPS_ALERTMANAGER_URLS=alertmanager).status == 0

    def is_cleared() -> bool:
        source.step()
        return not controller.ledger().firing_alerts()

    until(is_cleared)


def post(url: str, body: dict[str, t.Any]) -> None:
    from ansible_collections.aidc.ops.plugins.plugin_utils._http import request

    request("POST", url, json.dumps(body).encode(), 10)


def test_pushgateway(site: Site, tmp_path: Path) -> None:
    with serving("prometheus-pushgateway", tmp_path, "--web.listen-address=ADDRESS") as url:
        settings = {"AIDC_OPS_PUSHGATEWAY_URL": url, "ANSIBLE_CALLBACKS_ENABLED": "aidc.ops.metrics"}
        for content in (GOOD, FAIL):
            site.write(content, NAME)
            run = site.run(f"{NAME}.yml", **settings)
            assert run.status in (0, 2) and "WARNING]: aidc.ops" not in run.output
        page = get(f"{url}/metrics")
    lines = {line.partition("{")[0]: line for line in page.splitlines() if line.startswith("ansible_playbook")}
    assert len(lines) == 8, "every metric but the slowest tasks"
    assert lines["ansible_playbook_last_run_success"].endswith(" 0")
    assert "ansible_playbook_last_success_timestamp_seconds" in lines, "a run that failed does not remove it"
    assert 'job="ansible_playbook"' in lines["ansible_playbook_last_run_success"]
    assert NAME.replace("\\", "\\\\").replace('"', '\\"') in lines["ansible_playbook_last_run_success"]


def test_node_exporter(site: Site, tmp_path: Path) -> None:
    for name, content in (("one", GOOD), ("two", FAIL), (NAME, GOOD)):
        site.write(content, name)
        site.run(f"{name}.yml", ANSIBLE_CALLBACKS_ENABLED="aidc.ops.metrics", AIDC_OPS_RUN_METRICS_SLOWEST_TASKS="3")
    site.run("one.yml", "--check", ANSIBLE_CALLBACKS_ENABLED="aidc.ops.metrics")
    flags = ["--web.listen-address=ADDRESS", "--collector.disable-defaults", "--collector.textfile"]
    with serving("prometheus-node-exporter", tmp_path, *flags, f"--collector.textfile.directory={site.metrics}") as url:
        page = get(f"{url}/metrics")
    assert "node_textfile_scrape_error 0" in page
    assert page.count("ansible_playbook_last_run_success{") == 4
    assert page.count("node_textfile_mtime_seconds{") == 4

# Tests of Alertmanager's routes and receivers with the real amtool: who is told of which alert.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import prometheus_server
import pytest
import yaml
from prometheus_rendered import alerts
from render import ROOT, load_variables, render

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

HOOK = "https://hook.example.com/x"
CONTACTS = [
    {"name": "pager", "type": "webhook", "url": HOOK, "hears": ["critical"]},
    {"name": "queue", "type": "webhook", "url": HOOK, "hears": ["work"]},
    {"name": "paper", "type": "webhook", "url": HOOK, "hears": ["planned"]},
    {"name": "switch", "type": "webhook", "url": HOOK, "hears": ["watchdog"]},
]
TYPES = {
    "mail": {"to": "ops@example.com"},
    "webhook": {"url": HOOK, "secret": "token"},
    "slack": {"secret": HOOK, "to": "#ops"},
    "mattermost": {"secret_file": "/etc/mattermost"},
    "teams": {"secret": HOOK},
    "pagerduty": {"secret": "key", "url": "https://events.eu.pagerduty.com/v2/enqueue"},
    "opsgenie": {"secret": "key", "url": "https://api.eu.opsgenie.com/"},
}
MAIL = {
    "alertmanager_mail_server": "mail.example.com:587",
    "alertmanager_mail_from": "alerts@example.com",
    "alertmanager_mail_username": "alerts",
    "alertmanager_mail_password": "secret",
}


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(prometheus_server.program("amtool")), *arguments], capture_output=True, text=True, check=False
    )


def written(folder: Path, **variables: Any) -> Path:
    """A file with the configuration that the role writes."""
    path = folder / "alertmanager.yml"
    path.write_text(render("alertmanager", "alertmanager.yml.j2", **variables), encoding="utf-8")
    return path


def told(config: Path, labels: dict[str, str]) -> list[str]:
    """The receivers of an alert, in order, as amtool routes it."""
    done = amtool(
        "config", "routes", "test", f"--config.file={config}", *(f"{name}={text}" for name, text in labels.items())
    )
    assert done.returncode == 0, done.stderr
    return [name for name in done.stdout.strip().split(",") if name]


def expected(labels: dict[str, str], loop: bool) -> list[str]:
    """Who has to be told, from the rows of the catalogue and nothing that the routes are made of."""
    if labels["alertname"] == "Watchdog":
        return ["switch"]
    row = CLASSES.get(labels.get("fault_class", ""))
    if row is not None and loop:
        alone = row.authority == "automatic" and "ticket" not in row.workflow
        acts = set(row.workflow) & {"repair", "cordon", "validate", "resume"}
        if not row.workflow or (alone and acts):
            return ["none"]
    if labels["severity"] == "critical":
        return ["pager"]
    tickets = row is not None and "ticket" in row.workflow and not row.removes_node and row.severity != "high"
    recorded = row is not None and not row.workflow
    return ["paper"] if tickets or recorded or labels["severity"] == "low" else ["queue"]


@pytest.mark.parametrize("loop", [True, False], ids=["with a loop", "without a loop"])
def test_each_alert_of_the_rules_and_each_class_goes_where_it_should(tmp_path: Path, loop: bool) -> None:
    config = written(tmp_path, alertmanager_contacts=CONTACTS, alertmanager_loop=loop)
    # What the alert rules say first, since they have workflow; then every class, as other programs may send it.
    cases = {}
    for rule in alerts():
        chosen = {
            name: rule["labels"][name] for name in ("severity", "fault_class", "workflow") if name in rule["labels"]
        }
        key = (chosen["severity"], chosen.get("fault_class"), chosen["workflow"], rule["alert"] == "Watchdog")
        cases[key] = {"alertname": rule["alert"], **chosen}
    for name, row in CLASSES.items():
        cases.setdefault(
            (row.severity, name, "", False), {"alertname": "Other", "severity": row.severity, "fault_class": name}
        )
    found = {key: told(config, labels) for key, labels in cases.items()}
    assert found == {key: expected(labels, loop) for key, labels in cases.items()}
    heard = {name for names in found.values() for name in names}
    assert heard == {"pager", "queue", "paper", "switch", *(["none"] if loop else [])}
    words = {labels.get("workflow") for labels in cases.values()}
    assert words >= {"remove", "when_idle", "in_service", "ticket", "notify", "person", "none"}


def test_everybody_who_wants_to_hear_does_and_quiet_hours_are_kept(tmp_path: Path) -> None:
    both = [
        {"name": "first", "type": "webhook", "url": HOOK, "quiet": ["nights"]},
        {"name": "second", "type": "webhook", "url": HOOK},
    ]
    intervals = [{"name": "nights", "time_intervals": [{"times": [{"start_time": "20:00", "end_time": "24:00"}]}]}]
    config = written(tmp_path, alertmanager_contacts=both, alertmanager_time_intervals=intervals)
    assert amtool("check-config", str(config)).returncode == 0
    for severity in ("critical", "high", "medium", "low"):
        assert told(config, {"alertname": "A", "severity": severity}) == ["first", "second"]
    muted = {
        (child["receiver"], "severity" in str(route.get("matchers")), bool(child.get("mute_time_intervals")))
        for route in yaml.safe_load(config.read_text())["route"]["routes"]
        for child in route.get("routes", [])
        if "critical" in str(route.get("matchers"))
    }
    assert muted == {("first", True, False), ("second", True, False)}
    last = yaml.safe_load(config.read_text())["route"]["routes"][-1]
    assert [child.get("mute_time_intervals") for child in last["routes"]] == [["nights"], None]


def test_the_routes_of_the_site_come_first(tmp_path: Path) -> None:
    routes = [
        {"receiver": "tenant", "matchers": ['tenant="a"']},
        {"receiver": "tenant", "matchers": ['fault_class="node_unreachable"'], "continue": True},
    ]
    config = written(
        tmp_path,
        alertmanager_contacts=CONTACTS,
        alertmanager_routes=routes,
        alertmanager_receivers=[{"name": "tenant", "webhook_configs": [{"url": HOOK}]}],
    )
    assert told(config, {"alertname": "A", "severity": "critical", "tenant": "a"}) == ["tenant"]
    unreachable = {"alertname": "A", "severity": "critical", "fault_class": "node_unreachable"}
    assert told(config, unreachable) == ["tenant", "none"]


def test_who_nobody_hears_of_goes_to_the_default_receiver(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        alertmanager_contacts=CONTACTS[:1],
        alertmanager_default_receiver="rest",
        alertmanager_receivers=[{"name": "rest", "webhook_configs": [{"url": HOOK}]}],
    )
    assert told(config, {"alertname": "A", "severity": "critical"}) == ["pager"]
    for severity in ("high", "medium", "low", "words of the site"):
        assert told(config, {"alertname": "A", "severity": severity}) == ["rest"]
    assert told(config, {"alertname": "Watchdog", "severity": "none"}) == ["none"]


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_of_receiver_is_one_that_alertmanager_knows(tmp_path: Path, kind: str) -> None:
    contact = {"name": "people", "type": kind, **TYPES[kind]}
    done = amtool("check-config", str(written(tmp_path, alertmanager_contacts=[contact], **MAIL)))
    # Workflows of Teams take Alertmanager 0.28 or later, as the documentation says.
    too_old = kind == "teams" and "field msteamsv2_configs not found" in done.stdout
    assert done.returncode == 0 or too_old, done.stdout + done.stderr


def test_every_type_of_the_specification_has_been_tried() -> None:
    specification = yaml.safe_load((ROOT / "roles/alertmanager/meta/argument_specs.yml").read_text(encoding="utf-8"))
    contact = specification["argument_specs"]["main"]["options"]["alertmanager_contacts"]["options"]
    assert contact["type"]["choices"] == list(TYPES)
    known = load_variables(ROOT / "roles/alertmanager/vars/main.yml")
    assert list(known["__alertmanager_kinds"]) == list(TYPES)
    assert known["__alertmanager_hears"] == contact["hears"]["default"]


def test_no_secret_is_in_the_configuration(tmp_path: Path) -> None:
    contacts = [{"name": f"a-{kind}", "type": kind, **options} for kind, options in TYPES.items()]
    for contact in contacts:
        if "secret" in contact:
            contact["secret"] = "hush-hush"
    mail = {**MAIL, "alertmanager_mail_password": "hush-hush"}
    text = written(tmp_path, alertmanager_contacts=contacts, **mail).read_text()
    assert "hush-hush" not in text
    assert text.count("/etc/prometheus/alertmanager_secrets/") == 6
    assert "/etc/mattermost" in text

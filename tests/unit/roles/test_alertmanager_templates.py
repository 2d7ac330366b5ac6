# Tests of what the role alertmanager writes.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from preflight import accepts
from render import ROOT, load_variables, render

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES


def config(**variables: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(render("alertmanager", "alertmanager.yml.j2", **variables))
    return loaded


def test_nobody_is_notified_by_default() -> None:
    default = config()
    assert default["route"]["receiver"] == "none"
    assert default["receivers"] == [{"name": "none"}]
    routes = default["route"]["routes"]
    assert {route["receiver"] for route in routes} == {"none"}
    assert [route.get("routes") for route in routes] == [[], None, [], [], [], []]
    assert default["global"]["resolve_timeout"] == "5m"


def test_receivers_routes_and_inhibition_are_placed_as_they_are() -> None:
    webhook = {"name": "duty", "webhook_configs": [{"url": "https://duty.example.com/hook", "send_resolved": True}]}
    mail = {
        "name": "mail",
        "email_configs": [{"to": "ops@example.com", "text": '{{ template "x" . }}: "quoted" # no comment'}],
    }
    routes = [{"receiver": "mail", "matchers": ['severity="critical"']}]
    inhibit = [{"source_matchers": ["alertname=A"], "target_matchers": ["alertname=B"], "equal": ["instance"]}]
    made = config(
        alertmanager_receivers=[webhook, mail],
        alertmanager_default_receiver="duty",
        alertmanager_routes=routes,
        alertmanager_inhibit_rules=inhibit,
    )
    assert made["receivers"] == [{"name": "none"}, webhook, mail]
    assert made["route"]["receiver"] == "duty"
    assert made["route"]["routes"][:1] == routes
    assert made["inhibit_rules"][-1:] == inhibit


def test_the_cluster_is_off_by_default() -> None:
    line = render("alertmanager", "default.j2").splitlines()[-1]
    assert line == (
        'ARGS="--web.listen-address=127.0.0.1:9093 '
        "--web.config.file=/etc/prometheus/web/prometheus-alertmanager/web.yml "
        '--data.retention=120h --cluster.listen-address="'
    )


def test_a_cluster_names_its_peers() -> None:
    line = render(
        "alertmanager",
        "default.j2",
        alertmanager_cluster_listen_address="192.0.2.1:9094",
        alertmanager_cluster_peers=["192.0.2.2:9094", "192.0.2.3:9094"],
        alertmanager_extra_args=["--log.level=debug"],
    ).splitlines()[-1]
    assert line.split(" ")[3:] == [
        "--cluster.listen-address=192.0.2.1:9094",
        "--cluster.peer=192.0.2.2:9094",
        "--cluster.peer=192.0.2.3:9094",
        '--log.level=debug"',
    ]


def test_a_certificate_means_tls_between_the_members() -> None:
    line = render("alertmanager", "default.j2", alertmanager_cluster_tls_certificate="/pki/mon1.crt").splitlines()[-1]
    assert "--cluster.tls-config=/etc/prometheus/alertmanager_cluster/tls.yml" in line.split(" ")[-1]
    tls = yaml.safe_load(render("alertmanager", "cluster.yml.j2"))
    assert tls["tls_server_config"]["client_auth_type"] == "RequireAndVerifyClientCert"
    assert tls["tls_server_config"]["client_ca_file"] == tls["tls_client_config"]["ca_file"]


def labels_of(matchers: list[str]) -> set[str]:
    return {matcher.split("=")[0].split("!")[0] for matcher in matchers}


def test_no_label_that_has_to_be_equal_may_be_missing_in_the_source() -> None:
    rules = config()["inhibit_rules"]
    assert len(rules) == 6
    for rule in rules:
        # Alerts about the whole node have neither; what they hide then has neither, too.
        assert set(rule["equal"]) - {"gpu", "device"} <= labels_of(rule["source_matchers"])
    assert config(alertmanager_inhibit=False)["inhibit_rules"] is None


def test_inhibition_names_classes_of_the_catalogue_and_what_they_explain() -> None:
    by_source = {rule["source_matchers"][0]: rule for rule in config()["inhibit_rules"]}
    for name, row in CLASSES.items():
        if row.correlate is not None:
            rule = by_source[f'fault_class="{row.correlate.becomes}"']
            assert name in rule["target_matchers"][0].split('"')[1].split("|")
            assert rule["equal"] == [row.correlate.by]


def test_what_a_silent_node_says_by_its_bmc_and_what_the_loop_acts_on_is_not_hidden() -> None:
    def spared(**variables: Any) -> set[str]:
        rule = config(**variables)["inhibit_rules"][0]
        assert rule["source_matchers"][0] == 'fault_class="node_unreachable"'
        return set(rule["target_matchers"][0].split('"')[1].split("|"))

    assert {name for name, row in CLASSES.items() if row.domain == "bmc"} | {"node_unreachable"} <= spared(
        alertmanager_loop=False
    )
    assert "gpu_fell_off_bus" in spared()
    assert "gpu_fell_off_bus" not in spared(alertmanager_loop=False)
    assert "drive_missing" not in spared()


NAMES, GIVEN = "Check the names of the receivers", "Check what the receivers are given"
HOOK = {"name": "a", "type": "webhook", "url": "https://example.com"}


@pytest.mark.parametrize(
    ("check", "contacts"),
    [
        (NAMES, [HOOK, HOOK]),
        (NAMES, [{**HOOK, "name": "../a"}]),
        (NAMES, [{**HOOK, "name": ""}]),
        (NAMES, [{**HOOK, "name": "none"}]),
        (GIVEN, [{"name": "a", "type": "webhook"}]),
        (GIVEN, [{"name": "a", "type": "mail"}]),
        (GIVEN, [{"name": "a", "type": "mail", "to": "b@example.com", "secret": "x"}]),
        (GIVEN, [{"name": "a", "type": "slack"}]),
        (GIVEN, [{"name": "a", "type": "slack", "secret": "x", "secret_file": "/x"}]),
        (GIVEN, [{"name": "a", "type": "teams", "secret": "x", "to": "room"}]),
        ("Check the mail server", [{"name": "a", "type": "mail", "to": "b@example.com"}]),
        ("Check the quiet hours", [{**HOOK, "quiet": ["nights"]}]),
    ],
)
def test_receivers_that_cannot_work_are_refused(check: str, contacts: list[dict[str, Any]]) -> None:
    assert accepts("alertmanager", check, alertmanager_contacts=[HOOK])
    assert not accepts("alertmanager", check, alertmanager_contacts=contacts)


@pytest.mark.parametrize(
    "options",
    [
        {"alertmanager_cluster_peers": ["192.0.2.2:9094"]},
        {"alertmanager_cluster_listen_address": "192.0.2.1:9094", "alertmanager_cluster_tls_ca": "/ca.crt"},
        {f"alertmanager_cluster_tls_{part}": "/x" for part in ("ca", "certificate", "key")},
    ],
)
def test_half_a_cluster_is_refused(options: dict[str, Any]) -> None:
    assert accepts("alertmanager", "Check the cluster", alertmanager_cluster_listen_address="192.0.2.1:9094")
    assert not accepts("alertmanager", "Check the cluster", **options)


def test_secrets_go_to_files_and_the_password_of_mail_has_a_name_that_no_receiver_can_have() -> None:
    names = {
        **load_variables(ROOT / "roles/alertmanager/vars/main.yml"),
        "alertmanager_contacts": [{**HOOK, "secret": "s"}, {"name": "b", "type": "mail", "to": "x@example.com"}],
        "alertmanager_mail_password": "p",
    }
    written = Templar(DataLoader(), variables=names).template(trust_as_template("{{ __alertmanager_secrets }}"))
    assert [(entry["name"], entry["secret"]) for entry in written] == [("a", "s"), ("@mail", "p")]

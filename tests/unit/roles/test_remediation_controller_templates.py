# Renders the templates of the role remediation_controller and checks them the way their readers do.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
import json
import re
import typing as t
from pathlib import Path

import pytest
from render import render

from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import load_settings

ROLE = "remediation_controller"
NODES = {
    "gpu1": {"node_id": "dmi:SN1", "address": "10.0.0.11", "rack": "r1", "pool": "h100", "expected_gpus": 8},
    "gpu2": {"address": None},
}
HOSTILE = '{{ lookup("ansible.builtin.pipe", "id") }}'


def place(template: str, **variables: t.Any) -> str:
    return render(
        ROLE, template, remediation_controller_nodes=NODES, remediation_controller_inventory="/inventory", **variables
    )


@pytest.fixture
def settings(tmp_path: Path) -> t.Callable[..., t.Any]:
    """Renders the settings and reads them with the parser that the loop itself uses."""

    def read(**variables: t.Any) -> t.Any:
        path = tmp_path / "controller.json"
        path.write_text(place("controller.json.j2", **variables))
        return load_settings(str(path))

    return read


def test_the_default_settings_only_observe(settings: t.Callable[..., t.Any]) -> None:
    result = settings()
    assert result.ledger == "/var/lib/aidc_ops/ledger.sqlite"
    assert result.kernel_log.spool == "/var/spool/aidc_ops/kernel.jsonl"
    assert {result.gate.modes.of(action) for action in ("contain", "reset", "reboot", "restart_service", "resume")} == {
        "observe"
    }
    assert result.nodes["gpu1"].expected_gpus == 8 and result.nodes["gpu2"].address is None
    assert result.alertmanager.urls == ("https://127.0.0.1:9093",)
    collector = "/etc/aidc_ops/collector"
    asked = result.alertmanager
    assert (asked.ca_file, asked.client_cert, asked.client_key) == (
        f"{collector}/ca.crt",
        f"{collector}/server.crt",
        f"{collector}/server.key",
    )


def test_only_who_speaks_tls_is_shown_a_certificate_and_another_one_may_be_named(
    settings: t.Callable[..., t.Any],
) -> None:
    plain = settings(remediation_controller_alertmanager={"urls": ["http://a:9093"]}).alertmanager
    assert (plain.ca_file, plain.client_cert) == (None, None)
    given = {"urls": ["https://a:9093"], "client_cert": "/own/both.pem", "username": "loop", "password_file": "/own/pw"}
    own = settings(remediation_controller_alertmanager=given).alertmanager
    assert (own.client_cert, own.client_key, own.ca_file) == ("/own/both.pem", None, "/etc/aidc_ops/collector/ca.crt")
    assert (own.username, own.password_file) == ("loop", "/own/pw")
    parser = configparser.ConfigParser()
    parser.read_string(place("ansible.cfg.j2", remediation_controller_alertmanager=given))
    section = parser["callback_aidc_ops_alerts"]
    assert (section["client_cert"], section["username"], section["ca_file"]) == ("/own/both.pem", "loop", own.ca_file)
    assert "client_key" not in section


def test_every_setting_reaches_the_file(settings: t.Callable[..., t.Any]) -> None:
    result = settings(
        remediation_controller_metrics_file="",
        remediation_controller_alertmanager={
            "urls": ["http://a:9093", "http://b:9093"],
            "poll_seconds": 1,
            "watchdog_alert": None,
        },
        remediation_controller_engine={"kind": "slurm", "scontrol": "/opt/slurm/bin/scontrol"},
        remediation_controller_containment="playbook",
        remediation_controller_gate={"out_percent": 5, "modes": {"contain": "act"}},
        remediation_controller_deadlines={"reboot": 1800},
        remediation_controller_tick_seconds=1,
    )
    assert result.metrics_file is None
    assert result.alertmanager.urls == ("http://a:9093", "http://b:9093") and result.alertmanager.watchdog_alert is None
    assert result.engine.scontrol == "/opt/slurm/bin/scontrol"
    assert (result.containment, result.gate.out_percent, result.gate.modes.contain) == ("playbook", 5, "act")
    assert (result.deadlines_seconds.reboot, result.tick_seconds) == (1800, 1)


def test_shared_ledger_listener_and_further_schedulers_reach_the_file(settings: t.Callable[..., t.Any]) -> None:
    result = settings(
        remediation_controller_ledger="postgresql://aidc@db:5432/ledger",
        remediation_controller_ledger_password_file="/pki/ledger",
        remediation_controller_retention_days=90,
        remediation_controller_engines={"k8s": {"kind": "kubernetes", "kubeconfig": "/etc/kube/config"}},
        remediation_controller_class_modes={"psu_failed": "observe"},
        remediation_controller_fault_classes={"psu_failed": {"severity": "low"}},
        remediation_controller_ticket={"backend": "webhook", "url": "https://t", "token_file": "/pki/ticket"},
        remediation_controller_notify={"webhook_url": "https://n", "mail_to": ["ops@example.org"]},
        remediation_controller_webhook={
            "address": "10.0.0.5",
            "port": 6000,
            "token_file": "/pki/token",
            "certificate": "/pki/crt",
            "key": "/pki/key",
            "client_ca": "/pki/ca",
            "mappings": {"zabbix": {"tag:x": "psu_failed"}, "redfish": {"V.1": "clear:psu_failed"}},
        },
    )
    secrets = "/etc/aidc_ops/secrets"
    assert (result.ledger, result.ledger_password_file) == (
        "postgresql://aidc@db:5432/ledger",
        f"{secrets}/ledger_password",
    )
    assert result.retention_days == 90 and result.engines["k8s"].kubeconfig == "/etc/kube/config"
    assert result.gate.class_modes["psu_failed"] == "observe"
    assert result.catalogue.classes["psu_failed"].severity == "low"
    assert (result.ticket.url, result.ticket.token_file) == ("https://t", f"{secrets}/ticket_token")
    assert (result.notify.webhook_url, result.notify.token_file) == ("https://n", None)
    webhook = result.webhook
    assert (webhook.address, webhook.port, webhook.token_file) == ("10.0.0.5", 6000, f"{secrets}/webhook_token")
    assert (webhook.certificate, webhook.key) == (f"{secrets}/webhook.crt", f"{secrets}/webhook.key")
    assert webhook.client_ca == f"{secrets}/webhook_clients.crt"
    assert webhook.mappings["redfish"] == {"V.1": "clear:psu_failed"}


def test_nothing_listens_by_default(settings: t.Callable[..., t.Any]) -> None:
    result = settings()
    assert result.webhook.token_file is None and result.ledger_password_file is None
    assert result.ticket.backend == "file" and result.engines == {}


def test_text_in_the_settings_stays_text() -> None:
    text = place("controller.json.j2", remediation_controller_engine={"kind": "slurm", "scontrol": HOSTILE})
    assert json.loads(text)["engine"]["scontrol"] == HOSTILE


def test_ansible_configuration_enables_the_callback() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(
        place("ansible.cfg.j2", remediation_controller_alertmanager={"urls": ["http://a:1", "http://b:2"]})
    )
    assert parser["defaults"]["callbacks_enabled"] == "aidc.ops.alerts, aidc.ops.metrics, aidc.ops.audit"
    assert parser["defaults"]["host_key_checking"] == "true"
    assert parser["callback_aidc_ops_alerts"]["urls"] == "http://a:1,http://b:2"
    assert parser["callback_aidc_ops_alerts"]["controller_name"] == "node1"
    assert "client_cert" not in parser["callback_aidc_ops_alerts"]
    assert parser["callback_aidc_ops_metrics"]["client_key"] == "/etc/aidc_ops/collector/server.key"
    assert parser["callback_aidc_ops_metrics"]["textfile_dir"] == "/var/lib/prometheus/node-exporter"
    assert parser["callback_aidc_ops_audit"]["path"] == "/var/log/aidc_ops/audit.jsonl"


def test_what_has_no_file_is_not_enabled() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(
        place("ansible.cfg.j2", remediation_controller_audit_file="", remediation_controller_metrics_file="")
    )
    assert parser["defaults"]["callbacks_enabled"] == "aidc.ops.alerts, aidc.ops.metrics"
    assert "textfile_dir" not in parser["callback_aidc_ops_metrics"]
    assert "callback_aidc_ops_audit" not in parser


def test_the_collector_takes_only_known_names_over_tls() -> None:
    text = place("collector.conf.j2")
    assert 'tls.permittedPeer=["gpu1", "gpu2"]' in text
    assert 'tls.authMode="name"' in text and 'tls="on"' in text
    # The address is the connection's own, and stands where no field of the message can overwrite it.
    assert 'outname="from" format="jsonf" name="fromhost-ip"' in text


def test_the_spool_keeps_its_last_rotation_readable() -> None:
    text = place("logrotate.j2")
    assert text.lstrip("#").strip() and "delaycompress" in text and "copytruncate" not in text
    assert "/var/spool/aidc_ops/kernel.jsonl {" in text


def test_known_hosts_are_lines() -> None:
    lines = place(
        "known_hosts.j2", remediation_controller_known_hosts=["gpu1 ssh-ed25519 AAAA", "gpu2 ssh-ed25519 BBBB"]
    )
    assert lines.splitlines()[1:] == ["gpu1 ssh-ed25519 AAAA", "gpu2 ssh-ed25519 BBBB"]


UNITS = ["aidc-ops-collector.service.j2", "aidc-ops-rulebook.service.j2"]


@pytest.mark.parametrize("unit", UNITS)
def test_units_run_as_the_user_of_the_loop(unit: str) -> None:
    text = place(unit)
    assert "User=aidc-ops" in text and "Restart=always" in text and "StartLimitIntervalSec=0" in text
    assert "OnFailure=aidc-ops-failed@%n.service" in text
    assert "ExecStopPost=-/usr/local/bin/aidc-cases report-failure --unless-success --controller node1 %n" in text
    # Anything that is no section, no setting and no comment is a mistake: systemd would pass over it.
    assert all(re.match(r"$|#|\[\w+\]$|\w+=", line) for line in text.splitlines())


def test_the_event_loop_stops_cleanly_and_leaves_no_orphan() -> None:
    text = place(
        "aidc-ops-rulebook.service.j2", remediation_controller_stop_seconds=120, remediation_controller_parallel_runs=3
    )
    assert "ExecStop=-/usr/local/bin/aidc-cases quiesce --seconds 120" in text
    # Without it the wait could not prolong the stop.
    assert "NotifyAccess=all" in text
    assert "KillMode=mixed" in text
    assert "Environment=PYTHONPATH=/opt/aidc_ops/collections" in text
    assert "Environment=AIDC_OPS_CASE_RUN=1" in text
    assert "--max-concurrent-actions 3" in text and "Environment=AIDC_OPS_PARALLEL_RUNS=3" in text
    assert "WatchdogSec=120" in text
    assert "WatchdogSec" not in place("aidc-ops-rulebook.service.j2", remediation_controller_watchdog_seconds=0)


def test_a_failed_unit_is_reported() -> None:
    text = place("aidc-ops-failed@.service.j2")
    assert "ExecStart=/usr/local/bin/aidc-cases report-failure --controller node1 %i" in text
    assert "User=aidc-ops" in text and "Type=oneshot" in text

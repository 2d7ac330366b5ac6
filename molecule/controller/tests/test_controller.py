# Tests of the controller as the role leaves it: services, permissions, configuration, command.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest

if t.TYPE_CHECKING:
    from conftest import Lab


@pytest.mark.parametrize("unit", ["aidc-ops-rulebook.service", "aidc-ops-collector.service"])
def test_services_run_as_the_user_of_the_loop(lab: Lab, unit: str) -> None:
    service = lab.ctl.service(unit)
    assert service.is_running and service.is_enabled
    assert lab.ctl.check_output(f"systemctl show --property=User --value {unit}") == "aidc-ops"
    # What systemd passes over it only says here.
    assert lab.ctl.run(f"systemd-analyze verify /etc/systemd/system/{unit} 2>&1 | grep {unit}").stdout == ""


@pytest.mark.parametrize(
    ("path", "user", "mode"),
    [
        ("/etc/aidc_ops/controller.json", "root", 0o640),
        ("/etc/aidc_ops/collector/server.key", "root", 0o640),
        ("/var/lib/aidc_ops/.ssh/id_ed25519", "aidc-ops", 0o600),
        ("/var/lib/aidc_ops/ledger.sqlite", "aidc-ops", 0o660),
        ("/var/spool/aidc_ops/kernel.jsonl", "aidc-ops", 0o640),
        ("/usr/local/bin/aidc-cases", "root", 0o755),
    ],
)
def test_nobody_else_may_write_or_read_secrets(lab: Lab, path: str, user: str, mode: int) -> None:
    file = lab.ctl.file(path)
    assert (file.user, file.mode) == (user, mode)


def test_the_collection_is_a_complete_copy(lab: Lab) -> None:
    root = "/opt/aidc_ops/collections/ansible_collections/aidc/ops"
    assert lab.ctl.file(f"{root}/extensions/eda/rulebooks/remediation.yml").exists
    assert not lab.ctl.file(f"{root}/molecule").exists


def test_the_inventory_is_a_copy_of_the_given_one(lab: Lab) -> None:
    files = lab.ctl.check_output("cd /etc/aidc_ops/inventory && find . -type f | sort").split()
    assert files == ["./group_vars/gpu.yml", "./hosts.yml"]


def test_the_callback_is_enabled_for_runs_by_hand(lab: Lab) -> None:
    command = (
        "/opt/aidc_ops/venv/bin/ansible-config dump --config /etc/aidc_ops/ansible.cfg --only-changed --format json"
    )
    settings = {item["name"]: item["value"] for item in json.loads(lab.ctl.check_output(command)) if "name" in item}
    assert settings["CALLBACKS_ENABLED"] == ["aidc.ops.alerts", "aidc.ops.metrics", "aidc.ops.audit"]


def test_the_sources_beat_and_the_metrics_say_so(lab: Lab) -> None:
    lab.until("a heartbeat", lambda: lab.ctl.run("aidc-cases status --require kernel_log").rc == 0, 60)
    text = lab.ctl.file("/var/lib/prometheus/node-exporter/aidc_ops.prom").content_string
    assert 'aidc_remediation_source_heartbeat_timestamp_seconds{source="kernel_log"}' in text


def test_a_rotated_spool_is_written_on(lab: Lab) -> None:
    lab.ctl.check_output("logrotate --force /etc/logrotate.d/aidc_ops")
    assert lab.ctl.file("/var/spool/aidc_ops/kernel.jsonl.1").exists
    line = "a line after the rotation"
    lab.gpu2.check_output(f"echo '{line}' >> /var/lib/gpusim/kernel.log")
    spool = lab.ctl.file("/var/spool/aidc_ops/kernel.jsonl")
    lab.until("the line in the new file", lambda: line in spool.content_string, 60)
    assert lab.ctl.service("aidc-ops-collector.service").is_running


def test_a_connection_without_a_certificate_gets_nowhere(lab: Lab) -> None:
    command = (
        "printf 'x\\n' | timeout 10 openssl s_client -connect ctl:20514 -CAfile /etc/rsyslog.d/aidc_ops/ca.crt -quiet"
    )
    before = lab.ctl.file("/var/spool/aidc_ops/kernel.jsonl").size
    lab.gpu2.run(command)
    assert b'"node":""' not in lab.ctl.file("/var/spool/aidc_ops/kernel.jsonl").content[before:]

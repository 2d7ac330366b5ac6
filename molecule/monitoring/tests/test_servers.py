# Prometheus, Alertmanager and the exporters as the roles left them.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from monitoring_helpers import (
    GPU1,
    MON,
    active_alerts,
    alertmanager,
    assert_refused,
    curl,
    metrics,
    prometheus,
    query,
    run,
)
from waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
RULE_TESTS = ROOT / "tests" / "unit" / "roles" / "prometheus_rules"
ROLE_VARS = ROOT / "roles" / "prometheus" / "vars" / "main.yml"


def test_every_target_is_up_under_the_name_of_its_node() -> None:
    def targets() -> dict[tuple[str, str], dict[str, Any]]:
        active = prometheus("targets?state=active")["activeTargets"]
        return {(one["labels"]["job"], one["labels"]["instance"]): one for one in active if one["health"] == "up"}

    expected = {("prometheus", "mon"), ("node_exporter", "mon"), ("node_exporter", "gpu1"), ("gpu_exporter", "gpu1")}
    wait_for(lambda: set(targets()) == expected, 60, f"targets {expected}")
    labels = targets()[("gpu_exporter", "gpu1")]["labels"]
    assert (labels["rack"], labels["leaf"]) == ("r1", "l1")


def test_the_rules_are_loaded_and_healthy() -> None:
    files = {Path(group["file"]).stem for group in prometheus("rules")["groups"]}
    assert files == set(yaml.safe_load(ROLE_VARS.read_text())["__prometheus_rule_files"])
    wait_for(
        lambda: all(rule["health"] == "ok" for group in prometheus("rules")["groups"] for rule in group["rules"]),
        # Some groups are evaluated every two minutes only.
        150,
        "every rule evaluated without an error",
    )


def test_the_deployed_rules_pass_their_tests() -> None:
    """promtool is always here, so these tests run at every build."""
    run(MON, "rm -rf /root/rule_tests")
    subprocess.run(["podman", "cp", str(RULE_TESTS), "aidc-monitoring-mon:/root/rule_tests"], check=True)
    run(MON, "ln -s /etc/prometheus/rules /root/rule_tests/rules")
    files = " ".join(path.name for path in sorted(RULE_TESTS.glob("*.yml")))
    assert files
    result = MON.run(f"cd /root/rule_tests && promtool test rules {files}")
    assert result.rc == 0, result.stdout + result.stderr
    assert result.stdout.count("SUCCESS") == len(files.split())


def test_the_watchdog_reaches_alertmanager() -> None:
    wait_for(lambda: active_alerts("Watchdog"), 60, "Watchdog active in Alertmanager")


@pytest.mark.parametrize(("host", "port"), [(MON, 9090), (MON, 9093)])
def test_the_servers_listen_locally_only(host: Any, port: int) -> None:
    listening = run(host, f"ss -Hltn 'sport = :{port}'").split()
    assert listening[3] == f"127.0.0.1:{port}"


ENDPOINTS = [
    (MON, "127.0.0.1:9090"),
    (MON, "127.0.0.1:9093"),
    (MON, "gpu1:9093"),
    (GPU1, "mon:9100"),
    (GPU1, "mon:9400"),
    (MON, "gpu1:9100"),
    (MON, "gpu1:9400"),
]


@pytest.mark.parametrize(("asking", "address"), ENDPOINTS)
def test_only_who_shows_a_certificate_is_let_in(asking: Any, address: str) -> None:
    # Some stand-in serves samples only, without a word of help.
    assert re.search(r"(?m)^[a-zA-Z_]+(\{.*\})? [0-9]", curl(asking, f"https://{address}/metrics"))
    assert_refused(asking, f"--insecure https://{address}/metrics")


@pytest.mark.parametrize(("asking", "address"), ENDPOINTS)
def test_a_certificate_of_somebody_else_is_refused(asking: Any, address: str) -> None:
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stranger"
    run(asking, f"{new} -keyout /root/stranger.key -out /root/stranger.crt 2>/dev/null")
    assert_refused(asking, f"--insecure --cert /root/stranger.crt --key /root/stranger.key https://{address}/metrics")


@pytest.mark.parametrize(("asking", "address"), ENDPOINTS)
def test_nothing_is_served_in_plain_text(asking: Any, address: str) -> None:
    # Go's servers answer 400, Python's end the connection.
    assert not re.search(r"(?m)^[a-zA-Z_]+(\{.*\})? [0-9]", asking.run(f"curl -s http://{address}/metrics").stdout)


def test_a_key_is_readable_by_its_program_only() -> None:
    for folder in ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter"):
        key = MON.file(f"/etc/prometheus/web/{folder}/tls.key")
        assert (key.user, key.group, key.mode) == ("root", "prometheus", 0o440)
    key = GPU1.file("/etc/aidc_ops/gpu_exporter/tls.key")
    assert (key.user, key.group, key.mode) == ("aidc-gpu-exporter", "root", 0o440)


@pytest.mark.parametrize("host", [MON, GPU1])
def test_alertmanager_talks_to_the_other_at_the_address_of_its_node(host: Any) -> None:
    address = run(host, "hostname -I").split()[0]
    listening = [line.split() for line in run(host, "ss -Hltnu 'sport = :9094'").splitlines()]
    # With TLS all of it is TCP.
    assert [(words[0], words[4]) for words in listening] == [("tcp", f"{address}:9094")]


def test_the_alertmanagers_are_one_cluster() -> None:
    def views() -> list[tuple[str, list[str]]]:
        clusters = [alertmanager(host, "status")["cluster"] for host in (MON, GPU1)]
        return [(one["status"], sorted(peer["name"] for peer in one.get("peers", []))) for one in clusters]

    wait_for(lambda: [(status, len(peers)) for status, peers in views()] == [("ready", 2)] * 2, 90, "two in each view")
    assert views()[0] == views()[1]


def test_both_alertmanagers_have_the_alerts() -> None:
    def has_watchdog(host: Any) -> bool:
        return any(alert["labels"]["alertname"] == "Watchdog" for alert in alertmanager(host, "alerts?active=true"))

    wait_for(lambda: has_watchdog(MON) and has_watchdog(GPU1), 90, "Watchdog in both")


def test_a_silence_made_at_one_holds_at_the_other() -> None:
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "alertname", "value": "Watchdog", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=10)).isoformat(),
        "createdBy": "test",
        "comment": "maintenance",
    }
    made = alertmanager(GPU1, "silences", "--json", json.dumps(silence))["silenceID"]

    def state() -> str:
        return str(next((one["status"]["state"] for one in alertmanager(MON, "silences") if one["id"] == made), ""))

    try:
        wait_for(lambda: state() == "active", 30, "the silence at the other")
        wait_for(lambda: not active_alerts("Watchdog"), 30, "the alert silenced at the other")
    finally:
        alertmanager(GPU1, f"silence/{made}", "--request", "DELETE")
    wait_for(lambda: state() == "expired", 30, "the end of the silence at the other")
    wait_for(lambda: active_alerts("Watchdog"), 30, "the alert again")


def test_who_has_no_certificate_does_not_get_into_the_cluster() -> None:
    address = run(MON, "hostname -I").split()[0]
    assert_refused(GPU1, f"--insecure https://{address}:9094/")


@pytest.mark.parametrize(
    "unit", ["prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "nvidia-dcgm-exporter"]
)
def test_services_of_the_monitoring_node_run_and_come_back(unit: str) -> None:
    assert MON.service(unit).is_running
    assert MON.service(unit).is_enabled


@pytest.mark.parametrize("unit", ["prometheus-node-exporter", "prometheus-alertmanager", "aidc-gpu-exporter"])
def test_services_of_the_gpu_node_run_and_come_back(unit: str) -> None:
    assert GPU1.service(unit).is_running
    assert GPU1.service(unit).is_enabled


def test_configuration_files_are_not_for_everybody() -> None:
    for name in ("prometheus.yml", "alertmanager.yml"):
        file = MON.file(f"/etc/prometheus/{name}")
        assert (file.user, file.group, file.mode) == ("root", "prometheus", 0o640)


def test_the_node_exporter_shows_the_chosen_units_and_no_other() -> None:
    wait_for(lambda: query("node_systemd_unit_state"), 30, "unit states in Prometheus")
    states = query('node_systemd_unit_state{instance="mon",state="active"}')
    assert {s["labels"]["name"]: s["value"] for s in states} == {"ssh.service": 1, "prometheus.service": 1}


def test_members_of_the_group_write_text_files_that_are_served() -> None:
    run(MON, "id -u writer >/dev/null 2>&1 || useradd --system --gid aidc-ops writer")
    write = "echo aidc_test_metric 42 > /var/lib/prometheus/node-exporter/test.prom"
    run(MON, f"su -s /bin/sh -c '{write}' writer")
    wait_for(lambda: [s["value"] for s in query("aidc_test_metric")] == [42], 30, "the text file's metric")
    run(MON, "rm /var/lib/prometheus/node-exporter/test.prom")
    run(MON, "id -u stranger >/dev/null 2>&1 || useradd --system --user-group stranger")
    assert MON.run(f"su -s /bin/sh -c '{write}' stranger").rc != 0


def test_a_heartbeat_ends_the_alert_about_its_absence() -> None:
    wait_for(lambda: active_alerts("LoopHeartbeatStale"), 120, "LoopHeartbeatStale without a heartbeat")
    name = "aidc_remediation_source_heartbeat_timestamp_seconds"
    target = "/var/lib/prometheus/node-exporter/aidc_ops.prom"
    run(MON, f'echo "{name}{{source=\\"alertmanager\\"}} $(date +%s)" > {target}')
    wait_for(lambda: not active_alerts("LoopHeartbeatStale"), 60, "LoopHeartbeatStale resolved by a heartbeat")
    run(MON, f"rm {target}")


def test_where_dcgm_is_there_it_is_told_what_to_collect() -> None:
    fields = {sample.name for sample in metrics(GPU1, "mon:9400")}
    assert {"DCGM_EXP_XID_ERRORS_COUNT", "DCGM_FI_DEV_ROW_REMAP_FAILURE", "DCGM_FI_DEV_ROW_REMAP_PENDING"} <= fields
    assert not MON.file("/etc/systemd/system/aidc-gpu-exporter.service").exists

# What provisioning left behind, seen from outside: services, ports, Slurm, Prometheus.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from functools import partial

import pytest
import testinfra
from demo_lab import SCENARIO

GPU = ("gpu1", "gpu2", "gpu3", "gpu4")
SERVICES = {
    "ctl": (
        "aidc-ops-collector",
        "aidc-ops-rulebook",
        "aidc-slurm-exporter",
        "mariadb",
        "munge",
        "prometheus",
        "prometheus-alertmanager",
        "prometheus-blackbox-exporter",
        "prometheus-node-exporter",
        "prometheus-pushgateway",
        "slurmctld",
        "slurmdbd",
        "slurmrestd",
    ),
    **dict.fromkeys(GPU, ("aidc-gpu-exporter", "munge", "prometheus-node-exporter", "slurmd")),
    "store1": ("nfs-ganesha", "prometheus-node-exporter"),
}
# Ports that listen beyond the node itself; nothing else may.
PORTS = {
    "ctl": {22, 6817, 6819, 9090, 9093, 9100, 9341, 20514},
    **{name: {22, 6818, 9100, 9400} for name in GPU},
    "store1": {22, 2049, 9100},
}
# What NFS needs besides, at ports that it chooses.
DYNAMIC = {"ganesha.nfsd", "rpcbind", "rpc.statd"}


def node(name: str):
    return testinfra.get_host(f"podman://aidc-{SCENARIO}-{name}")


@pytest.mark.parametrize(
    ("name", "service"), [(name, service) for name, found in SERVICES.items() for service in found]
)
def test_the_service_runs_now_and_after_a_boot(name: str, service: str) -> None:
    unit = node(name).service(service)
    assert unit.is_running
    assert unit.is_enabled


@pytest.mark.parametrize("name", list(SERVICES))
def test_no_unit_has_failed(name: str) -> None:
    assert node(name).check_output("systemctl list-units --failed --plain --no-legend") == ""


@pytest.mark.parametrize("name", list(PORTS))
def test_only_the_known_ports_are_open_to_others(name: str) -> None:
    found = set()
    for line in node(name).check_output("ss --listening --tcp --numeric --no-header --processes").splitlines():
        address, _colon, port = line.split()[3].rpartition(":")
        local = address.strip("[]").removeprefix("::ffff:").startswith("127.") or address == "[::1]"
        if not local and (int(port) in PORTS[name] or not any(f'"{program}"' in line for program in DYNAMIC)):
            found.add(int(port))
    assert found == PORTS[name]


def test_every_gpu_node_is_idle_in_slurm_with_its_gpus(healthy) -> None:
    nodes = healthy.story.slurm()
    assert set(nodes) == set(GPU)
    for name in GPU:
        model = "h100" if name in ("gpu1", "gpu2") else "a100"
        assert nodes[name]["State"] == "IDLE"
        assert nodes[name]["Gres"].startswith(f"gpu:{model}:8")


def test_a_job_sees_the_gpus_it_was_given(healthy) -> None:
    output = healthy.lab.exec(
        "ctl", "srun", "--nodelist=gpu4", "--gres=gpu:a100:3", "--time=1", "printenv", "CUDA_VISIBLE_DEVICES"
    )
    assert output.strip() == "0,1,2"


def test_the_rest_service_answers_with_a_token() -> None:
    host = node("ctl")
    token = host.check_output("scontrol token lifespan=60").partition("=")[2]
    answer = host.check_output(
        f"curl --silent -H 'X-SLURM-USER-NAME: root' -H 'X-SLURM-USER-TOKEN: {token}' http://127.0.0.1:6820/slurm/v0.0.38/ping"
    )
    assert json.loads(answer)["errors"] == []


def query(loop, expression: str) -> list[dict]:
    """The series that Prometheus answers with."""
    ask = ("--get", "--data-urlencode", f"query={expression}")
    return json.loads(loop.lab.ask(9090, "api/v1/query", *ask))["data"]["result"]


def test_prometheus_scrapes_every_target(healthy) -> None:
    result = query(healthy, "up")
    seen = {(item["metric"]["job"], item["metric"]["instance"]) for item in result if item["value"][1] == "1"}
    assert {("gpu_exporter", name) for name in GPU} <= seen
    assert {("node_exporter", name) for name in SERVICES} <= seen
    assert {(job, "ctl") for job in ("slurm_exporter", "pushgateway", "blackbox")} <= seen
    assert all(item["value"][1] == "1" for item in result)


@pytest.mark.parametrize("port", [9090, 9093, 9100])
def test_who_has_no_certificate_is_let_in_nowhere(healthy, port: int) -> None:
    host, address = node("ctl"), healthy.lab.addresses["ctl"]
    stranger = host.run(f"curl --silent --insecure --max-time 10 https://{address}:{port}/metrics")
    # Neither let in, nor was nobody there (7), nor did nobody answer (28).
    assert (stranger.rc in (0, 7, 28), stranger.stdout) == (False, "")
    # That is what Go's servers say to a word in plain text.
    plain = host.run(f"curl --silent --output /dev/null --write-out '%{{http_code}}' http://{address}:{port}/metrics")
    assert plain.stdout == "400"
    assert healthy.lab.ask(port, "metrics").count("go_info")


# One series of each source that a dashboard reads, and how many there are at least.
@pytest.mark.parametrize(
    ("expression", "least"),
    [
        ("slurm_up == 1", 1),
        ("slurm_node_gpus == 8", 4),
        ('slurm_node_state{state="idle"} == 1', 4),
        ("slurm_jobs", 1),
        ("probe_success == 1", 2),
        ("aidc_certificate_not_after_timestamp_seconds > time() + 86400 * 30", 6),
        ("aidc_remediation_case_duration_seconds_count", 24),
        ("aidc_remediation_cases", 7),
        ("fleet:aidc_gpus:count", 1),
    ],
)
def test_the_series_of_the_dashboards_are_there(healthy, expression: str, least: int) -> None:
    healthy.until(expression, 60, lambda: len(query(healthy, expression)) >= least)


def test_every_certificate_that_was_placed_is_watched(healthy) -> None:
    told = query(healthy, "aidc_certificate_not_after_timestamp_seconds")
    found = {(item["metric"]["instance"], item["metric"]["path"]) for item in told}
    assert {(name, "/etc/rsyslog.d/aidc_ops/node.crt") for name in GPU} <= found
    assert ("ctl", "/etc/aidc_ops/collector/server.crt") in found


def test_what_a_job_pushes_keeps_its_labels(healthy) -> None:
    gateway = partial(healthy.lab.ask, 9091, "metrics/job/backup/instance/gpu1", address="127.0.0.1")
    try:
        gateway("--data-binary", "@-", stdin="test_backup_seconds 7\n")
        pushed = healthy.until("the metric", 30, lambda: query(healthy, "test_backup_seconds"))
        assert (pushed[0]["metric"]["job"], pushed[0]["metric"]["instance"]) == ("backup", "gpu1")
    finally:
        gateway("--request", "DELETE")


def test_only_the_watchdog_fires(healthy) -> None:
    assert [alert["alertname"] for alert in healthy.story.alerts()] == ["Watchdog"]


def test_storage_is_mounted_and_exported() -> None:
    host = node("store1")
    assert host.mount_point("/srv/shared").filesystem == "xfs"
    address = json.loads(host.check_output("ip -j -4 address show dev eth0"))[0]["addr_info"][0]["local"]
    client = node("gpu1")
    client.check_output(f"nfs-ls nfs://{address}/data?version=4")
    assert node("ctl").run(f"nfs-ls nfs://{address}/data?version=4").rc != 0

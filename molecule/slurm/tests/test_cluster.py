# The cluster seen from outside: services, files, ports, REST.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of what runs where, and who may read what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slurm_helpers import NODES, address, as_user, container, node, wait_for_state
from waiting import wait_for

SERVICES = {
    "ctl": ["munge", "mariadb", "slurmdbd", "slurmctld", "slurmrestd", "aidc-slurm-exporter"],
    "gpu1": ["munge", "slurmd"],
}
PORTS = {
    "ctl": {"127.0.0.1:3306", "0.0.0.0:6817", "0.0.0.0:6819", "127.0.0.1:6820", "{address}:9341"},
    "gpu1": {"0.0.0.0:6818"},
    "gpu2": {"0.0.0.0:6818"},
}


def rest(path: str, *headers: str) -> tuple[int, Any]:
    """Status and body of a request to the REST service from the controller host."""
    options = " ".join(f"-H '{header}'" for header in headers)
    answer = container("ctl").check_output(f"curl -s -w '\\n%{{http_code}}' {options} http://127.0.0.1:6820/{path}")
    body, _newline, status = answer.rpartition("\n")
    return int(status), json.loads(body) if body.startswith("{") else body


def token(user: str) -> list[str]:
    made = container("ctl").check_output("scontrol token lifespan=60 username=%s", user)
    return [f"X-SLURM-USER-NAME: {user}", f"X-SLURM-USER-TOKEN: {made.partition('=')[2]}"]


@pytest.mark.parametrize("name", NODES)
def test_nodes_are_idle_with_the_gpus_that_they_have(name: str) -> None:
    wait_for_state(name, "IDLE")
    models = set(container(name).check_output("nvidia-smi --query-gpu=name --format=csv,noheader").splitlines())
    short = models.pop().split()[1].split("-")[0].lower()
    assert node(name)["Gres"] == f"gpu:{short}:8"


@pytest.mark.parametrize(("name", "unit"), [(name, unit) for name, units in SERVICES.items() for unit in units])
def test_services(name: str, unit: str) -> None:
    service = container(name).service(unit)
    assert service.is_running and service.is_enabled


@pytest.mark.parametrize("name", PORTS)
def test_nothing_listens_that_need_not(name: str) -> None:
    lines = container(name).check_output("ss -Hltn").splitlines()
    found = {line.split()[3] for line in lines}
    wanted = {entry.replace("{address}", address(name)) for entry in PORTS[name]}
    assert {entry for entry in found if not entry.endswith(":22")} == wanted


def test_secrets_are_for_their_owners() -> None:
    host = container("ctl")
    owners = {
        "/etc/munge/munge.key": ("munge", 0o400),
        "/etc/slurm/slurmdbd.conf": ("slurm", 0o600),
        "/etc/slurm/jwt_hs256.key": ("slurm", 0o400),
        "/etc/slurm/secrets": ("root", 0o700),
    }
    assert {path: (host.file(path).user, host.file(path).mode) for path in owners} == owners
    for path in ("munge.key", "jwt.key", "database.password"):
        assert host.file(f"/etc/slurm/secrets/{path}").mode == 0o400
    assert as_user("alice", "cat /etc/slurm/slurmdbd.conf").rc != 0


def test_hosts_share_the_munge_key_of_the_cluster() -> None:
    sums = {container(name).file("/etc/munge/munge.key").sha256sum for name in ("ctl", *NODES)}
    assert sums == {container("ctl").file("/etc/slurm/secrets/munge.key").sha256sum}


def test_rest_service_answers_a_token_and_nobody_else() -> None:
    status, body = rest("slurm/v0.0.38/ping", *token("alice"))
    assert status == 200
    assert [ping["ping"] for ping in body["pings"]] == ["UP"]
    assert rest("slurm/v0.0.38/ping")[0] == 401
    assert rest("slurm/v0.0.38/nodes", "X-SLURM-USER-NAME: alice", "X-SLURM-USER-TOKEN: nonsense")[0] != 200
    assert rest("slurmdb/v0.0.38/users", *token("root"))[0] == 200, "the accounting takes tokens too"


def test_rest_service_runs_without_rights() -> None:
    assert container("ctl").check_output("ps -o user:20= -C slurmrestd").split() == ["slurmrestd"]


def test_cluster_comes_back_after_a_reboot() -> None:
    started = {name: container(name).check_output("cut -d' ' -f22 /proc/1/stat") for name in ("ctl", *NODES)}
    for name in started:
        container(name).run("systemctl reboot")
    for name, before in started.items():
        wait_for(
            lambda name=name, before=before: (
                container(name).run("cut -d' ' -f22 /proc/1/stat").stdout not in ("", before)
            ),
            60,
            f"{name} rebooted",
        )
    wait_for(lambda: container("ctl").run("scontrol ping").stdout.count(" is UP"), 90, "slurmctld answers")
    for name in NODES:
        wait_for_state(name, "IDLE")

# The metrics of the cluster, as Prometheus would read them from another host.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the role slurm_exporter against the real cluster."""

from __future__ import annotations

import re

from slurm_helpers import NODES, address, as_user, container, submit, wait_for_state
from waiting import wait_for


def series(name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Values of a metric by its labels, as who has a certificate of the cluster reads them."""
    folder = "/etc/aidc_ops/slurm_exporter"
    access = f"--cacert {folder}/ca.crt --cert {folder}/tls.crt --key {folder}/tls.key"
    text = container("ctl").check_output(f"curl -sf {access} https://ctl:9341/metrics")
    found = {}
    for labels, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE):
        found[tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = float(value)
    return found


def states(node: str) -> set[str]:
    """The state and flags of a node that the exporter tells."""
    return {
        dict(labels)["state"]
        for labels, value in series("slurm_node_state").items()
        if dict(labels)["node"] == node and value
    }


def test_other_hosts_reach_it_and_need_a_certificate() -> None:
    answer = container("gpu1").run("curl -s --insecure --max-time 10 https://%s:9341/metrics", address("ctl"))
    # Neither let in, nor was nobody there (7), nor did nobody answer (28).
    assert (answer.rc in (0, 7, 28), answer.stdout) == (False, "")


def test_the_cluster_is_told() -> None:
    for name in NODES:
        wait_for_state(name, "IDLE")
    wait_for(lambda: all("idle" in states(name) for name in NODES), 30, "the exporter sees idle nodes")
    assert series("slurm_up") == {(): 1}
    assert series("slurm_node_gpus") == {(("node", name),): 8 for name in NODES}
    assert set(series("slurm_node_gpus_allocated").values()) == {0}
    assert series("slurm_exporter_jobs_hidden") == {(): 0}, "the user of the exporter sees all jobs"


def test_a_job_is_told_with_its_gpus_and_without_its_user() -> None:
    job = submit("--gres=gpu:3 --nodelist=gpu1", "sleep 120")
    try:
        held = wait_for(
            lambda: {key: value for key, value in series("slurm_job_gpus").items() if ("job_id", job) in key},
            60,
            f"job {job} is in the metrics",
        )
        ((labels, gpus),) = held.items()
        assert gpus == 3
        assert (dict(labels)["node"], dict(labels)["user"], dict(labels)["partition"]) == ("gpu1", "", "gpu")
        assert series("slurm_node_gpus_allocated")[(("node", "gpu1"),)] == 3
    finally:
        as_user("alice", f"scancel {job}")
    wait_for(lambda: not [key for key in series("slurm_job_gpus") if ("job_id", job) in key], 60, "the job is gone")


def test_a_job_that_waits_is_told_with_what_it_waits_for() -> None:
    job = submit("--gres=gpu:4 --begin=now+1hour", "true")
    try:
        wait_for(lambda: sum(series("slurm_pending_gpus").values()) == 4, 60, "four GPUs are asked for")
        reasons = {dict(labels)["reason"] for labels, value in series("slurm_pending_reason_jobs").items() if value}
        assert reasons == {"BeginTime"}
    finally:
        as_user("alice", f"scancel {job}")


def test_a_drained_node_is_told() -> None:
    assert as_user("oncall", "scontrol update nodename=gpu2 state=drain reason=metrics").rc == 0
    try:
        wait_for(lambda: "drain" in states("gpu2"), 60, "the drain is in the metrics")
    finally:
        as_user("oncall", "scontrol update nodename=gpu2 state=resume")
    wait_for(lambda: "drain" not in states("gpu2"), 60, "the end of the drain is in the metrics")


def test_without_an_answer_nothing_is_made_up() -> None:
    host = container("ctl")
    host.check_output("systemctl stop slurmctld")
    try:
        wait_for(lambda: series("slurm_up") == {(): 0}, 60, "the exporter knows that Slurm is silent")
        assert (series("slurm_node_state"), series("slurm_jobs")) == ({}, {})
    finally:
        host.check_output("systemctl start slurmctld")
    wait_for(lambda: series("slurm_up") == {(): 1}, 90, "Slurm answers again")


def test_the_exporter_has_no_rights() -> None:
    host = container("ctl")
    pid = host.check_output("systemctl show --property=MainPID --value aidc-slurm-exporter")
    assert host.check_output("ps -o user:20= -p %s", pid).strip() == "aidc-slurm-exporter"
    assert host.run("runuser -u aidc-slurm-exporter -- scontrol update nodename=gpu1 state=drain reason=x").rc != 0

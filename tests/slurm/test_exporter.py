# The Slurm exporter against a real slurmctld and slurmd.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from slurm_server import SlurmServer

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "slurm_exporter" / "files" / "slurm_exporter.py"
INTERVAL, TIMEOUT = 1, 3
EVIL = 'ev|il\nx="1",y\\'

Page = dict[str, dict[tuple[str, ...], float]]


class Exporter:
    """The program, with a cluster of three nodes that live: two with four GPUs, one without."""

    def __init__(self, cluster: SlurmServer, port: int) -> None:
        self.cluster = cluster
        self.port = port

    def page(self) -> Page:
        """Name of a metric -> values of its labels -> value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            text = answer.read().decode("utf-8")
        found: Page = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return found

    def wait(self, holds: t.Callable[[Page], object], what: str) -> Page:
        """The first page of which something holds."""
        give_up_at = time.monotonic() + 60
        while True:
            page = self.page()
            try:
                if holds(page):
                    return page
            except KeyError:
                # While a job starts its node is told and it is not yet; then nothing is said of jobs.
                pass
            if time.monotonic() > give_up_at:
                pytest.fail(f"not within 60 s: {what}\n{page}")
            time.sleep(0.2)

    def submit(self, *words: str) -> str:
        """Number of a job that runs until it is ended."""
        return self.cluster.run(
            "sbatch", "--parsable", "--output=/dev/null", "--mem=10", *words, "--wrap=sleep 600"
        ).strip()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SlurmServer]:
    with SlurmServer(tmp_path_factory.mktemp("slurm"), 4, 3, gpus=4) as made:
        yield made


@pytest.fixture(scope="module")
def running(cluster: SlurmServer) -> t.Iterator[Exporter]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [f"--listen-port={port}", f"--interval={INTERVAL}", f"--timeout={TIMEOUT}"]
    words += [f"--slurm-programs={Path(cluster.command('squeue')).parent}", "--user-label=name"]
    with subprocess.Popen([sys.executable, str(PROGRAM), *words], env=cluster.env) as process:
        made = Exporter(cluster, port)

        def listens() -> bool:
            try:
                return bool(made.page())
            except OSError:
                return False

        cluster.wait(listens, "the exporter listens")
        yield made
        process.terminate()
        assert process.wait(10) == 0


@pytest.fixture
def exporter(running: Exporter) -> t.Iterator[Exporter]:
    yield running
    running.cluster.run("scancel", f"--user={getpass.getuser()}")
    running.wait(lambda page: not sum(page["slurm_jobs"].values()), "the jobs are gone")


def test_nodes(exporter: Exporter) -> None:
    page = exporter.wait(lambda page: ("gpu3", "idle") in page["slurm_node_state"], "the nodes are idle")
    assert [page["slurm_node_gpus"][(name,)] for name in exporter.cluster.names] == [4, 4, 0, 4]
    assert page["slurm_node_cpus"][("gpu1",)] == 4
    assert page["slurm_node_memory_bytes"][("gpu1",)] == 1000 * 1024 * 1024
    assert page["slurm_partition_nodes"][("main", "idle")] == 3
    assert sum(page["slurm_partition_nodes"].values()) == 4
    assert sum(page["slurm_jobs"].values()) == 0 and page["slurm_exporter_jobs_hidden"] == {(): 0.0}
    assert 0 < page["slurm_scrape_duration_seconds"][()] < TIMEOUT


def test_gpus_of_jobs(exporter: Exporter) -> None:
    before = exporter.page().get("slurm_job_wait_seconds_count", {}).get(("main",), 0)
    uneven = exporter.submit("--gpus=5", "--nodes=2", "--nodelist=gpu[1-2]", '--job-name=JobId=1 "x"\nState=IDLE|1|')
    page = exporter.wait(lambda page: page["slurm_jobs"][("main", "running")] == 1, "the first job runs")
    used = page["slurm_node_gpus_allocated"]
    assert sorted(used[(name,)] for name in ("gpu1", "gpu2")) == [1, 4]
    # The GPUs that are left, on the node that has them.
    free = min(("gpu1", "gpu2"), key=lambda name: used[(name,)])
    small = exporter.submit("--gres=gpu:h100:3", f"--nodelist={free}", f"--account={EVIL}")
    exporter.submit("--nodelist=gpu3")
    page = exporter.wait(lambda page: page["slurm_jobs"][("main", "running")] == 3, "all jobs run")
    other = "gpu2" if free == "gpu1" else "gpu1"
    user = next(iter(page["slurm_job_gpus"]))[1]
    assert user != ""
    assert page["slurm_job_gpus"] == {
        (uneven, user, "", "main", other): 4.0,
        (uneven, user, "", "main", free): 1.0,
        (small, user, EVIL, "main", free): 3.0,
    }
    assert page["slurm_running_gpus"] == {("main", ""): 5.0, ("main", EVIL): 3.0}
    assert page["slurm_node_gpus_allocated"] == {("gpu1",): 4.0, ("gpu2",): 4.0, ("gpu3",): 0.0, ("gpu4",): 0.0}
    assert abs(page["slurm_job_start_timestamp_seconds"][(small,)] - time.time()) < 60
    assert page["slurm_node_cpus_allocated"][("gpu3",)] > 0
    assert page["slurm_job_wait_seconds_count"][("main",)] == before + 3


def test_why_jobs_wait(exporter: Exporter) -> None:
    exporter.submit("--gres=gpu:4", "--nodelist=gpu1")
    exporter.wait(lambda page: page["slurm_jobs"][("main", "running")] == 1, "the first job runs")
    exporter.submit("--gres=gpu:2", "--nodelist=gpu1", "--array=0-4")
    exporter.submit("--gpus-per-task=1", "--ntasks=3", "--hold")
    page = exporter.wait(
        lambda page: (
            sum(page.get("slurm_pending_reason_jobs", {}).values()) == 6
            and page["slurm_pending_oldest_seconds"][("main",)] > 1
            and ("main", "Resources") in page["slurm_pending_reason_jobs"]
        ),
        "the others wait",
    )
    assert page["slurm_pending_reason_jobs"] == {("main", "Resources"): 5.0, ("main", "JobHeldUser"): 1.0}
    assert page["slurm_jobs"][("main", "pending")] == 6
    assert page["slurm_pending_gpus"] == {("main",): 5 * 2 + 3}
    assert page["slurm_pending_oldest_seconds"][("main",)] < 60


def test_a_drained_node(exporter: Exporter) -> None:
    exporter.cluster.run("scontrol", "update", "NodeName=gpu2", "State=DRAIN", "Reason=disk [x] State=IDLE CPUAlloc=4")
    try:
        page = exporter.wait(lambda page: ("gpu2", "drain") in page["slurm_node_state"], "gpu2 is drained")
        assert page["slurm_partition_nodes"][("main", "drain")] == 1
        assert page["slurm_node_cpus_allocated"][("gpu2",)] == 0
    finally:
        exporter.cluster.run("scontrol", "update", "NodeName=gpu2", "State=RESUME")
    exporter.wait(lambda page: ("gpu2", "drain") not in page["slurm_node_state"], "gpu2 is back")


def gone(page: Page) -> bool:
    """Nothing of Slurm is told but that it cannot be read, and what was counted."""
    counted = {"slurm_job_wait_seconds_bucket", "slurm_job_wait_seconds_count", "slurm_job_wait_seconds_sum"}
    own = {name for name in page if name.startswith("slurm_exporter_")}
    return page["slurm_up"] == {(): 0.0} and set(page) <= own | counted | {"slurm_up", "slurm_scrape_duration_seconds"}


def test_slurmctld_that_ended_and_came_back(exporter: Exporter) -> None:
    failures = sum(exporter.page()["slurm_exporter_failures_total"].values())
    exporter.cluster.stop_controller()
    try:
        page = exporter.wait(gone, "the values are dropped")
        assert sum(page["slurm_exporter_failures_total"].values()) > failures
        started = time.monotonic()
        exporter.page()
        assert time.monotonic() - started < TIMEOUT, "a scrape waits for nothing"
    finally:
        exporter.cluster.start_controller()
    page = exporter.wait(lambda page: page["slurm_up"] == {(): 1.0}, "Slurm is read again")
    assert len(page["slurm_node_gpus"]) == 4


def test_slurmctld_that_hangs(exporter: Exporter) -> None:
    timeouts = exporter.page()["slurm_exporter_failures_total"][("timeout",)]
    number = int((exporter.cluster.folder / "run" / "slurmctld.pid").read_text())
    os.kill(number, signal.SIGSTOP)
    try:
        page = exporter.wait(gone, "the values are dropped")
        assert page["slurm_exporter_failures_total"][("timeout",)] > timeouts
        assert TIMEOUT <= page["slurm_scrape_duration_seconds"][()] < TIMEOUT + 10
    finally:
        os.kill(number, signal.SIGCONT)
    exporter.wait(lambda page: page["slurm_up"] == {(): 1.0}, "Slurm is read again")

# The same runs through ansible-runner and a private data directory, the way AWX starts its jobs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.module_utils._faults import recognise_alert
from ansible_collections.aidc.ops.tests.callbacks.runs import GOOD, TOOLS, Site, active
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager
from ansible_collections.aidc.ops.tests.fakes.web import Server

VARIABLES = {
    "awx_job_id": 42,
    "awx_job_template_name": "Remediate",
    "awx_job_launch_type": "workflow",
    "awx_workflow_job_id": 41,
    "awx_user_name": "operator",
    "awx_project_revision": "0123456789abcdef0123456789abcdef01234567",
}
# The callbacks are switched on by the environment alone, as an execution environment or a credential does it.
SWITCHES = ("ANSIBLE_CALLBACKS_ENABLED", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME", "ANSIBLE_LOCAL_TEMP")


class Job:
    """A job of AWX: a project, an inventory, extra variables and an environment, in folders of fixed names."""

    def __init__(self, site: Site, gateway: Server) -> None:
        self.site = site
        self.folder = site.folder / "job"
        for name in ("project", "inventory", "env"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "inventory" / "hosts").write_text((site.folder / "hosts").read_text())
        (self.folder / "env" / "extravars").write_text(json.dumps(VARIABLES))
        environment = {name: site.environment[name] for name in SWITCHES}
        environment |= {name: value for name, value in site.environment.items() if name.startswith("AIDC_OPS_")}
        del environment["AIDC_OPS_CONTROLLER_NAME"], environment["AIDC_OPS_RUN_METRICS_DIR"]
        environment |= {"JOB_ID": "42", "AWX_HOST": "https://awx.example.com", "AIDC_OPS_PUSHGATEWAY_URL": gateway.url}
        (self.folder / "env" / "envvars").write_text(yaml.safe_dump(environment))

    def run(self, content: str) -> tuple[int, str]:
        (self.folder / "project" / "site.yml").write_text(content)
        command = [sys.executable, "-m", "ansible_runner", "run", str(self.folder), "-p", "site.yml"]
        done = subprocess.run(
            command,
            cwd=self.site.folder,
            env={"PATH": f"{TOOLS}:/usr/bin:/bin", "HOME": str(self.site.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def job(site: Site) -> t.Iterator[Job]:
    with Server() as gateway:
        yield Job(site, gateway)


def test_a_job_that_fails_and_is_repaired(job: Job, site: Site, fake: FakeAlertmanager) -> None:
    status, output = job.run(GOOD.replace("true", "false"))
    assert status == 2, output
    assert active(fake) == {("AnsibleRunFailed", "a"), ("AnsibleRunFailed", "b")}
    (alert, _other) = fake.active()
    assert alert["annotations"]["job_url"] == "https://awx.example.com/#/jobs/playbook/42/output"
    recognised = recognise_alert(alert["labels"])
    assert recognised is not None, "the loop takes it up"
    assert recognised.fault_class == "ansible_run_failed"

    start = site.lines()[0]
    assert start["controller"] == "awx.example.com"
    assert start["awx"] == {
        "host": "awx.example.com",
        "job_id": "42",
        "job_template_name": "Remediate",
        "job_launch_type": "workflow",
        "workflow_job_id": "41",
        "user_name": "operator",
        "project_revision": VARIABLES["awx_project_revision"],
    }

    status, output = job.run(GOOD)
    assert status == 0, output
    assert active(fake) == set()
    assert [line["event"] for line in site.lines()] == ["start", "task", "task", "end"] * 2
    assert "WARNING" not in output


def test_a_job_without_hosts_is_the_failure_of_awx(job: Job, fake: FakeAlertmanager) -> None:
    status, output = job.run(GOOD.replace("hosts: all", "hosts: none_such"))
    assert status == 0, output
    assert active(fake) == {("AnsibleRunFailed", "awx.example.com")}
    assert job.run(GOOD)[0] == 0
    assert active(fake) == set()


def test_the_loop_starts_runs_through_ansible_runner_too(job: Job, site: Site, fake: FakeAlertmanager) -> None:
    """With the launcher in the place of ansible-playbook, as PATH of the service can have it."""
    tools = site.folder / "tools"
    tools.mkdir()
    launcher = Path(__file__).resolve().parents[2] / "roles" / "remediation_controller" / "files" / "aidc_run.py"
    program = tools / "ansible-playbook"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={site.environment["PYTHONPATH"]} exec {sys.executable} {launcher} "$@"\n'
    )
    program.chmod(0o755)
    command = [sys.executable, "-m", "ansible_runner", "run", str(job.folder), "-p", "site.yml"]

    def run(content: str) -> int:
        (job.folder / "project" / "site.yml").write_text(content)
        environment = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(site.folder)}
        return subprocess.run(
            command, env=environment, cwd=site.folder, capture_output=True, check=False, timeout=120
        ).returncode

    assert run("- [") == 4
    assert {name for name, _instance in active(fake)} == {"AnsibleRunNotStarted"}
    assert run(GOOD) == 0
    assert active(fake) == set()

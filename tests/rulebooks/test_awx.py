# The loop with jobs of AWX: callback, Alertmanager, ansible-rulebook, PostgreSQL and ansible-runner are the real ones;
# AWX's own server is a stand-in of its API.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import DISPATCH_SECONDS
from ansible_collections.aidc.ops.tests.awx.launching_awx import LaunchingAwx
from ansible_collections.aidc.ops.tests.awx.setting_up import run
from ansible_collections.aidc.ops.tests.callbacks.programs import serving
from ansible_collections.aidc.ops.tests.fakes.alertmanager import Settled
from ansible_collections.aidc.ops.tests.ledger.postgres import VARIABLE, Server, schema_url
from ansible_collections.aidc.ops.tests.rulebooks.conftest import Loop

# Whatever the site's playbook makes sure of: here, that the node has a file.
SITE = """
- name: Bring the nodes to their configuration
  hosts: all
  gather_facts: false
  tasks:
    - name: See that the file system is there
      ansible.builtin.command: test -e {folder}/mounted_{{{{ inventory_hostname }}}}
      changed_when: false
"""
IMPORTED = "- name: As it is in the collection\n  ansible.builtin.import_playbook: aidc.ops.{name}\n"
FAILED = {("AnsibleRunFailed", "b")}


class AwxLoop(Loop):
    """The rulebook remediation_awx as its head says to start it, on a ledger in PostgreSQL."""

    awx: LaunchingAwx
    alerts: str
    rulebooks: Path
    rulebook = "aidc.ops.remediation_awx"
    token = "word"

    def arguments(self) -> list[str]:
        return ["--rulebook", self.rulebook, "--vars", "vars.yml", "--controller-url", self.awx.url]

    def environment(self) -> dict[str, str]:
        environment = super().environment()
        # Of a job, AWX tells that it is one of the loop.
        del environment["AIDC_OPS_CASE_RUN"]
        return {**environment, "EDA_CONTROLLER_TOKEN": self.token, "EDA_JOB_TEMPLATE_REFRESH_DELAY": "0.5"}

    def launch(self, name: str, token: str = "word", **extra_vars: t.Any) -> dict[str, t.Any]:
        """Launch a job template through the API; the job."""
        url = f"{self.awx.url}{self.awx.one('job_templates', name)['related']['launch']}"
        body = json.dumps({"extra_vars": extra_vars}).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
            number = json.load(answer)["job"]
        return self.awx.objects["jobs"][number]

    def ended(self, job: dict[str, t.Any]) -> dict[str, t.Any]:
        """The job, once it has come to its end."""
        self.until(f"the job {job['id']}", lambda: job["finished"])
        return job

    def firing(self) -> set[tuple[str, str]]:
        """Name and instance of the alerts that Alertmanager has."""
        with urllib.request.urlopen(f"{self.alerts}/api/v2/alerts?active=true", timeout=10) as answer:
            return {(alert["labels"]["alertname"], alert["labels"]["instance"]) for alert in json.load(answer)}

    def said(self, text: str) -> t.Callable[[], bool]:
        return lambda: text in self.log_path.read_text()


@pytest.fixture(scope="module")
def postgresql() -> t.Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    address = ["--web.listen-address=ADDRESS", "--cluster.listen-address="]
    with serving("prometheus-alertmanager", folder, "--config.file=am.yml", "--storage.path=data", *address) as url:
        yield url


@pytest.fixture
def loop(
    tmp_path: Path,
    collections: Path,
    postgresql: Server,
    alertmanager: str,
    monkeypatch: pytest.MonkeyPatch,
) -> t.Iterator[AwxLoop]:
    """AWX as the playbook awx sets it up, with the project of a site of two nodes, and the loop, not yet started."""
    monkeypatch.setenv(VARIABLE, postgresql.url())
    project = tmp_path / "project"
    (project / "playbooks").mkdir(parents=True)
    (project / "ansible.cfg").write_text("[defaults]\ncallbacks_enabled = aidc.ops.alerts\n")
    (project / "playbooks" / "site.yml").write_text(SITE.format(folder=tmp_path))
    for name in ("remediate", "cases"):
        (project / "playbooks" / f"{name}.yml").write_text(IMPORTED.format(name=name))
    (tmp_path / "vars.yml").write_text("aidc_ops_organization: Operations\n")
    with Settled(alertmanager) as settled, LaunchingAwx(tmp_path / "jobs", collections) as awx:
        loop = AwxLoop(tmp_path, collections, settled, ("a", "b"), ledger=schema_url(tmp_path))
        loop.awx, loop.alerts = awx, alertmanager
        loop.rulebooks = collections / "ansible_collections" / "aidc" / "ops" / "extensions" / "eda" / "rulebooks"
        # No service of this machine is restarted.
        loop.inventory({"remediation_restart_services": []})
        (project / "inventory").symlink_to(tmp_path / "inventory")
        (tmp_path / "mounted_a").touch()
        variables = {
            "aidc_ops_awx_organization": "Operations",
            "aidc_ops_awx_project_url": str(project),
            "aidc_ops_awx_inventory_path": "inventory",
            "aidc_ops_awx_playbooks": ["site", "remediate", "cases"],
            "aidc_ops_awx_environment": {
                "AIDC_OPS_ALERTMANAGER_URLS": alertmanager,
                "AIDC_OPS_CONFIG": str(loop.controller.config),
            },
        }
        status, output = run(awx.url, variables)
        assert status == 0, output
        yield loop
        loop.end()


def test_a_failed_job_becomes_a_case_and_the_next_good_one_closes_it(loop: AwxLoop, tmp_path: Path) -> None:
    loop.start()
    loop.ready()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        loop.launch("aidc.ops site", token="other")
    assert loop.awx.jobs("aidc.ops site") == []

    job = loop.launch("aidc.ops site")
    loop.until("the running job", lambda: job["started"])
    # The job of the loop finds no place, for longer than a run on the control node may take to begin.
    loop.awx.free.clear()
    loop.ended(job)
    assert (job["status"], loop.firing()) == ("failed", FAILED), loop.awx.output(job)
    loop.until("the job of the loop", lambda: loop.awx.jobs("aidc.ops remediate"))
    time.sleep(DISPATCH_SECONDS + 2)
    assert [job["status"] for job in loop.awx.jobs("aidc.ops remediate")] == ["pending"], "it is not launched again"
    loop.awx.free.set()

    # Restarts of services wait for a person here, who agrees by the job that is a step of the workflow.
    loop.until("the held case", loop.in_state(1, "held"))
    (case,) = loop.controller.ledger().cases()
    assert (case.node, case.fault_class) == ("b", "ansible_run_failed")
    word = loop.awx.one("workflow_job_template_nodes", "approve")["extra_data"]
    job = loop.ended(loop.launch("aidc.ops cases", case_id=1, **word))
    assert job["status"] == "successful", loop.awx.output(job)
    loop.until("the wait for the alert", lambda: ("waiting", "await_clear") in loop.kinds(1))
    # No service was the reason, so the alert goes on.
    assert loop.firing() == FAILED

    (tmp_path / "mounted_b").touch()
    job = loop.ended(loop.launch("aidc.ops site"))
    assert (job["status"], loop.firing()) == ("successful", set()), loop.awx.output(job)
    loop.until("the closed case", loop.in_state(1, "resolved"))
    assert [kind for kind in loop.kinds(1) if kind[0] in ("finished", "control")] == [
        ("finished", "evidence"),
        ("control", "restart_service"),
        ("finished", "restart_service"),
        ("finished", "validate"),
    ]
    (said,) = (event for event in loop.controller.ledger().timeline(1) if event.kind == "control")
    assert said.detail["by"] == "operator", "the user of AWX"
    assert not loop.controller.ledger().firing_alerts()
    assert loop.controller.slurm.reason("b") == "", "a run that failed takes no node out"
    assert (tmp_path / "evidence" / "1" / "manifest.json").exists()
    loop.until("the end of all jobs", lambda: all(job["finished"] for job in loop.awx.objects["jobs"].values()))
    assert {job["status"] for job in loop.awx.jobs("aidc.ops remediate")} == {"successful"}


def test_a_job_that_cannot_be_launched_or_fails_loses_no_case(loop: AwxLoop, tmp_path: Path) -> None:
    content = (loop.rulebooks / "remediation_awx.yml").read_text()
    assert "start_seconds: 120" in content
    loop.rulebook = str(tmp_path / "impatient.yml")
    Path(loop.rulebook).write_text(content.replace("start_seconds: 120", "start_seconds: 15"))
    template = loop.awx.one("job_templates", "aidc.ops remediate")
    template["name"] = "aidc.ops repair"
    loop.token = "other"
    loop.start()
    assert loop.process.wait(timeout=120) != 0 and loop.said("401")(), "a token that AWX refuses is told at once"

    loop.token = "word"
    loop.start()
    loop.ready()
    job = loop.ended(loop.launch("aidc.ops site"))
    assert job["status"] == "failed", loop.awx.output(job)
    loop.until("the answer", loop.said("Job template aidc.ops remediate in organization Operations does not exist"))
    loop.until("what the loop says", loop.said("playbook runs were asked for and did not begin"))
    loop.until("the metric", lambda: "aidc_remediation_cases_without_run 1" in loop.controller.metrics.read_text())
    assert loop.awx.jobs("aidc.ops remediate") == []

    # It is there now. What its jobs need is not.
    loop.controller.config.rename(tmp_path / "aside.json")
    template["name"] = "aidc.ops remediate"
    job = loop.until("the job", lambda: loop.awx.jobs("aidc.ops remediate"))[0]
    loop.ended(job)
    assert job["status"] == "failed" and "controller.json" in loop.awx.output(job)
    loop.until("what the rulebook says", loop.said(f"Job {job['id']} completed with status: failed"))
    assert loop.firing() == FAILED, "a job of the loop that fails is no alert of its own"
    (case,) = loop.controller.ledger().cases()
    assert (case.step, case.closed_at, case.lease_holder) == ("evidence", None, None)
    assert ("begun", "evidence") not in loop.kinds(1)

    (tmp_path / "aside.json").rename(loop.controller.config)
    loop.until("the held case", loop.in_state(1, "held"))
    assert loop.kinds(1).count(("finished", "evidence")) == 1

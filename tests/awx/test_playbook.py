# The playbook awx, held against the argument specifications of awx.awx, run on a stand-in, and on AWX if there is one.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")])

from ansible_collections.aidc.ops.tests.awx.fake_awx import FakeAwx
from ansible_collections.aidc.ops.tests.awx.setting_up import PLAYBOOK, ROOT, run

EVERYTHING = {
    "aidc_ops_awx_organization": "Operations",
    "aidc_ops_awx_image": "registry.example.com/aidc-ops:1",
    "aidc_ops_awx_project_url": "https://git.example.com/site.git",
    "aidc_ops_awx_project_branch": "main",
    "aidc_ops_awx_project_credential": "git",
    "aidc_ops_awx_credentials": ["ssh"],
    "aidc_ops_awx_environment": {"AIDC_OPS_ALERTMANAGER_URLS": "http://192.0.2.1:9093"},
    "aidc_ops_awx_notification": {
        "type": "webhook",
        "configuration": {"url": "https://chat.example.com/", "headers": {}},
    },
}


def changed(output: str) -> int:
    found = re.search(r"^localhost .*changed=(\d+)", output, re.MULTILINE)
    assert found, output
    return int(found.group(1))


def tasks() -> list[dict[str, t.Any]]:
    (play,) = yaml.safe_load(PLAYBOOK.read_text())
    return list(play["tasks"])


def specification(module: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """The argument specification that a module of awx.awx gives to its base class."""

    class Found(Exception):
        pass

    def stop(_self: object, argument_spec: dict[str, t.Any], **_options: t.Any) -> None:
        raise Found(argument_spec)

    api = importlib.import_module("ansible_collections.awx.awx.plugins.module_utils.controller_api")
    monkeypatch.setattr(api.ControllerAPIModule, "__init__", stop)
    imported = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{module}")
    with pytest.raises(Found) as caught:
        imported.main()
    return dict(caught.value.args[0])


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task["name"])
def test_every_call_fits_its_module(task: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = (key for key in task if key.startswith("awx.awx."))
    given = task[name]
    spec = specification(name.rpartition(".")[2], monkeypatch)
    assert set(given) <= set(spec), "by their own names, not by aliases"
    # What is a template has its value only when the playbook runs; what is not is checked here.
    fixed = {key: value for key, value in given.items() if "{{" not in str(value)}
    template = {key: {**rules, "required": False} for key, rules in spec.items()}
    assert ArgumentSpecValidator(template).validate(fixed).error_messages == []
    assert {key for key, rules in spec.items() if rules.get("required")} <= set(given)
    if any(rules.get("no_log") for key, rules in spec.items() if key in given) or "notification_configuration" in given:
        assert task.get("no_log") is True or name == "awx.awx.credential"


def test_every_variable_is_documented() -> None:
    content = PLAYBOOK.read_text()
    head, _separator, body = content.partition("\n---\n")
    used = set(re.findall(r"\baidc_ops_awx_\w+", body))
    told = set(re.findall(r"\baidc_ops_awx_\w+", head)) | {"aidc_ops_awx_project_branch"}
    assert used == told


def test_every_playbook_is_there() -> None:
    content = PLAYBOOK.read_text()
    found = re.search(r"aidc_ops_awx_playbooks \| default\(\[(.+?)\]\)", content)
    assert found
    for name in re.findall(r"'(\w+)'", found.group(1)):
        assert (ROOT / "playbooks" / f"{name}.yml").is_file()
        assert f"      {name}: " in content, "with a description"


@pytest.fixture
def awx() -> t.Iterator[FakeAwx]:
    with FakeAwx() as fake:
        for name in ("ssh", "git"):
            fake.add("credentials", {"name": name})
        yield fake


def test_from_nothing_and_again(awx: FakeAwx) -> None:
    status, output = run(awx.url, EVERYTHING)
    assert status == 0, output
    assert awx.names("organizations") == ["Operations"]
    names = [f"aidc.ops {name}" for name in ("cases", "discover", "drill", "remediate", "site", "validate")]
    assert awx.names("job_templates") == names
    template = awx.one("job_templates", "aidc.ops remediate")
    assert template["playbook"] == "playbooks/remediate.yml" and template["allow_simultaneous"] is True
    assert awx.one("job_templates", "aidc.ops site")["allow_simultaneous"] is False
    ours = {awx.one("credentials", name)["id"] for name in ("aidc.ops callbacks", "ssh")}
    assert set(awx.linked("job_templates", "aidc.ops site", "credentials")) == ours
    assert awx.one("credential_types", "aidc.ops callbacks")["injectors"] == {
        "env": {"AIDC_OPS_ALERTMANAGER_URLS": "http://192.0.2.1:9093"}
    }
    # Of the loop's own jobs, a failure is no alert.
    theirs = ours | {awx.one("credentials", "aidc.ops case run")["id"]}
    assert set(awx.linked("job_templates", "aidc.ops remediate", "credentials")) == theirs
    assert awx.one("credential_types", "aidc.ops case run")["injectors"] == {"env": {"AIDC_OPS_CASE_RUN": "1"}}
    # The workflow: in order, with an approval in it.
    steps = {name: awx.one("workflow_job_template_nodes", name) for name in ("show", "ask", "approve", "go on")}
    for name, following in (("show", "ask"), ("ask", "approve"), ("approve", "go on")):
        assert awx.linked("workflow_job_template_nodes", name, "success_nodes") == [steps[following]["id"]]
    assert steps["ask"]["unified_job_template"] == awx.one("workflow_approval_templates", "aidc.ops approval")["id"]
    assert steps["go on"]["unified_job_template"] == template["id"]
    assert steps["approve"]["extra_data"] == {"do": "approve"}
    workflow = awx.one("workflow_job_templates", "aidc.ops approve a case")
    assert workflow["survey"]["spec"][0]["variable"] == "case_id"
    told = awx.linked("workflow_job_templates", "aidc.ops approve a case", "notification_templates_approvals")
    assert told == [awx.one("notification_templates", "aidc.ops notification")["id"]]

    awx.writes.clear()
    status, output = run(awx.url, EVERYTHING)
    assert status == 0, output
    assert (changed(output), awx.writes) == (0, [])

    status, output = run(awx.url, {**EVERYTHING, "aidc_ops_awx_parallel": []}, "--check")
    assert status == 0, output
    assert changed(output) == 1 and awx.writes == [], "check mode tells, and changes nothing"


def test_with_nothing_but_the_defaults(awx: FakeAwx) -> None:
    status, output = run(awx.url, {"aidc_ops_awx_playbooks": ["discover"]})
    assert status == 0, output
    assert awx.names("job_templates") == ["aidc.ops discover"]
    assert not awx.names("workflow_job_templates") and not awx.names("execution_environments")
    assert not awx.names("notification_templates")


def test_variables_of_ansible_are_refused_before_anything_is_made(awx: FakeAwx) -> None:
    status, output = run(awx.url, {"aidc_ops_awx_environment": {"ANSIBLE_CALLBACKS_ENABLED": "aidc.ops.alerts"}})
    assert status == 2 and awx.writes == []
    assert "AWX takes no variables of Ansible in a credential: ANSIBLE_CALLBACKS_ENABLED" in output.replace("\n", " ")


@pytest.mark.skipif("CONTROLLER_HOST" not in os.environ, reason="there is no AWX: CONTROLLER_HOST is not set")
def test_on_the_real_awx() -> None:
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "aidc.ops.awx"]
    command += ["-e", json.dumps({"aidc_ops_awx_prefix": "aidc.ops test "})]
    for _again in range(2):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert changed(done.stdout) == 0

# Tests of the module capacity_apply, on a Slurm in memory.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.modules import capacity_apply
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply import plans
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply.slurm_fake import FakeSlurm, Job
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._engines.kube_fake import FakeApi, node
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

NAMES = ("gpu1", "gpu2", "gpu3")
PROBLEM = plans.problem(NAMES, [plans.work("job/1", "vision"), plans.work("job/2", "{{ 7 * 7 }}")])
PLAN = plans.plan([("job/1", "gpu1"), ("job/2", "gpu2")])
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    made = FakeSlurm(NAMES)
    made.jobs = {"1": Job("vision"), "2": Job("chat")}
    monkeypatch.setattr(_runner, "run", made.run)
    return made


@pytest.fixture
def ask(call: Ask) -> Ask:
    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        return call(capacity_apply.main, check=check, **{"problem": PROBLEM, "plan": PLAN, **arguments})

    return run


def test_check_run_run_check(ask: Ask, slurm: FakeSlurm) -> None:
    first = ask(check=True)
    assert first["changed"] and slurm.changes == [] and first["made"] == 0
    second = ask()
    assert second["changed"] and second["changes"] == first["changes"] and second["made"] == len(slurm.changes) == 3
    assert not ask()["changed"] and not ask(check=True)["changed"] and len(slurm.changes) == 3
    assert ask()["table"][0] == "Nothing has to be changed."


def test_diff_and_table(ask: Ask, slurm: FakeSlurm) -> None:
    answer = ask(check=True)
    assert answer["diff"]["before"] == (
        "nodes gpu3: weight 1\nnodes gpu[1-2]: weight 1\nreservation aidc_plan_vision: -\n"
    )
    assert answer["diff"]["after"] == (
        "nodes gpu3: weight 1000\nnodes gpu[1-2]: weight 10\nreservation aidc_plan_vision: nodes gpu1\n"
    )
    assert answer["table"][3].startswith("3  reservation  reservation aidc_plan_vision  -         nodes gpu1")
    assert answer["refused"][0]["thing"] == "reservation aidc_plan_{{ 7 * 7 }}", "text from outside stays text"


def test_problem_and_plan_from_files(ask: Ask, slurm: FakeSlurm, tmp_path: Path) -> None:
    paths = {name: str(tmp_path / name) for name in ("problem", "plan")}
    Path(paths["problem"]).write_text(json.dumps(PROBLEM))
    Path(paths["plan"]).write_text(json.dumps(PLAN))
    given = {"problem": None, "plan": None, "problem_path": paths["problem"], "plan_path": paths["plan"]}
    assert ask(**given)["made"] == 3
    for text in ("{", "[" * 100000, ""):
        Path(paths["plan"]).write_text(text)
        answer = ask(**given)
        assert answer["failed"] and "cannot be read as JSON" in answer["msg"]
    assert "cannot be read" in ask(**{**given, "problem_path": "/none"})["msg"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_run_that_breaks_off_goes_on_when_it_is_repeated(ask: Ask, slurm: FakeSlurm, number: int) -> None:
    slurm.fail_at = number
    answer = ask()
    assert answer["failed"] and answer["changed"] == bool(number) and answer["made"] == number
    assert f"({number} of 3 changes are made; run this again to go on)" in answer["msg"]
    assert answer["diff"]["after"].count("\n") == number
    slurm.fail_at = None
    assert ask()["made"] == 3 - number and not ask()["changed"]


def test_a_lost_node_is_caught(ask: Ask, slurm: FakeSlurm) -> None:
    slurm.nodes["gpu2"].state = "DOWN*"
    answer = ask()
    assert answer["failed"] and slurm.changes == []
    assert answer["differences"] == ["gpu2: out of service now (no reason given)"]
    assert "make a new plan. gpu2: out of service" in answer["msg"]


def test_a_change_that_is_accepted_and_does_not_happen(
    ask: Ask, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "_node", lambda node, told: None)
    answer = ask()
    assert answer["failed"] and "does not show them: weight nodes gpu3, weight nodes gpu[1-2]" in answer["msg"]


def test_a_job_that_ends_meanwhile_is_no_failure(ask: Ask, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    real = slurm._change

    def ends(words: list[str]) -> None:
        slurm.jobs.pop("2", None)
        real(words)

    monkeypatch.setattr(slurm, "_change", ends)
    answer = ask(plan=plans.plan([("job/1", "gpu1")], {"job/2": "no room"}), policy={"hold": True})
    assert not answer.get("failed") and "job 2: gone meanwhile, so it was left out." in answer["notes"]


def test_policy(ask: Ask, slurm: FakeSlurm) -> None:
    answer = ask(check=True, policy={"power_off": True, "most_out": 0})
    assert [one["thing"] for one in answer["later"]] == ["nodes gpu3"]
    assert "is less than 0" in ask(policy={"most_out": -1})["msg"]


def test_shares_order_and_features(ask: Ask, slurm: FakeSlurm) -> None:
    slurm.accounting(vision="", chat="")
    slurm.jobs = {"1": Job("vision", priority=5000), "2": Job("chat", priority=6000)}
    works = [plans.work("job/1", "vision"), plans.work("job/2", "chat")]
    projects = [{"name": "vision", "weight": 2}, {"name": "chat"}]
    given = {
        "problem": plans.problem(NAMES, works, projects=projects),
        "plan": plans.plan([("job/1", "gpu1")], {"job/2": "no room"}),
    }
    plain = {one["kind"] for one in ask(check=True, **given)["changes"]}
    assert plain == {"weight", "reservation"}
    given["policy"] = {"shares": True, "order": True, "features": True}
    shown = ask(check=True, **given)
    assert slurm.changes == [] and {one["kind"] for one in shown["changes"]} - plain == {
        "share",
        "feature",
        "raise_nice",
    }
    for line in ("account vision: share 2", "job 2: nice 1024", "nodes gpu1: feature aidc_plan_vision"):
        assert f"{line}\n" in shown["diff"]["after"]
    answer = ask(**given)
    assert answer["changes"] == shown["changes"] and answer["made"] == len(answer["changes"])
    assert not ask(**given)["changed"]
    assert (slurm.shares, slurm.jobs["2"].nice, slurm.nodes["gpu1"].active) == (
        {"vision": "2"},
        1024,
        ["aidc_plan_vision"],
    )
    del given["policy"]
    assert [one["kind"] for one in ask(**given)["changes"]] == ["lower_nice", "unfeature"]


def test_partitions_and_qos(ask: Ask, slurm: FakeSlurm) -> None:
    slurm.accounting(vision="gres/gpu=8")
    slurm.qos = {"cv": "cpu=4,gres/gpu=2"}
    slurm.partitions["cv"] = ["gpu2"]
    projects = [{"name": "vision", "quota_gpu_milli": 8000}]
    given = {
        "problem": plans.problem(NAMES, [plans.work("job/1", "vision")], projects=projects),
        "plan": plans.plan([("job/1", "gpu1")]),
    }
    plain = {one["kind"] for one in ask(check=True, **given)["changes"]}
    assert plain == {"weight", "reservation"}
    given["policy"] = {"partitions": {"vision": "cv", "{{ 7 * 7 }}": "x"}, "qos": {"vision": "cv"}}
    shown = ask(check=True, **given)
    assert slurm.changes == [] and shown["changed"]
    assert "the problem has no project '{{ 7 * 7 }}'" in str(shown["refused"]), "text from outside stays text"
    for line in ("QOS cv: 8 GPUs", "nodes gpu1: partition cv", "nodes gpu2: -"):
        assert f"{line}\n" in shown["diff"]["after"]
    answer = ask(**given)
    assert answer["changes"] == shown["changes"] and answer["made"] == len(answer["changes"]) == 6
    assert not ask(**given)["changed"] and not ask(check=True, **given)["changed"]
    assert (slurm.qos, slurm.partitions["cv"]) == ({"cv": "cpu=4,gres/gpu=8"}, ["gpu1"])
    del given["policy"]
    assert not ask(**given)["changed"], "what was set stays"


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
def test_partitions_and_qos_when_a_run_breaks_off(ask: Ask, slurm: FakeSlurm, number: int) -> None:
    slurm.accounting(vision="gres/gpu=8")
    slurm.qos, slurm.partitions["cv"] = {"cv": ""}, ["gpu2"]
    projects = [{"name": "vision", "quota_gpu_milli": 8000}]
    given = {
        "problem": plans.problem(NAMES, [plans.work("job/1", "vision")], projects=projects),
        "plan": plans.plan([("job/1", "gpu1")]),
        "policy": {"partitions": {"vision": "cv"}, "qos": {"vision": "cv"}},
    }
    slurm.fail_at = number
    answer = ask(**given)
    assert answer["failed"] and f"({number} of 6 changes are made; run this again to go on)" in answer["msg"]
    assert slurm.partitions["cv"]
    slurm.fail_at = None
    assert ask(**given)["made"] == 6 - number and not ask(**given)["changed"]


def test_a_partition_that_does_not_change(ask: Ask, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm.partitions["cv"] = ["gpu1", "gpu2"]
    real = slurm._change
    monkeypatch.setattr(slurm, "_change", lambda words: None if "PartitionName=cv" in words else real(words))
    given = {"policy": {"partitions": {"vision": "cv"}}}
    answer = ask(**given)
    assert answer["failed"] and "does not show them: narrow_partition nodes gpu2" in answer["msg"]
    slurm.partitions["cv"] = ["gpu2"]
    answer = ask(**given)
    assert answer["failed"] and "The partition cv would be without nodes. (1 of 2 changes are made" in answer["msg"]


def test_a_nice_value_that_slurm_ignores(ask: Ask, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does for a job whose priority an administrator has set, and calls that a success."""
    slurm.jobs = {"1": Job("vision", priority=5000), "2": Job("chat", priority=6000)}
    real = slurm._change

    def ignores(words: list[str]) -> None:
        real([word for word in words if not word.startswith("Nice=")])

    monkeypatch.setattr(slurm, "_change", ignores)
    given = {"plan": plans.plan([("job/1", "gpu1")], {"job/2": "no room"}), "policy": {"order": True}}
    assert ask(**given)["made"] == 4
    again = ask(**given)
    assert not again["changed"] and "job 2: somebody else decided on the nice value" in str(again["notes"])
    assert [one["kind"] for one in ask(**{**given, "policy": None})["changes"]] == ["forget"]
    assert slurm.jobs["2"].comment == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problem": {}}, "schema_version: missing"),
        ({"problem": {**PROBLEM, "nodes": []}}, "an empty fleet"),
        ({"problem": plans.problem(["gpu1", "gpu1"], [])}, "the name is there twice"),
        ({"plan": {}}, "plan.placements: expected a list"),
        ({"plan": plans.plan([("job/1", "gpu9")])}, "no node gpu9"),
        ({"plan": None}, "plan, plan_path"),
        ({"engine": "other"}, "engine: 'other' is not in engines of the settings file; known: none"),
        ({"config": "/none"}, "The settings file /none cannot be read"),
        ({"policy": {"most": 1}}, "most"),
        ({"policy": {"partitions": {"vision": ["a"]}}}, "policy.partitions: vision: expected a name, got ['a']"),
        ({"policy": {"qos": {"vision": None}}}, "policy.qos: vision: expected a name, got None"),
        ({"policy": {"qos": ["vision"]}}, "qos"),
        ({"policy": {"partitions": "vision"}}, "partitions"),
    ],
)
def test_failures(ask: Ask, slurm: FakeSlurm, arguments: dict[str, Any], message: str) -> None:
    answer = ask(**arguments)
    assert answer["failed"] and message in answer["msg"] and slurm.changes == []


def test_a_plan_for_two_schedulers(ask: Ask, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    path = controller.folder / "controller.json"
    settings = json.loads(path.read_text("utf-8"))
    settings["engines"] = {"pods": {"kind": "kubernetes", "kubeconfig": "/none"}}
    path.write_text(json.dumps(settings), encoding="utf-8")
    made = FakeSlurm(NAMES[:2])
    made.jobs = {"1": Job("vision")}
    monkeypatch.setattr(_runner, "run", made.run)
    api = FakeApi(node("gpu3"))
    scale = "/apis/apps/v1/namespaces/talk/deployments/chat/scale"
    api.put(scale, {"metadata": {"name": "chat"}, "spec": {"replicas": 1}})
    monkeypatch.setattr(capacity_apply, "KubeApi", lambda *_options: api)
    containers = [{"name": "main", "resources": {"requests": {"cpu": "100m"}}}]
    chat_path, template = scale[: -len("/scale")], {"spec": {"containers": containers}}
    api.put(chat_path, {"metadata": {"name": "chat"}, "spec": {"template": template}})
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    api.put(f"{classes}/high", {"metadata": {"name": "high"}, "value": 1000})
    chat = "pods:talk/deployment/chat"
    works = [plans.work("job/1", "vision"), plans.work(chat, "talk", copies=2, priority=1000, cpu_milli=200)]
    given = {
        "problem": plans.problem(NAMES, works),
        "plan": plans.plan([("job/1", "gpu1"), (chat, "gpu3"), (chat, "gpu3")]),
        "policy": {"scale": True, "priority": True, "requests": True},
    }
    assert "The plan has no node of this scheduler" in ask(engine="pods", **given)["msg"]
    settings["nodes"]["gpu3"] = {"engine": "pods"}
    path.write_text(json.dumps(settings), encoding="utf-8")
    things = [(one["kind"], one["thing"]) for one in ask(engine="pods", **given)["changes"]]
    workload = "workload talk/deployment/chat"
    assert things == [
        ("label", "nodes gpu3"),
        ("scale_up", workload),
        ("raise_requests", workload),
        ("priority", workload),
    ]
    made_containers = api.objects[chat_path]["spec"]["template"]["spec"]["containers"]
    assert made_containers == [{"name": "main", "resources": {"requests": {"cpu": "200m"}}}]
    assert api.objects[scale]["spec"]["replicas"] == 2 and not ask(engine="pods", **given)["changed"]
    answer = ask(**given)
    assert answer["changed"] and not [one for one in answer["changes"] if "gpu3" in one["thing"]], answer
    assert answer["refused"] == [] and not ask(**given)["changed"]

# The Kubernetes engine against a real API server, its controllers, its scheduler and hollow kubelets.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_api
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import ApiRefused, KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError
from ansible_collections.aidc.ops.tests.kubernetes.cluster import Cluster
from ansible_collections.aidc.ops.tests.kubernetes.workload import Workload, cordon, shown

REASON = "aidc.ops:7 gpu_fell_off_bus"
TOKEN = "aidc.ops:7"


def test_nodes_and_what_runs_there(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    selector = {"matchLabels": {"app": workload.name}}
    workload.make("DaemonSet", "apps/v1", {"selector": selector, "template": workload.template(None)})
    workload.running(3)
    assert all(not node.jobs for node in engine.nodes().values()), "what belongs to a node is no job"
    nodes = engine.nodes()
    assert set(nodes) == set(cluster.workers)
    assert nodes["gpu1"].states == ("ready",)
    assert (nodes["gpu1"].out, nodes["gpu1"].automatic, nodes["gpu1"].reason) == (False, False, "")


def test_a_job_is_shown_with_its_owner(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    (pod,) = workload.deployment(1, "gpu1")
    number = f"default/{pod['metadata']['name']}"
    assert engine.nodes()["gpu1"].jobs == (number,)
    (job,) = engine.jobs(["gpu1", "gpu2"])
    assert (job.id, job.owner, job.nodes, job.can_requeue) == (number, "default", ("gpu1",), True)
    assert job.name.startswith(workload.name)


def test_drain_and_resume(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    before = shown(cluster, "gpu1")
    assert engine.drain(["gpu1"], {"gpu1": REASON})
    assert shown(cluster, "gpu1") == (True, REASON, ["aidc.ops/remediation=7"])
    node = engine.nodes()["gpu1"]
    assert (node.out, node.drained, node.automatic, node.reason) == (True, True, False, REASON)
    assert node.states == ("ready", "schedulingdisabled")
    assert not engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 renamed"}), "the owner has it already"
    pods = workload.deployment(4)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"gpu2", "gpu3"}, "nothing is started there"
    with pytest.raises(ForeignDrainError, match="not for aidc"):
        engine.resume("gpu1", "aidc.ops:77")
    assert engine.resume("gpu1", TOKEN)
    assert shown(cluster, "gpu1") == before
    assert not engine.resume("gpu1", TOKEN)


def test_a_dry_run_changes_nothing(cluster: Cluster, kubeconfig: Path, workload: Workload) -> None:
    engine = KubernetesEngine(KubeApi(str(kubeconfig), None, 10), dry_run=True)
    before = cluster.node("gpu1")["metadata"]["resourceVersion"]
    assert engine.drain(["gpu1"], {"gpu1": REASON})
    assert cluster.node("gpu1")["metadata"]["resourceVersion"] == before


def test_the_cordon_of_a_person_is_respected(cluster: Cluster, engine: KubernetesEngine) -> None:
    cordon(cluster, "gpu2")
    with pytest.raises(ForeignDrainError, match=r"gpu2 .cordoned by kubectl-cordon") as caught:
        engine.drain(["gpu1", "gpu2"], {"gpu1": REASON, "gpu2": "aidc.ops:8 x"})
    assert caught.value.nodes == ("gpu2",)
    assert shown(cluster, "gpu2") == (True, None, [])
    assert shown(cluster, "gpu1")[0] is True, "the others are drained all the same"
    node = engine.nodes()["gpu2"]
    assert (node.out, node.automatic, node.reason) == (True, False, "cordoned by kubectl-cordon")
    for call in (lambda: engine.resume("gpu2", TOKEN), lambda: engine.evict("gpu2", TOKEN)):
        with pytest.raises(ForeignDrainError):
            call()
    assert shown(cluster, "gpu2") == (True, None, [])


def test_a_person_who_takes_the_node_over_keeps_it(cluster: Cluster, engine: KubernetesEngine) -> None:
    engine.drain(["gpu1"], {"gpu1": REASON})
    cordon(cluster, "gpu1", None)
    cordon(cluster, "gpu1")
    assert shown(cluster, "gpu1")[1] == REASON, "our note is still there, but the cordon is not ours"
    with pytest.raises(ForeignDrainError, match="cordoned by kubectl-cordon"):
        engine.resume("gpu1", TOKEN)
    assert shown(cluster, "gpu1")[0] is True


def test_what_others_tainted_stays_tainted(cluster: Cluster, engine: KubernetesEngine) -> None:
    cluster.admin.patch("/api/v1/nodes/gpu1", {"spec": {"taints": [{"key": "team", "effect": "NoSchedule"}]}})
    engine.drain(["gpu1"], {"gpu1": REASON})
    assert set(shown(cluster, "gpu1")[2]) == {"team=", "aidc.ops/remediation=7"}

    def given_back() -> bool:
        engine.resume("gpu1", TOKEN)
        return shown(cluster, "gpu1") == (None, None, ["team="])

    # The controllers write the taint of the cordon from a copy that may be older than the return: ours may come back.
    cluster.wait(given_back, "the taint of others alone is left", 30)
    cluster.admin.patch("/api/v1/nodes/gpu1", {"spec": {"taints": None}})


class Interrupted(KubeApi):
    """Somebody else is always faster: changes the node right before our own change arrives."""

    def __init__(self, kubeconfig: Path, between: t.Callable[[], None], times: int) -> None:
        super().__init__(str(kubeconfig), None, 10)
        self.between, self.times, self.answers = between, times, []  # type: ignore[var-annotated]

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        if self.times:
            self.times -= 1
            self.between()
        try:
            return super().patch(path, body)
        except ApiRefused as error:
            self.answers.append(error.status)
            raise


def test_a_change_in_between_is_seen(cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path) -> None:
    def label() -> None:
        cluster.admin.patch("/api/v1/nodes/gpu1", {"metadata": {"labels": {"tick": uuid.uuid4().hex}}})

    api = Interrupted(kubeconfig, label, 3)
    assert KubernetesEngine(api).drain(["gpu1"], {"gpu1": REASON})
    assert api.answers == [409, 409, 409]
    assert shown(cluster, "gpu1")[1] == REASON
    assert KubernetesEngine(Interrupted(kubeconfig, label, 2)).resume("gpu1", TOKEN)
    with pytest.raises(EngineError, match="8 times in a row"):
        KubernetesEngine(Interrupted(kubeconfig, label, 100)).drain(["gpu1"], {"gpu1": REASON})


def test_a_person_who_was_faster_keeps_the_node(cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path) -> None:
    api = Interrupted(kubeconfig, lambda: cordon(cluster, "gpu1"), 1)
    with pytest.raises(ForeignDrainError):
        KubernetesEngine(api).drain(["gpu1"], {"gpu1": REASON})
    assert api.answers == [409]
    assert shown(cluster, "gpu1") == (True, None, [])


def test_evictions_wait_for_the_budget(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    (pod,) = workload.deployment(1, None)
    name = pod["spec"]["nodeName"]
    budget = f"/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets/{workload.name}"
    workload.make(
        "PodDisruptionBudget",
        "policy/v1beta1",
        {"minAvailable": 1, "selector": {"matchLabels": {"app": workload.name}}},
    )
    cluster.wait(lambda: cluster.admin.get(budget).get("status", {}).get("currentHealthy") == 1, "the budget counts")
    with pytest.raises(ForeignDrainError):
        engine.evict(name, TOKEN)
    engine.drain([name], {name: REASON})
    assert not engine.evict(name, TOKEN, force=False)
    (note,) = engine.notes()
    assert f"default/{pod['metadata']['name']} is protected by its PodDisruptionBudget" in note
    assert engine.nodes()[name].jobs and not engine.nodes()[name].drained
    assert engine.scale_out(f"default/deployment/{workload.name}", 5, 2) == 2
    workload.running(2)
    cluster.wait(lambda: cluster.admin.get(budget)["status"].get("disruptionsAllowed") == 1, "the budget allows one")
    assert engine.evict(name, TOKEN, force=False)
    assert engine.notes() == []
    cluster.wait(lambda: engine.nodes()[name].drained, "the node is empty", 60)
    assert not engine.evict(name, TOKEN, force=False)
    assert name not in {pod["spec"]["nodeName"] for pod in workload.running(2)}


def test_force_ends_what_a_budget_protects(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    workload.make(
        "PodDisruptionBudget",
        "policy/v1beta1",
        {"minAvailable": 1, "selector": {"matchLabels": {"app": workload.name}}},
    )
    workload.deployment(1, "gpu1")
    engine.drain(["gpu1"], {"gpu1": REASON})
    assert not engine.evict("gpu1", TOKEN, force=False)
    assert engine.evict("gpu1", TOKEN, force=True)
    cluster.wait(lambda: engine.nodes()["gpu1"].drained, "the node is empty", 60)


def test_work_without_replicas_is_awaited(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    number = workload.pod("gpu1")
    engine.drain(["gpu1"], {"gpu1": REASON})
    assert not engine.evict("gpu1", TOKEN, force=False)
    assert engine.notes() == [f"{number} runs until it ends by itself."]
    assert engine.nodes()["gpu1"].jobs == (number,)
    dry = KubernetesEngine(engine._api, dry_run=True)
    assert dry.evict("gpu1", TOKEN, force=True)
    assert engine.nodes()["gpu1"].jobs == (number,)
    assert engine.evict("gpu1", TOKEN, force=True)
    cluster.wait(lambda: engine.nodes()["gpu1"].drained, "the node is empty", 60)


def test_requeue(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    (pod,) = workload.deployment(1)
    number = f"default/{pod['metadata']['name']}"
    assert engine.requeue(number)
    cluster.wait(
        lambda: [one["metadata"]["name"] for one in workload.running(1)] != [pod["metadata"]["name"]],
        "its controller has made another",
    )
    cluster.wait(lambda: not engine.requeue(number), "the old one is gone")


def test_what_nothing_makes_again_is_not_queued_again(
    cluster: Cluster, engine: KubernetesEngine, workload: Workload
) -> None:
    number = workload.pod("gpu1")
    (job,) = engine.jobs(["gpu1"])
    assert not job.can_requeue
    with pytest.raises(EngineError, match="no controller would start it"):
        engine.requeue(number)
    assert len(workload.running(1)) == 1


def test_scale_out_of_a_job(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    template = workload.template(None)
    template["spec"]["restartPolicy"] = "Never"
    # Containers of a hollow node end by themselves, so the job has more to do than the test will see.
    workload.make("Job", "batch/v1", {"completions": 1000, "parallelism": 1, "template": template})
    workload.active(1)
    assert engine.scale_out(f"default/job/{workload.name}", 1, 3) == 2
    workload.active(2)
    assert engine.scale_out(f"default/job/{workload.name}", 9, 3) == 3
    assert engine.scale_out(f"default/job/{workload.name}", 1, 1) == 3, "a limit below it takes nothing away"
    with pytest.raises(EngineError, match="not found"):
        engine.scale_out("default/job/none", 1, 3)


def test_many_nodes_in_one_go(cluster: Cluster, engine: KubernetesEngine) -> None:
    names = [f"bare{number}" for number in range(1, 25)]
    reasons = {name: f"aidc.ops:{at} x" for at, name in enumerate(names, 100)}
    for name in names:
        cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    try:
        assert engine.drain(names, reasons)
        nodes = engine.nodes()
        assert {name: nodes[name].reason for name in names} == reasons

        def settled() -> bool:
            if engine.drain(names, reasons):
                return False
            return all(f"aidc.ops/remediation={at}" in shown(cluster, name)[2] for at, name in enumerate(names, 100))

        # The controllers write the taints of new nodes, more than once, from a copy that may be older than ours: cordon
        # and owner stay, and the next call puts our taint back.
        cluster.wait(settled, "nothing is left to do")
        with pytest.raises(EngineError, match="does not know bare99"):
            engine.drain([*names, "bare99"], dict.fromkeys([*names, "bare99"], REASON))
        assert engine.nodes()["bare1"].reason == "aidc.ops:100 x", "an unknown node stops everything"
    finally:
        for name in names:
            cluster.delete("Node", name)


def test_a_node_whose_kubelet_died_is_out_by_itself(cluster: Cluster, engine: KubernetesEngine) -> None:
    cluster.stop("gpu3")
    try:
        cluster.wait(lambda: engine.nodes()["gpu3"].out, "the controllers notice")
        node = engine.nodes()["gpu3"]
        assert node.automatic and node.drained and node.reason == "NotReady: NodeStatusUnknown"
        assert not engine.resume("gpu3", TOKEN), "that is nobody's"
        assert engine.drain(["gpu3"], {"gpu3": REASON})
        assert not engine.nodes()["gpu3"].automatic
    finally:
        cluster.start("gpu3")
    assert engine.resume("gpu3", TOKEN)


def test_an_account_without_rights_is_told_so(stranger: KubernetesEngine, cluster: Cluster) -> None:
    with pytest.raises(EngineError, match=r"HTTP 403\): nodes is forbidden.*lacks rights"):
        stranger.nodes()
    with pytest.raises(EngineError, match="HTTP 403"):
        stranger.drain(["gpu1"], {"gpu1": REASON})
    wrong = KubernetesEngine(KubeApi(str(cluster.kubeconfig("wrong", "no-such-token")), None, 10))
    with pytest.raises(EngineError, match=r"HTTP 401\).*not accepted") as caught:
        wrong.nodes()
    assert "no-such-token" not in str(caught.value)


def test_a_wrong_context_or_server(cluster: Cluster, kubeconfig: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be used"):
        KubeApi(str(kubeconfig), "none", 10).get("/api/v1")
    text = json.loads((cluster.folder / "insecure.kubeconfig").read_text("utf-8"))
    del text["clusters"][0]["cluster"]["insecure-skip-tls-verify"]
    path = tmp_path / "unverified"
    path.write_text(json.dumps(text), encoding="utf-8")
    with pytest.raises(EngineError, match="CERTIFICATE_VERIFY_FAILED"):
        KubeApi(str(path), None, 10).get("/api/v1")


def test_a_server_that_stops_in_the_middle(
    cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_api, "PAGE", 1)
    assert set(engine.nodes()) == set(cluster.workers), "three pages"

    class Stopping(KubeApi):
        pages = 0

        def _request(self, *args: t.Any, **more: t.Any) -> dict[str, t.Any]:
            answer = super()._request(*args, **more)
            self.pages += 1
            if self.pages == 2:
                cluster.stop("kube-apiserver")
            return answer

    try:
        with pytest.raises(EngineError, match="cannot be asked"):
            KubernetesEngine(Stopping(str(kubeconfig), None, 10)).nodes()
        with pytest.raises(EngineError, match="cannot be asked"):
            engine.drain(["gpu1"], {"gpu1": REASON})
    finally:
        cluster.start("kube-apiserver")
        cluster.wait_for_server()
    assert engine.drain(["gpu1"], {"gpu1": REASON}), "the same engine goes on"

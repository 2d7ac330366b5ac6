# From a real cluster to a plan, and from the plan back: what its scheduler and controllers then do with pods.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the modules themselves, and with the rights of the documentation."""

from __future__ import annotations

import collections
import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import PROJECT, KubeInputs
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.modules import capacity_apply, capacity_plan, capacity_problem
from ansible_collections.aidc.ops.tests.kubernetes.cluster import PATHS, WORKERS, Cluster
from ansible_collections.aidc.ops.tests.kubernetes.workload import Workload, cordon, shown

TAGGER, CHAT = "vision/deployment/tagger", "talk/deployment/chat"
POLICY = {"scale": True, "dedicated": True}
Answer = dict[str, t.Any]


class Site:
    """The three modules, and deployments of two projects that ask for the nodes of their project."""

    def __init__(self, cluster: Cluster, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.cluster = cluster
        self._config = str(config)
        self._capsys = capsys
        self._made: list[tuple[str, str]] = []
        self.problem: Answer = {}
        self.plan: Answer = {}

    def call(self, main: t.Callable[[], None], check: bool = False, **arguments: t.Any) -> Answer:
        with patch_module_args({"_ansible_check_mode": check, **arguments}), pytest.raises(SystemExit):
            main()
        return dict(json.loads(self._capsys.readouterr().out))

    def read_and_plan(self) -> None:
        """Talk goes before vision."""
        words = {"workloads": {"talk/*": {"priority": 10}}}
        read = self.call(capacity_problem.main, config=self._config, site=words)
        assert not read.get("failed"), read
        self.problem = read["problem"]
        made = self.call(capacity_plan.main, problem=self.problem)
        assert not made.get("failed"), made
        self.plan = made["plan"]

    def apply(self, check: bool = False, **policy: bool) -> Answer:
        given = {"problem": self.problem, "plan": self.plan, "policy": {**POLICY, **policy}}
        return self.call(capacity_apply.main, check, config=self._config, **given)

    def planned(self, workload: str) -> list[str]:
        """The nodes of its copies."""
        return sorted(one["node"] for one in self.plan["placements"] if one["workload"] == workload)

    def deployment(self, workload: str, replicas: int) -> None:
        """Pods of which a node holds one."""
        space, _kind, name = workload.split("/")
        pod = {
            "containers": [{"name": "main", "image": "example", "resources": {"requests": {"cpu": "600m"}}}],
            "nodeSelector": {PROJECT: space},
            "tolerations": [{"key": PROJECT, "value": space, "effect": "NoSchedule"}],
            "terminationGracePeriodSeconds": 1,
        }
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        metadata = {"name": name, "namespace": space}
        self._made.append((space, name))
        self.cluster.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})

    def replicas(self, workload: str) -> int:
        space, _kind, name = workload.split("/")
        return int(self.cluster.admin.get(f"{PATHS['Deployment'].format(space=space)}/{name}")["spec"]["replicas"])

    def running(self, workload: str, count: int) -> list[str]:
        """Wait until so many pods run; their nodes."""
        space, _kind, name = workload.split("/")
        return sorted(pod["spec"]["nodeName"] for pod in self.cluster.running(count, space, app=name))

    def steering(self) -> dict[str, tuple[t.Any, list[str]]]:
        """Node -> the label and the taints that a scheduler goes by."""
        return {
            name: (self.cluster.node(name)["metadata"]["labels"].get(PROJECT), shown(self.cluster, name)[2])
            for name in WORKERS
        }

    def clean(self) -> None:
        for space, name in self._made:
            self.cluster.delete("Deployment", name, space)
            self.cluster.wait(lambda space=space: self._gone(space), "the pods of the test are gone", 60)  # type: ignore[misc]

    def _gone(self, space: str) -> bool:
        pods = self.cluster.all_pods(space)
        for pod in pods:
            self.cluster.delete("Pod", pod["metadata"]["name"], space)
        return not pods


@pytest.fixture(scope="module")
def spaces(cluster: Cluster) -> None:
    for name in ("vision", "talk"):
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@pytest.fixture
def usual_memory(cluster: Cluster, spaces: None) -> t.Iterator[None]:
    """Talk's pods ask for 20 MiB unless they say something else."""
    path, name = "/api/v1/namespaces/talk/limitranges", "usual"
    limits = {"limits": [{"type": "Container", "defaultRequest": {"memory": "20Mi"}}]}
    cluster.admin.post(path, {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": limits})
    yield
    cluster.admin.delete(f"{path}/{name}", {"apiVersion": "v1", "kind": "DeleteOptions"})


@pytest.fixture
def site(
    cluster: Cluster,
    spaces: None,
    engine: KubernetesEngine,
    kubeconfig: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> t.Iterator[Site]:
    """The fixture ``engine`` waits until the nodes are as they were."""
    config = tmp_path / "controller.json"
    settings = {
        "schema_version": 1,
        "ledger": str(tmp_path / "ledger.sqlite"),
        "evidence_dir": str(tmp_path / "evidence"),
        "ticket_dir": str(tmp_path / "tickets"),
        "engine": {"kind": "kubernetes", "kubeconfig": str(kubeconfig), "context": "aidc-ops"},
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    made = Site(cluster, config, capsys)
    yield made
    made.clean()
    inputs = KubeInputs(cluster.admin)
    inputs.label(WORKERS, "")
    inputs.taint(WORKERS, "")


def test_pods_obey_a_plan_until_its_fleet_is_gone(cluster: Cluster, site: Site) -> None:
    site.deployment(TAGGER, 3)
    site.deployment(CHAT, 1)
    site.read_and_plan()
    assert {row["name"]: row["copies"] for row in site.problem["workloads"]} == {TAGGER: 3, CHAT: 1}
    vision, talk = site.planned(TAGGER), site.planned(CHAT)
    assert (len(vision), len(talk)) == (2, 1) and sorted(vision + talk) == list(WORKERS), "there is room for three"

    before = site.steering()
    dry = site.apply(check=True)
    assert dry["changed"] and dry["made"] == 0
    assert [one["kind"] for one in dry["changes"]] == ["label", "label", "scale_down", "taint", "taint"]
    assert f"nodes {talk[0]}: {PROJECT}=talk\n" in dry["diff"]["after"]
    assert f"workload {TAGGER}: 3 replicas\n" in dry["diff"]["before"]
    assert f"workload {TAGGER}: 2 replicas\n" in dry["diff"]["after"]
    assert site.steering() == before == dict.fromkeys(WORKERS, (None, [])) and site.replicas(TAGGER) == 3
    assert not [pod for pod in cluster.all_pods("vision") if pod["spec"].get("nodeName")], "no node is vision's yet"

    real = site.apply()
    assert real["changes"] == dry["changes"] and real["made"] == 5
    assert site.running(TAGGER, 2) == vision and site.running(CHAT, 1) == talk
    assert site.steering() == {
        **{name: ("vision", [f"{PROJECT}=vision"]) for name in vision},
        talk[0]: ("talk", [f"{PROJECT}=talk"]),
    }
    assert why_not(cluster) == "Unschedulable", "a pod of nobody stays away from all of them"
    again = site.apply()
    assert not again["changed"] and again["table"][0] == "Nothing has to be changed."

    # What the plan set does not bind the next one, which finds everything as it should be.
    site.read_and_plan()
    assert (site.planned(TAGGER), site.planned(CHAT)) == (vision, talk)
    assert not site.apply(check=True)["changed"]

    set_by_plan = site.steering()
    cordon(cluster, talk[0])
    refused = site.apply()
    assert refused["failed"] and "read the fleet again and make a new plan" in refused["msg"]
    assert refused["differences"] == [f"{talk[0]}: out of service now (cordoned by kubectl-cordon)"]
    cordon(cluster, talk[0], None)
    cluster.stop(talk[0])
    try:
        cluster.delete("Node", talk[0])
        refused = site.apply()
        assert refused["differences"] == [f"{talk[0]}: the scheduler does not know it any more"]
    finally:
        cluster.start(talk[0])
        cluster.wait(lambda: cluster.is_ready(talk[0]), "the node is back")
    now = site.steering()
    assert now == {**set_by_plan, talk[0]: (None, [])}, "two refusals changed nothing"
    assert [one["kind"] for one in site.apply()["changes"]] == ["label", "taint"], "the new node is talk's again"
    assert site.steering() == set_by_plan


def test_requests_that_somebody_changes_are_set_back(cluster: Cluster, site: Site, usual_memory: None) -> None:
    site.deployment(CHAT, 1)
    # A problem is made of the pods, which have what the namespace gives to them.
    cluster.wait(lambda: cluster.all_pods("talk"), "the pod is there", 60)
    site.read_and_plan()
    (row,) = [row for row in site.problem["workloads"] if row["name"] == CHAT]
    assert (row["cpu_milli"], row["memory_mib"]) == (600, 20)
    assert [one["kind"] for one in site.apply(requests=True)["changes"]] == ["label", "taint"]
    site.running(CHAT, 1)
    assert not site.apply(requests=True)["changed"], "what is in no template is no change"

    def change(requests: dict[str, str], limits: dict[str, str]) -> None:
        container = {"name": "main", "image": "example", "resources": {"requests": requests, "limits": limits}}
        body = {"spec": {"template": {"spec": {"containers": [container]}}}}
        cluster.admin.patch(f"{PATHS['Deployment'].format(space='talk')}/chat", body)

    def requests() -> list[t.Any]:
        return [pod["spec"]["containers"][0]["resources"]["requests"] for pod in cluster.pods("talk", app="chat")]

    change({"cpu": "100m"}, {"cpu": "200m"})
    cluster.wait(lambda: requests() == [{"cpu": "100m", "memory": "20Mi"}], "a pod of the new size alone", 90)
    assert not site.apply(check=True)["changed"], "the policy does not ask for it"
    dry = site.apply(check=True, requests=True)
    assert [(one["kind"], one["thing"]) for one in dry["changes"]] == [("raise_requests", f"workload {CHAT}")]
    assert dry["diff"]["after"] == f"workload {CHAT}: cpu 600m (limit 600m)\n" and dry["made"] == 0
    assert requests() == [{"cpu": "100m", "memory": "20Mi"}]
    real = site.apply(requests=True)
    assert real["changes"] == dry["changes"] and real["made"] == 1, real
    assert not site.apply(requests=True)["changed"], "while pods of both sizes run"
    cluster.wait(lambda: requests() == [{"cpu": "600m", "memory": "20Mi"}], "a pod of the old size alone", 90)
    assert not site.apply(requests=True)["changed"]
    before = site.problem["workloads"]
    site.read_and_plan()
    sizes = [[(row["cpu_milli"], row["memory_mib"]) for row in rows] for rows in (before, site.problem["workloads"])]
    assert sizes[0] == sizes[1] and not site.apply(requests=True)["changed"]


def test_copies_that_stay_on_a_cordoned_node_are_replicas_too(cluster: Cluster, site: Site, workload: Workload) -> None:
    nodes = [pod["spec"]["nodeName"] for pod in workload.deployment(4)]
    node, there = collections.Counter(nodes).most_common()[-1]
    name = f"default/deployment/{workload.name}"
    cordon(cluster, node)
    site.read_and_plan()
    (row,) = [row for row in site.problem["workloads"] if row["name"] == name]
    assert (row["copies"], row["unplanned_copies"]) == (4 - there, there)
    answer = site.apply()
    assert not answer.get("failed") and not [one for one in answer["changes"] if one["kind"].startswith("scale")]
    assert site.replicas(name) == 4


def why_not(cluster: Cluster) -> str:
    """Why a pod that tolerates nothing does not start."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nobodys"}}
    cluster.create({**pod, "spec": {"containers": [{"name": "main", "image": "example"}]}})

    def reasons() -> list[str]:
        status = cluster.admin.get("/api/v1/namespaces/default/pods/nobodys")["status"]
        return [str(one["reason"]) for one in status.get("conditions", ()) if one["status"] == "False"]

    try:
        cluster.wait(reasons, "the scheduler has looked at the pod", 30)
        return reasons()[0]
    finally:
        cluster.delete("Pod", "nobodys")

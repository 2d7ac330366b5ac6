# A plan applied to a real API server, with the rights of the documentation: what its scheduler then does.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, kube_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    StaleError,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import PROJECT, KubeInputs
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.tests.kubernetes.cluster import WORKERS, Cluster
from ansible_collections.aidc.ops.tests.kubernetes.workload import Workload, cordon, shown

POLICY = ApplyPolicy(scale=True, dedicated=True)


class Site:
    """The cluster, and plans for its three nodes."""

    def __init__(self, cluster: Cluster, kubeconfig: Path) -> None:
        self.cluster = cluster
        self.inputs = KubeInputs(KubeApi(str(kubeconfig), None, 10))

    def compare(self, on: t.Mapping[str, t.Sequence[str]], policy: ApplyPolicy = POLICY, **asked: int) -> Difference:
        """``on``: workload -> its nodes. Its project is a. ``asked``: its priority, or what a copy asks for."""
        nodes = [{"name": name, "cpu_milli": 4000, "memory_mib": 1000} for name in WORKERS]
        works = [{"name": name, "project": "a", "copies": 9, **asked} for name in on]
        placed = [{"workload": work, "node": name, "gpus": []} for work, names in on.items() for name in names]
        wanted = wanted_of(
            read_problem({"schema_version": 1, "nodes": nodes, "workloads": works}),
            {"schema_version": 1, "placements": placed, "refused": []},
        )
        now = self.inputs.now(kube_diff.workloads(wanted), policy.priority, policy.requests)
        return kube_diff.difference(wanted, now, policy)

    def apply(self, on: t.Mapping[str, t.Sequence[str]], policy: ApplyPolicy = POLICY, **asked: int) -> list[Change]:
        """All changes made; a second comparison finds none."""
        changes = self.compare(on, policy, **asked).changes
        for change in changes:
            assert carry_out.in_kubernetes(change, self.inputs)
        assert self.compare(on, policy, **asked).changes == []
        return changes

    def label(self, name: str) -> t.Any:
        return self.cluster.node(name)["metadata"]["labels"].get(PROJECT)


@pytest.fixture
def site(cluster: Cluster, kubeconfig: Path, engine: KubernetesEngine) -> t.Iterator[Site]:
    """The fixture ``engine`` cleans the taints up."""
    made = Site(cluster, kubeconfig)
    yield made
    made.inputs.label(WORKERS, "")
    made.inputs.taint(WORKERS, "")


def test_labels_taints_and_replicas(site: Site, workload: Workload) -> None:
    workload.deployment(1)
    name = f"default/deployment/{workload.name}"
    kinds = [one.kind for one in site.apply({name: ("gpu1", "gpu1", "gpu1")})]
    assert kinds == ["label", "scale_up", "taint"]
    assert [site.label(worker) for worker in WORKERS] == ["a", None, None]
    assert shown(site.cluster, "gpu1")[2] == [f"{PROJECT}=a"]
    workload.running(3)
    kinds = [one.kind for one in site.apply({name: ("gpu2",)})]
    assert kinds == ["untaint", "label", "unlabel", "scale_down", "taint"]
    workload.running(1)
    assert [site.label(worker) for worker in WORKERS] == [None, "a", None]
    kinds = [one.kind for one in site.apply({name: ("gpu2",)}, ApplyPolicy())]
    assert kinds == ["untaint"] and shown(site.cluster, "gpu2")[2] == []


def test_pods_that_tolerate_nothing_stay_away(site: Site, workload: Workload) -> None:
    site.apply({"demand/a": ("gpu1", "gpu2")})
    assert {pod["spec"]["nodeName"] for pod in workload.deployment(3)} == {"gpu3"}


def priorities(site: Site, workload: Workload) -> list[t.Any]:
    return [pod["spec"].get("priority") for pod in site.cluster.pods(app=workload.name)]


def test_the_class_of_a_priority(site: Site, workload: Workload) -> None:
    """The pods are replaced by such with that priority; a priority that no class has is refused."""
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    about = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "aidc-test"}}
    site.cluster.admin.post(classes, {**about, "value": 1234})
    try:
        workload.deployment(1)
        on = {f"default/deployment/{workload.name}": ("gpu1",)}
        policy = ApplyPolicy(priority=True)
        assert [one.after for one in site.apply(on, policy, priority=1234) if one.kind == "priority"] == [
            "PriorityClass aidc-test"
        ]
        site.cluster.wait(lambda: priorities(site, workload) == [1234], "one pod, of that priority", 60)
        assert [one.kind for one in site.compare(on, policy, priority=4321).refused] == ["priority"]
    finally:
        site.cluster.admin.delete(f"{classes}/aidc-test", {"apiVersion": "v1", "kind": "DeleteOptions"})


def sized(workload: Workload, resources: dict[str, t.Any], kind: str = "Deployment") -> str:
    """Make one pod that asks for that; the name of its workload."""
    template = workload.template(None)
    template["spec"]["containers"][0]["resources"] = resources
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": workload.name}}, "template": template}
    workload.make(kind, "apps/v1", {**spec, **({"serviceName": workload.name} if kind == "StatefulSet" else {})})
    return f"default/{kind.lower()}/{workload.name}"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_requests_and_the_limits_that_go_along(site: Site, workload: Workload, kind: str) -> None:
    """The pods are replaced by such that ask for it, and are Guaranteed what they ask for as before."""
    amounts = {"cpu": "20m", "memory": "16Mi"}
    on = {sized(workload, {"requests": amounts, "limits": amounts}, kind): ("gpu1",)}
    (before,) = workload.running(1)
    assert before["status"]["qosClass"] == "Guaranteed"
    policy = ApplyPolicy(requests=True)
    (change,) = [one for one in site.apply(on, policy, cpu_milli=30, memory_mib=8) if one.kind != "label"]
    assert (change.kind, change.before, change.after) == (
        "raise_requests",
        "cpu 20m (limit 20m), memory 16Mi (limit 16Mi)",
        "cpu 30m (limit 30m), memory 8Mi (limit 8Mi)",
    )

    def pods() -> list[tuple[t.Any, str]]:
        found = site.cluster.pods(app=workload.name)
        return [(pod["spec"]["containers"][0]["resources"]["requests"], pod["status"]["qosClass"]) for pod in found]

    amounts = {"cpu": "30m", "memory": "8Mi"}
    site.cluster.wait(lambda: pods() == [(amounts, "Guaranteed")], "one pod, of that size", 90)
    assert site.compare(on, policy, cpu_milli=30, memory_mib=8).changes == []
    (after,) = workload.running(1)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_gpus_that_pods_ask_for(site: Site, workload: Workload) -> None:
    name = sized(workload, {"limits": {"nvidia.com/gpu": 1}})
    site.cluster.wait(lambda: site.cluster.all_pods(app=workload.name), "a pod is there, and has no place", 60)
    policy = ApplyPolicy(requests=True)
    assert site.compare({name: ()}, policy, gpus=1).changes == []
    (change,) = site.apply({name: ()}, policy, gpus=2)
    assert (change.kind, change.after) == ("raise_requests", "nvidia.com/gpu 2 (limit 2)")
    path = f"/apis/apps/v1/namespaces/default/deployments/{workload.name}"
    (container,) = site.cluster.admin.get(path)["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}}


def test_a_taint_of_somebody_else_stays(site: Site) -> None:
    theirs = {"key": "example.com/burnt", "value": "", "effect": "PreferNoSchedule"}
    kept = site.cluster.node("gpu1")["spec"].get("taints", [])
    site.cluster.admin.patch("/api/v1/nodes/gpu1", {"spec": {"taints": [*kept, theirs]}})
    site.apply({"demand/a": ("gpu1",)})
    site.apply({})
    assert shown(site.cluster, "gpu1")[2] == ["example.com/burnt="]


def test_a_workload_that_is_gone_falls_away(site: Site) -> None:
    found = site.compare({"default/statefulset/none": ("gpu1",)})
    assert not [one for one in found.changes if one.kind.startswith("scale")]
    assert "default/statefulset/none" in str(found.notes)


def test_a_lost_node_is_caught(site: Site) -> None:
    cordon(site.cluster, "gpu2")
    with pytest.raises(StaleError) as caught:
        site.compare({"demand/a": ("gpu1",)})
    assert caught.value.differences == ["gpu2: out of service now (cordoned by kubectl-cordon)"]
    cordon(site.cluster, "gpu2", None)

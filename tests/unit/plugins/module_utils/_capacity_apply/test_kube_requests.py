# Tests of the requests of workloads, on an API server in memory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, kube_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyError,
    ApplyPolicy,
    Change,
    Difference,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import kubernetes
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import KubeInputs
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply import plans
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._engines.kube_fake import FakeApi, node

CHAT = "talk/deployment/chat"
PATH = "/apis/apps/v1/namespaces/talk/deployments/chat"
REQUESTS = ApplyPolicy(requests=True)
SMALL = {"requests": {"cpu": "500m", "memory": "64Mi"}}
GPU = {"limits": {"nvidia.com/gpu": "2"}}


def container(name: str = "main", resources: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "example", **({} if resources is None else {"resources": resources}), **more}


class Site:
    """A node, and a deployment whose pods are as its template says."""

    def __init__(self, *containers: dict[str, Any], **spec: Any) -> None:
        self.api = FakeApi(node("n1"))
        self.api.node("n1")["status"]["allocatable"] = {"cpu": "64", "memory": "64Gi", "nvidia.com/gpu": "8"}
        pods = {"containers": list(containers), **spec}
        self.put(pods)
        self.api.put(f"{PATH}/scale", {"metadata": {"name": "chat"}, "spec": {"replicas": 2}})
        self.pods(pods, pods)
        self.inputs = KubeInputs(self.api)

    def put(self, spec: dict[str, Any], **more: Any) -> None:
        self.api.put(PATH, {"metadata": {"name": "chat"}, "spec": {"template": {"spec": copy.deepcopy(spec)}, **more}})

    def pods(self, *specs: dict[str, Any]) -> None:
        """Pods of these specs, in place of those that there are."""
        for at in [at for at in self.api.objects if "/pods/" in at]:
            del self.api.objects[at]
        for number, spec in enumerate(specs):
            about = {
                "name": f"chat-abc-{number}",
                "namespace": "talk",
                "labels": {"pod-template-hash": "abc"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "chat-abc", "controller": True}],
            }
            pod = {"metadata": about, "spec": copy.deepcopy({**spec, "nodeName": "n1"}), "status": {"phase": "Running"}}
            self.api.put(f"/api/v1/namespaces/talk/pods/chat-abc-{number}", pod)

    def template(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects[PATH]["spec"]["template"]["spec"]
        return found

    def resources(self, number: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.template()["containers"][number]["resources"]
        return found

    def compare(self, policy: ApplyPolicy = REQUESTS, **amounts: Any) -> Difference:
        work = {"gpus": 0, "cpu_milli": 0, "memory_mib": 0, **amounts}
        rows = [plans.node("n1", cpu_milli=10**9, memory_mib=10**9)]
        made_of = plans.problem(rows, [{**plans.work(CHAT, "talk"), **work}])
        wanted = wanted_of(read_problem(made_of), plans.plan([], {CHAT: "no room"}))
        return self.against(wanted, policy)

    def against(self, wanted: Any, policy: ApplyPolicy = REQUESTS) -> Difference:
        now = self.inputs.now(kube_diff.workloads(wanted), policy.priority, policy.requests)
        return kube_diff.difference(wanted, now, policy)

    def apply(self, **amounts: Any) -> list[Change]:
        """All changes made; another comparison finds none, while the old pods run and when there are only new ones."""
        before = [thing["spec"] for at, thing in self.api.objects.items() if "/pods/" in at]
        changes = self.compare(**amounts).changes
        for change in changes:
            assert carry_out.in_kubernetes(change, self.inputs)
        self.pods(*before[:1], self.template())
        assert self.compare(**amounts).changes == [], "in the middle of the roll-out"
        self.pods(self.template())
        assert self.compare(**amounts).changes == [], "after the roll-out"
        return changes

    def problem(self) -> dict[str, Any]:
        """What capacity_problem makes of it."""
        things = [{**self.api.objects[PATH], "metadata": {"name": "chat", "namespace": "talk"}}]
        state = kubernetes.read(self.api.items("/api/v1/nodes"), self.api.items("/api/v1/pods"), {"deployment": things})
        (row,) = state.workloads
        return row


def told(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(one.kind, one.thing, one.before, one.after) for one in changes if one.kind.endswith("_requests")]


def refusals(found: Difference) -> list[str]:
    return [one.why for one in found.refused if one.kind == "requests"]


def test_requests_are_raised_and_lowered() -> None:
    site = Site(container(resources=SMALL))
    assert told(site.apply(cpu_milli=2000, memory_mib=2048)) == [
        ("raise_requests", f"workload {CHAT}", "cpu 500m, memory 64Mi", "cpu 2, memory 2Gi")
    ]
    assert site.template()["containers"] == [container(resources={"requests": {"cpu": "2", "memory": "2Gi"}})]
    assert told(site.apply(cpu_milli=250, memory_mib=2048)) == [
        ("lower_requests", f"workload {CHAT}", "cpu 2", "cpu 250m")
    ]
    assert site.resources() == {"requests": {"cpu": "250m", "memory": "2Gi"}}
    assert [one.kind for one in site.apply(cpu_milli=100, memory_mib=4096)] == ["raise_requests"], "some of it rises"


def test_lowering_comes_before_more_copies_and_raising_after_fewer() -> None:
    order = kube_diff.order.ORDER
    assert order.index("lower_requests") < order.index("scale_up") < order.index("scale_down")
    assert order.index("scale_down") < order.index("raise_requests")


def test_without_the_policy_nothing_is_read_or_done() -> None:
    site = Site(container(resources=SMALL))
    found = site.compare(ApplyPolicy(), cpu_milli=2000)
    assert told(found.changes) == [] and found.refused == []
    assert not [path for _verb, path in site.api.calls if path in (PATH, "/api/v1/pods")]


@pytest.mark.parametrize(
    ("given", "amounts", "left"),
    [
        # Guaranteed pods stay so.
        (
            {"requests": {"cpu": "500m"}, "limits": {"cpu": "0.5"}},
            {"cpu_milli": 2000},
            {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}},
        ),
        (
            {"requests": {"cpu": "500m"}, "limits": {"cpu": "0.5"}},
            {"cpu_milli": 100},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "100m"}},
        ),
        ({"limits": {"cpu": "1"}}, {"cpu_milli": 100}, {"requests": {"cpu": "100m"}, "limits": {"cpu": "100m"}}),
        # A limit that would be below rises along; others stay.
        (
            {"requests": {"memory": "64Mi"}, "limits": {"memory": "128Mi", "cpu": "4"}},
            {"memory_mib": 256, "cpu_milli": 4000},
            {"requests": {"memory": "256Mi"}, "limits": {"memory": "256Mi", "cpu": "4"}},
        ),
        (
            {"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi"}},
            {"memory_mib": 256},
            {"requests": {"memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        ),
    ],
)
def test_limits(given: Any, amounts: Any, left: Any) -> None:
    site = Site(container(resources=given))
    assert len(site.apply(**amounts)) == 1 and site.resources() == left


def test_a_limit_that_goes_along_is_shown() -> None:
    site = Site(container(resources={"limits": {"cpu": "1"}}))
    ((_kind, _thing, before, after),) = told(site.compare(cpu_milli=3000).changes)
    assert (before, after) == ("cpu 1 (limit 1)", "cpu 3 (limit 3)")


def test_gpus_of_the_only_container_that_has_them() -> None:
    site = Site(container("side", SMALL), container(resources=GPU))
    assert told(site.apply(gpus=4)) == [
        ("raise_requests", f"workload {CHAT}", "nvidia.com/gpu 2 (limit 2)", "nvidia.com/gpu 4 (limit 4)")
    ]
    assert site.resources(1) == {"requests": {"nvidia.com/gpu": "4"}, "limits": {"nvidia.com/gpu": "4"}}
    other = Site(container(resources={"limits": {"amd.com/gpu": 1}}))
    assert [one[3] for one in told(other.apply(gpus=8))] == ["amd.com/gpu 8 (limit 8)"]


@pytest.mark.parametrize(
    ("resources", "amounts"),
    [
        (SMALL, {}),
        (GPU, {"gpus": 0}),
        (GPU, {"gpus": 1, "gpu_share_milli": 500}),
        ({"limits": {"nvidia.com/mig-1g.10gb": 1}}, {"gpus": 1, "mig_profile": "1g.10gb"}),
        # Of several instances, or time slices, a problem counts whole GPUs.
        ({"limits": {"nvidia.com/mig-1g.10gb": 2}}, {"gpus": 1}),
        ({"limits": {"nvidia.com/gpu": 1, "nvidia.com/gpu.shared": 1}}, {"gpus": 2}),
    ],
)
def test_parts_of_gpus_and_what_is_not_known_stay(resources: Any, amounts: Any) -> None:
    found = Site(container(resources=resources)).compare(**amounts)
    assert told(found.changes) == [] and refusals(found) == []


def test_several_containers() -> None:
    site = Site(container("a", SMALL), container("b", {"requests": {"cpu": "1"}}), container("c"))
    found = site.compare(cpu_milli=2000, memory_mib=100, gpus=1)
    assert [(one[2], one[3]) for one in told(found.changes)] == [("memory 64Mi", "memory 100Mi")]
    assert refusals(found) == [
        "the plan went by 2 of CPU for a pod, and it is not clear which container should ask for another amount: "
        "a (cpu), b (cpu) ask for some",
        "the plan went by 1 of GPUs for a pod, and none of its containers asks for any, so it is not clear which one "
        "should",
    ]
    bare = Site(container("a"), container("b"))
    assert "none of its containers asks for any" in refusals(bare.compare(memory_mib=10))[0]
    both = Site(container("a", {"limits": {"nvidia.com/gpu": 1, "amd.com/gpu": 1}}))
    assert "a (amd.com/gpu), a (nvidia.com/gpu) ask for some" in refusals(both.compare(gpus=1))[0]


def test_a_single_container_that_says_nothing() -> None:
    site = Site(container())
    assert told(site.apply(cpu_milli=1500)) == [("raise_requests", f"workload {CHAT}", "cpu not said", "cpu 1500m")]


INIT = {"initContainers": [container("first", {"requests": {"cpu": "3", "memory": "1Gi"}})]}
SIDECAR = {"initContainers": [container("mesh", {"requests": {"cpu": "100m"}}, restartPolicy="Always")]}


@pytest.mark.parametrize(
    ("containers", "spec", "amounts", "request_"),
    [
        # What is beside the container counts.
        ([container(resources=SMALL)], SIDECAR, {"cpu_milli": 1100}, {"cpu": "1", "memory": "64Mi"}),
        ([container(resources=SMALL)], {"overhead": {"memory": "10M"}}, {"memory_mib": 174}, {"memory": "164Mi"}),
        ([container(resources={"requests": {"memory": "10M"}})], {}, {"memory_mib": 30}, {"memory": "30Mi"}),
        (
            [container(resources={"requests": {"memory": "10.4Mi"}})],
            {"overhead": {"memory": "0.4Mi"}},
            {"memory_mib": 13},
            {"memory": "12Mi"},
        ),
        (
            [container(resources={"requests": {"memory": "10.7Mi"}})],
            {"overhead": {"memory": "0.1Mi"}},
            {"memory_mib": 13},
            {"memory": "12Mi"},
        ),
        # An init container asks for less than that.
        ([container(resources=SMALL)], INIT, {"cpu_milli": 4000}, {"cpu": "4", "memory": "64Mi"}),
    ],
)
def test_the_pod_as_a_whole_asks_for_what_the_plan_went_by(
    containers: Any, spec: Any, amounts: Any, request_: dict[str, str]
) -> None:
    site = Site(*containers, **spec)
    assert len(site.apply(**amounts)) == 1
    assert {key: site.resources()["requests"][key] for key in request_} == request_
    row = site.problem()
    assert {key: row[key] for key in amounts} == amounts


@pytest.mark.parametrize(
    ("spec", "amounts"),
    [
        (INIT, {"cpu_milli": 2000}),
        ({"overhead": {"memory": "100Mi"}}, {"memory_mib": 50}),
        ({"resources": {"requests": {"cpu": "2"}}}, {"cpu_milli": 3000}),
    ],
)
def test_what_is_not_up_to_the_container(spec: Any, amounts: Any) -> None:
    found = Site(container(resources=SMALL), **spec).compare(**amounts)
    assert told(found.changes) == []
    assert ["is not up to the container main alone" in why for why in refusals(found)] == [True]


@pytest.mark.parametrize(
    ("containers", "spec"),
    [
        ([container(resources=SMALL)], {}),
        ([container(resources={"requests": {"cpu": "1.5m", "memory": "100M"}})], {"overhead": {"memory": "1k"}}),
        ([container(resources={"limits": {"cpu": "2", "memory": "1e9"}}), container("b", SMALL)], INIT),
        ([container(resources=GPU), container("b")], SIDECAR),
        ([container()], {"resources": {"requests": {"cpu": "2"}}}),
        ([container(resources={"limits": {"nvidia.com/mig-1g.10gb": 2}})], {}),
        ([container(resources={"limits": {"nvidia.com/gpu.shared": 3}})], {}),
    ],
)
def test_a_problem_of_what_runs_changes_nothing(containers: Any, spec: Any) -> None:
    site = Site(*containers, **spec)
    site.api.node("n1")["metadata"]["labels"] = {"nvidia.com/gpu.product": "NVIDIA-H100"}
    row = {**site.problem(), "running_on": []}
    made_of = read_problem(plans.problem([plans.node("n1", cpu_milli=10**9, memory_mib=10**9)], [row]))
    found = site.against(wanted_of(made_of, plans.plan([], {CHAT: "no room"})))
    assert told(found.changes) == [] and refusals(found) == []


def test_what_the_cluster_adds_to_every_pod_changes_nothing() -> None:
    """Defaults of the namespace, a container of a service mesh, the overhead of a runtime class: in no template."""
    site = Site(container())
    added = {"containers": [container(resources=SMALL), container("mesh", SMALL)], "overhead": {"cpu": "250m"}}
    site.pods(added, added)
    assert told(site.compare(cpu_milli=1250, memory_mib=128).changes) == []
    (change,) = [one for one in site.compare(cpu_milli=2250, memory_mib=128).changes if one.kind == "raise_requests"]
    assert (change.before, change.after) == ("cpu not said", "cpu 1500m"), "what is added goes off"
    assert carry_out.in_kubernetes(change, site.inputs)
    site.pods(added)
    assert told(site.compare(cpu_milli=2250, memory_mib=128).changes) == []


def test_without_pods_the_template_counts() -> None:
    site = Site(container(resources=SMALL))
    site.pods()
    assert told(site.compare(cpu_milli=500, memory_mib=64).changes) == []
    assert [one[3] for one in told(site.compare(cpu_milli=700, memory_mib=64).changes)] == ["cpu 700m"]


def test_pods_that_differ_or_are_of_somebody_else() -> None:
    site = Site(container(resources=SMALL))
    twice = {"containers": [container(resources=SMALL)], "overhead": {"cpu": "1"}}
    site.pods({"containers": [container(resources=SMALL)]}, twice)
    assert "its pods differ in more than this" in refusals(site.compare(cpu_milli=4000))[0]
    site.pods({"containers": [container("old", SMALL)]})
    assert "its pods have no container main" in refusals(site.compare(cpu_milli=4000))[0]
    site.pods(twice)
    (pod,) = [thing for at, thing in site.api.objects.items() if "/pods/" in at]
    for change in ({"status": {"phase": "Succeeded"}}, {"metadata": {**pod["metadata"], "ownerReferences": []}}):
        site.api.put("/api/v1/namespaces/talk/pods/chat-abc-0", {**copy.deepcopy(pod), **change})
        assert told(site.compare(cpu_milli=500).changes) == [], "the pod does not count"


def test_what_is_gone_falls_away() -> None:
    site = Site(container(resources=SMALL))
    (change,) = [one for one in site.compare(cpu_milli=700).changes if one.kind == "raise_requests"]
    del site.api.objects[PATH]
    assert told(site.compare(cpu_milli=700).changes) == []
    assert not carry_out.in_kubernetes(change, site.inputs)


def test_changes_of_somebody_else_in_between() -> None:
    site = Site(container(resources=SMALL))
    (change,) = [one for one in site.compare(cpu_milli=700).changes if one.kind == "raise_requests"]

    def once() -> None:
        site.api.before_patch = lambda: None
        site.put({"containers": [container(resources={"requests": {"cpu": "1", "memory": "9Mi"}})]})

    site.api.before_patch = once
    assert carry_out.in_kubernetes(change, site.inputs)
    assert site.resources() == {"requests": {"cpu": "700m", "memory": "9Mi"}}
    for containers, message in (
        ([container("other")], "has no container 'main'"),
        ([container(resources={"limits": {"cpu": "100m"}})], "below its request"),
    ):
        site.put({"containers": containers})
        with pytest.raises(ApplyError, match=f"was changed meanwhile: .*{message}"):
            carry_out.in_kubernetes(change, site.inputs)


def test_how_the_pods_are_replaced_is_said() -> None:
    site = Site(container(resources=SMALL))
    site.put({"containers": [container(resources=SMALL)]}, paused=True)
    found = site.compare(cpu_milli=700)
    assert f"{CHAT} is paused; its pods are replaced when somebody resumes it." in found.notes


@pytest.mark.parametrize(
    "resources",
    [{"requests": {"cpu": "much"}}, {"requests": {"memory": "-1"}}, {"limits": {"cpu": True}}, {"requests": ["cpu"]}],
)
def test_amounts_that_are_none(resources: Any) -> None:
    with pytest.raises(EngineError, match="with requests that cannot be read"):
        Site(container(resources=resources)).compare(cpu_milli=700)


def test_a_template_with_amounts_that_are_none() -> None:
    site = Site(container(resources=SMALL))
    site.put({"containers": [container(resources={"requests": ["cpu"]})]})
    with pytest.raises(EngineError, match="gave talk/deployment/chat with requests that cannot be read"):
        site.compare(cpu_milli=700)


def test_what_is_no_workload() -> None:
    site = Site(container(resources=SMALL))
    for spec in ({}, {"template": {"spec": {}}}, {"template": {"spec": {"containers": ["main"]}}}):
        site.api.put(PATH, {"metadata": {"name": "chat"}, "spec": spec})
        with pytest.raises(EngineError, match="without"):
            site.compare(cpu_milli=700)


def test_more_than_kubernetes_can_write() -> None:
    site = Site(container(resources={"requests": {"memory": "64Mi"}}))
    found = site.compare(memory_mib=2**50)
    assert told(found.changes) == [] and "2^63 or more" in refusals(found)[0]


def test_a_limit_below_another_request_is_left_to_its_owner() -> None:
    given = {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "1Mi"}}
    found = Site(container(resources=given)).compare(cpu_milli=2000)
    assert told(found.changes) == [] and "below its request" in refusals(found)[0]

# Tests of the Kubernetes engine on an API server in memory: owners, races, evictions, and everything it refuses.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import EngineJob
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._engines.kube_fake import FakeApi, node, pod, refused

REASON = "aidc.ops:7 gpu_fell_off_bus"
TOKEN = "aidc.ops:7"
BUDGET = refused(429, "Cannot evict pod", ("DisruptionBudget",))
PODS = "/api/v1/namespaces/default/pods/"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi(node("gpu1"), node("gpu2", unschedulable=True), node("gpu3"))


@pytest.fixture
def engine(api: FakeApi) -> KubernetesEngine:
    return KubernetesEngine(api)


def drained(api: FakeApi, *pods: dict[str, Any]) -> KubernetesEngine:
    """An engine whose gpu1 is out for our case, with these pods on it."""
    for one in pods:
        api.put(PODS + one["metadata"]["name"], one)
    engine = KubernetesEngine(api)
    engine.drain(["gpu1"], {"gpu1": REASON})
    api.calls.clear()
    api.bodies.clear()
    return engine


def test_nodes(api: FakeApi, engine: KubernetesEngine) -> None:
    api.put(PODS + "work", pod("work", "gpu1", "Job"))
    api.put(PODS + "agent", pod("agent", "gpu1", "DaemonSet"))
    api.put(PODS + "static", pod("static", "gpu1", annotations={"kubernetes.io/config.mirror": "x"}))
    api.put(PODS + "ended", pod("ended", "gpu1", "Job", phase="Succeeded"))
    nodes = engine.nodes()
    assert set(nodes) == {"gpu1", "gpu2", "gpu3"}
    assert nodes["gpu1"].jobs == ("default/work",)
    assert [call for call in api.calls if call[0] == "LIST"] == [("LIST", "/api/v1/nodes"), ("LIST", "/api/v1/pods")]


def test_drain_and_resume(api: FakeApi, engine: KubernetesEngine) -> None:
    api.node("gpu1")["spec"]["taints"] = [{"key": "team", "effect": "NoSchedule"}]
    assert engine.drain(["gpu1"], {"gpu1": REASON})
    spec = api.node("gpu1")["spec"]
    assert spec["unschedulable"] is True
    assert spec["taints"] == [
        {"key": "team", "effect": "NoSchedule"},
        {"key": "aidc.ops/remediation", "value": "7", "effect": "NoSchedule"},
    ]
    assert api.node("gpu1")["metadata"]["annotations"] == {"aidc.ops/owner": REASON}
    assert not engine.drain(["gpu1"], {"gpu1": "aidc.ops:7 other words"})
    for token in ("aidc.ops:77", "aidc.ops:", "aidc.ops"):
        with pytest.raises(ForeignDrainError, match="not for"):
            engine.resume("gpu1", token)
    assert engine.resume("gpu1", TOKEN)
    assert api.node("gpu1")["spec"] == {"taints": [{"key": "team", "effect": "NoSchedule"}]}
    assert api.node("gpu1")["metadata"]["annotations"] == {}
    assert not engine.resume("gpu1", TOKEN)


def test_another_case_of_ours_takes_over(api: FakeApi, engine: KubernetesEngine) -> None:
    engine.drain(["gpu1"], {"gpu1": REASON})
    assert engine.drain(["gpu1"], {"gpu1": "aidc.ops:8 y"})
    assert [taint["value"] for taint in api.node("gpu1")["spec"]["taints"]] == ["8"]


def test_somebody_elses_node_is_left_alone(api: FakeApi, engine: KubernetesEngine) -> None:
    with pytest.raises(ForeignDrainError) as caught:
        engine.drain(["gpu2", "gpu1"], {"gpu1": REASON, "gpu2": "aidc.ops:8 x"})
    assert caught.value.reasons == {"gpu2": "cordoned by somebody else"}
    assert api.node("gpu1")["spec"]["unschedulable"], "the others are drained before it complains"
    for call in (lambda: engine.resume("gpu2", TOKEN), lambda: engine.evict("gpu2", TOKEN)):
        with pytest.raises(ForeignDrainError):
            call()
    assert "taints" not in api.node("gpu2")["spec"]


def test_an_autoscalers_node_is_left_alone(api: FakeApi, engine: KubernetesEngine) -> None:
    api.node("gpu1")["spec"]["taints"] = [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]
    with pytest.raises(ForeignDrainError, match="tainted ToBeDeletedByClusterAutoscaler"):
        engine.drain(["gpu1"], {"gpu1": REASON})


def test_an_unknown_node_stops_everything(api: FakeApi, engine: KubernetesEngine) -> None:
    for name in ("gpu9", "../pods", "GPU1", "", "gpu1/status"):
        with pytest.raises(EngineError, match="does not know"):
            engine.drain(["gpu1", name], {"gpu1": REASON, name: REASON})
    assert not [call for call in api.calls if call[0] == "PATCH"]


@pytest.mark.parametrize(
    "reason",
    ["Kim", "aidc.ops:", "aidc.ops:7 {{ x }}", "aidc.ops:7\nx", "aidc.ops:7 " + "x" * 200, "aidc.ops:7!", "aidc.ops:-"],
)
def test_a_reason_that_is_not_ours_is_refused(api: FakeApi, engine: KubernetesEngine, reason: str) -> None:
    with pytest.raises(EngineError, match="cannot be a reason"):
        engine.drain(["gpu1"], {"gpu1": reason})
    assert api.calls == []


def test_a_change_in_between_is_looked_at_again(api: FakeApi, engine: KubernetesEngine) -> None:
    left = [3]

    def touch() -> None:
        if left[0]:
            left[0] -= 1
            api.put("/api/v1/nodes/gpu1", api.node("gpu1"))

    api.before_patch = touch
    assert engine.drain(["gpu1"], {"gpu1": REASON})
    assert len([call for call in api.calls if call[0] == "PATCH"]) == 4
    left[0] = 1000
    with pytest.raises(EngineError, match="8 times in a row"):
        engine.resume("gpu1", TOKEN)


def test_a_person_who_was_faster_keeps_the_node(api: FakeApi, engine: KubernetesEngine) -> None:
    def cordon() -> None:
        api.node("gpu1")["spec"]["unschedulable"] = True
        api.put("/api/v1/nodes/gpu1", api.node("gpu1"))

    api.before_patch = cordon
    with pytest.raises(ForeignDrainError):
        engine.drain(["gpu1"], {"gpu1": REASON})
    assert "annotations" not in api.node("gpu1")["metadata"]


def test_a_dry_run_changes_nothing(api: FakeApi) -> None:
    drained(api, pod("a", "gpu1", "ReplicaSet"), pod("b", "gpu1", "Job"))
    api.protected[PODS + "b"] = BUDGET
    before = dict(api.objects)
    engine = KubernetesEngine(api, dry_run=True)
    assert engine.drain(["gpu3"], {"gpu3": REASON})
    assert engine.resume("gpu1", TOKEN)
    assert engine.evict("gpu1", TOKEN)
    assert engine.requeue("default/b")
    api.put("/apis/apps/v1/namespaces/d/deployments/x/scale", {"metadata": {"name": "x"}, "spec": {"replicas": 1}})
    assert engine.scale_out("d/deployment/x", 2, 9) == 3
    assert {path: thing for path, thing in api.objects.items() if not path.endswith("scale")} == before
    assert {method for method, _path in api.calls} <= {"GET", "LIST", "POST"}
    assert all(body["deleteOptions"]["dryRun"] == ["All"] for body in api.bodies)


def test_evict_without_force_moves_what_has_replicas(api: FakeApi) -> None:
    engine = drained(
        api,
        pod("replica", "gpu1", "ReplicaSet"),
        pod("member", "gpu1", "StatefulSet"),
        pod("training", "gpu1", "Job"),
        pod("lonely", "gpu1"),
        pod("agent", "gpu1", "DaemonSet"),
        pod("leaving", "gpu1", "ReplicaSet", deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("elsewhere", "gpu3", "ReplicaSet"),
    )
    api.protected[PODS + "member"] = BUDGET
    assert engine.evict("gpu1", TOKEN, force=False)
    assert [path for method, path in api.calls if method == "POST"] == [
        f"{PODS}member/eviction",
        f"{PODS}replica/eviction",
    ]
    assert engine.notes() == [
        "default/leaving is ending.",
        "default/lonely runs until it ends by itself.",
        "default/member is protected by its PodDisruptionBudget for now: Cannot evict pod",
        "default/training runs until it ends by itself.",
    ]
    assert api.bodies[-1] == {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": "default", "name": "replica"},
        "deleteOptions": {"preconditions": {"uid": "uid-replica"}},
    }
    assert not engine.evict("gpu1", TOKEN, force=False), "nothing is left to do but to wait"


def test_evict_with_force_ends_everything(api: FakeApi) -> None:
    engine = drained(api, pod("a", "gpu1", "Job"), pod("b", "gpu1"), pod("agent", "gpu1", "DaemonSet"))
    api.protected[PODS + "a"] = BUDGET
    assert engine.evict("gpu1", TOKEN)
    assert [call for call in api.calls if call[0] == "DELETE"] == [("DELETE", PODS + "a")]
    assert PODS + "a" not in api.objects and PODS + "b" not in api.objects and PODS + "agent" in api.objects
    assert not engine.evict("gpu1", TOKEN)


def test_two_budgets_for_one_pod(api: FakeApi) -> None:
    engine = drained(api, pod("a", "gpu1", "ReplicaSet"))
    text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    api.protected[PODS + "a"] = refused(500, text)
    assert not engine.evict("gpu1", TOKEN, force=False)
    assert engine.notes() == [f"default/a cannot be evicted: {text}"]


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_server_that_does_not_evict_for_another_reason(api: FakeApi, status: int) -> None:
    engine = drained(api, pod("a", "gpu1", "ReplicaSet"))
    api.protected[PODS + "a"] = refused(status, "no")
    with pytest.raises(EngineError, match=str(status)):
        engine.evict("gpu1", TOKEN)
    assert not [call for call in api.calls if call[0] == "DELETE"]


def test_a_pod_that_is_gone_or_another_one_by_now(api: FakeApi) -> None:
    engine = drained(api, pod("a", "gpu1", "ReplicaSet"))
    api.protected[PODS + "a"] = refused(404)
    assert not engine.evict("gpu1", TOKEN, force=False)
    api.protected[PODS + "a"] = refused(409)
    assert not engine.evict("gpu1", TOKEN, force=False)
    assert engine.notes() == []


def test_the_older_eviction_is_used_where_the_server_has_that(api: FakeApi) -> None:
    engine = drained(api, pod("a", "gpu1", "ReplicaSet"))
    api.eviction["version"] = "v1beta1"
    engine.evict("gpu1", TOKEN)
    assert api.bodies[-1]["apiVersion"] == "policy/v1beta1"
    api.eviction["name"] = "x"
    with pytest.raises(EngineError, match="cannot evict"):
        engine.evict("gpu1", TOKEN)


def test_jobs(api: FakeApi, engine: KubernetesEngine) -> None:
    api.put(PODS + "a", pod("a", "gpu1", "Job"))
    api.put(PODS + "b", pod("b", "gpu3"))
    api.put(PODS + "c", pod("c", "gpu2"))
    assert engine.jobs(["gpu1", "gpu3"]) == [
        EngineJob("default/a", "a-owner", "default", ("gpu1",), True),
        EngineJob("default/b", "b", "default", ("gpu3",), False),
    ]
    assert engine.jobs([]) == []
    with pytest.raises(EngineError, match="does not know"):
        engine.jobs(["gpu1,status.phase=x"])


def test_requeue(api: FakeApi, engine: KubernetesEngine) -> None:
    for one in (
        pod("a", "gpu1", "Job"),
        pod("lonely", "gpu1"),
        pod("agent", "gpu1", "DaemonSet"),
        pod("ended", "gpu1", "Job", phase="Failed"),
        pod("leaving", "gpu1", "Job", deletionTimestamp="x"),
    ):
        api.put(PODS + one["metadata"]["name"], one)
    assert engine.requeue("default/a")
    assert not engine.requeue("default/a")
    assert not engine.requeue("default/ended") and not engine.requeue("default/leaving")
    for name in ("lonely", "agent"):
        with pytest.raises(EngineError, match="no controller would start it elsewhere"):
            engine.requeue(f"default/{name}")
    for odd in ("7", "a/b/c", "default/../x", "", "A/b"):
        with pytest.raises(EngineError, match="is not namespace/name"):
            engine.requeue(odd)


def test_reserve(api: FakeApi, engine: KubernetesEngine) -> None:
    with pytest.raises(ForeignDrainError, match="not out for"):
        engine.reserve(["gpu1"], TOKEN, 60)
    engine.drain(["gpu1"], {"gpu1": REASON})
    assert not engine.reserve(["gpu1"], TOKEN, 60)
    assert not engine.unreserve(TOKEN)
    with pytest.raises(ForeignDrainError):
        engine.reserve(["gpu1", "gpu2"], TOKEN, 60)


@pytest.mark.parametrize(
    ("workload", "path", "key"),
    [
        ("d/deployment/x", "/apis/apps/v1/namespaces/d/deployments/x/scale", "replicas"),
        ("d/statefulset/x", "/apis/apps/v1/namespaces/d/statefulsets/x/scale", "replicas"),
        ("d/job/x", "/apis/batch/v1/namespaces/d/jobs/x", "parallelism"),
    ],
)
def test_scale_out(api: FakeApi, engine: KubernetesEngine, workload: str, path: str, key: str) -> None:
    api.put(path, {"metadata": {"name": "x"}, "spec": {key: 2}})
    assert engine.scale_out(workload, 1, 4) == 3
    assert engine.scale_out(workload, 9, 4) == 4
    assert engine.scale_out(workload, 1, 1) == 4
    assert api.objects[path]["spec"] == {key: 4}


def test_scale_out_sees_what_others_did(api: FakeApi, engine: KubernetesEngine) -> None:
    path = "/apis/apps/v1/namespaces/d/deployments/x/scale"
    api.put(path, {"metadata": {"name": "x"}, "spec": {}})
    raced: list[int] = []

    def autoscaler() -> None:
        if not raced:
            raced.append(1)
            api.objects[path]["spec"]["replicas"] = 5
            api.put(path, api.objects[path])

    api.before_patch = autoscaler
    assert engine.scale_out("d/deployment/x", 1, 9) == 6
    api.before_patch = lambda: api.put(path, api.objects[path])
    with pytest.raises(EngineError, match="changed by others"):
        engine.scale_out("d/deployment/x", 1, 9)


@pytest.mark.parametrize("workload", ["x", "d/pod/x", "d/deployment/X", "d/deployment/x/y", "d/deployment/../x"])
def test_what_cannot_grow(engine: KubernetesEngine, workload: str) -> None:
    with pytest.raises(EngineError, match="kinds: deployment, job, statefulset"):
        engine.scale_out(workload, 1, 2)
    with pytest.raises(EngineError, match="at least 1"):
        engine.scale_out("d/deployment/x", 0, 2)


CALLS: dict[str, Callable[[KubernetesEngine], object]] = {
    "nodes": lambda engine: engine.nodes(),
    "jobs": lambda engine: engine.jobs(["gpu1"]),
    "drain": lambda engine: engine.drain(["gpu1", "gpu3"], {"gpu1": REASON, "gpu3": REASON}),
    "resume": lambda engine: engine.resume("gpu1", TOKEN),
    "evict": lambda engine: engine.evict("gpu1", TOKEN),
    "requeue": lambda engine: engine.requeue("default/a"),
    "reserve": lambda engine: engine.reserve(["gpu1"], TOKEN, 1),
    "scale_out": lambda engine: engine.scale_out("d/deployment/x", 1, 2),
}


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@pytest.mark.parametrize("name", CALLS)
def test_a_refusal_is_an_error_of_the_engine(api: FakeApi, engine: KubernetesEngine, name: str, status: int) -> None:
    api.failure = refused(status, "no")
    with pytest.raises(EngineError, match=f"HTTP {status}"):
        CALLS[name](engine)

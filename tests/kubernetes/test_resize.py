# Resizing deployments and stateful sets on a real API server, with its controllers and hollow kubelets.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.options import read_service
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import containers, in_place, kube, rollout
from ansible_collections.aidc.ops.plugins.module_utils._resize.outcome import Outcome
from ansible_collections.aidc.ops.tests.kubernetes.cluster import Cluster
from ansible_collections.aidc.ops.tests.kubernetes.workload import Workload

CPU = containers.read_wishes([{"name": "main", "requests": {"cpu": "20m"}, "limits": {"memory": "64Mi"}}])


def named(workload: Workload, kind: str = "deployment") -> kube.Workload:
    return kube.named(f"default/{kind}/{workload.name}")


def resize(engine: KubernetesEngine, workload: kube.Workload, dry: bool = False, **wish: t.Any) -> Outcome:
    wished = kube.Wish(wish.get("replicas"), wish.get("containers", {}), wish.get("only_from"))
    return kube.resize(engine, workload, wished, dry, time.time())


def test_replicas(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    workload.deployment(1)
    target = named(workload)
    dry = KubernetesEngine(engine.api, dry_run=True)
    assert resize(dry, target, dry=True, replicas=3).changed
    workload.running(1)
    assert resize(engine, target, replicas=3, only_from=1).changed
    rollout.wait(engine, target, 60)
    workload.running(3)
    assert not resize(engine, target, replicas=3).changed
    with pytest.raises(ResizeError, match="somebody else changed it"):
        resize(engine, target, replicas=5, only_from=1)
    service = read_service(kube.read(engine, target), None)
    assert (service.replicas, service.ready, service.gpus, service.scaled_down_at) == (3, 3, 0, None)
    assert service.scaled_up_at is not None and abs(service.scaled_up_at - time.time()) < 120
    assert resize(engine, target, replicas=1).changed
    workload.running(1)
    assert read_service(kube.read(engine, target), None).scaled_down_at is not None


def test_requests_and_limits_roll_out(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    (before,) = workload.deployment(1)
    target = named(workload)
    assert resize(engine, target, containers=CPU).changed
    rollout.wait(engine, target, 90)
    (after,) = workload.running(1)
    assert after["metadata"]["name"] != before["metadata"]["name"], "a pod of the new template"
    assert after["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "20m"
    other = containers.read_wishes([{"name": "main", "requests": {"cpu": "0.02"}, "limits": {"memory": 67108864}}])
    assert not resize(engine, target, containers=other).changed, "the same quantities"
    assert kube.template(kube.read(engine, target))[0]["image"] == "example", "nothing else was touched"


def test_a_stateful_set(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    selector = {"matchLabels": {"app": workload.name}}
    spec = {"replicas": 1, "serviceName": workload.name, "selector": selector, "template": workload.template(None)}
    workload.make("StatefulSet", "apps/v1", spec)
    workload.running(1)
    target = named(workload, "statefulset")
    assert resize(engine, target, replicas=2, containers=CPU).changed
    rollout.wait(engine, target, 120)
    pods = workload.running(2)
    assert [pod["spec"]["containers"][0]["resources"]["limits"]["memory"] for pod in pods] == ["64Mi", "64Mi"]
    assert not resize(engine, target, replicas=2, containers=CPU).changed


def test_a_roll_out_that_cannot_end(cluster: Cluster, engine: KubernetesEngine, workload: Workload) -> None:
    workload.deployment(1)
    gpus = containers.read_wishes([{"name": "main", "limits": {"nvidia.com/gpu": 8}}])
    assert resize(engine, named(workload), containers=gpus).changed
    assert kube.template(kube.read(engine, named(workload)))[0]["resources"]["requests"] == {"nvidia.com/gpu": "8"}
    with pytest.raises(ResizeError, match="roll-out is not through after 3 s"):
        rollout.wait(engine, named(workload), 3)


def test_this_server_says_whether_it_can_resize_in_place(
    cluster: Cluster, engine: KubernetesEngine, workload: Workload
) -> None:
    workload.deployment(1)
    resources = cluster.admin.get("/api/v1")["resources"]
    has_it = any(resource["name"] == "pods/resize" for resource in resources)
    assert in_place.supported(engine) == has_it
    hindrance = in_place.hindrance(engine, kube.read(engine, named(workload)), CPU)
    assert hindrance == ("" if has_it else "this server has no pods/resize")
    assert [pod["metadata"]["name"] for pod in in_place.pods(engine, named(workload))] == [
        pod["metadata"]["name"] for pod in workload.running(1)
    ]


def test_what_is_not_there_or_not_allowed(
    engine: KubernetesEngine, stranger: KubernetesEngine, workload: Workload
) -> None:
    with pytest.raises(ResizeError, match="no deployment 'none' in the namespace 'default'"):
        resize(engine, kube.named("default/deployment/none"), replicas=1)
    workload.deployment(1)
    with pytest.raises(EngineError, match=r"HTTP 403.*lacks rights"):
        resize(stranger, named(workload), replicas=2)

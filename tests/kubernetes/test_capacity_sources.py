# The capacity problem of a real Kubernetes, read with exactly the documented rights.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.build import Sources, build
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.live import read_state
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import EngineSettings
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.kubernetes.cluster import STRANGER, WORKERS, Cluster
from ansible_collections.aidc.ops.tests.kubernetes.workload import Workload, cordon


def read(kubeconfig: Path) -> EngineState:
    return read_state(EngineSettings(kind="kubernetes", kubeconfig=str(kubeconfig)), time.time())


def test_nodes_and_workloads_become_a_plan(
    cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path, workload: Workload
) -> None:
    workload.deployment(2)
    state = read(kubeconfig)
    assert {row["name"] for row in state.nodes} == set(WORKERS)
    assert all(row["in_service"] and row["cpu_milli"] > 0 and row["memory_mib"] > 0 for row in state.nodes)
    name = f"default/deployment/{workload.name}"
    row = next(row for row in state.workloads if row["name"] == name)
    pods = cluster.pods(app=workload.name)
    assert row["running_on"] == sorted(pod["spec"]["nodeName"] for pod in pods)
    assert (row["copies"], row["may_move"], row["preemptible"], row["project"]) == (2, True, False, "default")
    handle = state.handles[name]
    assert (handle["kind"], handle["state"], handle["replicas"]) == ("deployment", "running", 2)

    now = time.time()
    built = build(Sources(states={"engine": state}, at=now, now=now))
    plan = make_plan(read_problem(built.problem), "first_fit", 10).as_dict()
    assert [one["workload"] for one in plan["placements"]].count(name) == 2 and plan["refused"] == []


def test_a_pod_alone_and_one_that_fits_nowhere(
    cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path, workload: Workload
) -> None:
    workload.pod("gpu2")
    space = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{workload.name}-large"}}
    resources = {"requests": {"cpu": "1000"}, "limits": {"nvidia.com/gpu": "8"}}
    containers = [{"name": "main", "image": "example", "resources": resources}]
    cluster.create({**space, "spec": {"containers": containers}})
    try:
        state = read(kubeconfig)
    finally:
        cluster.delete("Pod", f"{workload.name}-large")
    rows = {row["name"]: row for row in state.workloads}
    assert rows[f"default/pod/{workload.name}"]["running_on"] == ["gpu2"]
    assert f"default/pod/{workload.name}-large" not in rows, "nobody has GPUs here"
    assert any("want GPUs that no node they may use has" in note for note in state.notes)


def test_a_cordoned_node(cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path, workload: Workload) -> None:
    workload.pod("gpu1")
    cordon(cluster, "gpu1")
    state = read(kubeconfig)
    rows = {row["name"]: row for row in state.nodes}
    assert not rows["gpu1"]["in_service"] and rows["gpu2"]["in_service"]
    assert f"default/pod/{workload.name}" not in state.handles, "it keeps what it has until somebody evicts it"


def test_without_rights_there_is_no_fleet(cluster: Cluster) -> None:
    with pytest.raises(EngineError, match="HTTP 403"):
        read(cluster.kubeconfig("stranger", STRANGER))

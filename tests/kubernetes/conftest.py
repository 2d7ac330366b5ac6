# Starts one real Kubernetes for all tests of this folder, and cleans up its nodes after each of them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).resolve().parents[2]
# Before anything of a collection is imported.
init_plugin_loader([str(ROOT / ".ansible" / "collections")])

import kubernetes_build

from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.tests.kubernetes.cluster import STRANGER, WORKERS, Cluster
from ansible_collections.aidc.ops.tests.kubernetes.rights import account_token
from ansible_collections.aidc.ops.tests.kubernetes.workload import Workload, shown

RIGHTS = ROOT / "docs" / "kubernetes" / "rights.yml"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Cluster]:
    programs = kubernetes_build.programs(os.environ)
    missing = kubernetes_build.missing(programs)
    if missing:
        pytest.fail(f"{programs} lacks {', '.join(missing)}; build them with: python tools/kubernetes_build.py")
    with Cluster(tmp_path_factory.mktemp("kubernetes"), programs, WORKERS) as made:
        # Exactly what the documentation gives to the reader.
        made.apply(RIGHTS.read_text("utf-8"))
        yield made


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster) -> Path:
    """Of the account that the documented rights belong to."""
    return cluster.kubeconfig("aidc-ops", account_token(cluster))


@pytest.fixture
def engine(cluster: Cluster, kubeconfig: Path) -> t.Iterator[KubernetesEngine]:
    yield KubernetesEngine(KubeApi(str(kubeconfig), None, 10))
    # The node controller writes the taints that it read a moment ago: one of a test may come back on a slow machine.
    cluster.wait(lambda: all(_restored(cluster, name) for name in WORKERS), "the nodes are as they were")


def _restored(cluster: Cluster, name: str) -> bool:
    """Whether nothing of a test is left on a node that is ready; what is left is taken away."""
    unschedulable, owner, taints = shown(cluster, name)
    if unschedulable or owner or taints:
        kept = [
            taint
            for taint in cluster.node(name)["spec"].get("taints", ())
            if taint["key"].startswith("node.kubernetes.io/")
        ]
        cluster.admin.patch(
            f"/api/v1/nodes/{name}",
            {"metadata": {"annotations": {"aidc.ops/owner": None}}, "spec": {"unschedulable": None, "taints": kept}},
        )
        return False
    return cluster.is_ready(name)


@pytest.fixture
def workload(cluster: Cluster) -> t.Iterator[Workload]:
    made = Workload(cluster)
    yield made
    made.clean()


@pytest.fixture
def stranger(cluster: Cluster) -> KubernetesEngine:
    """Of an account without any rights."""
    return KubernetesEngine(KubeApi(str(cluster.kubeconfig("stranger", STRANGER)), None, 10))

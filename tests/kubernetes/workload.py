# Work for the scheduler of a test, and what a person with kubectl sees and does.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
import uuid

from ansible_collections.aidc.ops.tests.kubernetes.cluster import Cluster

MERGE = "application/merge-patch+json"


class Workload:
    """Objects with a name of their own, made for one test."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.name = f"w{uuid.uuid4().hex[:8]}"
        self._made: list[str] = []

    def template(self, node: str | None, grace: int = 1) -> dict[str, t.Any]:
        chosen = {"kubernetes.io/hostname": node} if node else {"aidc-ops-test": "hollow"}
        return {
            "metadata": {"labels": {"app": self.name}},
            "spec": {
                "containers": [{"name": "main", "image": "example"}],
                "nodeSelector": chosen,
                "terminationGracePeriodSeconds": grace,
            },
        }

    def make(self, kind: str, version: str, spec: dict[str, t.Any], **about: t.Any) -> None:
        self.cluster.create(
            {"apiVersion": version, "kind": kind, "metadata": {"name": self.name, **about}, "spec": spec}
        )
        self._made.append(kind)

    def deployment(self, replicas: int, node: str | None = None) -> list[dict[str, t.Any]]:
        selector = {"matchLabels": {"app": self.name}}
        spec = {"replicas": replicas, "selector": selector, "template": self.template(node)}
        self.make("Deployment", "apps/v1", spec)
        return self.running(replicas)

    def pod(self, node: str) -> str:
        template = self.template(node)
        self.make("Pod", "v1", template["spec"], labels=template["metadata"]["labels"])
        self.running(1)
        return f"default/{self.name}"

    def running(self, count: int) -> list[dict[str, t.Any]]:
        return self.cluster.running(count, app=self.name)

    def active(self, count: int) -> None:
        """Wait until the job has so many pods at work."""
        path = f"/apis/batch/v1/namespaces/default/jobs/{self.name}"
        self.cluster.wait(
            lambda: self.cluster.admin.get(path)["status"].get("active") == count, f"{count} pods of the job work", 60
        )

    def clean(self) -> None:
        for kind in reversed(self._made):
            self.cluster.delete(kind, self.name)
        self.cluster.wait(self._gone, "the pods of the test are gone", 60)

    def _gone(self) -> bool:
        """Whether no pod is left. A kubelet takes its time to say that one has ended, so it is not asked."""
        pods = self.cluster.all_pods(app=self.name)
        for pod in pods:
            self.cluster.delete("Pod", pod["metadata"]["name"])
        return not pods


def shown(cluster: Cluster, name: str) -> tuple[t.Any, t.Any, list[str]]:
    """Cordon, owner and the taints that are not Kubernetes' own."""
    node = cluster.node(name)
    taints = [f"{taint['key']}={taint.get('value', '')}" for taint in node["spec"].get("taints", ())]
    owner = node["metadata"].get("annotations", {}).get("aidc.ops/owner")
    return node["spec"].get("unschedulable"), owner, [one for one in taints if not one.startswith("node.kubernetes.io")]


def cordon(cluster: Cluster, name: str, wanted: bool | None = True) -> None:
    """What kubectl cordon does, under another name than ours."""
    cluster.admin._request(
        "PATCH", f"/api/v1/nodes/{name}", {"fieldManager": "kubectl-cordon"}, {"spec": {"unschedulable": wanted}}, MERGE
    )

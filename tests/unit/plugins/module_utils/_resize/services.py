# Deployments, stateful sets and their pods on an API server in memory, with or without pods/resize.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._engines.kube_fake import FakeApi

KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet"}


def container(name: str = "server", **resources: Any) -> dict[str, Any]:
    return {"name": name, "image": "example", **({"resources": resources} if resources else {})}


def service(replicas: int = 3, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A workload whose replicas are all there and serve."""
    return {
        "metadata": {"name": "chat", "namespace": "models", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "chat"}},
            "template": {"spec": {"containers": list(containers) or [container()]}},
            **spec,
        },
        "status": counts(replicas),
    }


def counts(number: int, **more: Any) -> dict[str, Any]:
    return {
        "observedGeneration": 1,
        "replicas": number,
        "updatedReplicas": number,
        "readyReplicas": number,
        **more,
    }


class Services(FakeApi):
    """``resizable``: whether the server has pods/resize. ``after_patch`` sees each path after its patch."""

    def __init__(self, **workloads: dict[str, Any]) -> None:
        super().__init__()
        self.resizable = False
        self.after_patch: Callable[[str], None] = lambda path: None
        for plural, thing in workloads.items():
            self.put(f"/apis/apps/v1/namespaces/models/{plural}/chat", thing)
            kind = "ReplicaSet" if plural == "deployments" else "StatefulSet"
            owner = "chat-5d8f" if plural == "deployments" else "chat"
            for number in range(thing["spec"]["replicas"]):
                about = {
                    "name": f"chat-{number}",
                    "namespace": "models",
                    "labels": {"app": "chat"},
                    "ownerReferences": [{"kind": kind, "name": owner, "controller": True}],
                }
                spec = {"containers": copy.deepcopy(thing["spec"]["template"]["spec"]["containers"])}
                self.put(self.pod_path(number), {"metadata": about, "spec": spec, "status": {"phase": "Running"}})

    @staticmethod
    def pod_path(number: int) -> str:
        return f"/api/v1/namespaces/models/pods/chat-{number}"

    def workload(self, plural: str = "deployments") -> dict[str, Any]:
        return self.objects[f"/apis/apps/v1/namespaces/models/{plural}/chat"]

    def pod(self, number: int) -> dict[str, Any]:
        return self.objects[self.pod_path(number)]

    def get(self, path: str) -> dict[str, Any]:
        if path == "/api/v1":
            resize = {"name": "pods/resize", "verbs": ["get", "patch", "update"]}
            return {"resources": [{"name": "pods", "verbs": ["get"]}, *([resize] if self.resizable else [])]}
        return super().get(self._object(path))

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        made = super().patch(self._object(path), body)
        self.calls[-1] = ("PATCH", path)
        self.after_patch(path)
        return made

    def patches(self) -> list[str]:
        return [path for method, path in self.calls if method == "PATCH"]

    def _object(self, path: str) -> str:
        return path[: -len("/resize")] if self.resizable and path.endswith("/resize") else path

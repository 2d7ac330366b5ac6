# Objects of the API server for tests: nodes with GPUs and their labels, pods, and what makes pods.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As the API server gives them in lists: without their kind, with what nothing reads left out."""

from __future__ import annotations

from typing import Any

H100 = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.replicas": "1",
}
READY = {"type": "Ready", "status": "True", "reason": "KubeletReady"}


def node(name: str, gpus: int = 8, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A node with 64 processors and 512 GiB; ``more`` goes into its spec, ``extra`` into what it has."""
    extra = more.pop("extra", {})
    ready = more.pop("ready", True)
    amounts = {
        "cpu": "64",
        "memory": "512Gi",
        "pods": "110",
        **({"nvidia.com/gpu": str(gpus)} if gpus else {}),
        **extra,
    }
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(H100 if labels is None else labels)}},
        "spec": more,
        "status": {"allocatable": amounts, "conditions": [{**READY, "status": str(ready)}]},
    }


def spec(gpus: int = 0, cpu: str = "4", memory: str = "16Gi", **more: Any) -> dict[str, Any]:
    """The spec of a pod."""
    requests = {"cpu": cpu, "memory": memory, **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    return {"containers": [{"name": "main", "resources": {"requests": requests}}], **more}


def pod(name: str, on: str = "", owner: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A pod of the namespace vision; ``owner`` is kind and name of what made it."""
    about = {"name": name, "namespace": "vision", "uid": name, "labels": more.pop("labels", {})}
    if owner:
        about["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
        if owner[0] == "ReplicaSet":
            about["labels"] = {**about["labels"], "pod-template-hash": owner[1].rpartition("-")[2]}
    about.update(more.pop("about", {}))
    phase = more.pop("phase", "Running" if on else "Pending")
    body = more.pop("spec", None) or spec(**more)
    return {"metadata": about, "spec": {**body, **({"nodeName": on} if on else {})}, "status": {"phase": phase}}


def deployment(name: str, replicas: int | None = 1, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A deployment, or a stateful set, which looks the same."""
    template = {"metadata": {"labels": {"app": name}}, "spec": body or spec(1)}
    return {
        "metadata": {"name": name, "namespace": "vision"},
        "spec": {**({} if replicas is None else {"replicas": replicas}), "template": template},
    }


def job(
    name: str, body: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A job; ``more`` goes into its spec."""
    return {
        "metadata": {"name": name, "namespace": "vision"},
        "spec": {"template": {"metadata": {}, "spec": body or spec(8)}, **more},
        "status": status or {},
    }

# An API server in memory for tests: versions, merge patches, evictions with budgets, and failures on demand.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import ApiRefused

READY = {"type": "Ready", "status": "True", "reason": "KubeletReady"}


def node(name: str, **spec: Any) -> dict[str, Any]:
    """A node that is ready."""
    return {"metadata": {"name": name}, "spec": dict(spec), "status": {"conditions": [dict(READY)]}}


def pod(name: str, on: str, kind: str = "", phase: str = "Running", **about: Any) -> dict[str, Any]:
    """A pod of the namespace default, made by a controller of this kind (none: by hand)."""
    owners = [{"kind": kind, "name": f"{name}-owner", "controller": True}] if kind else []
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "ownerReferences": owners, **about},
        "spec": {"nodeName": on},
        "status": {"phase": phase},
    }


def refused(status: int, text: str = "", causes: tuple[str, ...] = ()) -> ApiRefused:
    return ApiRefused(f"refused (HTTP {status}): {text}", status, text, causes)


class FakeApi:
    """``objects`` by path. ``before_patch`` is called before each patch; ``protected`` are pods with a budget."""

    def __init__(self, *things: dict[str, Any]) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Mapping[str, Any]] = []
        self.before_patch: Callable[[], None] = lambda: None
        self.protected: dict[str, ApiRefused] = {}
        self.failure: ApiRefused | None = None
        self.eviction = {"name": "pods/eviction", "group": "policy", "version": "v1", "kind": "Eviction"}
        self._version = 0
        for thing in things:
            about = thing["metadata"]
            space = f"namespaces/{about['namespace']}/pods" if "namespace" in about else "nodes"
            self.put(f"/api/v1/{space}/{about['name']}", thing)

    def put(self, path: str, thing: dict[str, Any]) -> None:
        self._version += 1
        thing["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = thing

    def node(self, name: str) -> dict[str, Any]:
        return self.objects[f"/api/v1/nodes/{name}"]

    def get(self, path: str) -> dict[str, Any]:
        self._called("GET", path)
        if path == "/api/v1":
            return {"resources": [{"name": "pods"}, self.eviction]}
        if path not in self.objects:
            raise refused(404, "not found")
        return copy.deepcopy(self.objects[path])

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        self._called("LIST", path)
        last = path.rsplit("/", 1)[1]
        found = [thing for at, thing in self.objects.items() if at.rsplit("/", 2)[1] == last]
        on = re.search(r"spec\.nodeName=([^,]+)", query.get("fieldSelector", ""))
        return [copy.deepcopy(one) for one in found if on is None or one["spec"]["nodeName"] == on.group(1)]

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.before_patch()
        self._called("PATCH", path, body)
        thing = self.objects[path]
        if body["metadata"]["resourceVersion"] != thing["metadata"]["resourceVersion"]:
            raise refused(409, "the object has been modified")
        self.put(path, _merged(thing, body))
        return self.objects[path]

    def post(self, path: str, body: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        self._called("POST", path, body)
        at = path[: -len("/eviction")]
        if at in self.protected:
            raise self.protected[at]
        self._end(at, body["deleteOptions"]["preconditions"]["uid"], dry_run)
        return {}

    def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._called("DELETE", path, body)
        self._end(path, body["preconditions"]["uid"], False)
        return {}

    def _end(self, path: str, uid: str, dry_run: bool) -> None:
        if path not in self.objects:
            raise refused(404, "not found")
        if self.objects[path]["metadata"]["uid"] != uid:
            raise refused(409, "the UID does not match")
        if not dry_run:
            del self.objects[path]

    def _called(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        self.calls.append((method, path))
        if body is not None:
            self.bodies.append(body)
        if self.failure is not None:
            raise self.failure


def _merged(old: Any, change: Any) -> Any:
    if not isinstance(change, Mapping):
        return copy.deepcopy(change)
    result = dict(old) if isinstance(old, Mapping) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result

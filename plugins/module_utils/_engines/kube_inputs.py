# What steers Kubernetes' scheduler, read and set: the project of a node; replicas, priority and size of a workload.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_objects as kube
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import Api, ApiRefused
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

PROJECT = "aidc.ops/project"
"""Label of a node that is one project's, and key of the taint by which it is that project's alone."""

_MODEL = "nvidia.com/gpu.product"
_NOT_FOUND, _CONFLICT = 404, 409
_TRIES = 8
_AT_ONCE = 16
_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_WORKLOAD = re.compile(
    r"(?P<space>[a-z0-9][a-z0-9-]{0,62})/(?P<kind>deployment|statefulset)/(?P<name>[a-z0-9][a-z0-9.-]{0,252})"
)


@dataclass(frozen=True)
class KubeNode:
    """A node. ``gpus`` is model -> count, None where it is not known; ``taint`` None: it has none of ours."""

    name: str
    reason: str
    gpus: dict[str, int] | None
    serviceable: bool
    project: str
    taint: str | None


@dataclass(frozen=True)
class KubePriorities:
    """``classes``: name of a PriorityClass -> its value. ``usual`` is the value of pods that name none.

    ``named``: workload -> the class that its pods name, "" for none; of those alone that are there.
    """

    classes: dict[str, int]
    usual: int
    named: dict[str, str]


@dataclass(frozen=True)
class KubeSize:
    """A workload as the API server has it, and its pods that live."""

    thing: dict[str, Any]
    pods: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class KubeNow:
    """What the scheduler goes by at this moment. ``replicas`` and ``sizes`` of those workloads alone that are there.

    ``priorities`` None: they were not asked for. ``sizes`` are empty where they were not.
    """

    nodes: dict[str, KubeNode]
    replicas: dict[str, int]
    priorities: KubePriorities | None = None
    sizes: Mapping[str, KubeSize] = field(default_factory=dict)


class KubeInputs:
    """One cluster. Every method raises EngineError."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def api(self) -> Api:
        """The API server, for those who change what is not known here."""
        return self._api

    def now(self, workloads: Iterable[str], priorities: bool = False, sizes: bool = False) -> KubeNow:
        """All that is needed; ``workloads`` are those whose replicas matter, as namespace/kind/name."""
        nodes = [parse_node(node) for node in self._api.items("/api/v1/nodes")]
        names = sorted({name for name in workloads if is_scalable(name)})
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            counts = list(pool.map(self._replicas, names))
        return KubeNow(
            nodes={node.name: node for node in nodes},
            replicas={name: count for name, count in zip(names, counts) if count is not None},
            priorities=self._priorities(names) if priorities else None,
            sizes=self._sizes(names) if sizes else {},
        )

    def label(self, names: Sequence[str], project: str) -> None:
        """Make nodes a project's; "" makes them nobody's."""
        _checked(project)
        self._each(names, lambda node: _label(node, project))

    def taint(self, names: Sequence[str], project: str) -> None:
        """Keep nodes for pods that tolerate this project; "" lets all pods on them. Taints of others stay."""
        _checked(project)
        self._each(names, lambda node: _taint(node, project))

    def scale(self, workload: str, replicas: int) -> bool:
        """Ask for so many replicas; False if the workload is gone."""
        return self._set(workload, "/scale", {"replicas": replicas}, f"{replicas} replicas")

    def prioritise(self, workload: str, name: str) -> bool:
        """Let a workload's pods name a PriorityClass, which replaces them; False if the workload is gone."""
        if not _NAME.fullmatch(name):
            raise EngineError(f"{name!r:.80} is not the name of a PriorityClass.")
        # A value beside the name is none of ours, and would be refused where it is another one.
        spec = {"template": {"spec": {"priorityClassName": name, "priority": None}}}
        return self._set(workload, "", spec, f"the PriorityClass {name}")

    def _set(self, workload: str, part: str, spec: Mapping[str, Any], what: str) -> bool:
        path = f"{_path(workload)}{part}"
        for _try in range(_TRIES):
            try:
                thing = self._api.get(path)
                self._api.patch(path, {"metadata": {"resourceVersion": kube.version(thing)}, "spec": spec})
                return True
            except ApiRefused as error:
                if error.status == _NOT_FOUND:
                    return False
                if error.status != _CONFLICT:
                    raise
        raise EngineError(f"{workload} was changed by others each time it was to have {what}.")

    def _priorities(self, names: Sequence[str]) -> KubePriorities:
        classes: dict[str, int] = {}
        usual = 0
        for one in self._api.items("/apis/scheduling.k8s.io/v1/priorityclasses"):
            value = one.get("value")
            if isinstance(value, bool) or not isinstance(value, int):
                raise EngineError(f"Kubernetes does not say the value of a PriorityClass: {str(one)[:100]!r}")
            classes[str(one["metadata"]["name"])] = value
            usual = value if one.get("globalDefault") is True else usual
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            found = list(pool.map(self._class, names))
        return KubePriorities(classes, usual, {name: told for name, told in zip(names, found) if told is not None})

    def _class(self, workload: str) -> str | None:
        thing = self._present(_path(workload))
        if thing is None:
            return None
        spec: Any = thing
        for key in ("spec", "template", "spec"):
            spec = spec.get(key) if isinstance(spec, dict) else None
        if not isinstance(spec, dict):
            raise EngineError(f"Kubernetes does not say what the pods of {workload} are.")
        return str(spec.get("priorityClassName") or "")

    def _sizes(self, names: Sequence[str]) -> dict[str, KubeSize]:
        pods: dict[str, list[dict[str, Any]]] = {}
        for pod in filter(kube.lives, self._api.items("/api/v1/pods")):
            kind, name = kube.maker(pod)
            space = kube.pod_id(pod).partition("/")[0]
            pods.setdefault(f"{space}/{kind.lower()}/{name}", []).append(pod)
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            things = list(pool.map(self._present, map(_path, names)))
        return {
            name: KubeSize(thing, tuple(pods.get(name, ()))) for name, thing in zip(names, things) if thing is not None
        }

    def _present(self, path: str) -> dict[str, Any] | None:
        try:
            return self._api.get(path)
        except ApiRefused as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def _replicas(self, workload: str) -> int | None:
        thing = self._present(f"{_path(workload)}/scale")
        if thing is None:
            return None
        spec = thing.get("spec")
        # The scale of a workload leaves out a number that is 0.
        count = spec.get("replicas", 0) if isinstance(spec, dict) else 0
        if isinstance(count, bool) or not isinstance(count, int):
            raise EngineError(f"Kubernetes does not say how many replicas {workload} asks for.")
        return count

    def _each(self, names: Sequence[str], decide: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        """Every node is tried before the failures of some are raised."""
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            running = [pool.submit(self._change, name, decide) for name in names]
        failures = [error for error in (future.exception() for future in running) if error is not None]
        if failures:
            raise failures[0]

    def _change(self, name: str, decide: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        if not _NAME.fullmatch(name):
            raise EngineError(f"{name!r:.80} is not the name of a node.")
        for _try in range(_TRIES):
            node = self._api.get(f"/api/v1/nodes/{name}")
            body = decide(node)
            if body is None:
                return
            try:
                # Only for the version that was decided about: taints are written as a whole.
                self._api.patch(
                    f"/api/v1/nodes/{name}",
                    {**body, "metadata": {**body.get("metadata", {}), "resourceVersion": kube.version(node)}},
                )
                return
            except ApiRefused as error:
                if error.status != _CONFLICT:
                    raise
        raise EngineError(f"{name} was changed by others {_TRIES} times in a row while it was to be changed.")


def is_scalable(workload: str) -> bool:
    """Whether the name is that of a deployment or a stateful set."""
    return _WORKLOAD.fullmatch(workload) is not None


def is_project(name: str) -> bool:
    """Whether a project's name can be the value of a label."""
    return _VALUE.fullmatch(name) is not None


def parse_node(node: Mapping[str, Any]) -> KubeNode:
    """A node of the API server."""
    seen = kube.engine_node(node, ())
    labels = node["metadata"].get("labels") or {}
    return KubeNode(
        name=seen.name,
        reason=seen.reason,
        gpus=_gpus(node, str(labels.get(_MODEL) or "gpu")),
        serviceable=kube.takes_work(node),
        project=str(labels.get(PROJECT) or ""),
        taint=next((str(one.get("value") or "") for one in kube.taints(node) if _is_ours(one)), None),
    )


def _gpus(node: Mapping[str, Any], model: str) -> dict[str, int] | None:
    status = node.get("status")
    offered = status.get("allocatable") if isinstance(status, dict) else None
    if not isinstance(offered, dict):
        return None
    counts = {key: str(value) for key, value in offered.items()}
    if any("/mig-" in key and value != "0" for key, value in counts.items()):
        # Whole GPUs that are cut into instances are counted as none.
        return None
    found = [value for key, value in counts.items() if key.endswith("/gpu")]
    if not found or not all(value.isdigit() for value in found):
        return None
    return {model: sum(map(int, found))}


def _is_ours(taint: Mapping[str, Any]) -> bool:
    return taint.get("key") == PROJECT and taint.get("effect") == "NoSchedule"


def _label(node: Mapping[str, Any], project: str) -> dict[str, Any] | None:
    if parse_node(node).project == project:
        return None
    return {"metadata": {"labels": {PROJECT: project or None}}}


def _taint(node: Mapping[str, Any], project: str) -> dict[str, Any] | None:
    if parse_node(node).taint == (project or None):
        return None
    kept = [taint for taint in kube.taints(node) if not _is_ours(taint)]
    ours = [{"key": PROJECT, "value": project, "effect": "NoSchedule"}] if project else []
    return {"spec": {"taints": [*kept, *ours] or None}}


def _path(workload: str) -> str:
    match = _WORKLOAD.fullmatch(workload)
    if match is None:
        raise EngineError(f"{workload!r:.120} is not namespace/deployment/name or namespace/statefulset/name.")
    return f"/apis/apps/v1/namespaces/{match['space']}/{match['kind']}s/{match['name']}"


def _checked(project: str) -> None:
    if project and not is_project(project):
        raise EngineError(f"The project {project!r:.80} cannot be the value of a label of Kubernetes.")

# The running pods of a workload get other requests and limits without being replaced, where the server can do that.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod has the subresource ``resize`` from Kubernetes 1.32 on, behind a feature gate, and from 1.33 on by default;
whether this server has it is in what it says of itself. It changes CPU and memory, and neither devices nor the quality
of service class of a pod.
"""

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_objects
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import plain
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import containers, kube
from ansible_collections.aidc.ops.plugins.module_utils._resize.outcome import Outcome

_PENDING, _RUNNING = "PodResizePending", "PodResizeInProgress"


def supported(engine: KubernetesEngine) -> bool:
    """Whether the server says that it has pods/resize."""
    for kind in engine.api.get("/api/v1").get("resources") or ():
        if isinstance(kind, dict) and kind.get("name") == "pods/resize":
            return "patch" in (kind.get("verbs") or ())
    return False


def hindrance(engine: KubernetesEngine, thing: t.Mapping[str, t.Any], wishes: containers.Wishes) -> str:
    """Why the wish cannot be fulfilled in running pods; "" if it can."""
    made = containers.resized(kube.template(thing), wishes, kube_objects.name_of(thing))
    touched = containers.touched(containers.shown(kube.template(thing), wishes), containers.shown(made, wishes))
    fixed = sorted(touched - containers.IN_PLACE)
    if fixed:
        return f"{', '.join(fixed)} of a running pod cannot be changed"
    return "" if supported(engine) else "this server has no pods/resize"


def resize(engine: KubernetesEngine, workload: kube.Workload, wishes: containers.Wishes, dry_run: bool) -> Outcome:
    """Patch each running pod that differs. The template of the workload stays, as another one would replace the pods.

    ``before`` and ``after`` have the pods that differ. EngineError if a pod does not show afterwards what was written.
    """
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    for pod in pods(engine, workload):
        path, name = f"/api/v1/namespaces/{workload.space}/pods/{kube_objects.name_of(pod)}", kube_objects.name_of(pod)
        shown: list[tuple[t.Any, t.Any]] = []

        decide = _decision(f"pod {name}", wishes, shown)
        if engine.change(f"{path}/resize", decide, f"pod {workload.space}/{name}"):
            before[name], after[name] = shown[-1]
            if not dry_run and containers.shown(_containers(engine.api.get(path)), wishes) != after[name]:
                raise EngineError(f"Kubernetes took the resize of pod {workload.space}/{name}, but does not show it.")
    notes = (
        f"The template of {workload} is as before: pods that start later have its requests and limits. Change it with "
        "method rolling when pods may be replaced.",
    )
    return Outcome({"pods": before}, {"pods": after}, "in_place", notes if after else ())


def _decision(
    pod: str, wishes: containers.Wishes, shown: list[tuple[t.Any, t.Any]]
) -> t.Callable[[dict[str, t.Any]], dict[str, t.Any] | None]:
    """What is to be written to a pod as it is found; *shown* gets what it had and would have, at each try."""

    def decide(found: dict[str, t.Any]) -> dict[str, t.Any] | None:
        present = _containers(found)
        made = containers.resized(present, wishes, pod)
        shown.append((containers.shown(present, wishes), containers.shown(made, wishes)))
        if shown[-1][0] == shown[-1][1]:
            return None
        return {"metadata": {"resourceVersion": kube_objects.version(found)}, "spec": {"containers": made}}

    return decide


def progress(pod: t.Mapping[str, t.Any]) -> str:
    """How the node stands with the resize of a pod, as a sentence; "" when it is done. ResizeError if it never will."""
    name = kube_objects.pod_id(pod)
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == _PENDING and condition.get("status") == "True":
            told = plain(condition.get("message") or "no reason given")
            if condition.get("reason") == "Infeasible":
                raise ResizeError(f"the node of pod {name} can never give it that: {told}")
            return f"pod {name} waits for its node: {told}"
        if condition.get("type") == _RUNNING and condition.get("status") == "True":
            return f"pod {name} is being resized"
    return ""


def pods(engine: KubernetesEngine, workload: kube.Workload) -> list[dict[str, t.Any]]:
    """The running pods that the workload made, by name."""
    thing = kube.read(engine, workload)
    found = engine.api.items(f"/api/v1/namespaces/{workload.space}/pods", labelSelector=_selector(thing, workload))
    return sorted((pod for pod in found if _belongs(pod, workload) and _runs(pod)), key=kube_objects.name_of)


def _runs(pod: t.Mapping[str, t.Any]) -> bool:
    return not kube_objects.is_leaving(pod) and (pod.get("status") or {}).get("phase") in ("Running", "Pending")


def _belongs(pod: t.Mapping[str, t.Any], workload: kube.Workload) -> bool:
    """A deployment's pods belong to its replica sets, which are named after it."""
    kind, name = kube_objects.controller(pod)
    if workload.kind == "deployment":
        return kind == "ReplicaSet" and name.rpartition("-")[0] == workload.name
    return kind == "StatefulSet" and name == workload.name


def _selector(thing: t.Mapping[str, t.Any], workload: kube.Workload) -> str:
    labels = ((thing.get("spec") or {}).get("selector") or {}).get("matchLabels")
    if not isinstance(labels, dict) or not labels:
        raise ResizeError(f"{workload} selects its pods by expressions alone; use method rolling")
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _containers(pod: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    found = (pod.get("spec") or {}).get("containers")
    if not isinstance(found, list):
        raise EngineError(f"Kubernetes gave the pod {kube_objects.name_of(pod)} without containers.")
    return found

# Kubernetes' nodes, pods and workloads as rows of a capacity problem.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment's copies are its replicas, a job's are the pods that it still runs at once. Pods that nothing of that
kind made are a workload each. What belongs to a node itself (daemon sets, static pods) is taken off the node. What a
problem has no word for (labels that a pod asks of a node, spread over zones) is said in the notes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity import mig
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState, kube_nodes, kube_pods
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import mig_kinds
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.kube_pods import Asked
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.room import make_room
from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_objects as kube
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import PROJECT
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "job": "Job"}
"""Kinds of workloads that are read: in the name of a row -> as Kubernetes writes them."""

_HANDLES = {"deployment": "deployment", "statefulset": "statefulset", "job": "k8sjob"}
_CLASS = "aidc.ops/workload-class"
_LATENCY = "aidc.ops/latency-class"
_LATENCIES = ("interactive", "batch")
# The last is what a plan sets: where a plan put a workload does not bind the next one.
_PASSING = ("node.kubernetes.io/", kube.TAINT, PROJECT)
MOST_COPIES = 200_000

Thing = Mapping[str, Any]


@dataclass
class _Workload:
    """One workload while its pods are collected."""

    kind: str
    space: str
    name: str
    wanted: int
    spec: Thing
    labels: dict[str, str]
    gang: bool = False
    hours: float = 0.0
    pods: list[Thing] = field(default_factory=list)


def read(
    nodes: Sequence[Thing], pods: Sequence[Thing], workloads: Mapping[str, Sequence[Thing]], now: float = 0.0
) -> EngineState:
    """The state in objects of the API server.

    ``workloads`` has lists for the kinds in KINDS; one that is missing is read as none. ``now`` is in seconds since
    1970. EngineError for objects that cannot be understood.
    """
    return _Reading(nodes, pods, workloads, now).state()


class _Reading:
    """One reading, while rows are made of it."""

    def __init__(
        self, nodes: Sequence[Thing], pods: Sequence[Thing], workloads: Mapping[str, Sequence[Thing]], now: float
    ) -> None:
        self._now = now
        self._remarks = Remarks()
        self._nodes = {kube.name_of(node): node for node in sorted(nodes, key=kube.name_of)}
        if len(self._nodes) < len(nodes):
            raise EngineError("Kubernetes gave a node twice.")
        self._labels = {name: kube_nodes.labels_of(node) for name, node in self._nodes.items()}
        live = [pod for pod in sorted(pods, key=kube.pod_id) if kube.lives(pod)]
        own: dict[str, list[Asked]] = {}
        for pod in live:
            if kube.is_part_of_node(pod):
                own.setdefault(kube.node_of(pod), []).append(_asked(pod))
        self._rows = {
            name: kube_nodes.node_row(node, own.get(name, ()), self._remarks) for name, node in self._nodes.items()
        }
        self._kinds = mig_kinds(self._rows.values())
        self._workloads = self._collect(workloads)
        for pod in live:
            if not kube.is_part_of_node(pod):
                self._owner(pod).pods.append(pod)

    def state(self) -> EngineState:
        workloads, handles = [], {}
        for name, one in sorted(self._workloads.items()):
            row = self._row(name, one)
            if row is not None:
                workloads.append(row)
                handles[name] = _handle(one)
        make_room(self._rows, workloads, self._remarks)
        return EngineState(
            "kubernetes",
            list(self._rows.values()),
            workloads,
            handles,
            {name: _node_handle(node, self._labels[name]) for name, node in self._nodes.items()},
            self._remarks.sentences(),
        )

    def _collect(self, workloads: Mapping[str, Sequence[Thing]]) -> dict[str, _Workload]:
        found: dict[str, _Workload] = {}
        for kind in KINDS:
            for thing in workloads.get(kind, ()):
                space, _slash, name = kube.pod_id(thing).partition("/")
                full = f"{space}/{kind}/{name}"
                if full in found:
                    raise EngineError(f"Kubernetes gave {full} twice.")
                found[full] = self._workload(kind, space, name, thing)
        return found

    def _workload(self, kind: str, space: str, name: str, thing: Thing) -> _Workload:
        where = f"{space}/{kind}/{name}"
        spec = _dict(thing, "spec")
        template = _dict(spec, "template")
        pod, labels = _dict(template, "spec"), kube_nodes.labels_of(template)
        if kind != "job":
            return _Workload(kind, space, name, _count(spec, "replicas", 1, where), pod, labels)
        status = _dict(thing, "status")
        ended = any(
            condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True"
            for condition in status.get("conditions") or ()
            if isinstance(condition, dict)
        )
        parallel = _count(spec, "parallelism", 1, where)
        whole = _count(spec, "completions", parallel, where)
        wanted = 0 if ended else min(parallel, max(0, whole - _count(status, "succeeded", 0, where)))
        # Pods with numbers, all of them at once: they are ranks of one program.
        gang = spec.get("completionMode") == "Indexed" and wanted == whole and wanted > 1
        if gang:
            self._remarks.add("run all of their numbered pods at once and are planned as gangs", "job", where)
        limit = _count(spec, "activeDeadlineSeconds", 0, where)
        begun = _moment(status.get("startTime"))
        left = limit - (self._now - begun) if limit and begun is not None else limit
        hours = round(max(36.0, left) / 3600, 4) if limit else 0.0
        return _Workload(kind, space, name, wanted, pod, labels, gang, hours)

    def _owner(self, pod: Thing) -> _Workload:
        """The workload that a pod belongs to; one of its own where that is none that is read."""
        space, _slash, name = kube.pod_id(pod).partition("/")
        kind, by = kube.maker(pod)
        word = next((word for word, known in KINDS.items() if known == kind), "")
        owner = self._workloads.get(f"{space}/{word}/{by}")
        if owner is not None:
            return owner
        if kind:
            self._remarks.add(
                "were made by something that is not read, and are planned one by one", "pod", f"{space}/{name}"
            )
        alone = _Workload("pod", space, name, 1, _dict(pod, "spec"), kube_nodes.labels_of(pod))
        return self._workloads.setdefault(f"{space}/pod/{name}", alone)

    def _row(self, name: str, one: _Workload) -> dict[str, Any] | None:
        if one.wanted > MOST_COPIES:
            raise EngineError(f"{name} wants {one.wanted} copies; {MOST_COPIES} are the most that can be planned.")
        # A rollout has more pods than replicas for a while; the older node names are as good as the newer.
        places = [kube.node_of(pod) for pod in one.pods if kube.node_of(pod)][: one.wanted]
        unknown = [place for place in places if place not in self._rows]
        if unknown:
            self._remarks.add("were on a node that is gone meanwhile", "workload", name)
        here = [place for place in places if place in self._rows]
        staying = [place for place in here if self._rows[place]["in_service"]]
        # A cordoned node keeps its pods until somebody evicts them; a dead one has lost them.
        kept = [
            place for place in here if not self._rows[place]["in_service"] and kube_nodes.is_ready(self._nodes[place])
        ]
        copies = one.wanted - len(kept)
        if kept:
            self._remarks.add(
                "have copies on nodes that take no new work; what they have there is not planned", "workload", name
            )
        if copies < 1:
            return None
        amounts = kube_pods.most([_asked(pod) for pod in one.pods] or [kube_pods.asked(one.spec, name)])
        row: dict[str, Any] = {
            "name": name,
            "project": one.space,
            "copies": copies,
            "cpu_milli": amounts.cpu_milli,
            "memory_mib": amounts.memory_mib,
            "gpus": amounts.gpus,
            "gang": one.gang and copies > 1,
            "priority": max((_priority(pod) for pod in one.pods), default=0),
            "duration_hours": one.hours,
            "preemptible": not here,
            "may_move": one.kind in ("deployment", "statefulset") or not here,
            "running_on": sorted(staying),
            **({"unplanned_copies": len(kept)} if kept else {}),
        }
        self._classes(name, one, row)
        self._parts_of_gpus(name, row, amounts)
        return row if self._place(name, one, row) else None

    def _classes(self, name: str, one: _Workload, row: dict[str, Any]) -> None:
        """What its owners say it is like, by the labels of its template, or of the pod that has none."""
        if one.labels.get(_CLASS):
            row["workload_class"] = one.labels[_CLASS]
        latency = one.labels.get(_LATENCY, "")
        if latency in _LATENCIES:
            row["latency_class"] = latency
        elif latency:
            self._remarks.add(f"have a label {_LATENCY} that is none of {', '.join(_LATENCIES)}", "workload", name)

    def _parts_of_gpus(self, name: str, row: dict[str, Any], amounts: Asked) -> None:
        """A MIG instance, and time slices as a share of one GPU."""
        shares = []
        for profile, count in amounts.mig.items():
            parts = mig.parts(profile, self._kinds)
            if not parts:
                self._remarks.add(
                    "want a MIG instance that no GPU here is known to have; a whole GPU was counted", "workload", name
                )
            elif len(amounts.mig) == count == 1 and not row["gpus"] and not amounts.shared:
                row.update(gpus=1, mig_profile=profile)
                # Of 40 GB 10 are a quarter, of 80 GB an eighth. A copy in a plan has one size.
                least = sorted(model for model, part in parts.items() if part == min(parts.values()))
                if len(least) < len(parts):
                    said = f"want a MIG instance that GPUs of several models cut differently; {least[0]} is planned"
                    self._remarks.add(said, "workload", name)
                    row["gpu_models"] = least
                return
            shares.append(count * max(parts.values(), default=1000))
        if amounts.shared or amounts.gpus == 1:
            each = max((kube_nodes.replicas(labels) for labels in self._labels.values()), default=1)
            if amounts.shared:
                shares.append(math.ceil(1000 / each) * amounts.shared)
            elif each > 1 and self._all_divided():
                row["gpus"] = 0
                shares.append(math.ceil(1000 / each))
        if not shares:
            return
        if row["gpus"] or amounts.mig or sum(shares) > 1000:
            self._remarks.add("want several parts of GPUs; whole GPUs were counted", "workload", name)
            row["gpus"] += -(-sum(shares) // 1000)
        else:
            row.update(gpus=1, gpu_share_milli=sum(shares))

    def _all_divided(self) -> bool:
        return all(kube_nodes.replicas(self._labels[name]) > 1 for name, row in self._rows.items() if row.get("gpus"))

    def _place(self, name: str, one: _Workload, row: dict[str, Any]) -> bool:
        """Put in what is asked of nodes, as far as a problem can say it; False if no node will do."""
        spec = one.pods[0]["spec"] if one.pods else one.spec
        labels = kube_nodes.labels_of(one.pods[0]) if one.pods else one.labels
        asked = (spec.get("nodeSelector") or {}).get(PROJECT)
        if asked not in (None, one.space):
            self._remarks.add("ask by their selector for the nodes of another project than theirs", "workload", name)
        allowed = {
            node
            for node, thing in self._nodes.items()
            if kube_pods.may_be_on(spec, self._labels[node], _lasting_taints(thing))
        }
        if not allowed and not row["running_on"]:
            self._remarks.add("want what no node has and are not planned", "workload", name)
            return False
        limit = kube_pods.most_per_node(
            spec, labels, row["copies"], sum(self._rows[node]["in_service"] for node in allowed)
        )
        if limit:
            row["most_per_node"] = max([limit, *(row["running_on"].count(node) for node in row["running_on"])])
        if kube_pods.other_spread(spec):
            self._remarks.add("are to be spread over, or beside, something that is not planned", "workload", name)
        usable = {node for node, own in self._rows.items() if own["in_service"]}
        if not row["gpus"]:
            if usable - allowed:
                self._remarks.add("may use a part of the nodes only, which is not planned", "workload", name)
            return True
        known = {own["gpu_model"] for own in self._rows.values() if own.get("gpus")}
        models = {self._rows[node]["gpu_model"] for node in allowed if self._rows[node].get("gpus")}
        if not models and not row["running_on"]:
            self._remarks.add("want GPUs that no node they may use has, and are not planned", "workload", name)
            return False
        models &= set(row.get("gpu_models", models))
        if models and models < known:
            row["gpu_models"] = sorted(models)
        if {node for node in usable if self._rows[node].get("gpu_model") in models} - allowed:
            self._remarks.add(
                "may use a part of the nodes with their GPU model only, which is not planned", "workload", name
            )
        return True


def _lasting_taints(node: Thing) -> list[dict[str, Any]]:
    """Without those that only say that the node is out for now, or what the last plan gave it to."""
    return [taint for taint in kube.taints(node) if not str(taint.get("key")).startswith(_PASSING)]


def _asked(pod: Thing) -> Asked:
    return kube_pods.asked(_dict(pod, "spec"), f"pod {kube.pod_id(pod)}")


def _dict(thing: Thing, key: str) -> Thing:
    found = thing.get(key)
    return found if isinstance(found, dict) else {}


def _count(thing: Thing, key: str, default: int, where: str) -> int:
    value = thing.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise EngineError(f"Kubernetes gave {where} with {key} {value!r:.60}, which is no number of pods or seconds.")
    return value


def _priority(pod: Thing) -> int:
    value = _dict(pod, "spec").get("priority")
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _moment(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _handle(one: _Workload) -> dict[str, Any]:
    bound: Iterable[str] = filter(None, map(kube.node_of, one.pods))
    return {
        "kind": _HANDLES.get(one.kind, "pod"),
        "id": "",
        "name": one.name,
        "namespace": one.space,
        "account": "",
        "project": one.space,
        "partition": "",
        "state": "running" if any(bound) else "pending",
        "replicas": one.wanted,
    }


def _node_handle(node: Thing, labels: Mapping[str, str]) -> dict[str, Any]:
    seen = kube.engine_node(node, ())
    return {
        "states": list(seen.states),
        "reason": seen.reason,
        "labels": dict(labels),
        "taints": [dict(taint) for taint in kube.taints(node)],
    }

# What a node and a pod of Kubernetes mean to this collection: pure functions over the API server's JSON.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import FIELD_MANAGER, plain
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

OWNER = "aidc.ops/owner"
"""The annotation of a node that this collection took out: its reason, which begins with the owner's mark."""

TAINT = "aidc.ops/remediation"
"""The taint of such a node; its value is the number of the case."""

# Taints by which others say that they are taking the node away.
LEAVING = frozenset(
    {
        "ToBeDeletedByClusterAutoscaler",
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
        "node.kubernetes.io/out-of-service",
    }
)
# Of nodes of the cluster's own; other work is not wanted there.
_OWN = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})
_ENDED = frozenset({"Succeeded", "Failed"})
_MIRROR = "kubernetes.io/config.mirror"
_HASH = "pod-template-hash"
# What these controllers lose here they start elsewhere, and the work of the others goes on meanwhile.
_REPLICATED = frozenset({"ReplicaSet", "ReplicationController", "StatefulSet"})


def token(reason: str) -> str:
    """The owner's mark at the beginning of a reason of ours; "" for any other reason."""
    return reason.partition(" ")[0] if reason.startswith(OWNER_PREFIX) else ""


def engine_node(node: Mapping[str, Any], jobs: Iterable[str]) -> EngineNode:
    """A node of the API server, with the work that runs there."""
    name = name_of(node)
    own, foreign = owned(node), foreign_reason(node)
    ready, told = _ready(node)
    out = bool(own or foreign or not ready or our_taint(node) is not None)
    work = tuple(sorted(jobs))
    pressed = sorted(
        str(condition["type"]).lower()
        for condition in _conditions(node)
        if condition.get("type") != "Ready" and condition.get("status") == "True"
    )
    return EngineNode(
        name=name,
        states=(
            "ready" if ready else "notready",
            *(["schedulingdisabled"] if unschedulable(node) else []),
            *pressed,
        ),
        reason=foreign or own or _left_over(node) or ("" if ready else told),
        out=out,
        drained=out and not work,
        automatic=out and not own and not foreign and our_taint(node) is None,
        jobs=work,
    )


def takes_work(node: Mapping[str, Any]) -> bool:
    """Whether new pods may come to it."""
    own = any(taint.get("key") in _OWN and taint.get("effect") != "PreferNoSchedule" for taint in taints(node))
    return not own and not engine_node(node, ()).out


def name_of(thing: Mapping[str, Any]) -> str:
    """The name of an object; EngineError if it has none."""
    name = _about(thing).get("name")
    if not isinstance(name, str) or not name:
        raise EngineError(f"Kubernetes gave an object without a name: {str(thing)[:100]!r}")
    return name


def version(thing: Mapping[str, Any]) -> str:
    """The version of an object that a change has to name, so that it is refused when somebody was faster."""
    found = _about(thing).get("resourceVersion")
    if not isinstance(found, str) or not found:
        raise EngineError(f"Kubernetes gave {name_of(thing)} without a version, so it cannot be changed safely.")
    return found


def unschedulable(node: Mapping[str, Any]) -> bool:
    """Whether somebody cordoned the node."""
    return _spec(node).get("unschedulable") is True


def owned(node: Mapping[str, Any]) -> str:
    """The reason with which this collection cordoned the node; "" if it did not, or if the cordon is not its own."""
    reason = _annotation(node)
    return reason if reason.startswith(OWNER_PREFIX) and unschedulable(node) and not _cordoned_by_other(node) else ""


def foreign_reason(node: Mapping[str, Any]) -> str:
    """Why the node is somebody else's; "" if it is not."""
    if owned(node):
        return ""
    if unschedulable(node):
        who = _cordoned_by_other(node) or "somebody else"
        return f"cordoned by {who}"
    leaving = [str(taint.get("key")) for taint in taints(node) if taint.get("key") in LEAVING]
    return f"tainted {leaving[0]}" if leaving else ""


def taints(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The taints of a node."""
    found = _spec(node).get("taints") or []
    if not isinstance(found, list) or not all(isinstance(taint, dict) for taint in found):
        raise EngineError(f"Kubernetes gave node {name_of(node)} with taints that are none.")
    return found


def our_taint(node: Mapping[str, Any]) -> str | None:
    """The value of our taint; None without it."""
    values = [str(taint.get("value", "")) for taint in taints(node) if taint.get("key") == TAINT]
    return values[0] if values else None


def take(node: Mapping[str, Any], reason: str) -> dict[str, Any] | None:
    """The patch by which the node is out for this reason's owner; None if it is already.

    What holds is the cordon and the annotation. The controllers of Kubernetes write a node's taints from a copy that
    may be older than our change and so lose our taint at times; then this puts it back.
    """
    value = token(reason)[len(OWNER_PREFIX) :]
    if token(owned(node)) == token(reason) and our_taint(node) == value:
        return None
    others = [taint for taint in taints(node) if taint.get("key") != TAINT]
    ours = {"key": TAINT, "value": value, "effect": "NoSchedule"}
    return {
        "metadata": {"resourceVersion": version(node), "annotations": {OWNER: reason}},
        "spec": {"unschedulable": True, "taints": [*others, ours]},
    }


def give_back(node: Mapping[str, Any]) -> dict[str, Any] | None:
    """The patch that removes everything of ours; None if there is nothing. A cordon of somebody else stays."""
    if not _annotation(node) and our_taint(node) is None:
        return None
    others = [taint for taint in taints(node) if taint.get("key") != TAINT]
    spec: dict[str, Any] = {"taints": others or None}
    if owned(node):
        spec["unschedulable"] = None
    return {"metadata": {"resourceVersion": version(node), "annotations": {OWNER: None}}, "spec": spec}


def mark(node: Mapping[str, Any]) -> str:
    """The owner's mark on the node, whether its cordon is still there or not; "" without one."""
    value = our_taint(node)
    return token(_annotation(node)) or ("" if value is None else f"{OWNER_PREFIX}{value}")


def node_of(pod: Mapping[str, Any]) -> str:
    """The name of the node that a pod is bound to; "" before that."""
    return str(_spec(pod).get("nodeName") or "")


def pod_id(pod: Mapping[str, Any]) -> str:
    """namespace/name."""
    space = _about(pod).get("namespace")
    if not isinstance(space, str) or not space:
        raise EngineError(f"Kubernetes gave the pod {name_of(pod)} without a namespace.")
    return f"{space}/{name_of(pod)}"


def is_work(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has to be off a node before a repair: it runs, and is not a part of the node itself."""
    status = pod.get("status")
    ended = isinstance(status, dict) and status.get("phase") in _ENDED
    return not ended and not is_part_of_node(pod)


def is_part_of_node(pod: Mapping[str, Any]) -> bool:
    """Whether the pod belongs to its node: of a DaemonSet, or started by the kubelet from a file."""
    notes = _about(pod).get("annotations")
    return (isinstance(notes, dict) and _MIRROR in notes) or controller(pod)[0] in ("DaemonSet", "Node")


def is_leaving(pod: Mapping[str, Any]) -> bool:
    """Whether somebody has asked for the pod's end already."""
    return _about(pod).get("deletionTimestamp") is not None


def moves_without_loss(pod: Mapping[str, Any]) -> bool:
    """Whether the pod is one of several that stand in for each other."""
    return controller(pod)[0] in _REPLICATED


def controller(thing: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of what made the object and makes it again; two empty texts if nothing does."""
    for owner in _about(thing).get("ownerReferences") or ():
        if isinstance(owner, dict) and owner.get("controller") is True:
            return str(owner.get("kind")), str(owner.get("name"))
    return "", ""


def maker(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of the workload that a pod belongs to: not the replica set of a deployment, but the deployment."""
    kind, name = controller(pod)
    labels = _about(pod).get("labels")
    told = str(labels.get(_HASH) or "") if isinstance(labels, dict) else ""
    if kind == "ReplicaSet" and told and name.endswith(f"-{told}"):
        return "Deployment", name[: -len(told) - 1]
    return kind, name


def lives(pod: Mapping[str, Any]) -> bool:
    """Whether the pod asks for capacity, and will go on doing so."""
    status = pod.get("status")
    phase = status.get("phase") if isinstance(status, dict) else None
    return phase not in _ENDED and not is_leaving(pod)


def uid(thing: Mapping[str, Any]) -> str:
    """What tells the object from a later one of the same name."""
    return str(_about(thing).get("uid") or "")


def _about(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    about = thing.get("metadata")
    if not isinstance(about, dict):
        raise EngineError(f"Kubernetes gave an object without metadata: {str(thing)[:100]!r}")
    return about


def _spec(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = thing.get("spec")
    if not isinstance(spec, dict):
        raise EngineError(f"Kubernetes gave {name_of(thing)} without a spec.")
    return spec


def _annotation(node: Mapping[str, Any]) -> str:
    notes = _about(node).get("annotations")
    text = notes.get(OWNER) if isinstance(notes, dict) else None
    return text if isinstance(text, str) else ""


def _left_over(node: Mapping[str, Any]) -> str:
    """The reason of a node that somebody uncordoned while our taint is still there; "" without the taint."""
    return "" if our_taint(node) is None else _annotation(node) or mark(node)


def _conditions(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    status = node.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return [condition for condition in conditions or () if isinstance(condition, dict)]


def _ready(node: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the kubelet says that it is; and if not, what is said about that."""
    for condition in _conditions(node):
        if condition.get("type") == "Ready":
            return condition.get("status") == "True", plain(f"NotReady: {condition.get('reason') or 'no reason given'}")
    return False, "NotReady: it has not registered yet"


def _cordoned_by_other(node: Mapping[str, Any]) -> str:
    """Under which name the cordon was set, unless under ours; "" where the API server does not say."""
    managers = []
    for entry in _about(node).get("managedFields") or ():
        fields = entry.get("fieldsV1") if isinstance(entry, dict) else None
        spec = fields.get("f:spec") if isinstance(fields, dict) else None
        if isinstance(spec, dict) and "f:unschedulable" in spec:
            managers.append(plain(entry.get("manager")))
    return "" if FIELD_MANAGER in managers or not managers else managers[-1][:100]

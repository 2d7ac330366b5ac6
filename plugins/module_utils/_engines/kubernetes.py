# Kubernetes as an engine: cordons, taints and evicts through the API server, each change only to what was just read.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, EngineJob, EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_objects as kube
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import Api, ApiRefused
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError

_NOT_FOUND, _CONFLICT, _BUSY = 404, 409, 429
# How often a change is tried again when somebody else changed the object in between.
_TRIES = 8
# Requests at the same time; each waits for the server most of its time.
_AT_ONCE = 16
_RUNNING = "status.phase!=Succeeded,status.phase!=Failed"
_DISRUPTION = "DisruptionBudget"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_POD = re.compile(r"(?P<space>[a-z0-9][a-z0-9-]{0,62})/(?P<name>[a-z0-9][a-z0-9.-]{0,252})")
_WORKLOAD = re.compile(r"(?P<space>[a-z0-9][a-z0-9-]{0,62})/(?P<kind>[a-z]+)/(?P<name>[a-z0-9][a-z0-9.-]{0,252})")
_REASON = re.compile(
    re.escape(OWNER_PREFIX) + r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?(?: [A-Za-z0-9_.:, -]*)?"
)
_MAX_REASON = 200

# Kind -> path of its objects, of what is changed of them, and the field that holds the number.
_GROWING = {
    "deployment": ("/apis/apps/v1/namespaces/{space}/deployments/{name}/scale", "replicas"),
    "statefulset": ("/apis/apps/v1/namespaces/{space}/statefulsets/{name}/scale", "replicas"),
    "job": ("/apis/batch/v1/namespaces/{space}/jobs/{name}", "parallelism"),
}

_Answer = TypeVar("_Answer")


class KubernetesEngine:
    """One cluster. See Engine; with ``dry_run`` nothing is changed."""

    def __init__(self, api: Api, dry_run: bool = False) -> None:
        self._api = api
        self._dry_run = dry_run
        self._notes: list[str] = []

    def nodes(self) -> dict[str, EngineNode]:
        """See Engine.nodes. The nodes are read before the pods: what is out then can only become emptier."""
        nodes = self._api.items("/api/v1/nodes")
        jobs: dict[str, list[str]] = {}
        for pod in self._api.items("/api/v1/pods", fieldSelector=f"spec.nodeName!=,{_RUNNING}"):
            if kube.is_work(pod):
                jobs.setdefault(kube.node_of(pod), []).append(kube.pod_id(pod))
        return {kube.name_of(node): kube.engine_node(node, jobs.get(kube.name_of(node), ())) for node in nodes}

    def notes(self) -> list[str]:
        """See Engine.notes."""
        return list(self._notes)

    def jobs(self, names: Sequence[str]) -> list[EngineJob]:
        """See Engine.jobs: pods, whose owner is their namespace. Those that a controller made can be queued again."""
        jobs = []
        for pods in _at_once(self._pods, list(dict.fromkeys(names))):
            for pod in pods:
                kind, made_by = kube.controller(pod)
                space, _slash, name = kube.pod_id(pod).partition("/")
                jobs.append(EngineJob(kube.pod_id(pod), made_by or name, space, (kube.node_of(pod),), bool(kind)))
        return jobs

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        """See Engine.drain: cordon, taint and our reason in one change, all nodes at the same time."""
        wanted = list(dict.fromkeys(names))
        for name in wanted:
            if len(reasons[name]) > _MAX_REASON or not _REASON.fullmatch(reasons[name]):
                raise EngineError(
                    f"{reasons[name]!r:.200} cannot be a reason: it begins with {OWNER_PREFIX} and a case, "
                    "then letters, digits and _ . : , - and spaces only."
                )
        read = dict(zip(wanted, _at_once(self._node, wanted)))

        def take(name: str) -> tuple[str, bool]:
            """Why it is somebody else's, or whether it was changed."""
            return self._change_node(name, read[name], lambda node: kube.take(node, reasons[name]))

        taken = dict(zip(wanted, _at_once(take, wanted)))
        foreign = {name: reason for name, (reason, _changed) in taken.items() if reason}
        if foreign:
            shown = ", ".join(f"{name} ({reason})" for name, reason in sorted(foreign.items()))
            raise ForeignDrainError(f"Taken out of scheduling by somebody else, so left alone: {shown}.", foreign)
        return any(changed for _reason, changed in taken.values())

    def resume(self, name: str, owner_token: str) -> bool:
        """See Engine.resume. Taints and a cordon of others stay."""

        def give_back(node: dict[str, Any]) -> dict[str, Any] | None:
            if kube.mark(node) not in ("", owner_token):
                raise ForeignDrainError(
                    f"{name} is out of scheduling, but not for {owner_token}: {kube.mark(node)!r:.100}. "
                    "It is left as it is.",
                    {name: kube.mark(node)},
                )
            return kube.give_back(node)

        reason, changed = self._change_node(name, self._node(name), give_back)
        if reason:
            raise ForeignDrainError(
                f"{name} is out of scheduling, but not for {owner_token}: {reason}. It is left as it is.",
                {name: reason},
            )
        return changed

    def evict(self, name: str, owner_token: str, force: bool = True) -> bool:
        """See Engine.evict.

        Without ``force`` the pods that have replicas are evicted, as far as their PodDisruptionBudgets allow. With it
        every pod is; what a budget still protects is deleted, with the time that the pod asks for to end itself. Pods
        of DaemonSets and of the kubelet itself stay in any case.
        """
        self._notes = []
        node = self._node(name)
        if kube.token(kube.owned(node)) != owner_token:
            reason = kube.foreign_reason(node) or kube.mark(node) or "in service"
            raise ForeignDrainError(f"{name} is not out for {owner_token}; its pods are left alone.", {name: reason})
        path = self._eviction_version()
        changed = False
        for pod in self._pods(name):
            if kube.is_leaving(pod):
                self._notes.append(f"{kube.pod_id(pod)} is ending.")
            elif not force and not kube.moves_without_loss(pod):
                self._notes.append(f"{kube.pod_id(pod)} runs until it ends by itself.")
            elif self._evict(pod, path):
                changed = True
            elif force:
                changed = self._delete(pod) or changed
        return changed

    def requeue(self, job_id: str) -> bool:
        """See Engine.requeue: the pod is deleted, and its controller makes another."""
        match = _POD.fullmatch(job_id)
        if match is None:
            raise EngineError(f"{job_id!r:.120} is not namespace/name of a pod.")
        try:
            pod = self._api.get(f"/api/v1/namespaces/{match['space']}/pods/{match['name']}")
        except ApiRefused as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        if kube.is_leaving(pod) or not (kube.is_work(pod) or kube.is_part_of_node(pod)):
            return False
        if kube.is_part_of_node(pod) or not kube.controller(pod)[0]:
            raise EngineError(f"{job_id} cannot be queued again: no controller would start it elsewhere.")
        return self._delete(pod)

    def reserve(self, names: Sequence[str], owner_token: str, seconds: float) -> bool:
        """See Engine.reserve. The cordon and the taint keep everybody else away, so they only have to be there."""
        for name, node in zip(names, _at_once(self._node, list(names))):
            if kube.token(kube.owned(node)) != owner_token:
                reason = kube.foreign_reason(node) or kube.mark(node) or "in service"
                raise ForeignDrainError(f"{name} is not out for {owner_token}, so it is not kept free.", {name: reason})
        return False

    def unreserve(self, owner_token: str) -> bool:
        """See Engine.unreserve; ``resume`` takes cordon and taint away."""
        return False

    def scale_out(self, workload: str, by: int, limit: int) -> int:
        """See Engine.scale_out. ``workload`` is namespace/kind/name; kinds are deployment, statefulset and job."""
        match = _WORKLOAD.fullmatch(workload)
        if match is None or match["kind"] not in _GROWING:
            raise EngineError(f"{workload!r:.120} is not namespace/kind/name; kinds: {', '.join(sorted(_GROWING))}.")
        if by < 1:
            raise EngineError(f"A workload grows by at least 1, not by {by}.")
        form, key = _GROWING[match["kind"]]
        wanted = 0

        def grow(thing: dict[str, Any]) -> dict[str, Any] | None:
            # A new number of somebody else (an autoscaler, the first try of this call) is a new start.
            nonlocal wanted
            now = _count(thing, key, workload)
            wanted = max(now, min(now + by, limit))
            if wanted == now:
                return None
            return {"metadata": {"resourceVersion": kube.version(thing)}, "spec": {key: wanted}}

        self.change(form.format(space=match["space"], name=match["name"]), grow, workload)
        return wanted

    @property
    def api(self) -> Api:
        """The API server, for what is only read."""
        return self._api

    def change(self, path: str, decide: Callable[[dict[str, Any]], dict[str, Any] | None], what: str) -> bool:
        """Read an object and patch it as ``decide`` says (None: nothing to do); whether there was something to do.

        The patch has to name the version that was decided about, so that after each change of somebody else everything
        is looked at again. ``what`` is the object in messages.
        """
        for _try in range(_TRIES):
            body = decide(self._api.get(path))
            if body is None:
                return False
            if self._dry_run:
                return True
            try:
                self._api.patch(path, body)
                return True
            except ApiRefused as error:
                if error.status != _CONFLICT:
                    raise
        raise EngineError(f"{what} was changed by others {_TRIES} times in a row while it was to be changed.")

    def _node(self, name: str) -> dict[str, Any]:
        unknown = f"Kubernetes does not know {name:.253}. Is the node in the cluster, under this name?"
        if not _NAME.fullmatch(name):
            raise EngineError(unknown)
        try:
            return self._api.get(f"/api/v1/nodes/{name}")
        except ApiRefused as error:
            if error.status == _NOT_FOUND:
                raise EngineError(unknown) from error
            raise

    def _pods(self, name: str) -> list[dict[str, Any]]:
        if not _NAME.fullmatch(name):
            raise EngineError(f"Kubernetes does not know {name:.253}. Is the node in the cluster, under this name?")
        pods = self._api.items("/api/v1/pods", fieldSelector=f"spec.nodeName={name},{_RUNNING}")
        return sorted(filter(kube.is_work, pods), key=kube.pod_id)

    def _change_node(
        self, name: str, node: dict[str, Any], decide: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> tuple[str, bool]:
        """Patches the node as ``decide`` says (None: nothing to do) unless it is somebody else's.

        Why it is, or "" and whether it was changed. The server takes the patch only for the version that was decided
        about; after each change of somebody else everything is looked at again.
        """
        for _try in range(_TRIES):
            foreign = kube.foreign_reason(node)
            if foreign:
                return foreign, False
            body = decide(node)
            if body is None:
                return "", False
            if self._dry_run:
                return "", True
            try:
                self._api.patch(f"/api/v1/nodes/{name}", body)
                return "", True
            except ApiRefused as error:
                if error.status != _CONFLICT:
                    raise
            node = self._node(name)
        raise EngineError(f"{name} was changed by others {_TRIES} times in a row while it was to be changed.")

    def _eviction_version(self) -> str:
        """The version of the eviction that this server takes: policy/v1beta1 before Kubernetes 1.22, then policy/v1."""
        for kind in self._api.get("/api/v1").get("resources") or ():
            if isinstance(kind, dict) and kind.get("name") == "pods/eviction":
                return f"{kind.get('group') or 'policy'}/{kind.get('version') or 'v1'}"
        raise EngineError("This Kubernetes cannot evict pods: its API has no pods/eviction.")

    def _evict(self, pod: Mapping[str, Any], version: str) -> bool:
        """Whether the pod's end was accepted; what stands against it is noted."""
        name = kube.pod_id(pod)
        space, _slash, own = name.partition("/")
        options: dict[str, Any] = {"preconditions": {"uid": kube.uid(pod)}}
        if self._dry_run:
            options["dryRun"] = ["All"]
        body = {
            "apiVersion": version,
            "kind": "Eviction",
            "metadata": {"namespace": space, "name": own},
            "deleteOptions": options,
        }
        try:
            self._api.post(f"/api/v1/namespaces/{space}/pods/{own}/eviction", body, self._dry_run)
            return True
        except ApiRefused as error:
            if error.status in (_NOT_FOUND, _CONFLICT):
                return False
            if error.status == _BUSY and _DISRUPTION in error.causes:
                self._notes.append(f"{name} is protected by its PodDisruptionBudget for now: {error.text}")
                return False
            if error.status == 500 and "PodDisruptionBudget" in error.text:
                # Two budgets for one pod: no eviction will ever be allowed before somebody has corrected that.
                self._notes.append(f"{name} cannot be evicted: {error.text}")
                return False
            raise

    def _delete(self, pod: Mapping[str, Any]) -> bool:
        """Ends the pod within its own grace period, whatever protects it; False if it is gone."""
        if self._dry_run:
            return True
        space, _slash, own = kube.pod_id(pod).partition("/")
        try:
            self._api.delete(
                f"/api/v1/namespaces/{space}/pods/{own}",
                {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": kube.uid(pod)}},
            )
            return True
        except ApiRefused as error:
            if error.status in (_NOT_FOUND, _CONFLICT):
                return False
            raise


def _at_once(call: Callable[[str], _Answer], names: Iterable[str]) -> list[_Answer]:
    """The answers for the names, in order. Every call is made before the failures of some are raised."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        running = [pool.submit(call, name) for name in names]
    failures = [error for error in (future.exception() for future in running) if error is not None]
    if not failures:
        return [future.result() for future in running]
    if len(failures) > 1 and all(isinstance(failure, EngineError) for failure in failures):
        texts = list(dict.fromkeys(str(failure) for failure in failures))
        raise EngineError(" ".join(texts[:5])) from failures[0]
    raise failures[0]


def _count(thing: Mapping[str, Any], key: str, workload: str) -> int:
    spec = thing.get("spec")
    # A field that is 0 is left out by the scale of a workload; a job without one runs one pod.
    number = spec.get(key, 1 if key == "parallelism" else 0) if isinstance(spec, dict) else None
    if isinstance(number, bool) or not isinstance(number, int):
        raise EngineError(f"Kubernetes does not say how many replicas {workload} asks for.")
    return number

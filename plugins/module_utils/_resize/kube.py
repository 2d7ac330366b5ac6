# A deployment or stateful set gets other replicas, requests and limits: one patch, to exactly what was looked at.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_objects
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import ApiRefused
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import containers
from ansible_collections.aidc.ops.plugins.module_utils._resize.outcome import Outcome

# When the replicas last became more and fewer, in seconds since 1970. Whoever scales next goes by them, and they lie on
# the workload itself: they change in the same request as the replicas, outlive the control node, and are the same for
# every controller of the cluster. A file would know nothing of another controller, and would be lost with its disk.
SCALED_UP = "aidc.ops/scaled-up-at"
SCALED_DOWN = "aidc.ops/scaled-down-at"

_NOT_FOUND = 404
_KINDS = {"deployment": "deployments", "statefulset": "statefulsets"}
_WORKLOAD = re.compile(
    r"(?P<space>[a-z0-9][a-z0-9-]{0,62})/(?P<kind>deployment|statefulset)/(?P<name>[a-z0-9][a-z0-9.-]{0,252})"
)


@dataclass(frozen=True)
class Workload:
    """A workload of the cluster by its name."""

    space: str
    kind: str
    name: str

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/apis/apps/v1/namespaces/{self.space}/{_KINDS[self.kind]}/{self.name}"

    def __str__(self) -> str:
        return f"{self.space}/{self.kind}/{self.name}"


@dataclass(frozen=True)
class Wish:
    """What is wished. ``only_from``: only if it has so many replicas now. None and nothing is left as it is."""

    replicas: int | None
    containers: containers.Wishes
    only_from: int | None = None


def named(text: str) -> Workload:
    """The workload of a name such as models/deployment/chat. ResizeError for any other text."""
    match = _WORKLOAD.fullmatch(text)
    if match is None:
        kinds = " or ".join(sorted(_KINDS))
        raise ResizeError(f"{text!r:.120} is not namespace/kind/name of a workload, with {kinds} as kind")
    return Workload(match["space"], match["kind"], match["name"])


def read(engine: KubernetesEngine, workload: Workload) -> dict[str, t.Any]:
    """The object. ResizeError if there is none."""
    try:
        return engine.api.get(workload.path)
    except ApiRefused as error:
        if error.status == _NOT_FOUND:
            raise absent(workload) from error
        raise


def absent(workload: Workload) -> ResizeError:
    """What is said when there is no such workload."""
    return ResizeError(f"Kubernetes has no {workload.kind} {workload.name!r} in the namespace {workload.space!r}")


def replicas(thing: t.Mapping[str, t.Any]) -> int:
    """How many replicas a workload asks for."""
    number = _part(thing, "spec").get("replicas", 1)
    if isinstance(number, bool) or not isinstance(number, int):
        raise EngineError(f"Kubernetes does not say how many replicas {kube_objects.name_of(thing)} asks for.")
    return number


def ready(thing: t.Mapping[str, t.Any]) -> int:
    """How many of them serve; the API server leaves a 0 out."""
    number = (thing.get("status") or {}).get("readyReplicas", 0)
    return number if isinstance(number, int) else 0


def template(thing: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The containers that new pods of the workload have."""
    found = _part(_part(_part(thing, "spec"), "template"), "spec").get("containers")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise EngineError(f"Kubernetes gave {kube_objects.name_of(thing)} without containers.")
    return found


def notes_on(thing: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The annotations of an object."""
    found = _part(thing, "metadata").get("annotations")
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def resize(engine: KubernetesEngine, workload: Workload, wish: Wish, dry_run: bool, now: float) -> Outcome:
    """Patch replicas and template where they differ; with other containers the pods are replaced as the strategy says.

    What was written is read back: EngineError if the server shows something else. *now* in seconds since 1970.
    """
    seen: list[Outcome] = []

    def decide(thing: dict[str, t.Any]) -> dict[str, t.Any] | None:
        outcome, body = plan(thing, workload, wish, now)
        seen.append(outcome)
        return body

    read(engine, workload)
    engine.change(workload.path, decide, str(workload))
    outcome = seen[-1]
    if outcome.changed and not dry_run:
        found, _body = plan(read(engine, workload), workload, Wish(wish.replicas, wish.containers), now)
        if found.before != outcome.after:
            raise EngineError(
                f"Kubernetes took the change of {workload}, but shows {found.before} in place of {outcome.after}; "
                "is there an autoscaler or an admission webhook that changes it back?"
            )
    return outcome


def plan(
    thing: t.Mapping[str, t.Any], workload: Workload, wish: Wish, now: float
) -> tuple[Outcome, dict[str, t.Any] | None]:
    """What a wish makes of an object, and the patch for that (None: nothing to do); pure. ResizeError."""
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    spec: dict[str, t.Any] = {}
    about: dict[str, t.Any] = {"resourceVersion": kube_objects.version(thing)}
    if wish.replicas is not None:
        before["replicas"], after["replicas"] = replicas(thing), wish.replicas
        if wish.only_from is not None and before["replicas"] not in (wish.only_from, wish.replicas):
            raise ResizeError(
                f"{workload} asks for {before['replicas']} replicas and not for {wish.only_from}: somebody else "
                "changed it since; look at it again"
            )
        if wish.replicas != before["replicas"]:
            spec["replicas"] = wish.replicas
            about["annotations"] = {SCALED_UP if wish.replicas > before["replicas"] else SCALED_DOWN: str(int(now))}
    if wish.containers:
        made = containers.resized(template(thing), wish.containers, str(workload))
        before["containers"] = containers.shown(template(thing), wish.containers)
        after["containers"] = containers.shown(made, wish.containers)
        if before["containers"] != after["containers"]:
            # A merge patch replaces a list as a whole; the version makes sure that nobody's change is lost in that.
            spec["template"] = {"spec": {"containers": made}}
    notes = _notes(thing, workload) if "template" in spec else ()
    return Outcome(before, after, "rolling", notes), {"metadata": about, "spec": spec} if spec else None


def replaces_pods(thing: t.Mapping[str, t.Any]) -> bool:
    """Whether another template makes the controller replace the pods; a stateful set may leave that to people."""
    return str((_part(thing, "spec").get("updateStrategy") or {}).get("type")) != "OnDelete"


def paused(thing: t.Mapping[str, t.Any]) -> bool:
    """Whether somebody stopped the roll-outs of the deployment."""
    return _part(thing, "spec").get("paused") is True


def _notes(thing: t.Mapping[str, t.Any], workload: Workload) -> tuple[str, ...]:
    if paused(thing):
        return (f"{workload} is paused; its pods are replaced when somebody resumes it.",)
    if not replaces_pods(thing):
        return (f"{workload} replaces its pods only when they are deleted (updateStrategy OnDelete).",)
    if str((_part(thing, "spec").get("strategy") or {}).get("type")) == "Recreate":
        return (f"{workload} ends all pods before it starts new ones (strategy Recreate).",)
    return ()


def _part(thing: t.Mapping[str, t.Any], key: str) -> t.Mapping[str, t.Any]:
    part = thing.get(key)
    if not isinstance(part, dict):
        raise EngineError(f"Kubernetes gave a workload without {key}: {str(thing)[:100]!r}")
    return part

# Which container of a workload has to ask for how much, so that each of its pods asks for a given amount; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import some
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import kube_pods

_Thing = t.Mapping[str, t.Any]
_SIDES = ("requests", "limits")


class Unclear(Exception):
    """It is not clear what would have to be changed; the message says why."""


@dataclass(frozen=True)
class Amount:
    """What a problem counts of a pod, in its units, and how Kubernetes writes that. ``names``: what it may be there."""

    word: str
    names: tuple[str, ...]
    written: t.Callable[[int], str]
    of: t.Callable[[kube_pods.Asked], int]


CPU = Amount(
    "CPU",
    ("cpu",),
    lambda units: f"{units}m" if units % 1000 else str(units // 1000),
    lambda asked: asked.cpu_milli,
)
MEMORY = Amount(
    "memory",
    ("memory",),
    lambda units: f"{units}Mi" if units % 1024 else f"{units // 1024}Gi",
    lambda asked: asked.memory_mib,
)
GPUS = Amount("GPUs", kube_pods.GPU_NAMES[:2], str, lambda asked: asked.gpus)


@dataclass(frozen=True)
class Sizing:
    """The container that has to ask for ``text`` of a resource.

    ``request`` and ``limit`` are what it has in the template, as they are written there; None: nothing.
    """

    container: str
    resource: str
    text: str
    request: t.Any
    limit: t.Any


def sizing(amount: Amount, units: int, template: t.Sequence[_Thing], specs: t.Sequence[_Thing]) -> Sizing | None:
    """What has to be changed in the containers of a template; None where new pods ask for so many units already.

    ``specs`` are those of the pods that there are. Unclear; EngineError for amounts that are none.
    """
    container, resource = _only(amount, template)
    name = str(container.get("name"))
    request, limit = _request_of(container, resource), _side(container, "limits").get(resource)
    needed = {_needed(amount, units, spec, name, resource, request) for spec in specs}
    if len(needed) > 1:
        raise Unclear("its pods differ in more than this; wait until its roll-out is through")
    text = needed.pop()
    return None if text is None else Sizing(name, resource, text, request, limit)


def _request_of(container: _Thing, resource: str) -> t.Any:
    """What a container asks for, as it is written; a limit without a request is one too. None: nothing."""
    return _side(container, "requests").get(resource, _side(container, "limits").get(resource))


def _only(amount: Amount, template: t.Sequence[_Thing]) -> tuple[_Thing, str]:
    """The only container that it can be, and the resource."""
    asking = [(one, name) for one in template for name in amount.names if _request_of(one, name) is not None]
    if len(asking) == 1:
        return asking[0]
    if asking:
        wanted = [f"{one.get('name')!s:.80} ({name})" for one, name in asking]
        raise Unclear(f"it is not clear which container should ask for another amount: {some(wanted)} ask for some")
    if len(template) == 1 and len(amount.names) == 1:
        return template[0], amount.names[0]
    raise Unclear("none of its containers asks for any, so it is not clear which one should")


def _needed(amount: Amount, units: int, spec: _Thing, container: str, resource: str, held: t.Any) -> str | None:
    """What the container has to ask for so that this pod asks for so many units; None: what the template says will do.

    A problem rounds up what all of a pod asks for together, so the answer is found, and checked, by its arithmetic.
    """
    if [one.get("name") for one in _containers(spec)].count(container) != 1:
        raise Unclear(f"its pods have no container {container:.80}")
    if amount.of(_asked(spec, container, resource, held)) == units:
        return None
    # So much that everything else is on top of it, and nothing that runs before it counts.
    plenty = units + amount.of(_counted(spec, container))
    beside = amount.of(_asked(spec, container, resource, amount.written(plenty))) - plenty
    text = amount.written(units - beside)
    if units > beside and amount.of(_asked(spec, container, resource, text)) == units:
        return text
    raise Unclear(
        f"what its pods ask for is not up to the container {container:.80} alone (those beside it or before it, "
        "requests of whole pods)"
    )


def _asked(spec: _Thing, container: str, resource: str, much: t.Any) -> kube_pods.Asked:
    """What a pod would ask for if that container asked for so much."""
    changed = [_asking(one, resource, much) if one.get("name") == container else one for one in _containers(spec)]
    return _counted({**spec, "containers": changed}, container)


def _asking(container: _Thing, resource: str, much: t.Any) -> _Thing:
    sides = {side: {key: one for key, one in _side(container, side).items() if key != resource} for side in _SIDES}
    if much is not None:
        sides["requests"][resource] = much
    return {**container, "resources": sides}


def _counted(spec: _Thing, container: str) -> kube_pods.Asked:
    return kube_pods.asked(spec, f"a pod with the container {container:.80}")


def _containers(spec: _Thing) -> list[_Thing]:
    return [one for one in spec.get("containers") or () if isinstance(one, dict)]


def _side(container: _Thing, side: str) -> dict[str, t.Any]:
    return (container.get("resources") or {}).get(side) or {}

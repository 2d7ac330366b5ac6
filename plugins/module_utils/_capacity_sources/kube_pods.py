# What a pod of Kubernetes asks for: processors, memory, GPUs, and where it may be. Pure functions over JSON.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Dict

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.quantities import quantity
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import PROJECT
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

HOST = "kubernetes.io/hostname"
GPU_NAMES = ("nvidia.com/gpu", "amd.com/gpu", "nvidia.com/gpu.shared")
MIG_PREFIX = "nvidia.com/mig-"
_MIB = 1024 * 1024
_BLOCKS = ("NoSchedule", "NoExecute")

Amounts = Dict[str, Fraction]


@dataclass(frozen=True)
class Asked:
    """What one pod takes. ``gpus``: whole ones. ``shared``: parts by time. ``mig``: profile -> how many."""

    cpu_milli: int = 0
    memory_mib: int = 0
    gpus: int = 0
    shared: int = 0
    mig: dict[str, int] = field(default_factory=dict)


def asked(spec: Mapping[str, Any], where: str) -> Asked:
    """What a pod of this spec takes of its node. EngineError for amounts that are none.

    The sum of its containers, or what one that only starts it needs where that is more; with what its runtime adds.
    """
    try:
        # An init container that goes on running counts as a container.
        begun = _list(spec, "initContainers")
        stay = [one for one in begun if one.get("restartPolicy") == "Always"]
        total = _sum(_requests(one) for one in (*_list(spec, "containers"), *stay))
        for one in begun:
            for name, much in _requests(one).items():
                total[name] = max(total.get(name, Fraction(0)), much)
        # A pod may say it for all of its containers together.
        total.update(_requests(spec))
        total = _sum((total, _amounts(spec.get("overhead"))))
    except (ValueError, AttributeError) as error:
        raise EngineError(f"Kubernetes gave {where} with requests that cannot be read: {error}") from error
    return Asked(
        cpu_milli=math.ceil(total.get("cpu", Fraction(0)) * 1000),
        memory_mib=math.ceil(total.get("memory", Fraction(0)) / _MIB),
        gpus=sum(math.ceil(total.get(name, Fraction(0))) for name in GPU_NAMES[:2]),
        shared=math.ceil(total.get(GPU_NAMES[2], Fraction(0))),
        mig={
            name[len(MIG_PREFIX) :]: math.ceil(much)
            for name, much in sorted(total.items())
            if name.startswith(MIG_PREFIX) and much
        },
    )


def most(found: Sequence[Asked]) -> Asked:
    """The most of everything: pods of one workload may differ while it is changed."""
    profiles = sorted({profile for one in found for profile in one.mig})
    return Asked(
        max(one.cpu_milli for one in found),
        max(one.memory_mib for one in found),
        max(one.gpus for one in found),
        max(one.shared for one in found),
        {profile: max(one.mig.get(profile, 0) for one in found) for profile in profiles},
    )


def may_be_on(spec: Mapping[str, Any], labels: Mapping[str, str], taints: Sequence[Mapping[str, Any]]) -> bool:
    """Whether selector, required affinity and tolerations of a pod's spec allow a node.

    What they say of the label PROJECT does not count: a plan gives it to the nodes, and follows from what asks for it.
    """
    selector = spec.get("nodeSelector")
    if isinstance(selector, dict) and any(
        labels.get(key) != value for key, value in selector.items() if key != PROJECT
    ):
        return False
    terms = _required_terms(spec)
    if terms and not any(_matches(term, labels) for term in terms):
        return False
    tolerations = _list(spec, "tolerations")
    return all(
        any(_tolerates(toleration, taint) for toleration in tolerations)
        for taint in taints
        if taint.get("effect") in _BLOCKS
    )


def most_per_node(spec: Mapping[str, Any], labels: Mapping[str, str], copies: int, nodes: int) -> int:
    """At most so many pods of a workload on one node; 0 is no limit.

    A required anti-affinity to its own pods is one a node. Of a spread by C(maxSkew) it is what follows for the fullest
    node: the emptiest of ``nodes`` has no more than copies / nodes, rounded down.
    """
    limits = []
    for constraint in _list(spec, "topologySpreadConstraints"):
        skew = constraint.get("maxSkew")
        hard = constraint.get("whenUnsatisfiable") != "ScheduleAnyway"
        if hard and constraint.get("topologyKey") == HOST and isinstance(skew, int) and nodes:
            limits.append(copies // nodes + skew)
    anti = _at(spec, "affinity", "podAntiAffinity")
    for term in _list(anti, "requiredDuringSchedulingIgnoredDuringExecution"):
        wanted = _at(term, "labelSelector", "matchLabels")
        if term.get("topologyKey") == HOST and wanted and all(labels.get(key) == wanted[key] for key in wanted):
            limits.append(1)
    return max(1, min(limits)) if limits else 0


def other_spread(spec: Mapping[str, Any]) -> bool:
    """Whether the pods are to be spread over something else than nodes."""
    keys = [
        constraint.get("topologyKey")
        for constraint in _list(spec, "topologySpreadConstraints")
        if constraint.get("whenUnsatisfiable") != "ScheduleAnyway"
    ]
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = _list(_at(spec, "affinity", kind), "requiredDuringSchedulingIgnoredDuringExecution")
        keys += [term.get("topologyKey") if kind == "podAntiAffinity" else "beside others" for term in terms]
    return any(key != HOST for key in keys)


def _requests(container: Mapping[str, Any]) -> Amounts:
    """Requests; a limit without a request is one too."""
    resources = container.get("resources") or {}
    return {**_amounts(resources.get("limits")), **_amounts(resources.get("requests"))}


def _amounts(values: Any) -> Amounts:
    return {str(name): quantity(value) for name, value in (values or {}).items()}


def _sum(several: Any) -> Amounts:
    total: Amounts = {}
    for amounts in several:
        for name, much in amounts.items():
            total[name] = total.get(name, Fraction(0)) + much
    return total


def _list(thing: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = thing.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _at(thing: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        thing = thing.get(key) if isinstance(thing, dict) else None
    return thing if isinstance(thing, dict) else {}


def _required_terms(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    required = _at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    return _list(required, "nodeSelectorTerms")


def _matches(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return all(_holds(expression, labels) for expression in _list(term, "matchExpressions"))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, how, values = str(expression.get("key")), expression.get("operator"), expression.get("values") or []
    there = labels.get(key)
    if key == PROJECT:
        return True
    if how == "In":
        return there in values
    if how == "NotIn":
        return there not in values
    if how == "Exists":
        return there is not None
    if how == "DoesNotExist":
        return there is None
    try:
        return there is not None and (int(there) > int(values[0]) if how == "Gt" else int(there) < int(values[0]))
    except (ValueError, IndexError, TypeError):
        return False


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != taint.get("key"):
        return False
    return toleration.get("operator") == "Exists" or (toleration.get("value") or "") == (taint.get("value") or "")

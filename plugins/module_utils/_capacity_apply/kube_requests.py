# The requests of a workload, where its pods ask for another amount than the plan went by.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Workload
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.kube_sizing import (
    CPU,
    GPUS,
    MEMORY,
    Amount,
    Sizing,
    Unclear,
    sizing,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyError,
    Change,
    Difference,
    NotDone,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import kube_pods
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import Api, ApiRefused
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import KubeNow, KubeSize
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import containers, kube, quantity

_NOT_FOUND = 404


def request_changes(wanted: Wanted, now: KubeNow, found: Difference) -> None:
    """Add what has to change about requests, of the workloads whose sizes were asked for.

    Where there are pods, they count and not the template: a problem is made of them, and what the cluster adds to every
    pod (defaults of the namespace, containers of a service mesh) is in no template.
    """
    for workload, size in sorted(now.sizes.items()):
        template = kube.template(size.thing)
        own = size.thing["spec"]["template"]["spec"]
        by_template = kube_pods.asked(own, workload)
        by_pods = [kube_pods.asked(pod.get("spec") or {}, f"a pod of {workload}") for pod in size.pods]
        present = kube_pods.most(by_pods or [by_template])
        specs = [pod.get("spec") or {} for pod in size.pods] or [own]
        thing = f"workload {workload}"
        sizings = []
        for amount, units in _differing(wanted.works[workload], present):
            try:
                sizings.append(sizing(amount, units, template, specs))
            except Unclear as error:
                why = f"the plan went by {amount.written(units)} of {amount.word} for a pod, and {error}"
                found.refused.append(NotDone("requests", thing, why))
        needed = [one for one in sizings if one is not None]
        try:
            if needed:
                _add(workload, thing, size, needed, found)
        except ResizeError as error:
            found.refused.append(NotDone("requests", thing, str(error)))


def resize(change: Change, api: Api) -> bool:
    """Give a workload the requests of a change; False if it is gone. EngineError; ApplyError if they fit no longer."""
    workload = kube.named(change.names[0])
    wish = kube.Wish(None, json.loads(change.value))

    def decide(thing: dict[str, t.Any]) -> dict[str, t.Any] | None:
        # The time is for replicas, which stay.
        return kube.plan(thing, workload, wish, 0.0)[1]

    try:
        KubernetesEngine(api).change(workload.path, decide, str(workload))
    except ApiRefused as error:
        if error.status == _NOT_FOUND:
            return False
        raise
    except ResizeError as error:
        raise ApplyError(f"{workload} was changed meanwhile: {error}") from error
    return True


def _differing(work: Workload, present: kube_pods.Asked) -> t.Iterator[tuple[Amount, int]]:
    """What the plan went by and the pods do not ask for. 0 is also what a problem says where it does not know."""
    whole = work.gpu_share_milli == 1000 and not (work.mig_profile or present.mig or present.shared)
    for amount, units in ((CPU, work.cpu_milli), (MEMORY, work.memory_mib), (GPUS, work.gpus if whole else 0)):
        if units not in (0, amount.of(present)):
            yield amount, units


def _add(workload: str, thing: str, size: KubeSize, needed: t.Sequence[Sizing], found: Difference) -> None:
    wishes: dict[str, dict[str, t.Any]] = {}
    before, after, raised = [], [], False
    for one in needed:
        wish = wishes.setdefault(one.container, {"name": one.container, "requests": {}, "limits": {}})
        wish["requests"][one.resource] = one.text
        shown, becomes = (
            f"{one.resource} {'not said' if one.request is None else one.request}",
            f"{one.resource} {one.text}",
        )
        if _limit_goes_along(one):
            wish["limits"][one.resource] = one.text
            shown, becomes = f"{shown} (limit {one.limit})", f"{becomes} (limit {one.text})"
        before.append(shown)
        after.append(becomes)
        raised = raised or one.request is None or _parsed(one.text) > _parsed(one.request)
    made = containers.read_wishes(list(wishes.values()))
    outcome, _body = kube.plan(size.thing, kube.named(workload), kube.Wish(None, made), 0.0)
    found.notes.extend(outcome.notes)
    kind = "raise_requests" if raised else "lower_requests"
    why = "the plan went by so much, and its pods ask for another amount"
    found.changes.append(
        Change(kind, thing, ", ".join(before), ", ".join(after), why, (workload,), json.dumps(made, sort_keys=True))
    )


def _limit_goes_along(one: Sizing) -> bool:
    """Whether the limit would be below the request, or was equal to it, so that pods that are Guaranteed stay so."""
    if one.limit is None:
        return False
    return _parsed(one.limit) == _parsed(one.request) or _parsed(one.limit) < _parsed(one.text)


def _parsed(text: t.Any) -> t.Any:
    return quantity.parse(text, "a quantity of the template")

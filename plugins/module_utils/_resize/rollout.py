# Waits until a change has reached every pod, for a bounded time.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import plain
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import in_place, kube

_EVERY_SECONDS = 1.0


def wait(
    engine: KubernetesEngine,
    workload: kube.Workload,
    seconds: float,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> None:
    """Return when every pod is as the workload wants it. ResizeError after so many seconds, with what is missing."""
    give_up_at = clock() + seconds
    while True:
        thing = kube.read(engine, workload)
        missing = lacking(thing) or _unfinished(engine, workload)
        if not missing:
            return
        if clock() >= give_up_at:
            raise ResizeError(
                f"{workload} was changed, but the roll-out is not through after {seconds:g} s: {missing}. It goes on; "
                "run this again to wait longer"
            )
        sleep(_EVERY_SECONDS)


def lacking(thing: t.Mapping[str, t.Any]) -> str:
    """What is missing until every replica is up to date and serves; "" if nothing is. ResizeError if it is stuck."""
    status = thing.get("status") or {}
    wanted = kube.replicas(thing)
    if kube.paused(thing):
        return "the deployment is paused"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise ResizeError(f"the roll-out is stuck: {plain(condition.get('message') or 'no reason given')}")
    if int(status.get("observedGeneration") or 0) < int((thing.get("metadata") or {}).get("generation") or 0):
        return "the controller has not seen it yet"
    counts = {"there": status.get("replicas", 0), "ready": kube.ready(thing)}
    if kube.replaces_pods(thing):
        counts["up to date"] = status.get("updatedReplicas", 0)
    short = [f"{count} {word}" for word, count in counts.items() if count != wanted]
    return f"of {wanted} replicas {', '.join(short)}" if short else ""


def _unfinished(engine: KubernetesEngine, workload: kube.Workload) -> str:
    """What the nodes have still to do about pods that were changed in place."""
    told = (in_place.progress(pod) for pod in in_place.pods(engine, workload))
    return next((sentence for sentence in told if sentence), "")

# Tests of what a node of Kubernetes means: who owns it, and whether it is out.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import kube_objects
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

OURS = {"key": "aidc.ops/remediation", "value": "7", "effect": "NoSchedule"}
OWNER = {"aidc.ops/owner": "aidc.ops:7 x"}


def node(
    ready: str | None = "True",
    notes: dict[str, Any] | None = None,
    fields: list[tuple[str, str]] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """``fields`` are pairs of a manager and a field of the spec that it set."""
    conditions = [] if ready is None else [{"type": "Ready", "status": ready, "reason": "KubeletNotReady"}]
    managed = [{"manager": who, "fieldsV1": {"f:spec": {field: {}}}} for who, field in fields or ()]
    about = {"name": "a", "resourceVersion": "1", "annotations": notes or {}, "managedFields": managed}
    return {"metadata": about, "spec": spec, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("given", "out", "automatic", "reason"),
    [
        (node(), False, False, ""),
        (node("False"), True, True, "NotReady: KubeletNotReady"),
        (node("Unknown"), True, True, "NotReady: KubeletNotReady"),
        (node(None), True, True, "NotReady: it has not registered yet"),
        (node(unschedulable=True), True, False, "cordoned by somebody else"),
        (node("False", unschedulable=True), True, False, "cordoned by somebody else"),
        (node(notes=OWNER, unschedulable=True, taints=[OURS]), True, False, "aidc.ops:7 x"),
        (node("False", notes=OWNER, unschedulable=True, taints=[OURS]), True, False, "aidc.ops:7 x"),
        (node(notes={"aidc.ops/owner": "Kim"}, unschedulable=True), True, False, "cordoned by somebody else"),
        (node(notes={"aidc.ops/owner": 7}, unschedulable=True), True, False, "cordoned by somebody else"),
        (node(notes=OWNER), False, False, ""),
        (node(notes=OWNER, taints=[OURS]), True, False, "aidc.ops:7 x"),
        (node(taints=[OURS]), True, False, "aidc.ops:7"),
        (node(taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]), False, False, ""),
        (node(taints=[{"key": "karpenter.sh/disrupted"}]), True, False, "tainted karpenter.sh/disrupted"),
        (
            node(notes=OWNER, unschedulable=True, taints=[OURS], fields=[("kubectl-cordon", "f:unschedulable")]),
            True,
            False,
            "cordoned by kubectl-cordon",
        ),
        (
            node(notes=OWNER, unschedulable=True, taints=[OURS], fields=[("aidc-ops", "f:unschedulable")]),
            True,
            False,
            "aidc.ops:7 x",
        ),
        (
            node(notes=OWNER, unschedulable=True, taints=[OURS], fields=[("kubelet", "f:podCIDR")]),
            True,
            False,
            "aidc.ops:7 x",
        ),
    ],
)
def test_whose_it_is(given: dict[str, Any], out: bool, automatic: bool, reason: str) -> None:
    seen = kube_objects.engine_node(given, [])
    assert (seen.out, seen.automatic, seen.reason, seen.drained) == (out, automatic, reason, out)


def test_work_keeps_a_node_from_being_drained() -> None:
    seen = kube_objects.engine_node(node(unschedulable=True), ["b/y", "a/x"])
    assert (seen.out, seen.drained, seen.jobs) == (True, False, ("a/x", "b/y"))


def test_states() -> None:
    given = node(unschedulable=True)
    given["status"]["conditions"] += [
        {"type": "DiskPressure", "status": "True"},
        {"type": "MemoryPressure", "status": "False"},
    ]
    assert kube_objects.engine_node(given, []).states == ("ready", "schedulingdisabled", "diskpressure")


def test_a_managers_name_is_hostile_text() -> None:
    given = node(unschedulable=True, fields=[("a\n\x1b[31m" + "x" * 300, "f:unschedulable")])
    reason = kube_objects.foreign_reason(given)
    assert reason.isprintable() and len(reason) < 130


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"metadata": {}},
        {"metadata": {"name": "a"}},
        {"metadata": {"name": "a"}, "spec": {"taints": "x"}},
        {"metadata": {"name": 7}, "spec": {}},
    ],
)
def test_what_is_no_node(given: dict[str, Any]) -> None:
    with pytest.raises(EngineError):
        kube_objects.engine_node(given, [])


def test_a_node_without_a_version_is_not_changed() -> None:
    given = node()
    del given["metadata"]["resourceVersion"]
    with pytest.raises(EngineError, match="cannot be changed safely"):
        kube_objects.take(given, "aidc.ops:7 x")

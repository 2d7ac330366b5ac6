# Tests of what a plan changes in Kubernetes, on an API server in memory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, kube_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    ApplyPolicy,
    Change,
    Difference,
    StaleError,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import KubeInputs
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply import plans
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._engines.kube_fake import FakeApi, node

TAGGER, CHAT = "vision/deployment/tagger", "talk/statefulset/chat"
NAMES = ("n1", "n2", "n3")
WORKS = [plans.work(TAGGER, "vision", copies=4), plans.work(CHAT, "talk", copies=2)]
PROBLEM = plans.problem(NAMES, WORKS)
PLAN = plans.plan([(TAGGER, "n1"), (TAGGER, "n1"), (TAGGER, "n1"), (CHAT, "n2")])
FOREIGN = {"key": "example.com/burnt", "effect": "NoExecute"}
OPEN, CLOSED = ApplyPolicy(scale=True), ApplyPolicy(scale=True, dedicated=True)


def scale_path(workload: str) -> str:
    space, kind, name = workload.split("/")
    return f"/apis/apps/v1/namespaces/{space}/{kind}s/{name}/scale"


class Site:
    """Three nodes of eight GPUs and two workloads."""

    def __init__(self) -> None:
        self.api = FakeApi(*(node(name) for name in NAMES))
        for name in NAMES:
            self.api.node(name)["status"]["allocatable"] = {"nvidia.com/gpu": "8", "cpu": "64"}
        for workload, replicas in ((TAGGER, 2), (CHAT, 2)):
            self.api.put(scale_path(workload), {"metadata": {"name": workload}, "spec": {"replicas": replicas}})
        self.inputs = KubeInputs(self.api)

    def compare(self, made_of: Any = PROBLEM, made: Any = None, policy: ApplyPolicy = OPEN) -> Difference:
        wanted = wanted_of(read_problem(made_of), PLAN if made is None else made)
        return kube_diff.difference(wanted, self.inputs.now(kube_diff.workloads(wanted)), policy)

    def apply(self, made_of: Any = PROBLEM, made: Any = None, policy: ApplyPolicy = OPEN) -> list[Change]:
        changes = self.compare(made_of, made, policy).changes
        for change in changes:
            assert carry_out.in_kubernetes(change, self.inputs)
        assert self.compare(made_of, made, policy).changes == []
        return changes

    def label(self, name: str) -> str | None:
        found: str | None = self.api.node(name)["metadata"].get("labels", {}).get("aidc.ops/project")
        return found

    def taints(self, name: str) -> list[Any]:
        return list(self.api.node(name)["spec"].get("taints", []))


@pytest.fixture
def site() -> Site:
    return Site()


def told(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(one.kind, one.thing, one.before, one.after) for one in changes]


def test_labels_and_replicas(site: Site) -> None:
    assert told(site.apply()) == [
        ("label", "nodes n1", "", "aidc.ops/project=vision"),
        ("label", "nodes n2", "", "aidc.ops/project=talk"),
        ("scale_up", f"workload {TAGGER}", "2 replicas", "3 replicas"),
        ("scale_down", f"workload {CHAT}", "2 replicas", "1 replicas"),
    ]
    assert [site.label(name) for name in NAMES] == ["vision", "talk", None]
    assert site.api.objects[scale_path(TAGGER)]["spec"]["replicas"] == 3


def test_nodes_change_hands(site: Site) -> None:
    site.apply(policy=CLOSED)
    site.api.node("n1")["spec"]["taints"].insert(0, FOREIGN)
    swapped = plans.plan([(TAGGER, "n2"), (TAGGER, "n2"), (TAGGER, "n3"), (CHAT, "n1")])
    kinds = [(one.kind, one.thing, one.after) for one in site.apply(made=swapped, policy=CLOSED)]
    assert [one for one in kinds if one[0] != "label"] == [
        ("untaint", "nodes n1", ""),
        ("untaint", "nodes n2", ""),
        ("relabel", "nodes n1", "aidc.ops/project=talk"),
        ("relabel", "nodes n2", "aidc.ops/project=vision"),
        ("taint", "nodes n1", "taint aidc.ops/project=talk"),
        ("taint", "nodes n[2-3]", "taint aidc.ops/project=vision"),
    ]
    assert site.taints("n1") == [FOREIGN, {"key": "aidc.ops/project", "value": "talk", "effect": "NoSchedule"}]
    back = [one.kind for one in site.apply(made=plans.plan([(TAGGER, "n1"), (CHAT, "n1")]), policy=OPEN)]
    assert back.count("unlabel") == 2 and "taint" not in back
    assert site.taints("n1") == [FOREIGN] and [site.label(name) for name in NAMES] == [None] * 3


def test_what_the_policy_does_not_let(site: Site) -> None:
    found = site.compare(policy=ApplyPolicy())
    assert {one.kind for one in found.changes} == {"label"}
    assert any("policy.scale is off" in note for note in found.notes)
    found = site.compare(made=plans.plan([(TAGGER, "n1")]))
    assert [(one.kind, one.thing) for one in found.refused] == [("scale_down", f"workload {CHAT}")]
    found = site.compare(policy=ApplyPolicy(dedicated=True, most_out=1))
    assert len([one for one in found.changes if one.kind == "taint"]) == 1 and found.later[0].kind == "taint"


def test_copies_that_the_plan_leaves_alone_are_replicas_too(site: Site) -> None:
    works = [{**WORKS[0], "copies": 1, "unplanned_copies": 1}, {**WORKS[1], "copies": 1, "unplanned_copies": 2}]
    made_of = plans.problem(NAMES, works)
    changes = site.apply(made_of, plans.plan([(TAGGER, "n1")]))
    assert [one for one in told(changes) if one[0] != "label"] == [], "1 + 1 and 0 + 2 are what they have"


def test_a_node_of_the_cluster_s_own_is_not_one_that_has_come_back(site: Site) -> None:
    site.api.node("n3")["spec"]["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    rows = [plans.node("n1"), plans.node("n2"), plans.node("n3", in_service=False)]
    assert site.compare(plans.problem(rows, WORKS)).notes == []


def test_what_is_gone_falls_away(site: Site) -> None:
    del site.api.objects[scale_path(CHAT)]
    found = site.compare()
    assert f"No longer there, so nothing is done about them: {CHAT}." in found.notes
    (change,) = [one for one in found.changes if one.kind == "scale_up"]
    del site.api.objects[scale_path(TAGGER)]
    assert not carry_out.in_kubernetes(change, site.inputs)


def test_a_change_of_somebody_else_in_between_is_kept(site: Site) -> None:
    def once() -> None:
        site.api.before_patch = lambda: None
        site.api.put("/api/v1/nodes/n1", {**site.api.node("n1"), "spec": {"taints": [FOREIGN]}})

    site.api.before_patch = once
    site.inputs.taint(["n1"], "vision")
    assert FOREIGN in site.taints("n1") and len(site.taints("n1")) == 2


def test_somebody_who_never_stops(site: Site) -> None:
    site.api.before_patch = lambda: (
        [site.api.put(path, thing) for path, thing in list(site.api.objects.items())] and None
    )
    with pytest.raises(EngineError, match="n1 was changed by others 8 times"):
        site.inputs.label(["n1"], "vision")
    with pytest.raises(EngineError, match="each time it was to have 3 replicas"):
        site.inputs.scale(TAGGER, 3)


@pytest.mark.parametrize("project", ["a b", "-x", "x" * 64, "a/b", "{{ 7 * 7 }}", "x\n"])
def test_projects_that_no_label_can_be(site: Site, project: str) -> None:
    made_of = plans.problem(NAMES, [plans.work(TAGGER, project)])
    found = site.compare(made_of, plans.plan([(TAGGER, "n1")]), CLOSED)
    assert [(one.kind, one.thing) for one in found.refused] == [("label", "nodes n1")]
    assert not [one for one in found.changes if "n1" in one.names]
    for call in (site.inputs.label, site.inputs.taint):
        with pytest.raises(EngineError, match="cannot be the value of a label"):
            call(["n1"], project)


@pytest.mark.parametrize("name", ["", "../pods/x", "N1", "n1?dryRun=All", "all nodes"])
def test_names_that_are_no_nodes(site: Site, name: str) -> None:
    with pytest.raises(EngineError, match="is not the name of a node"):
        site.inputs.label([name], "vision")
    with pytest.raises(EngineError, match="is not namespace/deployment/name"):
        site.inputs.scale(f"a/deployment/{name}/../..", 1)


def test_a_plan_of_another_fleet_is_refused(site: Site) -> None:
    site.api.node("n1")["spec"]["unschedulable"] = True
    site.api.node("n2")["status"]["allocatable"]["nvidia.com/gpu"] = "0"
    site.api.node("n3")["metadata"]["labels"] = {"nvidia.com/gpu.product": "NVIDIA-L40S"}
    with pytest.raises(StaleError) as caught:
        site.compare()
    assert caught.value.differences == [
        "n1: out of service now (cordoned by somebody else)",
        "n2: 0 GPUs now, the plan counts on 8",
        "n3: GPUs are NVIDIA-L40S now, the plan counts on h100",
    ]


def test_gpus_that_are_cut_into_instances_are_not_counted(site: Site) -> None:
    site.api.node("n1")["status"]["allocatable"] = {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "56"}
    site.api.node("n2")["status"] = {"conditions": site.api.node("n2")["status"]["conditions"]}
    assert site.compare().changes

# Tests of the PriorityClass of workloads, on an API server in memory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, kube_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import ApplyPolicy, Change, Difference
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import KubeInputs
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_apply import plans
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._engines.kube_fake import FakeApi, node

TAGGER, CHAT = "vision/deployment/tagger", "talk/statefulset/chat"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
PRIORITY = ApplyPolicy(priority=True)


def path(workload: str) -> str:
    space, kind, name = workload.split("/")
    return f"/apis/apps/v1/namespaces/{space}/{kind}s/{name}"


class Site:
    """A node, two workloads, and the classes high (1000) and low (10)."""

    def __init__(self) -> None:
        self.api = FakeApi(node("n1"))
        for workload in (TAGGER, CHAT):
            about = {"metadata": {"name": workload}}
            self.api.put(path(workload), {**about, "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}}})
            self.api.put(f"{path(workload)}/scale", {"metadata": {"name": workload}, "spec": {"replicas": 1}})
        self.add("high", 1000)
        self.add("low", 10)
        self.inputs = KubeInputs(self.api)

    def add(self, name: str, value: Any, **more: Any) -> None:
        self.api.put(f"{CLASSES}/{name}", {"metadata": {"name": name}, "value": value, **more})

    def pods(self, workload: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects[path(workload)]["spec"]["template"]["spec"]
        return found

    def compare(self, tagger: int = 0, chat: int = 0, policy: ApplyPolicy = PRIORITY) -> Difference:
        works = [plans.work(TAGGER, "vision", priority=tagger), plans.work(CHAT, "talk", priority=chat)]
        rows = [plans.node("n1")]
        wanted = wanted_of(read_problem(plans.problem(rows, works)), plans.plan([(TAGGER, "n1"), (CHAT, "n1")]))
        return kube_diff.difference(wanted, self.inputs.now(kube_diff.workloads(wanted), policy.priority), policy)

    def apply(self, tagger: int = 0, chat: int = 0) -> list[Change]:
        """All changes made; a second comparison finds none."""
        changes = self.compare(tagger, chat).changes
        for change in changes:
            assert carry_out.in_kubernetes(change, self.inputs)
        assert self.compare(tagger, chat).changes == []
        return [one for one in changes if one.kind == "priority"]


@pytest.fixture
def site() -> Site:
    return Site()


def test_the_class_that_has_the_priority_is_named(site: Site) -> None:
    (change,) = site.apply(tagger=1000)
    assert (change.thing, change.before, change.after) == (f"workload {TAGGER}", "", "PriorityClass high")
    assert site.pods(TAGGER) == {"containers": [{"name": "main"}], "priorityClassName": "high"}
    assert "priorityClassName" not in site.pods(CHAT)
    (change,) = site.apply(tagger=10)
    assert (change.before, change.after) == ("PriorityClass high", "PriorityClass low")


def test_without_the_policy_nothing_is_read_or_done(site: Site) -> None:
    found = site.compare(tagger=1000, policy=ApplyPolicy())
    assert not [one for one in found.changes if one.kind == "priority"] and found.refused == []
    assert not [one for one in site.api.calls if "priorityclasses" in one[1] or one[1] == path(TAGGER)]


def test_priority_0_is_not_known_to_be_one(site: Site) -> None:
    site.add("nothing", 0)
    site.apply(tagger=1000)
    assert site.apply(tagger=0) == [] and site.pods(TAGGER)["priorityClassName"] == "high"


def test_the_default_of_the_cluster(site: Site) -> None:
    site.add("usual", 50, globalDefault=True)
    assert site.apply(tagger=50) == [], "its pods have it without a name"
    (change,) = site.apply(tagger=10)
    assert change.after == "PriorityClass low"


def test_another_class_of_the_same_value_is_as_good(site: Site) -> None:
    site.pods(TAGGER)["priorityClassName"] = "high"
    site.add("also-high", 1000)
    found = site.compare(tagger=1000)
    assert not [one for one in found.changes if one.kind == "priority"] and found.refused == []


def test_where_no_class_or_several_fit(site: Site) -> None:
    site.add("also-high", 1000)
    found = site.compare(tagger=1000, chat=7)
    assert not [one for one in found.changes if one.kind == "priority"]
    assert [(one.kind, one.thing, one.why) for one in found.refused] == [
        (
            "priority",
            f"workload {CHAT}",
            "no PriorityClass has the value 7; let one have it, or change the problem",
        ),
        (
            "priority",
            f"workload {TAGGER}",
            "also-high, high all have the value 1000; let one have it, or change the problem",
        ),
    ]


def test_a_class_that_is_gone_counts_as_another_priority(site: Site) -> None:
    site.pods(TAGGER)["priorityClassName"] = "old"
    (change,) = site.apply(tagger=1000)
    assert change.before == "PriorityClass old"


def test_what_is_gone_falls_away(site: Site) -> None:
    (change,) = [one for one in site.compare(tagger=1000).changes if one.kind == "priority"]
    for part in ("", "/scale"):
        del site.api.objects[f"{path(TAGGER)}{part}"]
    assert not [one for one in site.compare(tagger=1000).changes if one.kind == "priority"]
    assert not carry_out.in_kubernetes(change, site.inputs)


def test_a_value_beside_the_name_gives_way(site: Site) -> None:
    site.pods(TAGGER)["priority"] = 10
    site.apply(tagger=1000)
    assert "priority" not in site.pods(TAGGER)


@pytest.mark.parametrize("value", [None, "1000", True, float("nan")])
def test_classes_without_a_value(site: Site, value: Any) -> None:
    site.add("odd", value)
    with pytest.raises(EngineError, match="does not say the value of a PriorityClass"):
        site.compare()


def test_what_is_no_workload_and_no_class(site: Site) -> None:
    site.api.objects[path(CHAT)]["spec"] = {}
    with pytest.raises(EngineError, match="does not say what the pods of talk/statefulset/chat are"):
        site.compare()
    for name in ("../x", "a b", "High"):
        with pytest.raises(EngineError, match="is not the name of a PriorityClass"):
            site.inputs.prioritise(TAGGER, name)


def test_somebody_who_never_stops(site: Site) -> None:
    def again() -> None:
        for at, thing in list(site.api.objects.items()):
            site.api.put(at, thing)

    site.api.before_patch = again
    with pytest.raises(EngineError, match="was changed by others each time it was to have the PriorityClass high"):
        site.inputs.prioritise(TAGGER, "high")

# Tests of several schedulers as one: choice by node, one that is dead, and ids that do not collide.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import (
    EngineJob,
    EngineNode,
    JobId,
    open_engines,
)
from ansible_collections.aidc.ops.plugins.module_utils._engines.composite import CompositeEngine
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError


class Plain:
    """An engine that remembers what it was asked; ``dead`` makes every call fail, ``foreign`` are other people's."""

    def __init__(self, names: Sequence[str], job: JobId = 1) -> None:
        self.names, self.job = names, job
        self.dead = False
        self.foreign: dict[str, str] = {}
        self.asked: list[tuple[object, ...]] = []

    def _ask(self, *what: object) -> None:
        self.asked.append(what)
        if self.dead:
            raise EngineError("no answer")

    def nodes(self) -> dict[str, EngineNode]:
        self._ask("nodes")
        return {name: EngineNode(name, ("idle",), "", False, False, False, (self.job,)) for name in self.names}

    def notes(self) -> list[str]:
        return [f"note of {self.names[0]}"] if self.asked[-1][0] == "evict" else []

    def jobs(self, names: Sequence[str]) -> list[EngineJob]:
        self._ask("jobs", *names)
        return [EngineJob(str(self.job), "x", "alice", tuple(names), True)]

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        self._ask("drain", *names)
        if self.foreign:
            raise ForeignDrainError("somebody else's", self.foreign)
        return True

    def resume(self, name: str, owner_token: str) -> bool:
        self._ask("resume", name)
        return True

    def evict(self, name: str, owner_token: str, force: bool = True) -> bool:
        self._ask("evict", name, force)
        return True

    def requeue(self, job_id: str) -> bool:
        self._ask("requeue", job_id)
        return True

    def reserve(self, names: Sequence[str], owner_token: str, seconds: float) -> bool:
        self._ask("reserve", *names)
        return False

    def unreserve(self, owner_token: str) -> bool:
        self._ask("unreserve")
        return True

    def scale_out(self, workload: str, by: int, limit: int) -> int:
        self._ask("scale_out", workload)
        return limit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Fixture:
    """Slurm has gpu1 and gpu2 (and also lists pod1, which is not its own); Kubernetes has pod1 and pod2."""

    def __init__(self) -> None:
        self.slurm, self.pods = Plain(["gpu1", "gpu2", "pod1"]), Plain(["pod1", "pod2", "gpu1"], "default/x")
        self.clock = Clock()
        chosen = {"pod1": "k8s", "pod2": "k8s", "gpu1": "engine"}
        self.all = CompositeEngine(self.slurm, {"k8s": self.pods}, chosen, self.clock)


@pytest.fixture
def site() -> Fixture:
    return Fixture()


def test_each_node_comes_from_its_own_engine(site: Fixture) -> None:
    nodes = site.all.nodes()
    assert {name: node.jobs for name, node in nodes.items()} == {
        "gpu1": (1,),
        "gpu2": (1,),
        "pod1": ("k8s:default/x",),
        "pod2": ("k8s:default/x",),
    }
    assert site.all.notes() == []


def test_a_dead_engine_takes_only_its_own_nodes_along(site: Fixture) -> None:
    site.pods.dead = True
    assert set(site.all.nodes()) == {"gpu1", "gpu2"}
    assert site.all.notes() == ["The nodes of k8s are unknown: no answer"]
    assert site.all.drain(["gpu1"], {"gpu1": "aidc.ops:1 x"})
    with pytest.raises(EngineError, match="k8s: no answer"):
        site.all.drain(["gpu1", "pod1"], dict.fromkeys(("gpu1", "pod1"), "aidc.ops:1 x"))
    assert site.slurm.asked[-1] == ("drain", "gpu1"), "the other one did its part all the same"


def test_a_dead_engine_does_not_delay_every_read(site: Fixture) -> None:
    site.pods.dead = True
    for _round in range(3):
        site.all.nodes()
        assert site.all.notes() == ["The nodes of k8s are unknown: no answer"]
    assert len(site.pods.asked) == 1
    site.pods.dead = False
    site.clock.now += 16
    assert "pod1" in site.all.nodes()
    assert site.all.notes() == []


def test_without_any_answer_nothing_is_known(site: Fixture) -> None:
    site.pods.dead = site.slurm.dead = True
    for _round in range(2):
        with pytest.raises(EngineError, match="engine: no answer k8s: no answer"):
            site.all.nodes()
    assert len(site.slurm.asked) == 2, "with nobody left, all are asked again at once"


def test_foreign_nodes_of_several_engines(site: Fixture) -> None:
    site.pods.foreign, site.slurm.foreign = {"pod1": "cordoned by kim"}, {"gpu1": "Kim works here"}
    with pytest.raises(ForeignDrainError) as caught:
        site.all.drain(["gpu1", "pod1"], dict.fromkeys(("gpu1", "pod1"), "aidc.ops:1 x"))
    assert caught.value.reasons == {"pod1": "cordoned by kim", "gpu1": "Kim works here"}


def test_calls_go_to_the_engine_of_the_node(site: Fixture) -> None:
    assert site.all.resume("pod2", "aidc.ops:1")
    assert site.all.evict("pod2", "aidc.ops:1", force=False)
    assert site.all.notes() == ["note of pod1"]
    assert not site.all.reserve(["pod2", "gpu2"], "aidc.ops:1", 60)
    assert site.all.unreserve("aidc.ops:1")
    assert [job.id for job in site.all.jobs(["pod1", "gpu1"])] == ["k8s:default/x", "1"]
    assert site.all.requeue("k8s:default/x") and site.all.requeue("1")
    assert site.all.scale_out("k8s:default/deployment/x", 1, 4) == 4
    assert site.slurm.asked == [("reserve", "gpu2"), ("unreserve",), ("jobs", "gpu1"), ("requeue", "1")]
    assert site.pods.asked == [
        ("resume", "pod2"),
        ("evict", "pod2", False),
        ("reserve", "pod2"),
        ("unreserve",),
        ("jobs", "pod1"),
        ("requeue", "default/x"),
        ("scale_out", "default/deployment/x"),
    ]
    for call in (lambda: site.all.requeue("x:1"), lambda: site.all.scale_out("x:1", 1, 2)):
        with pytest.raises(EngineError, match="begins with no engine"):
            call()


def test_an_end_of_reservations_that_may_have_failed(site: Fixture) -> None:
    site.pods.dead = True
    with pytest.raises(EngineError):
        site.all.unreserve("aidc.ops:1")


@pytest.mark.parametrize(
    ("others", "chosen"), [({}, {"a": "x"}), ({"engine": Plain([])}, {}), ({"a:b": Plain([])}, {})]
)
def test_settings_that_cannot_be_meant(others: dict[str, Plain], chosen: dict[str, str]) -> None:
    with pytest.raises(EngineError):
        CompositeEngine(Plain([]), others, chosen)


@dataclass
class Options:
    kind: str = "slurm"
    scontrol: str = "/none"
    squeue: str = "/none"
    kubeconfig: str | None = None
    context: str | None = None
    timeout_seconds: float = 1.0


@dataclass
class Node:
    engine: str | None = None


@dataclass
class Site:
    engine: Options = field(default_factory=Options)
    engines: dict[str, Options] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)


def test_open_engines() -> None:
    assert isinstance(open_engines(Site(nodes={"a": Node()})), SlurmEngine)
    assert isinstance(open_engines(Site(engine=Options("kubernetes"))), KubernetesEngine)
    several = Site(engines={"k8s": Options("kubernetes")}, nodes={"a": Node("k8s"), "b": Node()})
    assert isinstance(open_engines(several, dry_run=True), CompositeEngine)

# Tests of resizing deployments and stateful sets: one patch for what differs, and never over somebody else's change.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import containers, in_place, kube, rollout
from ansible_collections.aidc.ops.plugins.module_utils._resize.outcome import Outcome
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._resize.services import (
    Services,
    container,
    counts,
    service,
)

CHAT = kube.Workload("models", "deployment", "chat")
EMBED = kube.Workload("models", "statefulset", "chat")
MORE_CPU = containers.read_wishes([{"name": "server", "requests": {"cpu": "2"}}])
GPUS = containers.read_wishes([{"name": "server", "limits": {"nvidia.com/gpu": 2}}])


def resize(api: Services, dry: bool = False, workload: kube.Workload = CHAT, **wish: Any) -> Outcome:
    wished = kube.Wish(wish.get("replicas"), wish.get("containers", {}), wish.get("only_from"))
    return kube.resize(KubernetesEngine(api, dry), workload, wished, dry, 1000.7)


def in_pods(api: Services, wishes: containers.Wishes, dry: bool = False, workload: kube.Workload = CHAT) -> Outcome:
    return in_place.resize(KubernetesEngine(api, dry), workload, wishes, dry)


def test_replicas_and_when_they_changed() -> None:
    api = Services(deployments=service(3))
    outcome = resize(api, replicas=5)
    assert (outcome.before, outcome.after, outcome.changed) == ({"replicas": 3}, {"replicas": 5}, True)
    assert api.workload()["spec"]["replicas"] == 5
    assert api.workload()["metadata"]["annotations"] == {kube.SCALED_UP: "1000"}
    assert not resize(api, replicas=5).changed
    assert len(api.patches()) == 1, "what is so already is not written"
    resize(api, replicas=1)
    assert set(api.workload()["metadata"]["annotations"]) == {kube.SCALED_UP, kube.SCALED_DOWN}


def test_containers_in_one_patch_with_replicas() -> None:
    api = Services(statefulsets=service(2, container("log"), container(requests={"cpu": "1"})))
    outcome = resize(api, workload=EMBED, replicas=3, containers=MORE_CPU)
    assert outcome.before["containers"] == {"server": {"requests": {"cpu": "1"}}}
    assert outcome.after["containers"] == {"server": {"requests": {"cpu": "2"}}}
    found = api.workload("statefulsets")["spec"]["template"]["spec"]["containers"]
    assert found == [container("log"), container(requests={"cpu": "2"})]
    assert len(api.patches()) == 1 and not resize(api, workload=EMBED, containers=MORE_CPU).changed


def test_a_dry_run_changes_nothing() -> None:
    api = Services(deployments=service(3))
    outcome = resize(api, dry=True, replicas=5, containers=GPUS)
    assert outcome.changed and api.patches() == []


def test_somebody_else_changed_it() -> None:
    api = Services(deployments=service(3))
    with pytest.raises(ResizeError, match="asks for 3 replicas and not for 4: somebody else changed it"):
        resize(api, replicas=5, only_from=4)
    assert resize(api, replicas=5, only_from=3).changed
    assert not resize(api, replicas=5, only_from=3).changed, "it was us, or it is as wished"

    def faster() -> None:
        api.before_patch = lambda: None
        api.put(CHAT.path, {**api.workload(), "spec": {**api.workload()["spec"], "replicas": 9}})

    api.before_patch = faster
    with pytest.raises(ResizeError, match="asks for 9 replicas and not for 5"):
        resize(api, replicas=6, only_from=5)
    assert api.workload()["spec"]["replicas"] == 9


def test_what_the_server_makes_of_it_is_read_back() -> None:
    api = Services(deployments=service(3))
    api.after_patch = lambda path: api.workload()["spec"].update(replicas=4)
    with pytest.raises(EngineError, match=r"shows \{'replicas': 4\} in place of \{'replicas': 5\}"):
        resize(api, replicas=5)


@pytest.mark.parametrize("name", ["chat", "models/job/chat", "models/deployment/../x", "Models/deployment/chat", ""])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ResizeError, match="not namespace/kind/name"):
        kube.named(name)


def test_a_workload_that_is_not_there() -> None:
    with pytest.raises(ResizeError, match="no deployment 'chat' in the namespace 'models'"):
        resize(Services(), replicas=1)


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ({"paused": True}, "is paused"),
        ({"updateStrategy": {"type": "OnDelete"}}, "only when they are deleted"),
        ({"strategy": {"type": "Recreate"}}, "ends all pods before"),
        ({"strategy": {"type": "RollingUpdate"}}, None),
    ],
)
def test_notes_about_the_strategy(spec: dict[str, Any], note: str | None) -> None:
    notes = resize(Services(deployments=service(1, **spec)), containers=MORE_CPU).notes
    assert (note is None and not notes) or note in notes[0]  # type: ignore[operator]


def test_why_it_is_not_done_in_place() -> None:
    api = Services(deployments=service(1))
    engine = KubernetesEngine(api)
    assert in_place.hindrance(engine, api.workload(), MORE_CPU) == "this server has no pods/resize"
    api.resizable = True
    assert in_place.hindrance(engine, api.workload(), MORE_CPU) == ""
    assert "nvidia.com/gpu of a running pod" in in_place.hindrance(engine, api.workload(), GPUS)


@pytest.mark.parametrize(("plural", "workload"), [("deployments", CHAT), ("statefulsets", EMBED)])
def test_in_place(plural: str, workload: kube.Workload) -> None:
    api = Services(**{plural: service(3, container(requests={"cpu": "1"}))})
    api.resizable = True
    api.pod(1)["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "2000m"
    api.pod(2)["metadata"]["ownerReferences"][0]["name"] = "chatter-7c"
    dry = in_pods(api, MORE_CPU, dry=True, workload=workload)
    assert set(dry.after["pods"]) == {"chat-0"} and api.patches() == []
    outcome = in_pods(api, MORE_CPU, workload=workload)
    assert outcome.before == {"pods": {"chat-0": {"server": {"requests": {"cpu": "1"}}}}}
    assert api.patches() == ["/api/v1/namespaces/models/pods/chat-0/resize"]
    assert "template of" in outcome.notes[0]
    assert api.workload(plural)["spec"]["template"]["spec"]["containers"] == [container(requests={"cpu": "1"})]
    assert not in_pods(api, MORE_CPU, workload=workload).changed


def test_a_pod_that_does_not_show_it() -> None:
    api = Services(deployments=service(1))
    api.resizable = True
    api.after_patch = lambda path: api.pod(0)["spec"].update(containers=[container()])
    with pytest.raises(EngineError, match="pod models/chat-0, but does not show it"):
        in_pods(api, MORE_CPU)


class Clock:
    """Each sleep passes at once; ``during`` is called in it."""

    def __init__(self) -> None:
        self.now, self.during = 0.0, lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.during()


def wait(api: Services, clock: Clock) -> None:
    rollout.wait(KubernetesEngine(api), CHAT, 60, clock, clock.sleep)


def test_a_roll_out_is_awaited_for_a_bounded_time() -> None:
    api, clock = Services(deployments=service(3)), Clock()
    wait(api, clock)
    assert clock.now == 0
    api.workload()["status"] = counts(4, updatedReplicas=1, readyReplicas=3)
    with pytest.raises(ResizeError, match=r"after 60 s: of 3 replicas 4 there, 1 up to date"):
        wait(api, clock)
    assert 60 <= clock.now < 62
    clock.during = lambda: api.workload().update(status=counts(3))
    wait(api, clock)
    assert clock.now < 65


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": counts(3, observedGeneration=0)}, "has not seen it yet"),
        ({"status": {}}, "has not seen it yet"),
        ({"status": counts(3, readyReplicas=0)}, "0 ready"),
    ],
)
def test_what_a_roll_out_lacks(change: dict[str, Any], message: str) -> None:
    assert message in rollout.lacking({**service(3), **change})
    assert rollout.lacking({**service(0), "status": {"observedGeneration": 1}}) == ""
    assert "paused" in rollout.lacking(service(3, paused=True))


def test_a_roll_out_that_is_stuck_is_not_awaited() -> None:
    stuck = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "has timed out"}
    api = Services(deployments={**service(3), "status": counts(2, conditions=[stuck])})
    clock = Clock()
    with pytest.raises(ResizeError, match="stuck: has timed out"):
        wait(api, clock)
    assert clock.now == 0


def test_pods_that_wait_for_their_node() -> None:
    api, clock = Services(deployments=service(1)), Clock()
    pending = {"type": "PodResizePending", "status": "True", "reason": "Deferred", "message": "node is full"}
    api.pod(0)["status"]["conditions"] = [pending]
    with pytest.raises(ResizeError, match="waits for its node: node is full"):
        wait(api, clock)
    pending["reason"] = "Infeasible"
    with pytest.raises(ResizeError, match="can never give it that: node is full"):
        wait(api, clock)
    api.pod(0)["status"]["conditions"] = [{"type": "PodResizeInProgress", "status": "True"}]
    clock.during = lambda: api.pod(0)["status"].update(conditions=[])
    wait(api, clock)

# Tests of the module workload_resize: check, run, run, check, for both engines, and what it refuses.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.modules import workload_resize
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._resize.services import (
    Services,
    container,
    counts,
    service,
)

Call = Callable[..., dict[str, Any]]
GPUS = [{"name": "server", "limits": {"nvidia.com/gpu": 2}}]
CPU = [{"name": "server", "requests": {"cpu": "2"}}]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Services:
    made = Services(deployments=service(3, container(requests={"cpu": "1"})))
    monkeypatch.setattr(
        workload_resize, "open_addressed", lambda _settings, name, dry: (KubernetesEngine(made, dry), name)
    )
    return made


@pytest.fixture
def run(call: Call) -> Call:
    def do(check: bool = False, **arguments: Any) -> dict[str, Any]:
        return call(workload_resize.main, check=check, **{"workload": "models/deployment/chat", **arguments})

    return do


def test_four_steps(run: Call, api: Services) -> None:
    wished = {"replicas": 5, "containers": GPUS}
    check = run(check=True, **wished)
    assert check["changed"] and api.patches() == []
    assert check["diff"]["before"]["replicas"] == 3 and check["diff"]["after"]["replicas"] == 5
    done = run(**wished)
    assert (done["changed"], done["after"], done["method"], done["rolled_out"]) == (
        True,
        {
            "replicas": 5,
            "containers": {"server": {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}}},
        },
        "rolling",
        None,
    )
    for again in (run(**wished), run(check=True, **wished)):
        assert (again["changed"], again["diff"], again["before"]) == (False, {}, done["after"])
    assert len(api.patches()) == 1


def test_in_place_where_the_server_can(run: Call, api: Services) -> None:
    api.resizable = True
    done = run(containers=CPU, replicas=4, method="in_place")
    assert (done["method"], done["after"]["replicas"], len(done["after"]["pods"])) == ("in_place", 4, 3)
    assert not run(containers=CPU, replicas=4, method="in_place")["changed"]
    rolled = run(containers=GPUS, method="in_place")
    assert rolled["method"] == "rolling"
    assert rolled["notes"] == ["Not in place, because nvidia.com/gpu of a running pod cannot be changed."]


def test_in_place_where_it_cannot(run: Call, api: Services) -> None:
    done = run(containers=CPU, method="in_place")
    assert (done["changed"], done["method"]) == (True, "rolling")
    assert done["notes"] == ["Not in place, because this server has no pods/resize."]
    assert not run(containers=CPU, method="in_place")["changed"]


def test_waiting(run: Call, api: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    api.after_patch = lambda path: api.workload().update(status=counts(5))
    assert run(replicas=5, wait_seconds=1)["rolled_out"] is True
    monkeypatch.setattr(workload_resize.rollout, "_EVERY_SECONDS", 0.01)
    api.after_patch = lambda path: None
    check = run(check=True, replicas=6, wait_seconds=1)
    assert (check["changed"], check["rolled_out"]) == (True, None)
    late = run(replicas=6, wait_seconds=1)
    assert late["failed"] and late["changed"] and "not through after 1 s: of 6 replicas 5 there" in late["msg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing is wished; give replicas or containers"),
        ({"replicas": -1}, "replicas is -1; it cannot be negative"),
        ({"replicas": 1, "wait_seconds": -1}, "wait_seconds is -1"),
        ({"replicas": 1, "time_limit": "1:00"}, "time_limit cannot be set, because the workload belongs to Kubernetes"),
        ({"replicas": 1, "workload": "models/deployment/none"}, "no deployment 'none' in the namespace 'models'"),
        ({"replicas": 1, "workload": "job/12"}, "not namespace/kind/name"),
        ({"containers": [{"name": "server", "limits": {"cpu": "500m"}}]}, "limit of cpu would be 500m, below its"),
        ({"containers": [{"name": "server", "limits": {"cpu": "NaN"}}]}, "limits.cpu is 'NaN'"),
        ({"containers": [{"name": "none", "limits": {"cpu": 1}}]}, "no container 'none'; it has server"),
    ],
)
def test_what_kubernetes_is_not_asked_for(run: Call, api: Services, arguments: dict[str, Any], message: str) -> None:
    answer = run(**arguments)
    assert answer["failed"] and " was not resized: " in answer["msg"] and message in answer["msg"]
    assert api.patches() == []


def test_a_number_that_somebody_else_changed(run: Call, api: Services) -> None:
    assert "somebody else changed it since" in run(replicas=5, only_from_replicas=4)["msg"]
    assert "only_from_replicas" in run(only_from_replicas=4, containers=CPU)["msg"]


class Job(SlurmEngine):
    """A Slurm with one pending job."""

    limit = "01:00:00"

    def show(self, kind: str, name: str) -> str:
        return f"JobId=12 JobState=PENDING Reason=None RunTime=00:00:00 TimeLimit={self.limit} TimeMin=N/A\n"

    def update(self, *words: str) -> None:
        if not self._dry_run:
            type(self).limit = words[1].partition("=")[2]


def test_a_slurm_job(run: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, "limit", "01:00:00")
    monkeypatch.setattr(
        workload_resize, "open_addressed", lambda _settings, name, dry: (Job("scontrol", "squeue", 5, dry), name)
    )
    wished = {"workload": "job/12", "time_limit": "2:00:00"}
    changed = [run(check=check, **wished)["changed"] for check in (True, False, False, True)]
    assert changed == [True, True, False, False] and Job.limit == "0-02:00:00"
    assert "write it in quotes" in run(workload="job/12", time_limit=7200)["msg"]
    assert "nothing is wished" in run(workload="job/12")["msg"]
    assert "cpus is 0" in run(workload="job/12", cpus=0)["msg"]
    assert "replicas cannot be set, because the workload belongs to Slurm" in run(workload="job/12", replicas=2)["msg"]


def test_an_engine_that_is_not_there(run: Call) -> None:
    answer = run(workload="inference:models/deployment/chat", replicas=1)
    assert "begins with no engine that there is; known: engine" in answer["msg"]

# Tests of the module engine_node.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import engine_node
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

Call = Callable[..., dict[str, Any]]
DRAIN = {"name": "gpu2", "state": "drained", "token": "aidc.ops:1", "reason": "aidc.ops:1 gpu_fell_off_bus"}
RESUME = {"name": "gpu2", "state": "resumed", "token": "aidc.ops:1"}


def four(call: Call, **arguments: Any) -> list[bool]:
    return [call(engine_node.main, check=check, **arguments)["changed"] for check in (True, False, False, True)]


def test_check_run_run_check(call: Call, controller: Controller) -> None:
    assert four(call, **DRAIN) == [True, True, False, False]
    assert (controller.folder / "nodes" / "gpu2").read_text("utf-8") == "IDLE+DRAIN\naidc.ops:1 gpu_fell_off_bus\n"
    (controller.folder / "jobs").write_text("9|gpu2\n", encoding="utf-8")
    assert call(engine_node.main, **{**RESUME, "state": "evicted"})["changed"]
    assert four(call, **RESUME) == [True, True, False, False]


def test_diff(call: Call) -> None:
    answer = call(engine_node.main, check=True, **DRAIN)
    assert answer["diff"] == {"before": {"reason": ""}, "after": {"reason": DRAIN["reason"]}}
    assert answer["node"]["out"] is False


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("arguments", [DRAIN, RESUME, {**RESUME, "state": "evicted"}])
def test_nobody_elses_node_is_touched(
    call: Call, controller: Controller, arguments: dict[str, Any], check: bool
) -> None:
    answer = call(engine_node.main, check=check, **{**arguments, "name": "gpu3"})
    assert answer["failed"] and answer["foreign"]
    assert (controller.folder / "nodes" / "gpu3").read_text("utf-8") == "IDLE+DRAIN\nKim works here\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({**RESUME, "name": "gpu9"}, "does not know gpu9"),
        ({**RESUME, "token": "Kim"}, "must begin with aidc.ops:"),
        ({**DRAIN, "reason": "aidc.ops:12 x"}, "reason must begin with the token"),
        ({**DRAIN, "reason": None}, "reason"),
        ({**DRAIN, "reason": "aidc.ops:1 x' State=IDLE"}, "cannot be a reason"),
    ],
)
def test_failures(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = call(engine_node.main, **arguments)
    assert answer["failed"] and message in answer["msg"] and not answer.get("foreign")


def test_without_force_running_jobs_are_awaited(call: Call, controller: Controller) -> None:
    call(engine_node.main, **DRAIN)
    (controller.folder / "jobs").write_text("9|gpu2\n", encoding="utf-8")
    answer = call(engine_node.main, **{**RESUME, "state": "evicted", "force": False})
    assert not answer["changed"]
    assert answer["waiting"] == ["gpu2: 1 jobs run until they end by themselves."]
    assert answer["node"]["jobs"] == [9]


def test_a_node_of_an_engine_that_is_dead(call: Call, controller: Controller) -> None:
    """The other engine answers, so the node is unknown; the message says why."""
    path = controller.folder / "controller.json"
    settings = json.loads(path.read_text("utf-8"))
    settings["engines"] = {"pods": {"kind": "kubernetes", "kubeconfig": "/none"}}
    settings["nodes"]["pod1"] = {"engine": "pods"}
    path.write_text(json.dumps(settings), encoding="utf-8")
    answer = call(engine_node.main, **{**DRAIN, "name": "pod1"})
    assert answer["failed"] and "does not know pod1" in answer["msg"]
    assert "The nodes of pods are unknown: The kubeconfig /none cannot be used" in answer["msg"]
    assert call(engine_node.main, **DRAIN)["changed"]

# Tests of the module slurm_node.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import slurm_node
from ansible_collections.aidc.ops.tests.unit.plugins.modules.conftest import Controller

Call = Callable[..., dict[str, Any]]
DRAIN = {"name": "gpu2", "state": "drained", "token": "aidc.ops:1", "reason": "aidc.ops:1 gpu_fell_off_bus"}
RESUME = {"name": "gpu2", "state": "resumed", "token": "aidc.ops:1"}


def four(call: Call, **arguments: Any) -> list[bool]:
    return [call(slurm_node.main, check=check, **arguments)["changed"] for check in (True, False, False, True)]


def test_check_run_run_check(call: Call, controller: Controller) -> None:
    assert four(call, **DRAIN) == [True, True, False, False]
    assert (controller.folder / "nodes" / "gpu2").read_text("utf-8") == "IDLE+DRAIN\naidc.ops:1 gpu_fell_off_bus\n"
    (controller.folder / "jobs").write_text("9|gpu2\n", encoding="utf-8")
    assert call(slurm_node.main, **{**RESUME, "state": "evicted"})["changed"]
    assert four(call, **RESUME) == [True, True, False, False]


def test_diff(call: Call) -> None:
    answer = call(slurm_node.main, check=True, **DRAIN)
    assert answer["diff"] == {"before": {"reason": ""}, "after": {"reason": DRAIN["reason"]}}
    assert answer["node"]["out"] is False


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("arguments", [DRAIN, RESUME, {**RESUME, "state": "evicted"}])
def test_nobody_elses_node_is_touched(
    call: Call, controller: Controller, arguments: dict[str, Any], check: bool
) -> None:
    answer = call(slurm_node.main, check=check, **{**arguments, "name": "gpu3"})
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
    answer = call(slurm_node.main, **arguments)
    assert answer["failed"] and message in answer["msg"] and not answer.get("foreign")

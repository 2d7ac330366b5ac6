# Tests of the module engine_node_info: nodes and jobs as their scheduler has them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.plugins.modules import engine_node_info

Call = Callable[..., dict[str, Any]]


def test_the_nodes_of_a_scheduler(call: Call) -> None:
    for check in (False, True):
        answer = call(engine_node_info.main, check=check, names=["gpu2", "gpu3"])
        assert not answer["changed"] and "jobs" not in answer
        assert answer["nodes"]["gpu2"]["states"] == ["idle"] and not answer["nodes"]["gpu2"]["out"]
        assert answer["nodes"]["gpu3"]["reason"] == "Kim works here" and answer["nodes"]["gpu3"]["drained"]


def test_a_node_that_nobody_knows_is_an_error(call: Call) -> None:
    assert "No scheduler knows gpu9" in call(engine_node_info.main, names=["gpu2", "gpu9"])["msg"]


def test_jobs_with_their_owners(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    job = SimpleNamespace(id="41", name="train", owner="kim", nodes=("gpu2",), can_requeue=True)
    node = SimpleNamespace(states=("mixed",), reason="", out=False, drained=False, jobs=(41,))
    engine = SimpleNamespace(
        nodes=lambda: {"gpu2": node}, jobs=lambda names: [job], notes=lambda: ["the other does not answer"]
    )
    monkeypatch.setattr(engine_node_info, "open_engines", lambda settings, dry_run: engine)
    answer = call(engine_node_info.main, names=["gpu2"], jobs=True)
    assert answer["jobs"] == [{"id": "41", "name": "train", "owner": "kim", "nodes": ["gpu2"], "can_requeue": True}]
    assert answer["nodes"]["gpu2"]["jobs"] == [41]
    assert answer["notes"] == ["the other does not answer"]


def test_jobs_that_cannot_be_read_hide_no_node(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_names: list[str]) -> Any:
        raise EngineError("squeue is gone")

    node = SimpleNamespace(states=("idle",), reason="", out=False, drained=False, jobs=())
    engine = SimpleNamespace(nodes=lambda: {"gpu2": node}, jobs=fail, notes=list)
    monkeypatch.setattr(engine_node_info, "open_engines", lambda settings, dry_run: engine)
    answer = call(engine_node_info.main, names=["gpu2"], jobs=True)
    assert answer["nodes"]["gpu2"]["states"] == ["idle"] and answer["jobs"] is None
    assert answer["notes"] == ["The jobs are not known: squeue is gone"]

# Tests of the module engine_scale: more replicas once for each attempt.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.plugins.modules import engine_scale

Call = Callable[..., dict[str, Any]]


class Engine:
    """A scheduler with one workload of three replicas."""

    def __init__(self) -> None:
        self.replicas, self.dry_run, self.broken = 3, False, False

    def open(self, _settings: Any, dry_run: bool) -> Engine:
        self.dry_run = dry_run
        return self

    def scale_out(self, _workload: str, by: int, limit: int) -> int:
        if self.broken:
            raise EngineError("nobody answers")
        wanted = max(self.replicas, min(self.replicas + by, limit))
        if not self.dry_run:
            self.replicas = wanted
        return wanted


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    one = Engine()
    monkeypatch.setattr(engine_scale, "open_engines", one.open)
    return one


@pytest.fixture
def run(call: Call, tmp_path: Path) -> Call:
    def do(check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"workload": "models/deployment/chat", "limit": 12, "token": "t1", "by": 2, **arguments}
        return call(engine_scale.main, check=check, state_dir=str(tmp_path / "attempts"), **given)

    return do


def test_four_steps(run: Call, engine: Engine, tmp_path: Path) -> None:
    first = run(check=True)
    assert (first["changed"], first["replicas"], engine.replicas) == (True, 5, 3)
    assert not (tmp_path / "attempts").exists()
    assert (run()["changed"], engine.replicas) == (True, 5)
    for check in (False, True):
        again = run(check=check)
        assert (again["changed"], again["replicas"], again["in_progress"], engine.replicas) == (False, 5, False, 5)
    assert run(token="t2")["replicas"] == 7


def test_never_more_than_the_limit_and_never_fewer(run: Call, engine: Engine) -> None:
    assert run(limit=4)["replicas"] == 4
    assert run(token="t2", limit=1)["replicas"] == 4


def test_what_failed_is_not_tried_again_in_the_same_attempt(run: Call, engine: Engine) -> None:
    engine.broken = True
    answer = run()
    assert answer["failed"] and "models/deployment/chat was not given more replicas: nobody answers" in answer["msg"]
    engine.broken = False
    again = run()
    assert (again["changed"], again["replicas"], again["in_progress"], engine.replicas) == (False, None, True, 3)


@pytest.mark.parametrize("arguments", [{"by": 0}, {"limit": 0}, {"by": -1}])
def test_numbers_that_make_no_sense(run: Call, engine: Engine, arguments: dict[str, Any]) -> None:
    assert "whole numbers from 1 on" in run(**arguments)["msg"]

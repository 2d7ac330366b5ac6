# Tests of the tick, on a real ledger.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.event_source import cases_tick
from ansible_collections.aidc.ops.extensions.eda.plugins.event_source.cases_tick import Tick
from ansible_collections.aidc.ops.extensions.eda.plugins.event_source.kernel_log import KernelLog
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import loop
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.runs import WATCH
from ansible_collections.aidc.ops.plugins.module_utils._cases import holder
from ansible_collections.aidc.ops.tests.fakes.controller import Controller

DEAD = f"{holder.this_process().split(':')[0]}:999999999:1"


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    controller = Controller(tmp_path)
    controller.log("gpu2")
    KernelLog(str(controller.config)).step()
    return controller


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time
    monkeypatch.setattr(cases_tick.time, "time", lambda: now() + seconds)


def test_a_case_that_nobody_took_up_is_due_again(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    tick = Tick(str(controller.config))
    assert tick.step() == []
    pass_time(monkeypatch, 11)
    assert tick.step() == [1]


def test_a_run_that_may_take_long_to_begin_is_not_asked_for_so_soon(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of AWX that waits for its place would be launched every ten seconds."""
    monkeypatch.setattr(WATCH, "again_seconds", WATCH.again_seconds)
    tick = Tick(str(controller.config), start_seconds=120)
    pass_time(monkeypatch, 58)
    assert tick.step() == []
    controller.log("gpu3")
    assert KernelLog(str(controller.config)).step() == [2], "no source asks for it"
    pass_time(monkeypatch, 3)
    assert tick.step() == [1]


def test_a_case_in_work_is_not_due(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.ledger().lease([1], holder.this_process(), 600)
    pass_time(monkeypatch, 11)
    assert Tick(str(controller.config)).step() == []


def test_the_case_of_a_dead_run_is_free_again(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.ledger().lease([1], DEAD, 600)
    pass_time(monkeypatch, 11)
    assert Tick(str(controller.config)).step() == [1]


def test_nothing_is_handed_out_while_the_service_stops(
    controller: Controller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flag = tmp_path / "quiesce"
    flag.touch()
    monkeypatch.setenv(loop.QUIESCE_VARIABLE, str(flag))
    pass_time(monkeypatch, 11)
    tick = Tick(str(controller.config))
    assert tick.step() == []
    flag.unlink()
    assert tick.step() == [1]


def test_the_metrics_are_written(controller: Controller) -> None:
    Tick(str(controller.config)).step()
    text = controller.metrics.read_text()
    assert 'aidc_remediation_cases{state="open"} 1' in text
    assert "aidc_remediation_guard_dropped_total" in text


def test_metrics_that_cannot_be_written_stop_nothing(tmp_path: Path) -> None:
    controller = Controller(tmp_path, metrics_file=str(tmp_path / "none" / "such.prom"))
    assert Tick(str(controller.config)).step() == []


def test_closed_cases_lose_their_history_after_the_retention(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.ledger().cancel(1, "a person")
    days = Tick(str(controller.config))._desk.settings.retention_days
    pass_time(monkeypatch, (days - 1) * 86400)
    Tick(str(controller.config)).step()
    assert controller.ledger().timeline(1)
    pass_time(monkeypatch, (days + 1) * 86400)
    Tick(str(controller.config)).step()
    assert controller.ledger().timeline(1) == []


def test_an_open_case_keeps_its_history(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    pass_time(monkeypatch, 5000 * 86400)
    Tick(str(controller.config)).step()
    assert controller.ledger().timeline(1)

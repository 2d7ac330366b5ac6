# Tests of the thread and the emitter of the event sources.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health, loop
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError


class Script:
    """A worker that does what a list says: numbers are returned, exceptions raised; then the test is over."""

    def __init__(self, script: list[t.Any], done: threading.Event, log: list[str]) -> None:
        self.script, self.done, self.log = script, done, log
        self.pause_seconds = 0.0
        log.append("open")

    def step(self) -> list[int]:
        if not self.script:
            self.done.set()
            self.pause_seconds = 0.01
            return []
        item = self.script.pop(0)
        self.log.append(threading.current_thread().name)
        if isinstance(item, Exception):
            raise item
        return list(item)

    def close(self) -> None:
        self.log.append("close")


async def play(script: list[t.Any], queue: t.Any) -> list[str]:
    """Run a source over the script; return what its worker noted."""
    done, log = threading.Event(), []
    task = asyncio.create_task(loop.run_source("test_source", queue, lambda: Script(script, done, log)))
    while not done.is_set():
        assert not task.done()
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return log


async def drain(queue: asyncio.Queue[t.Any]) -> list[list[int]]:
    events = []
    while not queue.empty():
        event = queue.get_nowait()
        assert list(event) == ["cases_due"] and list(event["cases_due"]) == ["case_ids"]
        events.append(event["cases_due"]["case_ids"])
    return events


def test_due_cases_become_events_and_the_work_is_in_a_thread() -> None:
    async def run() -> None:
        queue: asyncio.Queue[t.Any] = asyncio.Queue()
        log = await play([[1, 2], [], [3]], queue)
        assert [n for event in await drain(queue) for n in event] == [1, 2, 3]
        assert "MainThread" not in log and any(name.startswith("test_source") for name in log)

    asyncio.run(run())


def test_a_failing_round_is_counted_and_tried_again_with_a_new_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_BACK_OFF_SECONDS", 0.001)

    async def run() -> None:
        queue: asyncio.Queue[t.Any] = asyncio.Queue()
        log = await play([RuntimeError("one"), OSError("two"), [7]], queue)
        assert await drain(queue) == [[7]]
        assert log.count("open") == 3 and log.count("close") >= 2

    asyncio.run(run())
    assert 'aidc_remediation_source_errors_total{source="test_source"} 2' in health.render()


def test_a_worker_that_cannot_be_made_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_BACK_OFF_SECONDS", 0.001)
    tries: list[int] = []

    def make() -> t.Any:
        tries.append(1)
        raise OSError("the ledger cannot be opened")

    async def run() -> None:
        task = asyncio.create_task(loop.run_source("broken", asyncio.Queue(), make))
        while len(tries) < 4:
            assert not task.done()
            await asyncio.sleep(0.005)
        task.cancel()

    asyncio.run(run())


def test_the_back_off_grows_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await real_sleep(0)

    async def run() -> None:
        task = asyncio.create_task(loop.run_source("broken", asyncio.Queue(), lambda: 1 / 0))  # type: ignore[arg-type, return-value]
        while len(pauses) < 10:
            await real_sleep(0.001)
        task.cancel()

    monkeypatch.setattr(loop.asyncio, "sleep", note)
    asyncio.run(run())
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == loop.LAST_BACK_OFF_SECONDS


def test_a_full_queue_does_not_stop_the_work() -> None:
    async def run() -> None:
        queue: asyncio.Queue[t.Any] = asyncio.Queue(1)
        queue.put_nowait({"cases_due": {"case_ids": [0]}})
        log = await play([[number] for number in range(1, 51)], queue)
        assert sum(name.startswith("test_source") for name in log) == 50
        assert queue.qsize() == 1

    asyncio.run(run())


def test_numbers_add_up_while_the_rules_are_busy() -> None:
    async def run() -> None:
        queue: asyncio.Queue[t.Any] = asyncio.Queue(1)
        emitter = loop.Emitter(queue)
        task = asyncio.create_task(emitter.run())
        events: list[list[int]] = []
        for number in (1, 2, 3, 3, 4):
            emitter.offer([number])
            await asyncio.sleep(0.002)
        for _turn in range(4):
            events += await drain(queue)
            await asyncio.sleep(0.002)
        task.cancel()
        assert [n for event in events for n in event] == [1, 2, 3, 4] and len(events) == 3

    asyncio.run(run())


def test_nothing_is_started_while_the_service_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flag = tmp_path / "quiesce"
    monkeypatch.setenv(loop.QUIESCE_VARIABLE, str(flag))
    assert not loop.is_quiescing()
    flag.touch()

    async def run() -> None:
        queue: asyncio.Queue[t.Any] = asyncio.Queue()
        await play([[1]], queue)
        assert queue.empty()

    asyncio.run(run())


def test_heartbeat_interval() -> None:
    heartbeat = loop.Heartbeat(60)
    assert heartbeat.is_due() and not heartbeat.is_due()


def test_a_wake_ends_the_pause_and_many_are_one() -> None:
    class Worker:
        pause_seconds = 600.0
        rounds = 0

        def step(self) -> list[int]:
            type(self).rounds += 1
            return []

        def close(self) -> None:
            pass

    async def run() -> None:
        task = asyncio.create_task(loop.run_source("sleeper", asyncio.Queue(), Worker, 0.2))
        assert not loop.wake("nobody")
        for rounds in (1, 2, 3):
            while Worker.rounds < rounds:
                await asyncio.sleep(0.005)
            for _wake in range(20):
                assert loop.wake("sleeper")
        await asyncio.sleep(0.05)
        assert Worker.rounds == 3
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not loop.wake("sleeper")

    asyncio.run(run())


def test_a_wake_does_not_shorten_the_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "FIRST_BACK_OFF_SECONDS", 5.0)
    tries: list[int] = []

    def make() -> t.Any:
        tries.append(1)
        raise LedgerError("broken")

    async def run() -> None:
        task = asyncio.create_task(loop.run_source("failing", asyncio.Queue(), make))
        while not tries:
            await asyncio.sleep(0.005)
        for _wake in range(20):
            loop.wake("failing")
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert len(tries) == 1
    assert "aidc_remediation_ledger_errors_total 0" not in health.render()


@pytest.mark.parametrize("turns", range(6))
def test_a_source_that_is_woken_and_cancelled_at_once_ends(turns: int) -> None:
    # At every turn of the event loop between the wake and the next round.
    async def run() -> None:
        done, log = threading.Event(), []
        script = Script([], done, log)
        script.pause_seconds = 60.0
        script.step = lambda: done.set() or []  # type: ignore[method-assign, func-returns-value]
        task = asyncio.create_task(loop.run_source("test_source", asyncio.Queue(), lambda: script, 60.0))
        while not done.is_set():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert loop.wake("test_source")
        for _turn in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        ended, _running = await asyncio.wait([task], timeout=5)
        assert ended and task.cancelled()

    asyncio.run(run())

# Runs the work of an event source in a thread, for ever, and hands due cases to the rules.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source of ansible-rulebook that ends takes the whole process down, and one that blocks stops all of it.

So the work of a source never runs on the event loop's thread, its exceptions are logged, counted and followed by
another try, and a rule engine that is busy delays only the playbooks: containment and recording go on.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import time
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.runs import WATCH
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

logger = logging.getLogger("aidc.ops.sources")

FIRST_BACK_OFF_SECONDS = 0.5
LAST_BACK_OFF_SECONDS = 30.0

QUIESCE_VARIABLE = "AIDC_OPS_QUIESCE_FILE"
"""Names a file. While it exists no new playbook run is started: the service is about to stop."""


class Queue(t.Protocol):
    """What ansible-rulebook gives to a source."""

    async def put(self, item: dict[str, t.Any]) -> None: ...


class Worker(t.Protocol):
    """The work of one source. All calls come from one thread of its own."""

    @property
    def pause_seconds(self) -> float:
        """How long to wait between two rounds."""

    def step(self) -> t.Sequence[int]:
        """Do one round, blocking as long as it takes; return the cases for which a playbook should run now."""

    def close(self) -> None:
        """Give everything back. A new worker is made afterwards."""


class Emitter:
    """Puts due cases into the queue of the rules, without ever making the source wait.

    While the rules are busy the numbers add up to one event, so nothing piles up. Numbers that are lost because the
    process dies stay due in the ledger and come again with a later tick.
    """

    def __init__(self, queue: Queue, name: str = "source") -> None:
        self._queue = queue
        self._name = name
        self._waiting: dict[int, None] = {}
        self._wake = asyncio.Event()

    def offer(self, case_ids: t.Iterable[int]) -> None:
        """Take case numbers to be put into the queue as soon as there is room."""
        self._waiting.update(dict.fromkeys(case_ids))
        if self._waiting:
            health.note_queue(f"{self._name}_to_rules", len(self._waiting))
            self._wake.set()

    async def run(self) -> None:
        """Put, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            case_ids, self._waiting = list(self._waiting), {}
            await self._queue.put({"cases_due": {"case_ids": case_ids}})
            WATCH.handed_over(case_ids, time.time())
            health.note_queue(f"{self._name}_to_rules", len(self._waiting))


_wakes: dict[str, asyncio.Event] = {}


def wake(name: str) -> bool:
    """Let the next round of the source *name* begin soon, whatever its pause; False when no such source runs.

    To be called on the event loop's thread. Any number of calls before that round begins is one call.
    """
    event = _wakes.get(name)
    if event is not None:
        event.set()
    return event is not None


async def run_source(
    name: str, queue: Queue, make_worker: t.Callable[[], Worker], wake_gap_seconds: float = 0.0
) -> None:
    """Do the rounds of a worker until this task is cancelled. A round that fails throws the worker away.

    However often it is woken, at least *wake_gap_seconds* lie between two rounds.
    """
    emitter = Emitter(queue, name)
    woken = _wakes[name] = asyncio.Event()
    emitting = asyncio.create_task(emitter.run(), name=f"{name} emitter")
    executor = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    holder = _WorkerHolder(make_worker)
    failures = 0
    try:
        while True:
            try:
                case_ids, pause = await asyncio.get_running_loop().run_in_executor(executor, holder.step)
                if not is_quiescing():
                    emitter.offer(case_ids)
                if failures:
                    logger.warning("%s: works again after %d failed rounds", name, failures)
                failures = 0
                health.note_success(name, time.time())
            except Exception as exc:
                failures += 1
                health.count_source_error(name)
                if isinstance(exc, LedgerError):
                    health.count_ledger_error()
                pause = min(FIRST_BACK_OFF_SECONDS * 2 ** (failures - 1), LAST_BACK_OFF_SECONDS)
                logger.error("%s: %s: %s; next try in %.1f s", name, type(exc).__name__, exc, pause)
                logger.debug("%s: the failure in full", name, exc_info=True)
            if failures:
                await asyncio.sleep(pause)
            else:
                await _rest(woken, pause, wake_gap_seconds)
            # What comes from here on may be too late for the round that begins now, and makes another one.
            woken.clear()
    finally:
        if _wakes.get(name) is woken:
            del _wakes[name]
        emitting.cancel()
        executor.submit(holder.close)
        executor.shutdown(wait=False)


async def _rest(woken: asyncio.Event, pause: float, gap: float) -> None:
    ended = time.monotonic()
    try:
        # asyncio.wait_for of Python 3.11 forgets a cancellation that comes together with what it waits for.
        async with asyncio.timeout(pause):
            await woken.wait()
    except TimeoutError:
        return
    await asyncio.sleep(max(0.0, ended + gap - time.monotonic()))


def is_quiescing() -> bool:
    """Say whether new runs are to be held back because the service is stopping."""
    path = os.environ.get(QUIESCE_VARIABLE)
    return path is not None and os.path.exists(path)


class _WorkerHolder:
    """Makes the worker in the thread that uses it, and anew after a failure."""

    def __init__(self, make_worker: t.Callable[[], Worker]) -> None:
        self._make_worker = make_worker
        self._worker: Worker | None = None

    def step(self) -> tuple[t.Sequence[int], float]:
        """Do one round; return the due cases and the pause that follows."""
        if self._worker is None:
            self._worker = self._make_worker()
        try:
            return self._worker.step(), self._worker.pause_seconds
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the worker, if there is one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()


class Heartbeat:
    """Says when a heartbeat is worth writing: each one is a transaction on disk."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._next = 0.0

    def is_due(self) -> bool:
        """True at most once in each interval."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True

# The event source that other systems post to: hints to poll now, and evidence of systems that cannot be polled.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A body is answered with 202 only when it is in the ledger; whoever hears anything else tries again."""

from __future__ import annotations

DOCUMENTATION = r"""
short_description: Take hints and pushed evidence over HTTPS
description:
  - Listens where the key C(webhook) of the settings says, and nowhere without it. TLS is required on all but loopback
    addresses, and each request carries a token, except those of BMCs, which carry a proof of their own.
  - C(/alertmanager) and C(/grafana) are hints. Nothing in them is used; Alertmanager is polled at once.
  - C(/zabbix) takes trigger events in the newline-delimited JSON that Zabbix streams, C(/nagios) notifications as JSON,
    C(/redfish) events of a BMC's subscription. They are recorded in the ledger and contained like an alert.
  - What names no node of the settings exactly, or no fault class that may be reported, is refused and counted.
  - Emits only C(cases_due) with case numbers.
options:
  config:
    description: The settings file. By default E(AIDC_OPS_CONFIG), else C(/etc/aidc_ops/controller.json).
    type: str
"""

EXAMPLES = r"""
- aidc.ops.hints:
"""

import asyncio
import contextlib
import dataclasses
import logging
import threading
import time
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health, hook_bodies, loop
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.desk import Desk, settings_path
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_memory import HookMemory
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_server import PATHS, Answer, listen
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import SOURCE_ALERTS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings, load_settings

logger = logging.getLogger("aidc.ops.hints")

NAME = "hints"
HEARTBEAT_SECONDS = 5.0
RECORD_SECONDS = 10.0
MAX_WAITING = 5000
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
_HINTS = ("alertmanager", "grafana")


@dataclasses.dataclass
class Batch:
    """What one request brought, and whom to tell that it is in the ledger."""

    reports: list[hook_bodies.Report]
    refused: list[tuple[str, str]]
    done: t.Callable[[bool], None]


class Inbox:
    """Batches on their way from the listener's thread to that of the ledger."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: list[Batch] = []
        self._length = 0

    def put(self, batch: Batch) -> bool:
        """Take a batch; False when too much waits already."""
        with self._lock:
            if self._length + len(batch.reports) > MAX_WAITING:
                return False
            self._batches.append(batch)
            self._length += len(batch.reports)
            health.note_queue("hints_to_ledger", self._length)
            return True

    def take(self) -> list[Batch]:
        """Return all that waits."""
        with self._lock:
            batches, self._batches, self._length = self._batches, [], 0
            health.note_queue("hints_to_ledger", 0)
            return batches


class HintDesk:
    """Brings what was posted into the ledger."""

    def __init__(self, path: str, inbox: Inbox) -> None:
        self._desk = Desk(path)
        self._inbox = inbox
        # New batches wake it; the pause is for the heartbeat.
        self.pause_seconds = HEARTBEAT_SECONDS
        self._cursor = self._desk.cursor_name(NAME)
        self._memory = HookMemory.from_text(self._desk.ledger.cursor(self._cursor))
        self._heartbeat = loop.Heartbeat(HEARTBEAT_SECONDS)

    def step(self) -> list[int]:
        """Record and contain what was posted since the last round; return the due cases."""
        batches = self._inbox.take()
        recorded = False
        try:
            due = self._record(batches) if batches else []
            recorded = True
        finally:
            for batch in batches:
                batch.done(recorded)
        if self._heartbeat.is_due():
            self._desk.ledger.heartbeat(NAME, time.time())
        return due

    def close(self) -> None:
        """Close the ledger."""
        self._desk.close()

    def _record(self, batches: t.Sequence[Batch]) -> list[int]:
        # Remembered only when the ledger has it.
        memory = self._memory.copy()
        signals, refused = memory.take([report for batch in batches for report in batch.reports])
        refused += [refusal for batch in batches for refusal in batch.refused]
        due = self._desk.take_in(signals, refused, (self._cursor, memory.to_text()))
        self._memory = memory
        return due


class Reception:
    """Reads bodies and answers when what they brought is recorded."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self._settings, self._inbox = settings, inbox

    def needs_token(self, path: str) -> bool:
        """BMCs prove with their subscription's context who they are; many can send nothing else."""
        return path != "redfish"

    async def receive(self, path: str, body: bytes, secret: bytes) -> Answer:
        """Take one body."""
        if path in _HINTS:
            loop.wake(SOURCE_ALERTS)
            return Answer(202, "Alertmanager is asked now.\n")
        try:
            reports, refused = self._read(path, body, secret)
        except hook_bodies.NotAllowedError:
            return Answer(401, "", "bad_context")
        except hook_bodies.BadBodyError as exc:
            return Answer(400, "", str(exc))
        for reason, _detail in refused:
            health.count_refused(path, reason)
        # What nobody asked for is not worth a line in the ledger: it may be everything that a system watches.
        kept = [refusal for refusal in refused if refusal[0] != hook_bodies.UNMAPPED]
        if reports or kept:
            recorded = asyncio.get_running_loop().create_future()
            if not self._inbox.put(Batch(reports, kept, _tell(recorded))):
                return Answer(429, "", "full")
            loop.wake(NAME)
            try:
                async with asyncio.timeout(RECORD_SECONDS):
                    in_ledger = await recorded
            except TimeoutError:
                in_ledger = False
            if not in_ledger:
                return Answer(503, "", "not_recorded")
        return Answer(202, f"{len(reports)} taken, {len(refused)} refused\n")

    def _read(self, path: str, body: bytes, secret: bytes) -> tuple[list[hook_bodies.Report], list[tuple[str, str]]]:
        mapping = self._settings.webhook.mappings.get(path, {})
        now = time.time()
        if path == "zabbix":
            return hook_bodies.read_zabbix(body, self._settings, mapping, now)
        if path == "nagios":
            return hook_bodies.read_nagios(body, self._settings, mapping, now)
        return hook_bodies.read_redfish(body, self._settings, mapping, now, secret)


def _tell(recorded: asyncio.Future[bool]) -> t.Callable[[bool], None]:
    """Return what tells the waiting request, from any thread; it may have gone."""
    running = asyncio.get_running_loop()

    def set_result(result: bool) -> None:
        if not recorded.done():
            recorded.set_result(result)

    def tell(result: bool) -> None:
        with contextlib.suppress(RuntimeError):
            running.call_soon_threadsafe(set_result, result)

    return tell


async def keep_listening(path: str, inbox: Inbox) -> None:
    """Listen for ever; try again when the port is taken or a file is missing. Without a token file do nothing."""
    failures = 0
    while True:
        try:
            settings = await asyncio.to_thread(load_settings, path)
            if settings.webhook.token_file is None:
                await asyncio.Event().wait()
            await listen(settings.webhook, PATHS, Reception(settings, inbox))
        except Exception as exc:
            failures += 1
            health.count_source_error(NAME)
            pause = min(FIRST_RETRY_SECONDS * 2 ** (failures - 1), LAST_RETRY_SECONDS)
            logger.error("cannot listen: %s: %s; next try in %.0f s", type(exc).__name__, exc, pause)
            await asyncio.sleep(pause)


async def main(queue: loop.Queue, args: dict[str, t.Any]) -> None:
    """Run until cancelled (the entry point that ansible-rulebook calls)."""
    path = settings_path(args)
    inbox = Inbox()
    listening = asyncio.create_task(keep_listening(path, inbox), name="hints listener")
    try:
        await loop.run_source(NAME, queue, lambda: HintDesk(path, inbox))
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

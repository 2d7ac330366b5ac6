# The event source of the Prometheus lane: polls every Alertmanager.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Level, not edge: each poll shows everything that is active, so a crash or a pause can lose nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
short_description: Open remediation cases from the alerts of Alertmanager
description:
  - Polls the API of every configured Alertmanager for alerts that are active and neither silenced nor inhibited, and
    merges the answers.
  - Alerts with a C(fault_class) label are recorded in the ledger and their nodes taken out of scheduling, before any
    rule sees them. Alerts that are gone from a complete poll are recorded as cleared. An Alertmanager that does not
    answer clears nothing.
  - A hint from the source C(aidc.ops.hints) makes it poll at once, at most once a second.
  - The settings say how the Alertmanagers are asked, with C(ca_file), C(client_cert), C(client_key), C(username) and
    C(password_file) under C(alertmanager). The files are read at each poll, so a renewed certificate counts at once.
  - Emits only C(cases_due) with case numbers.
options:
  config:
    description: The settings file. By default E(AIDC_OPS_CONFIG), else C(/etc/aidc_ops/controller.json).
    type: str
"""

EXAMPLES = r"""
- aidc.ops.alertmanager:
"""

import concurrent.futures
import logging
import time
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import alert_watch, health
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.desk import Desk, RefusalMemory, settings_path
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.loop import Heartbeat, Queue, run_source
from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import (
    alerts_to_signals,
    cleared_alerts,
    watchdog_seen,
)
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import (
    SOURCE_ALERTS,
    SOURCE_WATCHDOG,
    Signal,
)
from ansible_collections.aidc.ops.plugins.plugin_utils._alertmanager import (
    AlertmanagerError,
    fetch_alerts,
    fetch_start_time,
)
from ansible_collections.aidc.ops.plugins.plugin_utils._http import access_from

logger = logging.getLogger("aidc.ops.alertmanager")

HEARTBEAT_SECONDS = 5.0
# Hints may come many times a second; a poll of 10,000 alerts takes a good part of one.
WAKE_GAP_SECONDS = 1.0


class NoAnswerError(Exception):
    """Not one Alertmanager answered."""


class AlertPoll:
    """Polls all Alertmanagers once in each round."""

    def __init__(self, path: str) -> None:
        self._desk = Desk(path)
        self._cursor = self._desk.cursor_name(SOURCE_ALERTS)
        self.pause_seconds = self._desk.settings.alertmanager.poll_seconds
        options = self._desk.settings.alertmanager
        self._urls, self._timeout = options.urls, options.timeout_seconds
        self._access = access_from(lambda name: getattr(options, name, None))
        self._answered = alert_watch.answered_from_text(self._desk.ledger.cursor(self._cursor))
        self._refusals = RefusalMemory()
        self._heartbeat = Heartbeat(HEARTBEAT_SECONDS)
        # One thread for each URL: a dead endpoint costs its timeout once, whatever their number.
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(self._urls)))

    def step(self) -> list[int]:
        """Poll, record what is active and what has gone, return the due cases."""
        if not self._urls:
            return []
        poll = self._poll()
        if all(answer is None for answer in poll.values()):
            raise NoAnswerError(f"none of {len(poll)} Alertmanagers answered")
        now = time.time()
        alerts = alert_watch.merge(poll)
        signals, refused = alerts_to_signals(alerts, self._desk.settings, now)
        signals += self._cleared(poll, signals, now)
        self._answered.update(url for url, answer in poll.items() if answer is not None)
        due = self._desk.take_in(
            signals,
            self._refusals.only_new(refused),
            (self._cursor, alert_watch.answered_to_text(self._answered)),
        )
        if self._heartbeat.is_due():
            self._desk.ledger.heartbeat(SOURCE_ALERTS, now)
            if watchdog_seen(alerts, self._desk.settings):
                self._desk.ledger.heartbeat(SOURCE_WATCHDOG, now)
        return due

    def close(self) -> None:
        """Close the ledger; a poll that still hangs ends with its timeout."""
        self._pool.shutdown(wait=False)
        self._desk.close()

    def _poll(self) -> dict[str, list[t.Any] | None]:
        asked = {url: self._pool.submit(fetch_alerts, url, self._timeout, (), self._access) for url in self._urls}
        poll: dict[str, list[t.Any] | None] = {}
        for url, answer in asked.items():
            try:
                poll[url] = answer.result()
            except AlertmanagerError as exc:
                logger.warning("no answer: %s", exc)
                poll[url] = None
            health.count_poll(url, poll[url] is not None)
        return poll

    def _cleared(self, poll: alert_watch.Poll, signals: list[Signal], now: float) -> list[Signal]:
        """Return cleared signals for the alerts that are gone, when the poll can be trusted to say so."""
        if not alert_watch.is_complete(poll, self._answered):
            return []
        gone = cleared_alerts(self._desk.ledger.firing_alerts(), signals, now)
        if not gone:
            return []
        try:
            answered = [url for url, answer in poll.items() if answer is not None]
            starts = [fetch_start_time(url, self._timeout, self._access) for url in answered]
        except AlertmanagerError as exc:
            logger.warning("alerts are gone, but not believed yet: %s", exc)
            return []
        return [] if alert_watch.still_filling(starts, now) else gone


async def main(queue: Queue, args: dict[str, t.Any]) -> None:
    """Run until cancelled (the entry point that ansible-rulebook calls)."""
    path = settings_path(args)
    await run_source(SOURCE_ALERTS, queue, lambda: AlertPoll(path), WAKE_GAP_SECONDS)

# The event source that keeps cases moving: a tick that emits what is due, frees dead leases and writes the metrics.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever was lost on the way (an event, a run, a whole process) is due in the ledger and comes again from here."""

from __future__ import annotations

DOCUMENTATION = r"""
short_description: Emit the due remediation cases periodically
description:
  - In each tick, frees the leases of runs that no longer exist, emits C(cases_due) with the numbers of the cases that
    are due, and writes the metrics file for the textfile collector.
  - Counts playbook runs that were asked for and never began. No callback plugin can tell: a syntax error fires none.
options:
  config:
    description: The settings file. By default E(AIDC_OPS_CONFIG), else C(/etc/aidc_ops/controller.json).
    type: str
  start_seconds:
    description:
      - A run that has not taken the leases of its cases so many seconds after it was asked for counts as not started,
        unless as many runs as may be are going on (E(AIDC_OPS_PARALLEL_RUNS)).
      - Its cases are handed over again after half of that time, and not before 10 seconds.
      - Give it more time where runs are launched elsewhere, as jobs of AWX.
    type: float
    default: 20
"""

EXAMPLES = r"""
- aidc.ops.cases_tick:
"""

import asyncio
import logging
import time
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.desk import Desk, settings_path
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.loop import (
    Heartbeat,
    Queue,
    is_quiescing,
    run_source,
)
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.runs import WATCH, parallel_runs
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.systemd import keep_alive
from ansible_collections.aidc.ops.plugins.module_utils._cases.holder import is_alive
from ansible_collections.aidc.ops.plugins.module_utils._cases.metrics import render, write_textfile
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import OPEN_STATES

logger = logging.getLogger("aidc.ops.cases_tick")

NAME = "cases_tick"
METRICS_SECONDS = 5.0
START_SECONDS = 20.0
DAY_SECONDS = 86400.0


class Tick:
    """One look at the ledger in each round."""

    def __init__(self, path: str, start_seconds: float = START_SECONDS) -> None:
        self._desk = Desk(path)
        self._start_seconds = start_seconds
        WATCH.expect(start_seconds)
        self.pause_seconds = self._desk.settings.tick_seconds
        self._metrics = Heartbeat(METRICS_SECONDS)
        self._retention = Heartbeat(DAY_SECONDS)
        self._metrics_problem = ""

    def step(self) -> list[int]:
        """Free dead leases, forget what is old, write the metrics, return the due cases."""
        for case_id in self._desk.ledger.reclaim_dead(is_alive):
            logger.warning("case %d: the run that worked on it is gone; the case is free again", case_id)
        if self._retention.is_due():
            self._desk.ledger.prune(time.time() - self._desk.settings.retention_days * DAY_SECONDS)
        # A run that did not start is told at once: an alert waits for the file.
        if self._look_for_runs() or self._metrics.is_due():
            self._write_metrics()
        # Asking marks the cases as handed out, so it is not asked while nothing may be started.
        return [] if is_quiescing() else self._desk.due()

    def close(self) -> None:
        """Close the ledger."""
        self._desk.close()

    def _look_for_runs(self) -> bool:
        """Count the runs that were asked for and did not begin; whether there were any."""
        now = time.time()
        if not WATCH.wanted(now, self._start_seconds):
            return False
        cases = {case.id: case for state in OPEN_STATES for case in self._desk.ledger.cases(state)}
        working = {case.lease_holder for case in cases.values()} - {None}
        failed = WATCH.judge(cases, len(working) >= parallel_runs(), now, self._start_seconds)
        for _run in range(failed):
            health.count_run_not_started()
        health.note_cases_without_run(WATCH.without_run())
        if failed:
            logger.error("%d playbook runs were asked for and did not begin; see the log of the runs", failed)
        return failed > 0

    def _write_metrics(self) -> None:
        path = self._desk.settings.metrics_file
        if path is None:
            return
        try:
            counters = self._desk.ledger.counters()
            write_textfile(path, render(counters, self._desk.settings.catalogue.classes) + health.render())
        except OSError as exc:
            # Metrics that cannot be written are no reason to leave cases waiting; their age tells on the other side.
            health.count_source_error(NAME)
            if str(exc.strerror) != self._metrics_problem:
                logger.error("the metrics file %s cannot be written: %s", path, exc)
            self._metrics_problem = str(exc.strerror)
        else:
            self._metrics_problem = ""


async def main(queue: Queue, args: dict[str, t.Any]) -> None:
    """Run until cancelled (the entry point that ansible-rulebook calls)."""
    path = settings_path(args)
    start_seconds = float(args.get("start_seconds") or START_SECONDS)
    alive = asyncio.create_task(keep_alive(), name="watchdog")
    try:
        await run_source(NAME, queue, lambda: Tick(path, start_seconds))
    finally:
        alive.cancel()

# The event source of the kernel lane: reads the spool of forwarded kernel lines.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Line in the spool → signal and reading position in the ledger, in one transaction → containment → due cases."""

from __future__ import annotations

DOCUMENTATION = r"""
short_description: Open remediation cases from forwarded kernel log lines
description:
  - Follows the JSON-lines spool that the controller's syslog daemon writes. Recognised lines are recorded in the
    ledger, together with the reading position, and their nodes are taken out of scheduling, before any rule sees them.
  - Emits only C(cases_due) with case numbers. Rotation, truncation, half-written and oversize lines are coped with.
options:
  config:
    description: The settings file. By default E(AIDC_OPS_CONFIG), else C(/etc/aidc_ops/controller.json).
    type: str
"""

EXAMPLES = r"""
- aidc.ops.kernel_log:
"""

import time
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.desk import Desk, settings_path
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.loop import Heartbeat, Queue, run_source
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.tail import Position, read_chunk
from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import lines_to_signals
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import SOURCE_KERNEL

HEARTBEAT_SECONDS = 5.0
CHUNKS_AT_ONCE = 8


class KernelLog:
    """Reads what is new in the spool."""

    def __init__(self, path: str) -> None:
        self._desk = Desk(path)
        self._cursor = self._desk.cursor_name(SOURCE_KERNEL)
        self.pause_seconds = self._desk.settings.kernel_log.poll_seconds
        self._position = Position.from_text(self._desk.ledger.cursor(self._cursor) or "")
        self._heartbeat = Heartbeat(HEARTBEAT_SECONDS)

    def step(self) -> list[int]:
        """Take in what is in the spool now, up to a limit: a flood must not hold back what is due already."""
        due: dict[int, None] = {}
        spool = self._desk.settings.kernel_log.spool
        for _chunk in range(CHUNKS_AT_ONCE):
            chunk = read_chunk(spool, self._position)
            if chunk is None:
                break
            signals, refused = lines_to_signals(chunk.data, self._desk.settings)
            refused += [("too_long", "a line of the spool without an end")] * chunk.oversize
            due.update(dict.fromkeys(self._desk.take_in(signals, refused, (self._cursor, chunk.position.to_text()))))
            self._position = chunk.position
        if self._heartbeat.is_due():
            self._desk.ledger.heartbeat(SOURCE_KERNEL, time.time())
        return list(due)

    def close(self) -> None:
        """Close the ledger."""
        self._desk.close()


async def main(queue: Queue, args: dict[str, t.Any]) -> None:
    """Run until cancelled (the entry point that ansible-rulebook calls)."""
    path = settings_path(args)
    await run_source(SOURCE_KERNEL, queue, lambda: KernelLog(path))

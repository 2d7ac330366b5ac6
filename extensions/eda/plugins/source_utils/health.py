# Counts what went wrong inside the event sources, for the metrics file.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of one process, starting at zero with it as Prometheus expects. What must not be lost is in the ledger."""

from __future__ import annotations

import collections
import threading

_lock = threading.Lock()
_source_errors: collections.Counter[str] = collections.Counter()
_dropped_events: collections.Counter[str] = collections.Counter()


def count_source_error(source: str) -> None:
    """Count one failed round of *source* (it is tried again)."""
    with _lock:
        _source_errors[source] += 1


def count_dropped_event() -> None:
    """Count one event that the guard did not let through."""
    with _lock:
        _dropped_events["guard"] += 1


def render() -> str:
    """Return the counters as Prometheus text."""
    with _lock:
        errors, dropped = dict(_source_errors), _dropped_events["guard"]
    lines = [
        "# HELP aidc_remediation_source_errors_total Rounds of an event source that failed and were tried again.",
        "# TYPE aidc_remediation_source_errors_total counter",
    ]
    for name, count in sorted(errors.items()):
        lines.append(f'aidc_remediation_source_errors_total{{source="{name}"}} {count}')
    lines += [
        "# HELP aidc_remediation_guard_dropped_total Events that the guard filter dropped.",
        "# TYPE aidc_remediation_guard_dropped_total counter",
        f"aidc_remediation_guard_dropped_total {dropped}",
    ]
    return "\n".join(lines) + "\n"

# Counts what goes on inside the event sources, for the metrics file.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of one process, starting at zero with it as Prometheus expects. What must not be lost is in the ledger.

Labels are words of ours or of the settings file, never of an event.
"""

from __future__ import annotations

import bisect
import threading
import typing as t
import urllib.parse

CONTAINMENT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds in seconds of the histogram from evidence to containment."""

_PREFIX = "aidc_remediation_"
_COUNTERS = {
    "source_errors_total": "Rounds of an event source that failed and were tried again.",
    "guard_dropped_total": "Events that the guard filter dropped.",
    "polls_total": "Polls of an Alertmanager, by outcome.",
    "hints_total": "Requests to the webhook listener, by path and status.",
    "hints_refused_total": "Requests and entries that the webhook listener refused, by path and reason.",
    "ledger_errors_total": "Rounds of an event source that the ledger failed.",
    "runs_not_started_total": "Playbook runs that were asked for and took no lease in time.",
}
_GAUGES = {
    "poll_success_timestamp_seconds": "When a source last did its round without an error.",
    "queue_length": "What waits inside the process, by queue.",
    "cases_without_run": "Cases whose last playbook run was asked for and took no lease in time.",
}
# These are there from the start: a rate or an alert must not wait for the first time.
_ALWAYS = ("guard_dropped_total", "ledger_errors_total", "runs_not_started_total", "cases_without_run")

_Key = tuple[str, tuple[tuple[str, str], ...]]
_lock = threading.Lock()
_values: dict[_Key, float] = {}
_containments = [0] * (len(CONTAINMENT_BUCKETS) + 1)
_containment_sum = 0.0


def count_source_error(source: str) -> None:
    """Count one failed round of *source* (it is tried again)."""
    _add("source_errors_total", source=source)


def count_ledger_error() -> None:
    """Count one round that failed because the ledger did."""
    _add("ledger_errors_total")


def count_dropped_event() -> None:
    """Count one event that the guard did not let through."""
    _add("guard_dropped_total")


def count_poll(url: str, answered: bool) -> None:
    """Count one poll of the Alertmanager at *url*."""
    parts = urllib.parse.urlsplit(url)
    _add("polls_total", alertmanager=parts.netloc.rpartition("@")[2], outcome="answered" if answered else "failed")


def count_request(path: str, status: int) -> None:
    """Count one answered request to the webhook listener."""
    _add("hints_total", path=path, status=str(status))


def count_refused(path: str, reason: str, count: int = 1) -> None:
    """Count what the webhook listener refused."""
    _add("hints_refused_total", count, path=path, reason=reason)


def count_run_not_started() -> None:
    """Count one playbook run that took no lease."""
    _add("runs_not_started_total")


def note_success(source: str, now: float) -> None:
    """Note that *source* did a round without an error at *now* (seconds since the epoch)."""
    _set("poll_success_timestamp_seconds", now, source=source)


def note_queue(queue: str, length: int) -> None:
    """Note how much waits in *queue*."""
    _set("queue_length", length, queue=queue)


def note_cases_without_run(count: int) -> None:
    """Note for how many cases no run started."""
    _set("cases_without_run", count)


def note_containment(seconds: float) -> None:
    """Note how long it took from the evidence to the node being out of scheduling."""
    global _containment_sum
    seconds = max(0.0, seconds)
    with _lock:
        _containments[bisect.bisect_left(CONTAINMENT_BUCKETS, seconds)] += 1
        _containment_sum += seconds


def render() -> str:
    """Return all of it as Prometheus text."""
    with _lock:
        values, counts, total = dict(_values), list(_containments), _containment_sum
    for name in _ALWAYS:
        values.setdefault((name, ()), 0)
    lines: list[str] = []
    for kind, families in (("counter", _COUNTERS), ("gauge", _GAUGES)):
        for name, text in families.items():
            samples = sorted((key[1], value) for key, value in values.items() if key[0] == name)
            if samples:
                lines += [f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} {kind}"]
                lines += [f"{_PREFIX}{name}{_braces(labels)} {value:.15g}" for labels, value in samples]
    return "\n".join([*lines, *_histogram(counts, total)]) + "\n"


def _histogram(counts: t.Sequence[int], total: float) -> list[str]:
    name = f"{_PREFIX}event_to_containment_seconds"
    lines = [
        f"# HELP {name} From the evidence to the node being out of scheduling.",
        f"# TYPE {name} histogram",
    ]
    so_far = 0
    for bound, count in zip((*map(str, CONTAINMENT_BUCKETS), "+Inf"), counts, strict=True):
        so_far += count
        lines.append(f'{name}_bucket{{le="{bound}"}} {so_far}')
    return [*lines, f"{name}_sum {total:.15g}", f"{name}_count {so_far}"]


def _add(name: str, by: int = 1, **labels: str) -> None:
    key = (name, tuple(sorted(labels.items())))
    with _lock:
        _values[key] = _values.get(key, 0) + by


def _set(name: str, value: float, **labels: str) -> None:
    with _lock:
        _values[(name, tuple(sorted(labels.items())))] = value


def _braces(labels: t.Sequence[tuple[str, str]]) -> str:
    def escape(text: str) -> str:
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels) + "}" if labels else ""

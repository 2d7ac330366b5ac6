# The figures of a playbook run in the text format of Prometheus, and the ways to hand them over.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gauges of the last run, no library needed. No host is a label: 10,000 of them would be 70,000 series a playbook."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
import tempfile
import typing as t
import urllib.parse
from dataclasses import dataclass, field

STATES = ("ok", "changed", "failed", "unreachable", "rescued", "ignored", "none")
RESULTS = ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")
MAX_PLAYS = 50
OTHERS = "(others)"

_HELP = {
    "ansible_playbook_start_timestamp_seconds": "When the last run of the playbook began.",
    "ansible_playbook_end_timestamp_seconds": "When a run of the playbook last came to its end, 0 if none ever did.",
    "ansible_playbook_last_success_timestamp_seconds": "When a run of the playbook last ended without a failed host.",
    "ansible_playbook_last_run_success": "1 if the last run that ended had hosts, and none that failed.",
    "ansible_playbook_duration_seconds": "How long the last run that ended took.",
    "ansible_playbook_hosts": "Hosts of the last run that ended, each under the worst that it met.",
    "ansible_playbook_task_results": "Results of the last run that ended, as in the recap, where ok has changed in it.",
    "ansible_playbook_play_duration_seconds": "How long each play of the last run that ended took.",
    "ansible_playbook_slowest_task_duration_seconds": "The tasks of the last run that ended that took longest.",
}
START, END, LAST_SUCCESS = list(_HELP)[:3]

_SAMPLE = re.compile(r'(\w+)\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\} -?[0-9][0-9.e+-]*')
_MAX_FILE_BYTES = 1024 * 1024

Lines = dict[str, list[str]]
"""Samples, as lines, by the name of their metric."""


@dataclass
class Figures:
    """What is to be said about a run of *playbook*. Times are seconds since the epoch, durations seconds."""

    playbook: str
    controller: str
    check_mode: bool
    started_at: float
    ended_at: float = 0.0
    hosts: dict[str, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    plays: dict[str, float] = field(default_factory=dict)
    slowest_tasks: dict[str, float] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """A run without hosts is a failure: nothing of what it is for was done."""
        return bool(sum(self.hosts.values())) and not (self.hosts["failed"] or self.hosts["unreachable"])

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all its metrics."""
        check_mode = "true" if self.check_mode else "false"
        return {"playbook": self.playbook, "controller": self.controller, "check_mode": check_mode}


def worst_state(counts: t.Mapping[str, int]) -> str:
    """Return under which of STATES a host counts, from its figures in the recap."""
    for state, name in (("unreachable", "unreachable"), ("failed", "failures")):
        if counts.get(name):
            return state
    return next((state for state in ("rescued", "ignored", "changed", "ok") if counts.get(state)), "none")


def count(figures: t.Mapping[str, t.Mapping[str, int]]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of hosts by state and of results by kind, from the figures of each host in the recap."""
    hosts = dict.fromkeys(STATES, 0)
    results = dict.fromkeys(RESULTS, 0)
    for counts in figures.values():
        hosts[worst_state(counts)] += 1
        for name in RESULTS:
            results[name] += counts.get("failures" if name == "failed" else name, 0)
    return hosts, results


def most(seconds: t.Mapping[str, float], number: int) -> dict[str, float]:
    """Return the *number* longest of *seconds* by name."""
    return dict(sorted(seconds.items(), key=lambda pair: -pair[1])[:number])


def at_start(run: Figures) -> Lines:
    """Return what is known when a run begins."""
    return {START: [_sample(START, run.labels, run.started_at)]}


def at_end(run: Figures) -> Lines:
    """Return what is known when a run has ended."""
    plays = most(run.plays, MAX_PLAYS)
    if len(run.plays) > MAX_PLAYS:
        plays[OTHERS] = sum(run.plays.values()) - sum(plays.values())
    values: dict[str, list[tuple[dict[str, str], float]]] = {
        START: [({}, run.started_at)],
        END: [({}, run.ended_at)],
        "ansible_playbook_last_run_success": [({}, int(run.success))],
        "ansible_playbook_duration_seconds": [({}, run.ended_at - run.started_at)],
        "ansible_playbook_hosts": [({"state": name}, number) for name, number in run.hosts.items()],
        "ansible_playbook_task_results": [({"result": name}, number) for name, number in run.results.items()],
        "ansible_playbook_play_duration_seconds": [({"play": name}, took) for name, took in plays.items()],
        "ansible_playbook_slowest_task_duration_seconds": [
            ({"task": name}, took) for name, took in run.slowest_tasks.items()
        ],
    }
    if run.success:
        values[LAST_SUCCESS] = [({}, run.ended_at)]
    return {
        name: [_sample(name, {**run.labels, **more}, value) for more, value in found] for name, found in values.items()
    }


def text(lines: Lines) -> str:
    """Return *lines* as a page for Prometheus."""
    page = []
    for name, about in _HELP.items():
        if lines.get(name):
            page += [f"# HELP {name} {about}", f"# TYPE {name} gauge", *lines[name]]
    return "\n".join(page) + "\n"


def _sample(name: str, labels: t.Mapping[str, str], value: float) -> str:
    inner = ",".join(f'{label}="{_escape(content)}"' for label, content in labels.items())
    # Three digits: a clock is not better, and the figures stay readable.
    return f"{name}{{{inner}}} {value:.3f}".rstrip("0").rstrip(".")


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def file_name(run: Figures) -> str:
    """Return the name of the file of a playbook; runs in check mode have their own, as they change nothing."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", run.playbook)[:64]
    if name != run.playbook:
        # Two names must not become the same file.
        name += "-" + hashlib.sha256(run.playbook.encode()).hexdigest()[:8]
    return f"ansible_playbook_{name}{'.check' if run.check_mode else ''}.prom"


def write_start(directory: str, run: Figures) -> None:
    """Write to the playbook's file that a run has begun; what its last run has left there stays. Raises OSError."""
    path = os.path.join(directory, file_name(run))
    lines = _read(path)
    # A rule compares the two, and a series that is not there compares with nothing.
    lines.setdefault(END, [_sample(END, run.labels, 0)])
    _replace(path, text({**lines, **at_start(run)}))


def write_end(directory: str, run: Figures) -> None:
    """Write the figures of a run that has ended; the time of the last success stays. Raises OSError."""
    path = os.path.join(directory, file_name(run))
    kept = {name: lines for name, lines in _read(path).items() if name == LAST_SUCCESS}
    _replace(path, text({**kept, **at_end(run)}))


def _read(path: str) -> Lines:
    """Return the samples of a file that we wrote earlier. Whatever else is in it is dropped."""
    try:
        # A pipe of that name must not hold up the run.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return {}
        content = file.read(_MAX_FILE_BYTES).decode("utf-8", errors="replace")
    lines: Lines = {}
    for line in content.split("\n"):
        found = _SAMPLE.fullmatch(line)
        if found and found.group(1) in _HELP:
            lines.setdefault(found.group(1), []).append(line)
    return lines


def _replace(path: str, content: str) -> None:
    # Not ending in .prom, so that nobody reads it before it is whole.
    handle, part = tempfile.mkstemp(".tmp", os.path.basename(path), os.path.dirname(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            # The reader is another user, whatever the umask of this one.
            os.fchmod(handle, 0o644)
            file.write(content)
        os.replace(part, path)
    except OSError:
        os.unlink(part)
        raise


def push(base_url: str, run: Figures, lines: Lines, timeout: float, access: t.Any) -> None:
    """Hand *lines* to a Pushgateway in one request. Raises HttpError.

    As a POST: it replaces the metrics it names and leaves the others of the group, such as the last success, alone.
    """
    from ansible_collections.aidc.ops.plugins.plugin_utils._http import request

    group = "".join(f"/{name}@base64/{_base64(value)}" for name, value in run.labels.items())
    url = f"{base_url.rstrip('/')}/metrics/job/ansible_playbook{group}"
    request("POST", url, text(lines).encode(), timeout, access, "text/plain; version=0.0.4; charset=utf-8")


def _base64(value: str) -> str:
    # Nothing but a sign of padding stands for the empty value.
    return urllib.parse.quote(base64.urlsafe_b64encode(value.encode()).decode() or "=", safe="=")

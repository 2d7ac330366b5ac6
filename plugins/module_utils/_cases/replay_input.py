# Reads what was recorded at a site: kernel lines as the collector writes them, and alerts of Alertmanager.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loop would refuse is refused here too, and counted with the place of the first one. A file that is not what
it was named as is an error. The last line may be cut off: somebody was still writing it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import RefusedError, lines_to_signals, moment
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._errors import ReplayError

_SHOWN = 200


class Poll(NamedTuple):
    """What an Alertmanager answered at one time."""

    at: float
    alerts: list[Any]


@dataclass
class Counts:
    """What was read. ``refused``: reason -> [number, place and detail of the first one]."""

    lines: int = 0
    no_fault: int = 0
    alerts: int = 0
    polls: int = 0
    cut_off: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[Any]] = field(default_factory=dict)

    def refuse(self, reason: str, detail: str) -> None:
        """Counts one entry that is not taken."""
        self.refused.setdefault(reason, [0, detail[:_SHOWN]])[0] += 1


@dataclass
class Recording:
    """All that was recorded, each list in the order of time. ``began`` and ``ended``: of any sound entry."""

    signals: list[Signal] = field(default_factory=list)
    alerts: list[tuple[float, float, dict[str, Any]]] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    began: float = float("inf")
    ended: float = float("-inf")

    def span(self, at: float) -> None:
        """Takes a time into the recorded period."""
        self.began = min(self.began, at)
        self.ended = max(self.ended, at)


def read(kernel_lines: Sequence[str], alerts: Sequence[str], settings: Settings) -> Recording:
    """Reads the files. ReplayError names file and line of what cannot be used."""
    recording = Recording()
    for path in kernel_lines:
        _kernel_file(path, settings, recording)
    for path in alerts:
        _alert_file(path, recording)
    recording.signals.sort(key=lambda signal: signal.observed_at)
    recording.alerts.sort(key=lambda item: item[0])
    recording.polls.sort(key=lambda poll: poll.at)
    return recording


def _kernel_file(path: str, settings: Settings, recording: Recording) -> None:
    counts, sound, first = recording.counts, 0, ""
    # The newest boot that each node was heard of in: a line that is no fault tells nothing but that.
    boots: dict[str, str | None] = {}
    for number, line, whole in _lines(path):
        signals, refused = lines_to_signals(line, settings)
        if refused and refused[0][0] == "bad_json" and not whole:
            counts.cut_off += 1
            continue
        counts.lines += 1
        for reason, detail in refused:
            place = f"{path}:{number}: {detail}"
            first = first or place
            counts.refuse(reason, place)
            # Nodes and addresses that the settings do not have are a matter of the site, not of the file.
            sound += reason not in ("bad_json", "bad_shape", "bad_encoding", "too_long", "no_node")
        for signal in signals:
            sound += 1
            recording.span(signal.observed_at)
            if signal.recognition is None:
                counts.no_fault += 1
            else:
                name = signal.recognition.fault_class
                counts.classes[name] = counts.classes.get(name, 0) + 1
            if signal.recognition is not None or boots.get(signal.node) != signal.boot:
                recording.signals.append(signal)
            boots[signal.node] = signal.boot
    if first and not sound:
        raise ReplayError(f"No line is one of the collector's, which are JSON objects. {first[:_SHOWN]}")


def _alert_file(path: str, recording: Recording) -> None:
    for number, entry in _entries(path, recording.counts):
        where = f"{path}:{number}"
        if not isinstance(entry, dict):
            raise ReplayError(f"{where}: neither an alert nor a poll, which are JSON objects.")
        try:
            if "alerts" in entry:
                _poll(entry, where, recording)
            else:
                _alert(entry, where, recording)
        except RefusedError as error:
            raise ReplayError(str(error)) from error


def _poll(entry: dict[str, Any], where: str, recording: Recording) -> None:
    if not isinstance(entry["alerts"], list) or not isinstance(entry.get("time"), str):
        raise ReplayError(f"{where}: a poll has a time (RFC 3339) and a list of alerts.")
    at = moment(entry["time"], where)
    recording.span(at)
    recording.counts.polls += 1
    recording.counts.alerts += len(entry["alerts"])
    recording.polls.append(Poll(at, [alert for alert in entry["alerts"] if not _suppressed(alert)]))


def _alert(entry: dict[str, Any], where: str, recording: Recording) -> None:
    if not isinstance(entry.get("labels"), dict) or not isinstance(entry.get("startsAt"), str):
        raise ReplayError(f"{where}: an alert has labels and startsAt.")
    began = moment(entry["startsAt"], where)
    ends = entry.get("endsAt")
    if ends is not None and not isinstance(ends, str):
        raise ReplayError(f"{where}: endsAt is no text.")
    ended = moment(ends, where, unset=True) if ends else float("inf")
    recording.span(began)
    if ended != float("inf"):
        recording.span(ended)
    recording.counts.alerts += 1
    if not _suppressed(entry):
        recording.alerts.append((began, ended, entry))


def _suppressed(alert: Any) -> bool:
    """Whether it was silenced or inhibited: the loop does not ask for such."""
    status = alert.get("status") if isinstance(alert, dict) else None
    return isinstance(status, dict) and bool(status.get("silencedBy") or status.get("inhibitedBy"))


def _entries(path: str, counts: Counts) -> Iterator[tuple[int, Any]]:
    """(line number, decoded value) of a file with one value a line, or of one that is a single list."""
    lines = _lines(path)
    head = next(lines, None)
    if head is None:
        return
    if head[1].lstrip().startswith(b"["):
        yield from _list(path)
        return
    for number, line, whole in (head, *lines):
        try:
            yield number, json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            if whole:
                raise ReplayError(f"{path}:{number}: not JSON: {error}") from error
            counts.cut_off += 1


def _list(path: str) -> Iterator[tuple[int, Any]]:
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
    except json.JSONDecodeError as error:
        raise ReplayError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ReplayError(f"{path}:1: not JSON: {error}") from error
    # The lines of its items are gone; which one it is says as much.
    yield from enumerate(data, 1)


def _lines(path: str) -> Iterator[tuple[int, bytes, bool]]:
    """(number, content, whether its end is there) of each line that is not empty."""
    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.rstrip(b"\r\n"), line.endswith(b"\n")
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror}") from error

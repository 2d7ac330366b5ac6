# Turns what rsyslog counts into a text file for the node exporter, as a program of rsyslog's module omprog.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: log_stats.py FUNCTION FILE

Reads the JSON objects that rsyslog's module impstats writes, one a line. FUNCTION, sender or collector, becomes a
label. The file is replaced when a round is complete, which is when a counter comes for the second time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, BinaryIO

DISK = "[DA]"
# Of each kind of counter: its name in rsyslog, and metric, type and help.
QUEUE = {
    "size": (
        "aidc_log_queue_messages",
        "gauge",
        "Lines that wait in a queue of the log pipeline, in memory and on disk.",
    ),
    "discarded.full": ("aidc_log_queue_discarded_total", "counter", "Lines that were lost because a queue was full."),
}
ACTION = {
    "processed": ("aidc_log_action_processed_total", "counter", "Lines that an action of the log pipeline worked on."),
    "failed": ("aidc_log_action_failed_total", "counter", "Lines that an action of the log pipeline failed on."),
}
LOST = ("aidc_log_unmasked_total", "counter", "Lines that were not sent because they could not be masked.")
WRITTEN = ("aidc_log_stats_timestamp_seconds", "gauge", "When the log pipeline last counted.")


class Round:
    """The counters of one round."""

    def __init__(self) -> None:
        self.samples: dict[tuple[tuple[str, str, str], str], float] = {}
        self.seen: set[tuple[str, str]] = set()

    def add(self, data: dict[str, Any]) -> None:
        """Take one object of impstats."""
        name, origin = str(data.get("name", "")), str(data.get("origin", ""))
        self.seen.add((origin, name))
        if origin == "core.queue" and name.startswith("aidc_"):
            # What left the memory for the disk has counters of its own; both are one queue.
            label = f'queue="{name[len("aidc_") :].replace(DISK, "").replace(" queue", "")}"'
            self._sum(QUEUE, label, data)
        elif origin == "core.action" and name.startswith("aidc_"):
            self._sum(ACTION, f'action="{name[len("aidc_") :]}"', data)
        elif origin == "dynstats.bucket" and name == "aidc_masking":
            self.samples[LOST, ""] = float((data.get("values") or {}).get("lost", 0))

    def _sum(self, kinds: dict[str, tuple[str, str, str]], label: str, data: dict[str, Any]) -> None:
        for key, metric in kinds.items():
            if isinstance(data.get(key), (int, float)):
                self.samples[metric, label] = self.samples.get((metric, label), 0.0) + data[key]


def text(samples: dict[tuple[tuple[str, str, str], str], float], function: str, now: float) -> str:
    """The samples in the text format of Prometheus."""
    lines: list[str] = []
    last = ""
    for (metric, label), value in sorted({**samples, (WRITTEN, ""): now}.items()):
        name, kind, what = metric
        if name != last:
            lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
            last = name
        labels = ",".join(part for part in (f'function="{function}"', label) if part)
        lines.append(f"{name}{{{labels}}} {value:.0f}")
    return "\n".join(lines) + "\n"


def write(path: str, content: str) -> None:
    """Replace the file at once."""
    with open(path + ".new", "w", encoding="ascii", errors="replace") as handle:
        handle.write(content)
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)


def serve(function: str, path: str, source: BinaryIO) -> None:
    """Read until rsyslog closes the input; what is no counter is left out."""
    current = Round()
    for line in iter(source.readline, b""):
        try:
            data = json.loads(line.decode("utf-8", "replace"))
            key = (str(data.get("origin", "")), str(data.get("name", "")))
        except (ValueError, AttributeError):
            continue
        if key in current.seen:
            try:
                write(path, text(current.samples, function, time.time()))
            except OSError as exc:
                print(f"log_stats: {path}: {exc.strerror}", file=sys.stderr)
            current = Round()
        current.add(data)


def main(arguments: list[str]) -> int:
    """Entry point of the program."""
    if len(arguments) != 2 or arguments[0] not in ("sender", "collector"):
        print(__doc__, file=sys.stderr)
        return 2
    serve(arguments[0], arguments[1], sys.stdin.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Shows what a run of the checks is doing, and its result as one table.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress lines, the tail of a failed check's log, the summary table and the closing line."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from checks_runner import Check, Result

TAIL_LINES = 40
REASON_LINES = 5
NAMED_LINES = 20
REASON_WIDTH = 240
# How pytest, Ansible, ansible-test and the linters begin a line that says what is wrong.
REASON = re.compile(r"^(?!.*glob failed)\s*(FAILED|ERROR|E  |fatal:|FATAL|\[ERROR\]|CRITICAL)|: error:|^\S+Error\b")
# How pytest's summary names a test: that is said first, before what it printed meanwhile.
NAMED = re.compile(r"^\s*(FAILED|ERROR) \S+\.py(::| - |$)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Without a terminal a line a second would bury the results.
QUIET_SECONDS = 30.0


class Screen:
    """Progress on a stream: one line that is rewritten on a terminal, a line now and then elsewhere."""

    def __init__(self, stream: TextIO, total: int, root: Path) -> None:
        self.stream = stream
        self.total = total
        self.root = root
        self.done = 0
        self.begun = time.monotonic()
        self.terminal = stream.isatty()
        self._shown = self.begun
        self._width = 0

    def started(self, check: Check) -> None:
        if not self.terminal:
            self._line(f"{self._elapsed()}  start   {check.name}")

    def running(self, checks: Mapping[str, float], waiting: int) -> None:
        now = time.monotonic()
        if now - self._shown < (1.0 if self.terminal else QUIET_SECONDS):
            return
        self._shown = now
        busy = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in checks.items())
        text = f"{self._elapsed()}  {self.done}/{self.total} done, {waiting} waiting; running: {busy}"
        if self.terminal:
            self.stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
            self.stream.flush()
        else:
            self._line(text)

    def finished(self, result: Result) -> None:
        self.done += 1
        word = "passed" if result.passed else "FAILED"
        self._line(f"{self._elapsed()}  {word}  {result.check.name}  {result.seconds:.1f} s  {result.reason}".rstrip())
        if not result.passed:
            self._show_tail(result)

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self.begun), 60)
        return f"[{minutes:3d}:{seconds:02d}]"

    def _show_tail(self, result: Result) -> None:
        if not result.log.exists():
            return
        lines = _lines(result.log)
        if not lines:
            return
        self._line(f"---- last lines of {_short(result.log, self.root)}")
        for line in lines[-TAIL_LINES:]:
            self._line("    " + line)
        # Whoever sees only a part of a long log looks here for the name of what failed.
        self._line(f"---- why {result.check.name} failed")
        for line in reasons_of(lines):
            self._line("    " + line)
        self._line("----")

    def _line(self, text: str) -> None:
        if self._width:
            self.stream.write("\r" + " " * self._width + "\r")
            self._width = 0
        self.stream.write(text + "\n")
        self.stream.flush()


def table(results: Sequence[Result], root: Path) -> str:
    """The results as one table, minutes beside the seconds."""
    rows = [("check", "result", "seconds", "minutes", "log of a failure")]
    for result in results:
        rows.append(
            (
                result.check.name,
                "passed" if result.passed else "FAILED",
                f"{result.seconds:.1f}",
                f"{result.seconds / 60:.1f}",
                "" if result.passed else f"{_short(result.log, root)}  ({result.reason})",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for number, row in enumerate(rows):
        cells = [
            row[0].ljust(widths[0]),
            row[1].ljust(widths[1]),
            row[2].rjust(widths[2]),
            row[3].rjust(widths[3]),
            row[4],
        ]
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("-" * (sum(widths) + 6))
    return "\n".join(lines)


def reasons(results: Sequence[Result]) -> str:
    """The reasons of each failed check; empty if nothing failed."""
    lines = []
    for result in results:
        if result.passed or not result.log.exists():
            continue
        lines.append(f"{result.check.name}:")
        lines += [f"    {line}" for line in reasons_of(_lines(result.log))]
    return "\n".join(lines)


def reasons_of(lines: Sequence[str]) -> list[str]:
    """The lines of a failed check's log that say why: the tests that pytest names, else the first that look like a
    reason, else the last ones."""
    lines = [COLOUR.sub("", line) for line in lines]
    named = list(dict.fromkeys(line for line in lines if NAMED.search(line)))
    if named:
        more = len(named) - NAMED_LINES
        found = [*named[:NAMED_LINES], *([f"... and {more} more"] if more > 0 else [])]
    else:
        found = [line for line in lines if REASON.search(line)][:REASON_LINES] or lines[-REASON_LINES:]
    return [line.strip()[:REASON_WIDTH] for line in found]


def closing_line(results: Sequence[Result]) -> str:
    """The last line of a run."""
    failed = sum(not result.passed for result in results)
    return f"{len(results) - failed} passed, {failed} failed"


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _short(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)

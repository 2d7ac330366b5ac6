# Shows what the demo is doing and for how long, on a terminal and in a log alike.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line for each step. On a terminal the line of the current step is rewritten in place; elsewhere a step prints a
line when it begins and one when it ends, and a sign of life now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

TERMINAL_REFRESH = 0.5
LOG_REFRESH = 20.0


class DemoError(Exception):
    """A step cannot go on; the message says why and which log to read."""


class Patience:
    """Waits for something that moves: it is over when nothing new was seen for so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._seen: object = None
        self._since = clock()

    def is_over(self, seen: object) -> bool:
        """Whether this is what was seen all the time."""
        if seen != self._seen:
            self._seen, self._since = seen, self._clock()
        return self._clock() - self._since > self.seconds


class Progress:
    """The lines of one run. Times are seconds since it was made."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self.stream = stream
        self.terminal = stream.isatty()
        self.start = time.monotonic()
        self._status = ""
        self._lock = threading.Lock()

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.start

    def status(self, text: str) -> None:
        """What the current step is at; shown with the next refresh."""
        self._status = text

    def line(self, text: str = "") -> None:
        """Print a line of its own."""
        with self._lock:
            self.stream.write(text + "\n")
            self.stream.flush()

    def _show(self, title: str, began: float, end: str) -> None:
        detail = f" · {self._status}" if self._status else ""
        text = f"[{self.elapsed():4.0f} s] {title} ({time.monotonic() - began:.0f} s){detail}"
        with self._lock:
            if self.terminal:
                self.stream.write("\r\033[K" + text[:118] + end)
            else:
                self.stream.write(text + "\n")
            self.stream.flush()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show a step while its block runs; a failure is marked, and raised on."""
        self._status = ""
        began = time.monotonic()
        stop = threading.Event()

        def refresh() -> None:
            while not stop.wait(TERMINAL_REFRESH if self.terminal else LOG_REFRESH):
                self._show(title, began, "")

        if not self.terminal:
            self.line(f"[{self.elapsed():4.0f} s] {title} ...")
        ticker = threading.Thread(target=refresh, daemon=True)
        ticker.start()
        mark = "FAILED"
        try:
            yield
            mark = "done"
        except KeyboardInterrupt:
            mark = "interrupted"
            raise
        finally:
            stop.set()
            ticker.join()
            if mark == "done":
                self._status = ""
            self._show(f"{title}: {mark}", began, "\n")

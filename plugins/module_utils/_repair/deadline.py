# Counts down the time of a repair that consists of several commands.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t


class Deadline:
    """C(seconds) from now on."""

    def __init__(self, seconds: float, now: t.Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._end = now() + seconds

    def left(self, most: float = float("inf"), least: float = 0.0) -> float:
        """Return the seconds that are left: at most C(most), and at least C(least) even when none are left."""
        return max(least, min(most, self._end - self._now()))

    def over(self) -> bool:
        return self._now() >= self._end


def wait_until(
    check: t.Callable[[], bool], deadline: Deadline, interval: float, sleep: t.Callable[[float], None] = time.sleep
) -> bool:
    """Call C(check) until it is true or the time is up; return what it said last. It is called at least once."""
    while True:
        if check():
            return True
        if deadline.over():
            return False
        sleep(min(interval, deadline.left(least=0.01)))

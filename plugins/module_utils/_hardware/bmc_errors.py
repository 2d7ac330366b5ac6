# Why a BMC could not be read, and how long one may still be asked.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t


class BmcError(Exception):
    """A BMC cannot be read; the message says which, why, and what to do."""


class Silent(BmcError):
    """Nobody answers there, or somebody who does not speak this protocol. Another protocol may be tried."""


class Refused(BmcError):
    """The certificate or the credentials were refused. Nothing else may be tried: it would bypass the refusal."""


class MissingProgram(BmcError):
    """The library or program for this protocol is not installed here."""


class PartError(BmcError):
    """One resource cannot be read; the others may be fine. C(silent) says that nobody answered in time."""

    def __init__(self, message: str, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class Clock:
    """Counts down the time that one BMC may take.

    One request gets a third of it: enough for a slow answer, and a resource that never answers does not cost the rest.
    """

    def __init__(self, seconds: float, now: t.Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.granted = 0.0
        """What the last request was given."""
        self._now = now
        self._end = now() + seconds

    def left(self) -> float:
        """Return the seconds that are left, at least 0."""
        return max(0.0, self._end - self._now())

    def request(self) -> float:
        """Return the seconds that one request may take; PartError if none are left."""
        left = min(self.left(), self.seconds / 3)
        if left <= 0:
            raise PartError(f"the time limit of {self.seconds:g} s was reached", silent=True)
        self.granted = left
        return left

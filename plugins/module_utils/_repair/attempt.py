# One attempt at a repair: a marker makes it happen at most once, a lock tells one that still runs from one that died.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller (a controller) may be killed at any moment and ask again; so may the module itself."""

from __future__ import annotations

import fcntl
import os
import time
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._hardware import attempts

STATE_DIR = "/var/lib/aidc_ops/attempts"

OPTIONS: dict[str, dict[str, t.Any]] = {
    "token": {"type": "str", "required": True, "no_log": False},
    "state_dir": {"type": "path", "default": STATE_DIR},
}


class Attempt:
    """The attempt that a token names. Use it in a C(with) block once the action may begin."""

    def __init__(self, state_dir: str, action: str, token: str) -> None:
        self.path = attempts.marker_path(state_dir, action, token)
        self._token = token
        self._lock: int | None = None
        self.content: dict[str, t.Any] = {}

    def earlier(self) -> dict[str, t.Any] | None:
        """Return what the marker of an earlier call holds; None if there was none. AttemptError if nobody can tell."""
        return attempts.read(self.path)

    def take(self) -> bool:
        """Become the one that works on this attempt; False while another call does. AttemptError if that fails."""
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            lock = os.open(f"{self.path}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise attempts.AttemptError(f"cannot lock the attempt at {self.path}: {exc}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def begin(self, **facts: t.Any) -> bool:
        """Write the marker; False if another call was faster."""
        self.content = {"token": self._token, "started_at": time.time(), **facts}
        return attempts.begin(self.path, self.content)

    def note(self, **facts: t.Any) -> None:
        """Add to the marker, durably, before the next part of the action begins."""
        self.content.update(facts)
        attempts.finish(self.path, self.content)

    def finish(self, **outcome: t.Any) -> dict[str, t.Any]:
        """Write the outcome; return the whole marker."""
        self.note(**outcome, finished_at=time.time())
        return self.content

    def withdraw(self) -> None:
        """Forget an action that verifiably did not begin."""
        attempts.withdraw(self.path)

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *_unused: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def finished(marker: t.Mapping[str, t.Any]) -> bool:
    """Whether a marker tells an outcome."""
    return marker.get("finished_at") is not None

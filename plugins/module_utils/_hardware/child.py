# Runs a function in a child process with a deadline, because a call into a driver can hang for ever.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thread cannot be killed and a signal does not interrupt a system call that waits inside the kernel.

A child can be left behind.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import typing as t


class ChildTimeout(Exception):
    """The deadline passed; the message names the step the child was in."""


class ChildFailed(Exception):
    """The function raised; C(kind) is the exception's class name and the message its text.

    A child that died says how.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _detach_streams() -> None:
    """Let go of the caller's streams: who waits for the end of our output must not wait for a child that hangs."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def _send(pipe: int, kind: str, value: t.Any) -> None:
    data = (json.dumps([kind, value]) + "\n").encode()
    while data:
        data = data[os.write(pipe, data) :]


def _child(pipe: int, function: t.Callable[[t.Callable[[str], None]], t.Any]) -> None:
    _detach_streams()
    try:
        _send(pipe, "result", function(lambda step: _send(pipe, "step", step)))
    except Exception as exc:  # a child must report whatever went wrong, then end
        _send(pipe, "error", [type(exc).__name__, str(exc)])


def _reap(pid: int) -> None:
    """Kill the child and collect it if it goes; one that is stuck inside the kernel is left to init."""
    os.kill(pid, signal.SIGKILL)
    for _attempt in range(20):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.01)


def call_bounded(function: t.Callable[[t.Callable[[str], None]], t.Any], timeout: float) -> t.Any:
    """Return C(function(progress)), computed in a child; its result has to fit into JSON.

    C(progress(step)) names the step that begins, for the text of an error.

    Raises ChildTimeout after C(timeout) seconds and ChildFailed if the function raised or the child died.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        try:
            _child(write_end, function)
        finally:
            os._exit(0)
    os.close(write_end)
    step = "start"
    pending = b""
    deadline = time.monotonic() + timeout
    try:
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([read_end], [], [], remaining)[0]:
                raise ChildTimeout(f"no answer within {timeout:g} seconds while {step}")
            data = os.read(read_end, 65536)
            if not data:
                raise ChildFailed("died", f"the reading process died while {step}")
            pending += data
            *lines, pending = pending.split(b"\n")
            for kind, value in map(json.loads, lines):
                if kind == "result":
                    return value
                if kind == "error":
                    raise ChildFailed(value[0], value[1])
                step = value
    finally:
        os.close(read_end)
        _reap(pid)

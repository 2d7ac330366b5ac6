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

# Is told the step that begins.
Progress = t.Callable[[str], None]
Function = t.Callable[[Progress], t.Any]
Key = t.TypeVar("Key", bound=t.Hashable)


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


def _child(pipe: int, function: Function) -> None:
    _detach_streams()
    try:
        _send(pipe, "result", function(lambda step: _send(pipe, "step", step)))
    except Exception as exc:  # a child must report whatever went wrong, then end
        _send(pipe, "error", [type(exc).__name__, str(exc)])


class Outcome(t.NamedTuple):
    """What became of one function: its value, or the ChildTimeout or ChildFailed that took its place."""

    value: t.Any
    problem: Exception | None


class _Child:
    """A process that runs one function; C(pipe) has what it says."""

    def __init__(self, function: Function) -> None:
        self.pipe, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            try:
                _child(write_end, function)
            finally:
                os._exit(0)
        os.close(write_end)
        self._doing = ""
        self._pending = b""

    def hear(self) -> Outcome | None:
        """Read what is there; return the outcome once it is known."""
        data = os.read(self.pipe, 65536)
        if not data:
            return Outcome(None, ChildFailed("died", f"the reading process died{self._doing}"))
        *lines, self._pending = (self._pending + data).split(b"\n")
        for kind, value in map(json.loads, lines):
            if kind == "result":
                return Outcome(value, None)
            if kind == "error":
                return Outcome(None, ChildFailed(value[0], value[1]))
            self._doing = f" while {value}"
        return None

    def late(self, timeout: float) -> Outcome:
        """Return the outcome of a child whose time is up."""
        return Outcome(None, ChildTimeout(f"no answer within {timeout:g} seconds{self._doing}"))


def _reap(children: t.Iterable[_Child]) -> None:
    """Kill the children and collect those that go; one that is stuck inside the kernel is left to init."""
    left = list(children)
    for child in left:
        os.kill(child.pid, signal.SIGKILL)
    for _attempt in range(20):
        left = [child for child in left if not os.waitpid(child.pid, os.WNOHANG)[0]]
        if not left:
            return
        time.sleep(0.01)


def call_all_bounded(functions: t.Mapping[Key, Function], timeout: float, limit: int = 64) -> dict[Key, Outcome]:
    """Call all functions at the same time, each in a child; return key -> outcome within C(timeout) seconds.

    At most C(limit) run at once. Twenty that hang cost one timeout together.
    """
    deadline = time.monotonic() + timeout
    waiting = list(functions)
    running: dict[int, tuple[Key, _Child]] = {}
    children: list[_Child] = []
    outcomes: dict[Key, Outcome] = {}
    poll = select.poll()
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                key = waiting.pop(0)
                child = _Child(functions[key])
                children.append(child)
                running[child.pipe] = (key, child)
                poll.register(child.pipe, select.POLLIN)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            for pipe, _event in poll.poll(remaining * 1000):
                key, child = running[pipe]
                outcome = child.hear()
                if outcome is not None:
                    outcomes[key] = outcome
                    poll.unregister(pipe)
                    del running[pipe]
                    os.close(pipe)
    finally:
        for pipe in running:
            os.close(pipe)
        _reap(children)
    outcomes.update({key: child.late(timeout) for key, child in running.values()})
    outcomes.update({key: Outcome(None, ChildTimeout("no time was left to ask")) for key in waiting})
    return {key: outcomes[key] for key in functions}


def call_bounded(function: Function, timeout: float) -> t.Any:
    """Return C(function(progress)), computed in a child; its result has to fit into JSON.

    C(progress(step)) names the step that begins, for the text of an error.

    Raises ChildTimeout after C(timeout) seconds and ChildFailed if the function raised or the child died.
    """
    outcome = call_all_bounded({"": function}, timeout)[""]
    if outcome.problem is not None:
        raise outcome.problem
    return outcome.value

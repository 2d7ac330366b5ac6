# Tests of calling a function in a child with a deadline.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import child

Progress = Callable[[str], None]


def test_result_comes_back() -> None:
    assert child.call_bounded(lambda progress: {"a": [1, None, "é"]}, 10) == {"a": [1, None, "é"]}


def test_large_result_comes_back_whole() -> None:
    assert child.call_bounded(lambda progress: "x" * 3_000_000, 30) == "x" * 3_000_000


def test_hang_ends_at_the_deadline_and_is_named() -> None:
    def hang(progress: Progress) -> None:
        progress("reading GPU 3")
        time.sleep(60)

    begin = time.monotonic()
    with pytest.raises(child.ChildTimeout, match=r"0\.3 seconds while reading GPU 3"):
        child.call_bounded(hang, 0.3)
    assert time.monotonic() - begin < 10


def test_child_that_ignores_signals_is_gone_afterwards() -> None:
    read_end, write_end = os.pipe()

    def hang(progress: Progress) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(write_end, str(os.getpid()).encode())
        time.sleep(60)

    with pytest.raises(child.ChildTimeout):
        child.call_bounded(hang, 1)
    pid = int(os.read(read_end, 32))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    os.close(read_end)
    os.close(write_end)


def test_exception_comes_back_by_name() -> None:
    def fail(progress: Progress) -> None:
        raise LookupError("no such thing")

    with pytest.raises(child.ChildFailed, match="no such thing") as caught:
        child.call_bounded(fail, 10)
    assert caught.value.kind == "LookupError"


def test_death_is_told() -> None:
    def die(progress: Progress) -> None:
        progress("counting the GPUs")
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(child.ChildFailed, match="died while counting the GPUs"):
        child.call_bounded(die, 10)


def test_streams_are_let_go(capfd: pytest.CaptureFixture[str]) -> None:
    """Who waits for the end of our output must not wait for a child that hangs, nor read what a library prints."""

    def talk(progress: Progress) -> Any:
        os.write(1, b"noise of a library")
        return [os.readlink(f"/proc/self/fd/{stream}") for stream in (0, 1, 2)]

    assert child.call_bounded(talk, 10) == [os.devnull] * 3
    assert capfd.readouterr().out == ""

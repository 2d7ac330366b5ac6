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


def test_many_that_hang_cost_one_timeout_and_hide_nothing() -> None:
    def hang(progress: Progress) -> None:
        time.sleep(60)

    functions: dict[Any, Callable[[Progress], Any]] = dict.fromkeys(range(20), hang)
    functions["good"] = lambda progress: 7
    begin = time.monotonic()
    outcomes = child.call_all_bounded(functions, 1)
    assert time.monotonic() - begin < 10
    assert list(outcomes) == list(functions)
    assert outcomes["good"] == (7, None)
    assert {str(outcomes[number].problem) for number in range(20)} == {"no answer within 1 seconds"}


def test_more_than_may_run_at_once_take_turns() -> None:
    outcomes = child.call_all_bounded({n: lambda progress, n=n: n * n for n in range(50)}, 30, limit=3)
    assert [outcome.value for outcome in outcomes.values()] == [n * n for n in range(50)]


def test_who_gets_no_turn_is_told() -> None:
    outcomes = child.call_all_bounded({n: lambda progress: time.sleep(60) for n in range(3)}, 0.5, limit=2)
    assert str(outcomes[2].problem) == "no time was left to ask"
    assert isinstance(outcomes[2].problem, child.ChildTimeout)


def test_failures_stay_with_their_function() -> None:
    def fail(progress: Progress) -> None:
        raise OSError("no such device")

    outcomes = child.call_all_bounded({"bad": fail, "good": lambda progress: [1]}, 10)
    assert outcomes["good"].value == [1]
    assert isinstance(outcomes["bad"].problem, child.ChildFailed) and outcomes["bad"].problem.kind == "OSError"


def test_nobody_to_ask() -> None:
    assert child.call_all_bounded({}, 1) == {}


def test_steps_without_end_do_not_outlast_the_deadline() -> None:
    def talk(progress: Progress) -> None:
        while True:
            progress("talking")

    with pytest.raises(child.ChildTimeout, match="while talking"):
        child.call_bounded(talk, 0.5)


def test_nothing_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    child.call_all_bounded({0: lambda progress: 1, 1: lambda progress: time.sleep(60)}, 0.3)
    assert len(os.listdir("/proc/self/fd")) == before

# Tests of reading devices of which some hang.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.child import ChildFailed, ChildTimeout
from ansible_collections.aidc.ops.plugins.module_utils._hardware.device_reads import read_devices


def reading(index: int, whole: bool = True, **more: Any) -> dict[str, Any]:
    return {"index": index, "whole": whole, **more}


def test_healthy_devices_are_read_by_one_process() -> None:
    def read(progress: Any, keep: Any, only: int | None) -> None:
        keep({"count": 2})
        for index in range(2):
            keep(reading(index, False))
            keep(reading(index, pid=os.getpid()))

    reads = read_devices(read, 10)
    assert (reads.head, reads.answer, reads.problems) == ({"count": 2}, None, {})
    assert [each["index"] for each in reads.readings if each] == [0, 1]
    pids = {each["pid"] for each in reads.readings if each}
    assert len(pids) == 1 and os.getpid() not in pids


def test_an_answer_without_devices() -> None:
    assert read_devices(lambda progress, keep, only: {"reason": "none"}, 10).answer == {"reason": "none"}


def test_devices_that_were_not_reached_are_asked_once_more(tmp_path: Path) -> None:
    asked = tmp_path / "asked"

    def read(progress: Any, keep: Any, only: int | None) -> None:
        with asked.open("a") as log:
            log.write(f"{only}\n")
        keep({"count": 4})
        for index in range(4) if only is None else (only,):
            progress(f"reading {index}")
            keep(reading(index, False, address=f"a{index}"))
            if index == 1:
                time.sleep(60)
            keep(reading(index, name=f"n{index}"))

    begin = time.monotonic()
    reads = read_devices(read, 1)
    assert time.monotonic() - begin < 8
    assert sorted(asked.read_text().split()) == ["1", "2", "3", "None"], "the one before the hang is not asked again"
    assert [each and each.get("name") for each in reads.readings] == ["n0", None, "n2", "n3"]
    assert reads.readings[1] == reading(1, False, address="a1")
    assert reads.problems == {1: "no answer within 0.5 seconds while reading 1"}


def test_a_device_nothing_is_known_of() -> None:
    def read(progress: Any, keep: Any, only: int | None) -> None:
        keep({"count": 2})
        for index in range(2) if only is None else (only,):
            if index == 0:
                raise LookupError("broken")
            keep(reading(index))

    reads = read_devices(read, 10)
    assert reads.readings == [None, reading(1)]
    assert reads.problems == {0: "broken"}


def test_what_goes_wrong_before_the_count_is_passed_on() -> None:
    def hang(progress: Any, keep: Any, only: int | None) -> None:
        progress("starting")
        time.sleep(60)

    def fail(progress: Any, keep: Any, only: int | None) -> None:
        raise LookupError("no driver")

    with pytest.raises(ChildTimeout, match=r"0\.2 seconds while starting"):
        read_devices(hang, 0.4)
    with pytest.raises(ChildFailed, match="no driver") as caught:
        read_devices(fail, 10)
    assert caught.value.kind == "LookupError"

# Tests of the module gpu_info as Ansible calls it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import gpu_info

Call = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("given", "vendors"), [({}, ["nvidia", "amd"]), ({"vendors": ["amd"]}, ["amd"])])
def test_answer_is_passed_on_unchanged(
    call: Call, monkeypatch: pytest.MonkeyPatch, check: bool, given: dict[str, Any], vendors: list[str]
) -> None:
    asked = []
    read = {"available": True, "gpus": [{"device": "gpu:0000:1b:00"}], "problems": [], "gpu_drivers": []}

    def read_gpus(root: str, timeout: float, vendors: list[str]) -> dict[str, Any]:
        asked.append((root, timeout, vendors))
        return read

    monkeypatch.setattr(gpu_info, "read_gpus", read_gpus)
    answer = call(gpu_info.main, check=check, config=None, timeout=5, root="/mnt", **given)
    assert answer["changed"] is False
    assert {key: answer[key] for key in read} == read
    assert asked == [("/mnt", 5, vendors)]


def test_a_broken_driver_is_a_failure_with_its_message(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows then how many GPUs the node has: a list of them would be taken for all of them."""
    problems = [{"part": "gpus", "device": None, "message": "the NVIDIA driver hangs"}]
    read = {"available": False, "reason": "the NVIDIA driver hangs", "gpus": None, "problems": problems}
    monkeypatch.setattr(gpu_info, "read_gpus", lambda root, timeout, vendors: read)
    answer = call(gpu_info.main, config=None)
    assert (answer["failed"], answer["msg"]) == (True, "the NVIDIA driver hangs")
    assert answer["problems"] == problems and "gpus" not in answer


def test_only_vendors_that_exist_can_be_asked(call: Call) -> None:
    answer = call(gpu_info.main, config=None, vendors=["3dfx"])
    assert answer["failed"] and "3dfx" in answer["msg"]


@pytest.mark.parametrize("timeout", [0, -3])
def test_timeout_has_to_be_possible(call: Call, timeout: int) -> None:
    answer = call(gpu_info.main, config=None, timeout=timeout)
    assert answer["failed"] and "at least 1 second" in answer["msg"]

# Tests of the module gpu_info as Ansible calls it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_node import ReadError
from ansible_collections.aidc.ops.plugins.modules import gpu_info

Call = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("check", [False, True])
def test_answer_is_passed_on_unchanged(call: Call, monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    asked = []

    def read(root: str, timeout: float) -> dict[str, Any]:
        asked.append((root, timeout))
        return {"available": True, "gpus": [{"device": "gpu:0000:1b:00"}]}

    monkeypatch.setattr(gpu_info, "read_this_node", read)
    answer = call(gpu_info.main, check=check, config=None, timeout=5, root="/mnt")
    assert (answer["changed"], answer["gpus"]) == (False, [{"device": "gpu:0000:1b:00"}])
    assert asked == [("/mnt", 5)]


def test_trouble_is_a_failure_with_its_message(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(root: str, timeout: float) -> dict[str, Any]:
        raise ReadError("the NVIDIA driver hangs")

    monkeypatch.setattr(gpu_info, "read_this_node", read)
    answer = call(gpu_info.main, config=None)
    assert (answer["failed"], answer["msg"]) == (True, "the NVIDIA driver hangs")


@pytest.mark.parametrize("timeout", [0, -3])
def test_timeout_has_to_be_possible(call: Call, timeout: int) -> None:
    answer = call(gpu_info.main, config=None, timeout=timeout)
    assert answer["failed"] and "at least 1 second" in answer["msg"]

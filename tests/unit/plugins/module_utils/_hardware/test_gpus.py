# Tests of putting the GPUs of both vendors together.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import gpus
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import ReadError

NOTHING = {"available": False, "driver_version": None, "gpus": [], "problems": []}
NO_NVIDIA = {**NOTHING, "reason": "the NVIDIA kernel driver is not loaded", "nvml_version": None}
NO_AMD = {**NOTHING, "reason": "no AMD GPU is in the node", "library_version": None}
PROBLEM = {"part": "gpus", "device": "gpu:0000:1b:00", "message": "no answer within 15 seconds"}
NVIDIA = {
    "available": True, "reason": None, "driver_version": "570.1", "nvml_version": "12.570.1",
    "gpus": [{"device": "gpu:0000:1b:00"}], "problems": [PROBLEM],
}  # fmt: skip
AMD = {
    "available": True, "reason": None, "driver_version": "6.12.12", "library_version": "25.3.0",
    "gpus": [{"device": "gpu:0000:05:00"}], "problems": [],
}  # fmt: skip


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the two readers answer, or raise; `asked` has what they were asked."""
    found: dict[str, Any] = {"nvidia": NO_NVIDIA, "amd": NO_AMD, "asked": []}

    def reader(vendor: str) -> Any:
        def read(root: str, timeout: float) -> dict[str, Any]:
            found["asked"].append((vendor, root, timeout))
            if isinstance(found[vendor], Exception):
                raise found[vendor]
            return dict(found[vendor])

        return read

    monkeypatch.setattr(gpus, "read_this_node", reader("nvidia"))
    monkeypatch.setitem(gpus._READERS, "amd", reader("amd"))
    return found


def test_no_gpu_is_an_answer(node: dict[str, Any]) -> None:
    assert gpus.read_gpus("/mnt", 7) == {
        "available": False,
        "reason": "the NVIDIA kernel driver is not loaded",
        "driver_version": None,
        "nvml_version": None,
        "gpu_drivers": [],
        "gpus": [],
        "problems": [],
    }
    assert node["asked"] == [("nvidia", "/mnt", 7), ("amd", "/mnt", 7)]


def test_gpus_of_one_vendor(node: dict[str, Any]) -> None:
    node["nvidia"] = NVIDIA
    assert gpus.read_gpus("/", 7) == {
        "available": True,
        "reason": None,
        "driver_version": "570.1",
        "nvml_version": "12.570.1",
        "gpu_drivers": [{"vendor": "nvidia", "driver_version": "570.1", "library_version": "12.570.1"}],
        "gpus": [{"device": "gpu:0000:1b:00"}],
        "problems": [PROBLEM],
    }


def test_gpus_of_both_vendors(node: dict[str, Any]) -> None:
    node.update(nvidia=NVIDIA, amd=AMD)
    answer = gpus.read_gpus("/", 7)
    assert [gpu["device"] for gpu in answer["gpus"]] == ["gpu:0000:1b:00", "gpu:0000:05:00"]
    assert [driver["vendor"] for driver in answer["gpu_drivers"]] == ["nvidia", "amd"]
    assert (answer["driver_version"], answer["reason"]) == ("570.1", None)


def test_amd_without_nvidia(node: dict[str, Any]) -> None:
    node["amd"] = AMD
    answer = gpus.read_gpus("/", 7)
    assert (answer["available"], answer["reason"], answer["driver_version"]) == (True, None, None)
    assert answer["gpu_drivers"] == [{"vendor": "amd", "driver_version": "6.12.12", "library_version": "25.3.0"}]


def test_only_the_vendors_that_are_wanted(node: dict[str, Any]) -> None:
    node.update(nvidia=NVIDIA, amd=AMD)
    assert len(gpus.read_gpus("/", 7, ["amd"])["gpus"]) == 1
    assert node["asked"] == [("amd", "/", 7)]
    node["amd"] = NO_AMD
    assert gpus.read_gpus("/", 7, ["amd"])["reason"] == "no AMD GPU is in the node"
    assert gpus.read_gpus("/", 7, [])["reason"] == "no vendor was asked"


def test_a_broken_driver_leaves_the_number_of_gpus_unknown(node: dict[str, Any]) -> None:
    """The GPUs of the other vendor alone would look like a smaller node."""
    node.update(nvidia=ReadError("the NVIDIA driver hangs"), amd=AMD)
    answer = gpus.read_gpus("/", 7)
    assert (answer["available"], answer["gpus"], answer["reason"]) == (False, None, "the NVIDIA driver hangs")
    assert answer["problems"] == [{"part": "gpus", "device": None, "message": "the NVIDIA driver hangs"}]
    assert [driver["vendor"] for driver in answer["gpu_drivers"]] == ["amd"]
    node["amd"] = ReadError("no permission")
    answer = gpus.read_gpus("/", 7)
    assert [problem["message"] for problem in answer["problems"]] == ["the NVIDIA driver hangs", "no permission"]


def test_a_driver_without_gpus_is_a_driver(node: dict[str, Any]) -> None:
    node["nvidia"] = {**NO_NVIDIA, "driver_version": "570.1", "nvml_version": "12.570.1"}
    assert gpus.read_gpus("/", 7)["gpu_drivers"] == [
        {"vendor": "nvidia", "driver_version": "570.1", "library_version": "12.570.1"}
    ]

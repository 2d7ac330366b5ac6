# Tests of reading this node with everything tied together.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import nvml_node


def test_node_without_driver_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "libnvidia-ml.so.1: cannot open shared object file: No such file or directory"
    monkeypatch.setattr(nvml_node, "library_problem", lambda: gone)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    answer = nvml_node.read_this_node("/", 10)
    assert (answer["available"], answer["gpus"]) == (False, [])
    assert answer["reason"] == "the driver library libnvidia-ml.so.1 is not installed"


def test_library_that_does_not_load_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml_node, "library_problem", lambda: "/usr/lib/libnvidia-ml.so.1: file too short")
    with pytest.raises(nvml_node.ReadError, match=r"does not load: .*file too short"):
        nvml_node.read_this_node("/", 10)


def test_missing_package_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(nvml_node.ReadError, match=r"nvidia-ml-py is missing for .*/opt/aidc_ops/node/bin/python"):
        nvml_node.read_this_node("/", 10)


def test_driver_that_hangs_is_named_with_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        NVMLError = OSError

        def nvmlInit(self) -> None:
            time.sleep(60)

    monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", Hanging())  # type: ignore[arg-type]
    with pytest.raises(nvml_node.ReadError, match="the NVIDIA driver hangs: no answer within 1 seconds while starting"):
        nvml_node.read_this_node("/", 1)


def test_broken_driver_keeps_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def mismatch() -> Any:
        error = OSError("mismatch")
        error.value = 18  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(nvml_node, "library_problem", lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(NVMLError=OSError, nvmlInit=mismatch))  # type: ignore[arg-type]
    with pytest.raises(nvml_node.ReadError, match="different versions"):
        nvml_node.read_this_node("/", 10)

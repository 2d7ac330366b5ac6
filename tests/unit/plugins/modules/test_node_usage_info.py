# Tests of the module node_usage_info as Ansible calls it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import node_usage_info

Call = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("check", [False, True])
def test_this_machine(call: Call, check: bool) -> None:
    answer = call(node_usage_info.main, check=check, config=None, interval=0.1, samples=2)
    assert answer["changed"] is False
    assert answer["source"] == "psutil" and answer["duration_seconds"] >= 0.2
    assert 0 <= answer["cpu"]["busy_percent"]["min"] <= answer["cpu"]["busy_percent"]["max"] <= 100


def test_options_arrive(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(interval: float, samples: int, _progress: Any) -> Any:
        return {"asked": [interval, samples]}

    monkeypatch.setattr(node_usage_info, "watch", watch)
    assert call(node_usage_info.main, config=None, interval="0.5", samples="7")["asked"] == [0.5, 7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interval": 0}, "interval has to be from 0.1 to 60 seconds, not 0.0"),
        ({"interval": -1}, "interval has to be"),
        ({"interval": 61}, "interval has to be"),
        ({"interval": "nan"}, "interval has to be"),
        ({"samples": 0}, "samples has to be from 1 to 600"),
        ({"samples": 601, "interval": 0.1}, "samples has to be"),
        ({"samples": 11, "interval": 60}, "600 seconds at most, not 11 times 60"),
        ({"timeout": 0}, "timeout must be at least 1 second, not 0"),
        ({"interval": "often"}, "interval"),
    ],
)
def test_what_cannot_be_measured(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = call(node_usage_info.main, config=None, **arguments)
    assert answer["failed"] and message in answer["msg"]


def test_a_kernel_that_hangs_does_not_hang_the_module(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(_interval: float, _samples: int, progress: Any) -> None:
        progress("reading sample 1")
        time.sleep(60)

    monkeypatch.setattr(node_usage_info, "watch", watch)
    started = time.monotonic()
    answer = call(node_usage_info.main, config=None, interval=0.1, samples=1, timeout=1)
    assert time.monotonic() - started < 10
    assert answer["failed"] and "no answer within 1.1 seconds while reading sample 1" in answer["msg"]

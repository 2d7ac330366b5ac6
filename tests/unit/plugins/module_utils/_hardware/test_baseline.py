# Tests of what may become the baseline of a node.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.baseline import unfit

RECORD = json.loads((Path(__file__).parents[3] / "fixtures" / "hardware_record" / "node.json").read_text("utf-8"))
GPU = RECORD["gpus"][0]


@pytest.mark.parametrize(
    "changes",
    [{}, {"gpus": []}, {"power_supplies": None, "fans": None, "bmc": None}, {"numa_nodes": None, "nvswitches": None}],
)
def test_a_whole_record_may(changes: dict[str, Any]) -> None:
    assert unfit({**RECORD, **changes}) == []


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"gpus": None}, ["nobody could tell its gpus"]),
        ({"cpus": None, "disks": None}, ["nobody could tell its cpus", "nobody could tell its disks"]),
        ({"node": {"id": None}}, ["the node has no stable id"]),
        ({"gpus": [{**GPU, "lost": True, "error": "GPU is lost"}]}, ["gpu:0000:1b:00 no longer answers (lost)"]),
        ({"gpus": [{**GPU, "error": "no permission"}]}, ["gpu:0000:1b:00 cannot be read: no permission"]),
        ({"gpus": [{**GPU, "device": None, "lost": True}]}, ["a GPU no longer answers (lost)"]),
    ],
)
def test_what_is_broken_or_unknown_may_not(changes: dict[str, Any], reasons: list[str]) -> None:
    assert unfit({**RECORD, **changes}) == reasons

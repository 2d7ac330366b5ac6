# Tests of the table that a discovery run shows.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.diff import KINDS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.report import report


def finding(part: str, message: str) -> dict[str, Any]:
    return {"part": part, "device": None, "field": None, "expected": None, "found": None, "message": message}


def result(name: str, baseline: str = "kept", **more: Any) -> dict[str, Any]:
    problems, refused = more.pop("problems", []), more.pop("refused", [])
    findings: dict[str, Any] = {kind: [] for kind in KINDS} | more
    return {"name": name, "baseline": baseline, "refused": refused, "findings": findings, "problems": problems}


def test_a_line_for_each_finding_and_one_for_each_node() -> None:
    broken = result(
        "gpu10",
        missing=[finding("gpus", "gpu:0000:1b:00 is missing")],
        degraded=[finding("pcie_links", "0000:18:00.0: width is 8, was 16")],
        problems=[{"part": "filesystems", "device": "/mnt", "message": "no answer within 2 s"}],
    )
    answer = report([result("gpu2"), broken, result("gpu3", "none")], {"gpu4": "no route to host"})
    assert answer["lines"] == [
        "NODE   FINDING    PART         WHAT",
        "gpu10  missing    gpus         gpu:0000:1b:00 is missing",
        "gpu10  degraded   pcie_links   0000:18:00.0: width is 8, was 16",
        "gpu10  problem    filesystems  /mnt: no answer within 2 s",
        "gpu4   no result  node         no route to host",
        "",
        "gpu10  differs from its baseline, 1 missing, 1 degraded, 1 problems",
        "gpu2   as its baseline",
        "gpu3   no baseline",
        "gpu4   no result",
    ]
    assert answer["nodes"] == {
        "missing": ["gpu10"],
        "added": [],
        "changed": [],
        "degraded": ["gpu10"],
        "unknown": [],
        "problems": ["gpu10"],
        "no_result": ["gpu4"],
        "no_baseline": ["gpu3"],
    }


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (result("a", "accepted"), "a  is its baseline now"),
        (
            result("a", "replaced", changed=[finding("disks", "x")]),
            "a  replaced its baseline, 1 changed",
        ),
        (
            result("a", "refused", refused=["nobody could tell its gpus"]),
            "a  is no baseline because nobody could tell its gpus",
        ),
        (result("a", problems=[{"part": "nics", "device": None, "message": "x"}]), "a  as its baseline, 1 problems"),
    ],
)
def test_verdicts(one: dict[str, Any], text: str) -> None:
    assert report([one])["lines"][-1] == text


def test_a_refused_node_has_no_baseline() -> None:
    assert report([result("a", "refused", refused=["x"])])["nodes"]["no_baseline"] == ["a"]


def test_nothing_to_tell_is_told() -> None:
    assert report([result("gpu1")])["lines"] == ["Nothing to report.", "", "gpu1  as its baseline"]
    assert report([])["lines"] == ["Nothing to report.", ""]


def test_text_of_devices_cannot_play_with_the_terminal() -> None:
    hostile = "\x1b[2J\n{{ 7 * 7 }}" + "x" * 10_000
    lines = report([result("gpu1", changed=[finding("disks", hostile)])], {"gpu\n2": hostile})["lines"]
    assert all(line.isprintable() and len(line) < 300 for line in lines)
    assert "?[2J?{{ 7 * 7 }}" in lines[1]


@pytest.mark.parametrize(
    ("results", "silent"),
    [(None, {}), ({}, {}), (["gpu1"], {}), ([{"name": "gpu1"}], {}), ([], ["gpu1"])],
)
def test_what_is_no_result_is_an_error(results: Any, silent: Any) -> None:
    with pytest.raises(ValueError, match=r"aidc\.ops\.hardware_baseline"):
        report(results, silent)

# Tests of the judgement over a node's GPUs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_problems import gpu_problems


def gpu(number: int = 0, **values: Any) -> dict[str, Any]:
    healthy = {
        "index": number,
        "device": f"gpu:0000:{0x1B + number:02x}:00",
        "lost": False,
        "error": None,
        "remapped_rows": {"correctable": 3, "uncorrectable": 1, "pending": False, "failure": False},
        "ecc_uncorrected_volatile": 0,
        "recovery_action": "none",
    }
    return healthy | values


def answer(*gpus: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"available": bool(gpus), "reason": None, "gpus": list(gpus)} | values


def found(*arguments: Any) -> list[tuple[str, str]]:
    return [(problem["device"], problem["problem"]) for problem in gpu_problems(*arguments)]


def test_healthy_node() -> None:
    assert gpu_problems(answer(gpu(0), gpu(1)), 2) == []
    assert gpu_problems(answer(gpu(0))) == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"lost": True, "error": "GPU is lost"}, "lost"),
        ({"error": "Unknown Error"}, "unreadable"),
        ({"remapped_rows": {"pending": False, "failure": True}}, "row_remap_failure"),
        ({"remapped_rows": {"pending": True, "failure": False}}, "row_remap_pending"),
        ({"ecc_uncorrected_volatile": 1}, "ecc_uncorrected"),
        ({"recovery_action": "gpu_reset"}, "recovery_action"),
    ],
)
def test_each_problem_is_named_with_its_gpu(values: dict[str, Any], problem: str) -> None:
    assert found(answer(gpu(0), gpu(1, **values)), 2) == [("gpu:0000:1c:00", problem)]


def test_all_problems_are_listed() -> None:
    sick = gpu(0, remapped_rows={"pending": True, "failure": True}, ecc_uncorrected_volatile=2)
    assert [problem for _device, problem in found(answer(sick, gpu(1, lost=True)), 3)] == [
        "count",
        "row_remap_failure",
        "row_remap_pending",
        "ecc_uncorrected",
        "lost",
    ]


def test_missing_gpus_are_the_nodes_problem() -> None:
    assert gpu_problems(answer(gpu(0)), 8) == [
        {"device": "node", "problem": "count", "text": "the node shows 1 GPUs instead of 8"}
    ]


def test_unknown_is_not_a_problem_by_itself() -> None:
    """A GPU without row remapping or ECC answers null and is fine."""
    assert found(answer(gpu(0, remapped_rows=None, ecc_uncorrected_volatile=None, recovery_action=None)), 1) == []


def test_lost_gpu_without_address_is_the_nodes_problem() -> None:
    problems = gpu_problems(answer(gpu(4, device=None, lost=True)), 1)
    assert [(problem["device"], problem["problem"]) for problem in problems] == [("node", "lost")]
    assert "index 4" in problems[0]["text"]


def test_no_data_is_not_health() -> None:
    gone = answer(available=False, reason="the NVIDIA kernel driver is not loaded")
    assert found(gone) == found(gone, 8) == [("node", "unavailable")]
    assert gpu_problems(gone, 0) == []


def test_text_from_the_driver_stays_text() -> None:
    problems = gpu_problems(answer(gpu(0, error="{{ 7 * 7 }}\n%s %(x)s {0}")), 1)
    assert problems[0]["text"].endswith("cannot be read: {{ 7 * 7 }}\n%s %(x)s {0}")


@pytest.mark.parametrize("text", [None, "", [], {}, {"available": True}, {"available": True, "gpus": {"a": 1}},
                                  {"available": True, "gpus": [1]}, {"available": None, "gpus": []}])  # fmt: skip
def test_what_is_no_answer_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"not an answer of aidc\.ops\.gpu_info"):
        gpu_problems(text, 1)


@pytest.mark.parametrize("number", [-1, 1.5, "8", True])
def test_expectation_that_is_no_number_is_refused(number: Any) -> None:
    with pytest.raises(ValueError, match="expected_gpus"):
        gpu_problems(answer(gpu(0)), number)

# Tests of the module bandwidth_check: the formats of the programs, the table of marks, and what never counts as passed.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts in fixtures/bandwidth have the formats that the programs print; some of their values are made up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import ReadError
from ansible_collections.aidc.ops.plugins.module_utils._repair import bandwidth_marks as marks
from ansible_collections.aidc.ops.plugins.module_utils._repair.bandwidth_text import (
    TextError,
    parse_collective,
    parse_nvbandwidth,
)
from ansible_collections.aidc.ops.plugins.modules import bandwidth_check

Call = Callable[..., dict[str, Any]]
FIXTURES = Path(__file__).parents[2] / "fixtures" / "bandwidth"
H100 = "NVIDIA H100 80GB HBM3"
CHECKED = ["-b", "1G", "-e", "10G", "-f", "2", "-g", "8", "-n", "20", "-c", "1"]


def text(name: str) -> str:
    return (FIXTURES / name).read_text()


def test_collectives() -> None:
    assert parse_collective(text("nccl-h100.txt")) == (468.575, 470.73, 0)
    assert parse_collective(text("nccl-mpi-new.txt")) == (68.6248, 68.66, 0)
    assert parse_collective(text("nccl-wrong.txt")).wrong == 2
    assert parse_collective("# Out of bounds values : 0 FAILED\n# Avg bus bandwidth    : 1").wrong == 1


@pytest.mark.parametrize(
    "found", [text("nccl-cut.txt"), "", "# Avg bus bandwidth    : nan\n", "all_reduce_perf: not found\n"]
)
def test_a_collective_that_was_cut_off_has_no_bandwidth(found: str) -> None:
    with pytest.raises(TextError, match="did not come to its end"):
        parse_collective(found)


def test_nvbandwidth() -> None:
    pairs, waived = parse_nvbandwidth(text("nvbandwidth-slow-pair.json"))
    assert [(one.test, one.value, one.where) for one in pairs] == [
        ("host_to_device", 55.12, "GPU 2"),
        ("device_to_host", 41.2, "GPU 1"),
        ("device_to_device", 120.5, "GPU 1 and GPU 2"),
    ]
    assert waived == []
    assert parse_nvbandwidth(text("nvbandwidth-one-gpu.json"))[1] == ["device_to_device_memcpy_read_ce"]


@pytest.mark.parametrize(
    "found",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"nvbandwidth": {"error": "no device"}}',
        '{"nvbandwidth": {"testcases": []}}',
        '{"nvbandwidth": {"testcases": [{"name": "x", "status": "Error"}]}}',
        '{"nvbandwidth": {"testcases": [{"name": "x", "status": "Passed", "bandwidth_matrix": [["N/A"]]}]}}',
        '{"nvbandwidth": {"testcases": [{"name": "x", "status": "Passed"}]}}',
    ],
)
def test_nvbandwidth_without_figures(found: str) -> None:
    with pytest.raises(TextError):
        parse_nvbandwidth(found)


@pytest.mark.parametrize(
    ("model", "platform", "value"),
    [
        (H100, "oci", 440),
        (H100, "azure", 460),
        (H100, None, 440),
        (H100, "elsewhere", None),
        ("NVIDIA H200", "azure", 431),
        ("NVIDIA A100-SXM4-80GB", None, 185),
        ("NVIDIA B200", None, 440),
        ("NVIDIA B300 SXM6 AC", None, 800),
        ("AMD Instinct MI300X OAM", None, 310),
        ("NVIDIA A100 80GB PCIe", None, None),
        ("NVIDIA H100 PCIe", None, None),
        ("NVIDIA H100 NVL", None, None),
        ("NVIDIA H200 NVL", None, None),
        ("NVIDIA GH200 480GB", None, None),
        ("NVIDIA GB200", None, None),
        ("NVIDIA L40S", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_mark_of_a_model(model: str | None, platform: str | None, value: float | None) -> None:
    found = marks.find_mark(model, marks.ALL_REDUCE, 8, platform)
    assert (None if found is None else found.value) == value


def test_a_mark_holds_for_its_number_of_gpus() -> None:
    assert marks.find_mark(H100, marks.ALL_REDUCE, 4) is None
    assert marks.find_mark(H100, marks.HOST_TO_DEVICE, 4) is not None
    gb200 = marks.find_mark("NVIDIA GB200", marks.ALL_REDUCE, 4)
    assert gb200 is not None and gb200.value == 700


def test_every_mark_tells_where_it_comes_from() -> None:
    assert marks.VERSION >= 1
    keys = [(mark.model, mark.platform, mark.test, mark.gpus) for mark in marks.MARKS]
    assert len(set(keys)) == len(keys)
    for mark in marks.MARKS:
        assert mark.source and mark.platform in marks.PLATFORMS and mark.value > 0
        assert mark.test in bandwidth_check.TESTS
        assert re.fullmatch(r"([0-9]+G [0-9]+G)?", mark.sizes)


@pytest.fixture
def tool(tmp_path: Path) -> Callable[[str], str]:
    """Make a program that writes down how it was called and then runs a script; its path."""

    def make(script: str) -> str:
        program = tmp_path / "perf"
        program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n{script}\n')
        program.chmod(0o755)
        return str(program)

    return make


@pytest.fixture
def measure(call: Call) -> Call:
    def run(path: str, check: bool = False, **more: Any) -> dict[str, Any]:
        given = {"path": path, "model": H100, "gpus": 8}
        return call(bandwidth_check.main, check=check, config=None, **{**given, **more})

    return run


def test_check_run_run_check(measure: Call, tool: Callable[[str], str], tmp_path: Path) -> None:
    path = tool(f"cat {FIXTURES}/nccl-h100.txt")
    check = measure(path, check=True)
    assert (check["changed"], check["command"][1:]) == (False, CHECKED)
    assert (check["measurements"][0]["mark"], check["measurements"][0]["value"]) == (440, None)
    assert not (tmp_path / "calls").exists()
    for _round in range(2):
        answer = measure(path)
        assert (answer["changed"], answer["passed"], answer["result"]) == (False, True, "pass")
        (one,) = answer["measurements"]
        assert (one["value"], one["mark"], one["platform"]) == (468.575, 440, "oci")
        assert "oci-hpc" in one["source"] and answer["marks_version"] == marks.VERSION
    assert measure(path, check=True)["changed"] is False


def test_the_sizes_are_those_of_the_mark(measure: Call) -> None:
    assert measure("/none", check=True, platform="azure")["command"][1:5] == ["-b", "16G", "-e", "16G"]
    assert measure("/none", check=True, max_size="4G")["command"][1:5] == ["-b", "1G", "-e", "4G"]
    assert measure("/none", check=True, model="NVIDIA L40S")["command"][1:5] == ["-b", "1G", "-e", "8G"]


def test_a_slow_node_misses_its_mark(measure: Call, tool: Callable[[str], str]) -> None:
    path = tool(f"cat {FIXTURES}/nccl-h100.txt")
    answer = measure(path, thresholds=[{"test": "all_reduce", "value": 470, "source": "our own"}])
    assert "failed" not in answer and (answer["passed"], answer["result"]) == (False, "fail")
    (one,) = answer["measurements"]
    assert (one["platform"], one["source"]) == ("site", "our own") and "expected at least 470" in one["message"]


def test_an_unknown_model_is_a_warning(measure: Call, tool: Callable[[str], str]) -> None:
    answer = measure(tool(f"cat {FIXTURES}/nccl-h100.txt"), model="NVIDIA L40S")
    assert (answer["passed"], answer["result"], answer["measurements"][0]["mark"]) == (True, "warn", None)


def test_wrong_values_fail_however_fast(measure: Call, tool: Callable[[str], str]) -> None:
    answer = measure(tool(f"cat {FIXTURES}/nccl-wrong.txt; exit 1"))
    assert "failed" not in answer and (answer["passed"], answer["result"]) == (False, "fail")
    assert "came out wrong" in answer["measurements"][0]["message"]


def test_nvbandwidth_names_the_slow_pair(measure: Call, tool: Callable[[str], str]) -> None:
    answer = measure(tool(f"cat {FIXTURES}/nvbandwidth-slow-pair.json"), tool="nvbandwidth")
    assert [one["result"] for one in answer["measurements"]] == ["pass", "fail", "fail"]
    assert "GPU 1 and GPU 2" in answer["measurements"][2]["message"]
    assert answer["command"][1:4] == ["-j", "-t", "host_to_device_memcpy_ce"]
    answer = measure(tool(f"cat {FIXTURES}/nvbandwidth-one-gpu.json"), tool="nvbandwidth", gpus=1)
    assert [one["result"] for one in answer["measurements"]] == ["pass", "pass", "skip"]
    assert answer["passed"]


@pytest.mark.parametrize(
    "script", [f"cat {FIXTURES}/nccl-cut.txt; exit 3", "exit 0", f"cat {FIXTURES}/nccl-h100.txt; exit 9"]
)
def test_what_did_not_end_well_is_a_failure(measure: Call, tool: Callable[[str], str], script: str) -> None:
    answer = measure(tool(script))
    assert answer["failed"] and not answer["passed"]


def test_a_measurement_that_hangs_is_stopped(measure: Call, tool: Callable[[str], str]) -> None:
    answer = measure(tool("echo begun; exec sleep 60"), timeout=1)
    assert answer["failed"] and answer["timed_out"] and not answer["passed"]


def test_a_program_that_is_not_there(measure: Call) -> None:
    answer = measure("/none/all_reduce_perf")
    assert answer["failed"] and "cannot be started" in answer["msg"]


def test_the_driver_is_asked_for_model_and_number(
    measure: Call, tool: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = {"gpus": [{"lost": False, "model": H100}] * 7 + [{"lost": True, "model": None}]}
    monkeypatch.setattr(bandwidth_check, "read_this_node", lambda root, timeout: node)
    answer = measure(tool(f"cat {FIXTURES}/nccl-h100.txt"), model=None, gpus=None)
    # Seven GPUs have no mark.
    assert (answer["model"], answer["gpus"], answer["result"]) == (H100, 7, "warn")
    node["gpus"] = []
    assert "no GPU answers" in measure("/none", model=None, gpus=None)["msg"]

    def hang(root: str, timeout: float) -> dict[str, Any]:
        raise ReadError("the NVIDIA driver hangs")

    monkeypatch.setattr(bandwidth_check, "read_this_node", hang)
    assert "the NVIDIA driver hangs" in measure("/none", model=None, gpus=None)["msg"]


def test_the_environment_is_given_to_the_program(measure: Call, tool: Callable[[str], str]) -> None:
    path = tool(f'[ "$NCCL_DEBUG" = WARN ] && cat {FIXTURES}/nccl-h100.txt')
    assert measure(path, environment={"NCCL_DEBUG": "WARN"})["passed"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"timeout": 0},
        {"gpus": 0},
        {"gpus": 2000},
        {"min_size": "-1"},
        {"max_size": "1T"},
        {"thresholds": [{"test": "all_reduce", "value": 0, "source": "x"}]},
        {"thresholds": [{"test": "all_reduce", "value": "nan", "source": "x"}]},
        {"tool": "iperf"},
    ],
)
def test_what_cannot_be_meant(measure: Call, arguments: dict[str, Any]) -> None:
    assert measure("/none", **arguments)["failed"]

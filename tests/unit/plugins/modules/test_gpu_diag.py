# Tests of the module gpu_diag: both formats of DCGM, the tests without DCGM, and what must never count as passed.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents in fixtures/dcgm have the shapes that DCGM 3.3 and 4.2 write; their values are made up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import ReadError
from ansible_collections.aidc.ops.plugins.module_utils._repair.dcgm_diag import DiagError, parse_diag, worst
from ansible_collections.aidc.ops.plugins.module_utils._repair.group_runner import TimeUp, run_group
from ansible_collections.aidc.ops.plugins.module_utils._repair.nvml_diag import nvml_results
from ansible_collections.aidc.ops.plugins.modules import gpu_diag

Call = Callable[..., dict[str, Any]]
FIXTURES = Path(__file__).parents[2] / "fixtures" / "dcgm"


def found(name: str) -> list[tuple[str, int | None, str]]:
    results = parse_diag((FIXTURES / name).read_text()).results
    return [(one["test"], one["gpu"], one["result"]) for one in results]


def test_dcgm_3() -> None:
    diagnosis = parse_diag((FIXTURES / "dcgm3-level2-fail.json").read_text())
    assert (diagnosis.version, diagnosis.driver_version) == ("3.3.5", "535.183.01")
    assert found("dcgm3-level2-fail.json") == [
        ("Denylist", 0, "pass"),
        ("Denylist", 1, "pass"),
        ("NVML Library", 0, "pass"),
        ("NVML Library", 1, "pass"),
        ("Persistence Mode", 0, "warn"),
        ("Persistence Mode", 1, "warn"),
        ("PCIe", 0, "pass"),
        ("PCIe", 1, "fail"),
        ("GPU Memory", 0, "pass"),
        ("GPU Memory", 1, "skip"),
    ]
    assert worst(diagnosis.results) == "fail"
    failed = next(one for one in diagnosis.results if one["result"] == "fail")
    assert (failed["category"], failed["message"]) == ("Integration", "Detected PCIe replays on GPU 1 above the limit")


def test_dcgm_4() -> None:
    diagnosis = parse_diag((FIXTURES / "dcgm4-level2-pass.json").read_text())
    assert (diagnosis.version, diagnosis.driver_version) == ("4.2.3", "570.124.06")
    assert len(diagnosis.results) == 8 and worst(diagnosis.results) == "pass"
    results = parse_diag((FIXTURES / "dcgm4-level2-fail.json").read_text()).results
    failed = [(one["test"], one["gpu"], one["error_id"]) for one in results if one["result"] == "fail"]
    assert failed == [("memory", 1, 12), ("nvbandwidth", None, 101)]


def test_a_setting_of_the_node_is_a_warning() -> None:
    results = parse_diag((FIXTURES / "dcgm4-setting.json").read_text()).results
    assert [one["result"] for one in results if one["test"] == "software"] == ["warn", "warn"]
    assert worst(results) == "warn"


def document(**result: Any) -> str:
    return json.dumps(
        {"DCGM Diagnostic": {"test_categories": [{"category": "x", "tests": [{"name": "t", "results": [result]}]}]}}
    )


@pytest.mark.parametrize(
    ("result", "word"),
    [
        ({"entity_id": 0, "status": "Pass"}, "pass"),
        ({"entity_id": 0, "status": "PASS"}, "pass"),
        ({"entity_id": 0, "status": "Not Run"}, "skip"),
        ({"entity_id": 0, "status": "Marvellous"}, "fail"),
        ({"entity_id": 0}, "fail"),
        ({"entity_id": 0, "status": None}, "fail"),
        ({"status": "Pass"}, "pass"),
        ({"entity_id": True, "status": "Pass"}, "pass"),
        ({"entity_id": 0, "status": "Fail"}, "fail"),
        # One setting and one real finding.
        (
            {
                "entity_id": 0,
                "status": "Fail",
                "warnings": [{"error_severity": 5, "warning": "a"}, {"error_severity": 2, "warning": "b"}],
            },
            "fail",
        ),
        ({"entity_id": 0, "status": "Fail", "warnings": "text"}, "fail"),
        ({"entity_id": 0, "status": "Fail", "warnings": [{"error_id": "29", "warning": "x"}]}, "fail"),
    ],
)
def test_what_a_status_means(result: dict[str, Any], word: str) -> None:
    (one,) = parse_diag(document(**result)).results
    assert one["result"] == word


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Error: unable to establish a connection to the specified host: localhost\n",
        "{",
        "{}",
        "[1]",
        '{"DCGM Diagnostic": {"test_categories": []}}',
        '{"DCGM Diagnostic": {"test_categories": [null, 1, {"tests": [null, {"name": "x"}]}]}}',
        '{"DCGM Diagnostic": {"runtime_error": "the host engine is not running", "test_categories": []}}',
        "{" * 10000,
    ],
)
def test_no_result_is_no_answer(text: str) -> None:
    with pytest.raises(DiagError):
        parse_diag(text)


def test_hostile_texts_stay_on_one_line_and_short() -> None:
    (one,) = parse_diag(document(entity_id=0, status="Fail", warnings=["a\n\x1b[31m" + "b" * 5000])).results
    assert "\n" not in one["message"] and "\x1b" not in one["message"] and len(one["message"]) <= 1000


def gpu(**more: Any) -> dict[str, Any]:
    healthy = {
        "index": 0,
        "lost": False,
        "error": None,
        "ecc_uncorrected_volatile": 0,
        "remapped_rows": {"pending": False, "failure": False},
        "recovery_action": "none",
        "pcie": {"width": 16, "max_width": 16},
        "nvlinks_total": 18,
        "nvlinks_active": 18,
    }
    return {**healthy, **more}


@pytest.mark.parametrize(
    ("more", "failed"),
    [
        ({}, []),
        ({"lost": True}, ["readable"]),
        ({"error": "Unknown Error"}, ["readable"]),
        ({"ecc_uncorrected_volatile": 3}, ["ecc"]),
        ({"remapped_rows": {"pending": True, "failure": False}}, ["row_remap"]),
        ({"remapped_rows": {"pending": False, "failure": True}}, ["row_remap"]),
        ({"recovery_action": "gpu_reset"}, ["recovery_action"]),
        ({"pcie": {"width": 8, "max_width": 16}}, ["pcie_width"]),
        ({"nvlinks_active": 17}, ["nvlink"]),
        ({"nvlinks_active": 0}, []),
    ],
)
def test_without_dcgm(more: dict[str, Any], failed: list[str]) -> None:
    results = nvml_results({"reason": None, "gpus": [gpu(**more)]})
    assert [one["test"] for one in results if one["result"] == "fail"] == failed


def test_without_dcgm_what_is_not_told_is_skipped() -> None:
    results = nvml_results({"reason": None, "gpus": [{"index": 0}]}, 1)
    assert [one["result"] for one in results] == ["pass", "pass", "skip", "skip", "skip", "skip", "skip"]


@pytest.mark.parametrize(
    ("expected", "number", "result"), [(None, 0, "fail"), (None, 2, "pass"), (2, 1, "fail"), (0, 0, "pass")]
)
def test_without_dcgm_gpus_are_counted(expected: int | None, number: int, result: str) -> None:
    results = nvml_results({"reason": "no driver", "gpus": [gpu(index=place) for place in range(number)]}, expected)
    assert results[0]["result"] == result


@pytest.fixture
def dcgmi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Install a dcgmi that runs a script; calling it again tells how it was called."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    def install(script: str) -> list[str]:
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin" / "dcgmi"
        program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n{script}\n')
        program.chmod(0o755)
        calls = tmp_path / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    return install


@pytest.fixture
def diag(call: Call) -> Call:
    return lambda check=False, **more: call(gpu_diag.main, check=check, config=None, **more)


def test_check_run_run_check(diag: Call, dcgmi: Callable[[str], list[str]]) -> None:
    dcgmi(f"cat {FIXTURES}/dcgm4-level2-pass.json")
    check = diag(check=True, level=2, gpus=[0, 1])
    assert (check["changed"], check["method"], check["command"][1:]) == (
        False,
        "dcgm",
        ["diag", "-r", "2", "-j", "-i", "0,1"],
    )
    assert dcgmi(f"cat {FIXTURES}/dcgm4-level2-pass.json") == []
    for _round in range(2):
        answer = diag(level=2, gpus=[0, 1])
        assert (answer["changed"], answer["passed"], answer["result"], answer["dcgm_version"]) == (
            False,
            True,
            "pass",
            "4.2.3",
        )
    assert diag(check=True, level=2)["changed"] is False
    assert dcgmi("") == ["diag -r 2 -j -i 0,1"] * 2


def test_findings_are_no_failure_of_the_module(diag: Call, dcgmi: Callable[[str], list[str]]) -> None:
    dcgmi(f"cat {FIXTURES}/dcgm4-level2-fail.json; exit 226")
    answer = diag()
    assert "failed" not in answer and (answer["passed"], answer["result"]) == (False, "fail")
    dcgmi(f"cat {FIXTURES}/dcgm4-setting.json; exit 226")
    answer = diag()
    assert "failed" not in answer and (answer["passed"], answer["result"]) == (True, "warn")


def test_an_error_without_a_finding_is_a_failure(diag: Call, dcgmi: Callable[[str], list[str]]) -> None:
    dcgmi(f"cat {FIXTURES}/dcgm4-level2-pass.json; exit 1")
    answer = diag()
    assert answer["failed"] and not answer["passed"] and "exit status 1" in answer["msg"]
    dcgmi("echo 'Error: unable to establish a connection to the specified host: localhost'; exit 1")
    answer = diag()
    assert answer["failed"] and "unable to establish a connection" in answer["msg"]


def test_all_skipped_is_not_passed(diag: Call, dcgmi: Callable[[str], list[str]]) -> None:
    dcgmi(f"echo '{document(entity_id=0, status='Skip')}'")
    answer = diag()
    assert (answer["passed"], answer["result"]) == (False, "skip")


def runs(pid: int) -> bool:
    """Whether a process still runs; one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_diagnosis_that_hangs_is_stopped_with_all_that_it_started(
    diag: Call, dcgmi: Callable[[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_group, "__defaults__", (None, 0.5, ()))
    dcgmi(
        f"(trap '' TERM; echo $$ > {tmp_path}/own; sh -c 'echo $$ > {tmp_path}/grandchild; trap \"\" TERM; sleep 60')"
    )
    began = time.monotonic()
    answer = diag(timeout=1)
    assert answer["failed"] and answer["timed_out"] and not answer["passed"]
    assert time.monotonic() - began < 10
    time.sleep(0.2)
    assert not runs(int((tmp_path / "grandchild").read_text()))


def test_a_program_gets_the_time_to_stop_cleanly(tmp_path: Path) -> None:
    script = f"trap 'echo stopped > {tmp_path}/clean; exit 1' TERM; echo begun; sleep 60 & wait"
    with pytest.raises(TimeUp) as caught:
        run_group(["sh", "-c", script], 1)
    assert caught.value.stdout == "begun\n"
    assert (tmp_path / "clean").read_text() == "stopped\n"


def test_a_program_that_is_not_there_and_much_output() -> None:
    with pytest.raises(CommandError, match="cannot be started"):
        run_group(["/none"], 1)
    done = run_group(["sh", "-c", "head -c 6000000 /dev/zero; printf '\\377' >&2; exit 3"], 20)
    assert (done.rc, done.stderr, len(done.stdout)) == (3, "\\xff", 4 * 1024 * 1024)


def test_a_program_that_leaves_something_behind_does_not_keep_us_waiting() -> None:
    began = time.monotonic()
    assert run_group(["sh", "-c", "sleep 30 & echo done"], 20).stdout == "done\n"
    assert time.monotonic() - began < 5


def test_the_driver_is_asked_where_there_is_no_dcgm(diag: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"reason": None, "driver_version": "580.1", "gpus": [gpu(), gpu(index=1, lost=True)]}
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(gpu_diag, "read_this_node", lambda root, timeout: answer)
    found = diag(expected_gpus=2)
    assert (found["method"], found["passed"], found["command"]) == ("nvml", False, [])
    assert [(one["test"], one["gpu"]) for one in found["results"] if one["result"] == "fail"] == [("readable", 1)]
    assert diag(method="dcgm")["failed"]


def test_a_driver_that_hangs_is_a_failure(diag: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(root: str, timeout: float) -> dict[str, Any]:
        raise ReadError("the NVIDIA driver hangs")

    monkeypatch.setattr(gpu_diag, "read_this_node", hang)
    answer = diag(method="nvml")
    assert answer["failed"] and "the NVIDIA driver hangs" in answer["msg"] and not answer["passed"]


@pytest.mark.parametrize("arguments", [{"level": 5}, {"timeout": 0}, {"gpus": [-1]}, {"expected_gpus": -1}])
def test_what_cannot_be_meant(diag: Call, arguments: dict[str, Any]) -> None:
    assert diag(**arguments)["failed"]

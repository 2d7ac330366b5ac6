# Tests of the judgement whether a node is fit: what each check finds, and that silence is never health.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.validation import CHECKS, SETS, validate

RECORD: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "hardware_record" / "node.json").read_text(encoding="utf-8")
)
BAD = {"test": "memory", "result": "fail", "message": "page is bad"}
SKIPPED = {"method": "dcgm", "result": "skip", "results": []}
GPU = {"device": "gpu:0000:1b:00", "recovery_action": "none", "ecc_uncorrected_volatile": 0}


def healthy() -> dict[str, Any]:
    """What was read of a node that is well in every way."""
    record = copy.deepcopy(RECORD)
    record["filesystems"] = [{"mount": "/mnt/data", "options": ["rw"], "error": None}]
    return {
        "gpus": {"available": True, "gpus": [copy.deepcopy(GPU), copy.deepcopy(GPU)]},
        "diag": {"method": "dcgm", "result": "pass", "results": []},
        "bandwidth": {"result": "pass", "measurements": []},
        "pairwise": {"result": "pass"},
        "services": {"slurmd.service": "active"},
        "scheduler": ["IDLE", "DRAIN"],
        "record": {"record": record},
        "mounts": ["/mnt/data"],
        "interfaces": ["eno1", "mlx5_0"],
        "baseline": {"missing": [], "degraded": []},
    }


def results(verdict: dict[str, Any]) -> dict[str, str]:
    return {check["check"]: check["result"] for check in verdict["checks"]}


@pytest.mark.parametrize("name", SETS)
def test_a_healthy_node_passes_every_check_of_a_set(name: str) -> None:
    verdict = validate(healthy(), name, 2)
    assert results(verdict) == dict.fromkeys(SETS[name], "passed")
    assert (verdict["fit"], verdict["outcome"], verdict["text"]) == (True, "done", "the node is fit")
    assert verdict["set"] == name


@pytest.mark.parametrize("name", SETS)
def test_nothing_known_is_not_fit(name: str) -> None:
    verdict = validate({}, name)
    assert not verdict["fit"] and verdict["outcome"] != "done"
    assert "passed" not in {result for check, result in results(verdict).items() if check != "services"}


def test_several_sets_are_one_verdict() -> None:
    for sets in ("V1,Vh", ["V1", "Vh"]):
        verdict = validate(healthy(), sets, 2)
        assert set(results(verdict)) == {*SETS["V1"], *SETS["Vh"]} and verdict["set"] == "V1+Vh"
        assert len(verdict["checks"]) == len(results(verdict))


@pytest.mark.parametrize(
    ("change", "check", "result", "text"),
    [
        ({"gpus": None}, "gpus", "waiting", "the GPUs cannot be read"),
        ({"gpus": {"failed": True, "msg": "no driver"}}, "gpus", "waiting", "no driver"),
        ({"gpus": {"available": False, "reason": "none", "gpus": []}}, "gpus", "waiting", "no GPU is available"),
        ({"gpus": {"available": True, "gpus": [GPU]}}, "gpus", "failed", "shows 1 GPUs instead of 2"),
        (
            {"diag": {"method": "dcgm", "result": "fail", "results": [BAD, {"test": "pcie", "result": "pass"}]}},
            "gpu_diag",
            "failed",
            "memory: page is bad",
        ),
        ({"diag": {"method": "nvml", "result": "fail", "results": [BAD]}}, "gpu_diag", "failed", "page is bad"),
        ({"diag": {"failed": True, "msg": "time is up"}}, "gpu_diag", "failed", "time is up"),
        # As a task with failed_when: false leaves it behind.
        ({"diag": {"failed": False, "msg": "no host engine", **SKIPPED}}, "gpu_diag", "failed", "no host engine"),
        ({"diag": {"method": "nvml", "result": "pass"}}, "gpu_diag", "not_run", "dcgmi is not on the node"),
        ({"diag": SKIPPED}, "gpu_diag", "not_run", "nothing was tested"),
        ({"diag": None}, "gpu_diag", "not_run", "nothing was asked"),
        ({"diag": {"method": "dcgm", "result": "odd"}}, "gpu_diag", "failed", "gpu_diag failed"),
        ({"bandwidth": {"result": "fail", "measurements": [BAD]}}, "gpu_bandwidth", "failed", "page is bad"),
        ({"bandwidth": {"result": "warn"}}, "gpu_bandwidth", "warning", "gpu_bandwidth warns"),
        ({"bandwidth": {"result": "skip"}}, "gpu_bandwidth", "not_run", "nothing was tested"),
        ({"pairwise": None}, "gpu_pairwise", "warning", "no peer is named"),
        ({"services": {"munge.service": "failed"}}, "services", "waiting", "munge.service is failed"),
        ({"scheduler": []}, "scheduler", "waiting", "could not be asked"),
        ({"scheduler": ["IDLE", "INVAL"]}, "scheduler", "failed", "rejects"),
        ({"scheduler": ["DOWN*"]}, "scheduler", "waiting", "does not hear"),
        ({"scheduler": ["down", "not_responding"]}, "scheduler", "waiting", "does not hear"),
    ],
)
def test_what_is_wrong_with_gpus_services_and_scheduler(
    change: dict[str, Any], check: str, result: str, text: str
) -> None:
    verdict = validate({**healthy(), **change}, "V3", 2)
    found = [one for one in verdict["checks"] if one["result"] != "passed"]
    assert [(one["check"], one["result"]) for one in found] == [(check, result)]
    assert text in found[0]["text"] and (text in verdict["text"] or result == "not_run")
    assert verdict["fit"] is (result in ("warning", "not_run"))
    assert verdict["outcome"] == (result if result in ("failed", "waiting") else "done")


def change_record(part: str, at: int, **values: Any) -> dict[str, Any]:
    answers = healthy()
    answers["record"]["record"][part][at].update(values)
    return answers


def lost(part: str, field: str | None = None, kind: str = "missing") -> dict[str, Any]:
    finding = {"part": part, "device": "x", "field": field, "message": "x is missing"}
    return {**healthy(), "baseline": {"missing": [], "degraded": [], kind: [finding]}}


MEMORY = healthy()
MEMORY["record"]["record"]["memory"]["edac"][0]["uncorrected_errors"] = 3


@pytest.mark.parametrize(
    ("answers", "check", "result", "text"),
    [
        (
            change_record("filesystems", 0, error="no answer within 2 s"),
            "filesystems",
            "failed",
            "no answer within 2 s",
        ),
        (change_record("filesystems", 0, options=["ro"]), "filesystems", "failed", "read-only"),
        ({**healthy(), "mounts": ["/scratch"]}, "filesystems", "waiting", "/scratch is not mounted"),
        (MEMORY, "memory", "failed", "3 uncorrected errors"),
        (change_record("disks", 0, state="dead"), "disks", "failed", "nvme0n1 is dead"),
        (lost("disks"), "disks", "failed", "x is missing"),
        (lost("memory"), "memory", "failed", "x is missing"),
        (lost("infiniband_ports", "rate_gbps", "degraded"), "network", "failed", "x is missing"),
        (change_record("nics", 0, state="down"), "network", "waiting", "eno1 is down"),
        (change_record("infiniband_ports", 0, state="INIT"), "network", "waiting", "mlx5_0 is init"),
        ({**healthy(), "interfaces": ["eno9"]}, "network", "waiting", "eno9 is not there"),
        ({**healthy(), "interfaces": [], "baseline": None}, "network", "not_run", "no baseline"),
    ],
)
def test_what_is_wrong_with_a_host(answers: dict[str, Any], check: str, result: str, text: str) -> None:
    verdict = validate(answers, "Vh")
    found = [one for one in verdict["checks"] if one["result"] != "passed"]
    assert [(one["check"], one["result"]) for one in found] == [(check, result)]
    assert text in found[0]["text"]


@pytest.mark.parametrize("field", ["firmware", "driver", "bios_version"])
def test_newer_firmware_than_the_baselines_keeps_nobody_out(field: str) -> None:
    assert validate(lost("nics", field, "degraded"), "Vh")["fit"]


def test_a_host_whose_hardware_cannot_be_read_is_not_fit() -> None:
    verdict = validate({**healthy(), "record": {"failed": True, "msg": "no root"}}, "Vh")
    failed = {check["check"] for check in verdict["checks"] if check["result"] == "failed"}
    assert failed == {"filesystems", "memory", "disks", "network"}


def test_a_node_that_counts_no_memory_errors_says_so() -> None:
    answers = healthy()
    answers["record"]["record"]["memory"]["edac"] = None
    assert validate(answers, "Vh")["not_run"] == ["memory"]


def test_what_is_required_has_to_run() -> None:
    answers = {**healthy(), "diag": {"method": "nvml", "result": "pass"}}
    assert validate(answers, "V1", 2)["text"] == "the node is fit; not run: gpu_diag"
    verdict = validate(answers, "V1", 2, ["gpu_diag"])
    assert (verdict["outcome"], verdict["text"]) == (
        "failed",
        "gpu_diag has to run and did not: dcgmi is not on the node, so only the driver was asked",
    )
    assert validate(healthy(), "V1", 2, CHECKS)["fit"]


def test_a_node_without_gpus_is_not_asked_for_them() -> None:
    assert set(results(validate({**healthy(), "gpus": None}, "V3", 0))) == {"services", "scheduler"}


def test_the_worst_comes_first() -> None:
    answers = {**healthy(), "pairwise": None, "services": {"a": "failed"}, "diag": {"method": "dcgm", "result": "fail"}}
    order = [check["result"] for check in validate(answers, "V3", 2)["checks"]]
    assert order == ["failed", "waiting", "warning", "passed", "passed", "passed"]


@pytest.mark.parametrize("sets", ["V9", "", [], ["V1", "x"]])
def test_an_unknown_set_is_an_error(sets: Any) -> None:
    with pytest.raises(ValueError, match="there is no validation set"):
        validate(healthy(), sets)


def test_an_unknown_check_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no check 'nvlink'"):
        validate(healthy(), "V1", 2, ["nvlink"])

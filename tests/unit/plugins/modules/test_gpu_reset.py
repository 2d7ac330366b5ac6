# Tests of the module gpu_reset: at most one reset for each attempt, and never under a running process.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_node import ReadError
from ansible_collections.aidc.ops.plugins.modules import gpu_reset

Call = Callable[..., dict[str, Any]]
DEVICE = "gpu:0000:1b:00"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What NVML tells; tests change it."""
    answer = {"available": True, "reason": None, "gpus": [{"device": DEVICE, "processes": []}]}
    monkeypatch.setattr(gpu_reset, "read_this_node", lambda root, timeout: answer)
    return answer


@pytest.fixture
def resets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """An nvidia-smi that writes down how it was called, then runs what is in the file `then`."""
    programs, log = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    (tmp_path / "then").write_text("echo was successfully reset.\n")
    (programs / "nvidia-smi").write_text(f'#!/bin/sh\necho "$*" >> {log}\n. {tmp_path}/then\n')
    (programs / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def reset(call: Call, tmp_path: Path) -> Call:
    def run(**arguments: Any) -> dict[str, Any]:
        given = {"token": "aidc.ops:17:reset:1", "device": DEVICE, "state_dir": str(tmp_path / "attempts")}
        return call(gpu_reset.main, config=None, **(given | arguments))

    return run


@pytest.mark.usefixtures("node")
def test_check_run_run_check(reset: Call, resets: Callable[[], list[str]], tmp_path: Path) -> None:
    check = reset(check=True)
    assert (check["changed"], check["reset"], "rc" in check) == (True, False, False)
    assert resets() == [] and not (tmp_path / "attempts").exists()
    first = reset()
    assert (first["changed"], first["reset"], first["rc"]) == (True, True, 0)
    assert first["stdout"] == "was successfully reset.\n"
    again = reset()
    assert (again["changed"], again["reset"], again["stdout"]) == (False, True, first["stdout"])
    assert not reset(check=True)["changed"]
    assert resets() == ["--gpu-reset -i 00000000:1B:00.0"]


@pytest.mark.usefixtures("node")
def test_failed_reset_stays_failed_and_is_not_repeated(
    reset: Call, resets: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "then").write_text("echo GPU is in use by another client >&2; exit 15\n")
    for _round in range(2):
        answer = reset()
        assert (answer["failed"], answer["rc"]) == (True, 15)
        assert "in use by another client" in answer["msg"]
    assert len(resets()) == 1


@pytest.mark.usefixtures("node")
def test_reset_that_is_refused_names_the_holders(
    reset: Call, resets: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = {"pid": 7, "name": "nvidia-persiste", "unit": "nvidia-persistenced.service"}
    monkeypatch.setattr(gpu_reset, "gpu_holders", lambda: [holder])
    text = "The following GPUs could not be reset:\n  GPU 00000000:1B:00.0: In use by another client\n"
    (tmp_path / "then").write_text(f"echo '{text}'; exit 255\n")
    for _round in range(2):
        answer = reset()
        assert (answer["failed"], answer["rc"], answer["refused"], answer["holders"]) == (True, 255, True, [holder])
    assert len(resets()) == 1


@pytest.mark.usefixtures("node")
def test_any_other_failure_is_no_refusal(reset: Call, resets: Callable[[], list[str]], tmp_path: Path) -> None:
    (tmp_path / "then").write_text("echo 'GPU 00000000:1B:00.0: Not Supported'; exit 3\n")
    answer = reset()
    assert (answer["failed"], answer["refused"], answer["holders"]) == (True, False, [])
    assert len(resets()) == 1


def link(remote: str | None, kind: str = "gpu") -> dict[str, Any]:
    return {"link": 0, "active": True, "remote_type": kind, "remote_pci_address": remote}


@pytest.fixture
def joined(node: dict[str, Any]) -> dict[str, Any]:
    """Two pairs of GPUs, each joined by a bridge, and one without NVLink."""
    pairs = [("1b", "1c"), ("1c", "1b"), ("43", "44"), ("44", "43")]
    node["gpus"] = [
        {"device": f"gpu:0000:{own}:00", "processes": [], "nvlinks": [link(f"0000:{other}:00.0")]}
        for own, other in pairs
    ]
    node["gpus"].append({"device": "gpu:0000:60:00", "processes": [], "nvlinks": []})
    return node


@pytest.mark.usefixtures("joined")
def test_the_group_is_reset_in_one_call(reset: Call, resets: Callable[[], list[str]]) -> None:
    group = ["gpu:0000:1b:00", "gpu:0000:1c:00"]
    assert reset(scope="nvlink_group", check=True)["devices"] == group
    assert reset(scope="nvlink_group")["devices"] == group
    assert reset(scope="nvlink_group")["devices"] == group
    assert resets() == ["--gpu-reset -i 00000000:1B:00.0,00000000:1C:00.0"]


def test_a_switch_joins_all_that_have_links(
    reset: Call, resets: Callable[[], list[str]], joined: dict[str, Any]
) -> None:
    joined["gpus"][1].update(nvlinks=None)
    joined["gpus"][2].update(nvlinks=[link(None, "switch")])
    assert len(reset(scope="nvlink_group")["devices"]) == 4
    assert resets() == ["--gpu-reset -i 00000000:1B:00.0,00000000:1C:00.0,00000000:43:00.0,00000000:44:00.0"]


@pytest.mark.usefixtures("resets")
def test_a_lost_gpu_may_be_joined_to_any_other(reset: Call, joined: dict[str, Any]) -> None:
    joined["gpus"][0].update(nvlinks=None)
    assert len(reset(scope="nvlink_group", check=True)["devices"]) == 4


def test_one_busy_gpu_keeps_its_group(reset: Call, resets: Callable[[], list[str]], joined: dict[str, Any]) -> None:
    joined["gpus"][1].update(processes=[4242])
    answer = reset(scope="nvlink_group")
    assert (answer["failed"], answer["refused"], answer["processes"]) == (True, True, [4242])
    assert resets() == []


@pytest.mark.usefixtures("joined")
def test_a_gpu_without_a_group_is_refused(reset: Call, resets: Callable[[], list[str]]) -> None:
    answer = reset(scope="nvlink_group", device="gpu:0000:60:00")
    assert answer["failed"] and "has no NVLink" in answer["msg"] and answer["refused"] is False
    assert resets() == []


@pytest.mark.usefixtures("node")
def test_reset_that_hangs_is_given_up(reset: Call, resets: Callable[[], list[str]], tmp_path: Path) -> None:
    (tmp_path / "then").write_text("exec sleep 60\n")
    answer = reset(timeout=1)
    assert answer["failed"] and "did not end within 1 seconds" in answer["msg"]
    assert reset(timeout=1)["failed"]
    assert len(resets()) == 1


@pytest.mark.usefixtures("node")
def test_attempt_of_a_killed_caller_is_not_repeated(
    reset: Call, resets: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "attempts").mkdir()
    (tmp_path / "attempts" / "gpu_reset.aidc.ops:17:reset:1.json").write_text('{"started_at": 1}')
    answer = reset()
    assert (answer["changed"], answer["reset"], answer["in_progress"]) == (False, False, True)
    # Ansible would take a null for a failure.
    assert "rc" not in answer
    assert resets() == []


def test_gpu_in_use_is_left_alone(
    reset: Call, resets: Callable[[], list[str]], node: dict[str, Any], tmp_path: Path
) -> None:
    node["gpus"][0]["processes"] = [4242, 7]
    for check in (True, False):
        answer = reset(check=check)
        assert (answer["failed"], answer["processes"]) == (True, [4242, 7])
        assert "drain the node first: 4242, 7" in answer["msg"]
    assert resets() == [] and not (tmp_path / "attempts").exists()


def test_gpu_that_does_not_tell_its_processes_is_left_to_the_driver(
    reset: Call, resets: Callable[[], list[str]], node: dict[str, Any]
) -> None:
    node["gpus"][0]["processes"] = None
    assert reset()["reset"]
    assert len(resets()) == 1


def test_unknown_gpu_is_refused_with_what_there_is(
    reset: Call, resets: Callable[[], list[str]], node: dict[str, Any]
) -> None:
    assert f"no GPU gpu:0000:43:00; it has: {DEVICE}" in reset(device="gpu:0000:43:00")["msg"]
    node.update(gpus=[], reason="the NVIDIA kernel driver is not loaded")
    assert "it has: none (the NVIDIA kernel driver is not loaded)" in reset()["msg"]
    assert resets() == []


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    "arguments",
    [{"device": "node"}, {"device": "0"}, {"device": "gpu:0000:1b:00 -r"}, {"token": "a/b"}, {"timeout": 0}],
)
def test_malformed_input_resets_nothing(
    reset: Call, resets: Callable[[], list[str]], arguments: dict[str, Any]
) -> None:
    assert reset(**arguments)["failed"]
    assert resets() == []


def test_driver_that_hangs_is_told(
    reset: Call, resets: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(root: str, timeout: float) -> dict[str, Any]:
        raise ReadError("the NVIDIA driver hangs")

    monkeypatch.setattr(gpu_reset, "read_this_node", hang)
    assert "was not reset: the NVIDIA driver hangs" in reset()["msg"]
    assert resets() == []


@pytest.mark.usefixtures("node", "resets")
def test_marker_keeps_the_outcome(reset: Call, tmp_path: Path) -> None:
    reset()
    marker = json.loads((tmp_path / "attempts" / "gpu_reset.aidc.ops:17:reset:1.json").read_text())
    assert (marker["device"], marker["rc"]) == (DEVICE, 0)
    assert marker["started_at"] <= marker["finished_at"]

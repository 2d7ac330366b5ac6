# Tests of the module node_reboot: at most one reboot for each attempt, whatever happened before.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import node_reboot

Call = Callable[..., dict[str, Any]]
BOOT = "9d2bbf7a-7e5b-4a0f-8fbc-3f6d0f2d4a11:4711"
LATER = "9d2bbf7a-7e5b-4a0f-8fbc-3f6d0f2d4a11:9999"


@pytest.fixture
def reboots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A systemd-run that only writes down how it was called; the node is in the boot BOOT."""
    programs, log = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    (programs / "systemd-run").write_text(f'#!/bin/sh\necho "$*" >> {log}\nexit $(cat {tmp_path}/status 2>/dev/null)\n')
    (programs / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(node_reboot, "current_boot_identity", lambda read: BOOT)
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def reboot(call: Call, tmp_path: Path) -> Call:
    def run(**arguments: Any) -> dict[str, Any]:
        given = {"token": "aidc.ops:17:reboot:1", "boot_before": BOOT, "state_dir": str(tmp_path / "attempts")}
        return call(node_reboot.main, config=None, **(given | arguments))

    return run


def test_check_run_run_check(reboot: Call, reboots: Callable[[], list[str]], tmp_path: Path) -> None:
    assert reboot(check=True)["changed"]
    assert reboots() == [] and not (tmp_path / "attempts").exists()
    first = reboot()
    assert (first["changed"], first["in_progress"], first["rebooted"]) == (True, True, False)
    again = reboot()
    assert (again["changed"], again["in_progress"], again["rebooted"]) == (False, True, False)
    assert again["started_at"] == first["started_at"]
    assert not reboot(check=True)["changed"]
    assert reboots() == ["--collect --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot"]


def test_after_the_reboot(reboot: Call, reboots: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    reboot()
    monkeypatch.setattr(node_reboot, "current_boot_identity", lambda read: LATER)
    answer = reboot()
    assert (answer["changed"], answer["rebooted"], answer["in_progress"]) == (False, True, False)
    assert answer["boot_identity"] == LATER
    assert len(reboots()) == 1


def test_node_that_rebooted_by_itself_is_not_rebooted(reboot: Call, reboots: Callable[[], list[str]]) -> None:
    answer = reboot(boot_before=LATER)
    assert (answer["changed"], answer["rebooted"], answer["started_at"]) == (False, True, None)
    assert reboots() == []


@pytest.mark.parametrize("text", ["", "{", "{}"])
def test_marker_of_a_killed_caller_counts(
    reboot: Call, reboots: Callable[[], list[str]], tmp_path: Path, text: str
) -> None:
    (tmp_path / "attempts").mkdir()
    (tmp_path / "attempts" / "reboot.aidc.ops:17:reboot:1.json").write_text(text)
    answer = reboot()
    assert (answer["changed"], answer["in_progress"]) == (False, True)
    assert reboots() == []


def test_next_attempt_has_its_own_marker(reboot: Call, reboots: Callable[[], list[str]]) -> None:
    assert reboot()["changed"]
    assert reboot(token="aidc.ops:17:reboot:2")["changed"]
    assert len(reboots()) == 2


def test_reboot_that_systemd_refuses_may_be_tried_again(
    reboot: Call, reboots: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "status").write_text("1")
    refused = reboot()
    assert refused["failed"] and "exit status 1" in refused["msg"]
    (tmp_path / "status").write_text("0")
    assert reboot()["changed"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"boot_before": "yesterday"},
        {"boot_before": BOOT.partition(":")[0]},
        {"boot_before": ""},
        {"token": "../../etc/passwd"},
        {"token": ""},
    ],
)
def test_malformed_input_reboots_nothing(
    reboot: Call, reboots: Callable[[], list[str]], arguments: dict[str, str]
) -> None:
    answer = reboot(**arguments)
    assert answer["failed"] and ("boot_before" in answer["msg"] or "token" in answer["msg"])
    assert reboots() == []


def test_without_a_place_for_the_marker_nothing_happens(
    reboot: Call, reboots: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    answer = reboot(state_dir=str(tmp_path / "file" / "attempts"))
    assert answer["failed"] and "not rebooted" in answer["msg"]
    assert reboots() == []

# Tests of the program that counts restarts of services.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[3] / "roles" / "remediation" / "files" / "restart_budget.py"
SPEC = importlib.util.spec_from_file_location("restart_budget", FILE)
assert SPEC is not None and SPEC.loader is not None
restart_budget = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(restart_budget)


def run(folder: Path, units: list[str], attempt: str, limit: int = 3, window: int = 3600) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(FILE), str(folder / "restarts" / "gpu1.json"), attempt, str(limit), str(window)],
        input=json.dumps(units),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def test_three_in_an_hour_and_then_no_more(tmp_path: Path) -> None:
    for at in range(3):
        assert run(tmp_path, ["a.service"], f"try{at}") == {"allowed": ["a.service"], "refused": []}
    assert run(tmp_path, ["a.service", "b.service"], "try3") == {"allowed": ["b.service"], "refused": ["a.service"]}
    assert run(tmp_path, ["b.service"], "try4") == {"allowed": ["b.service"], "refused": []}


def test_one_attempt_counts_once(tmp_path: Path) -> None:
    for _again in range(5):
        assert run(tmp_path, ["a.service"], "same")["allowed"] == ["a.service"]
    assert run(tmp_path, ["a.service"], "other", limit=1)["refused"] == ["a.service"]
    assert run(tmp_path, ["a.service"], "same", limit=1)["allowed"] == ["a.service"]


def test_what_is_older_than_the_window_is_forgotten() -> None:
    counted = {"a": [[0.0, "x"], [50.0, "y"]], "b": [[0.0, "x"]]}
    kept, answer = restart_budget.decide(counted, ["a"], "z", 2, 100.0, 120.0)
    assert (kept, answer) == ({"a": [[50.0, "y"], [120.0, "z"]]}, {"allowed": ["a"], "refused": []})


def test_nothing_to_restart_is_fine(tmp_path: Path) -> None:
    assert run(tmp_path, [], "x") == {"allowed": [], "refused": []}


def test_a_file_that_is_something_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("[]")
    with pytest.raises(ValueError, match="no list of restarts"):
        restart_budget.read(str(tmp_path / "f"))

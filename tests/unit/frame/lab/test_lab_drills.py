# Tests that every fault that the GPU simulator can express is drilled in the lab, or is not for a stated reason.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

ROOT = Path(__file__).resolve().parents[4]
TESTS = ROOT / "molecule" / "lab" / "tests"
DRILLS = TESTS / "test_5_drills.py"
# The class that each fault of the simulator means, where the catalogue does not say so itself.
MEANS = {"ecc": "gpu_wearing", "row-remap-failure": "gpu_row_remap_failure", "uninitialized": "driver_not_loaded"}
# Faults that no drill is about.
WHY_NOT = {"no-permission": "no fault of a node: it is what a program sees that is not root"}


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drilled() -> set[str]:
    """The classes that the lab's tests make a Drill of."""
    found = set()
    for node in ast.walk(ast.parse(DRILLS.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Drill":
            fault = node.args[1]
            assert isinstance(fault, ast.Constant)
            found.add(str(fault.value))
    return found


def simulated() -> set[str]:
    """The names of the simulator's faults."""
    text = (ROOT / "molecule" / "shared" / "gpusim" / "bin" / "gpusim").read_text(encoding="utf-8")
    tables = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id in ("FAULTS", "NODE_FAULTS")
    ]
    assert len(tables) == 2
    names = {key.value for table in tables if isinstance(table, ast.Dict) for key in table.keys}  # type: ignore[union-attr]
    return {str(name) for name in names} | set(re.findall(r'^FAULTS\["([^"]+)"\] =', text, re.MULTILINE))


def test_every_fault_of_the_simulator_is_drilled_or_has_a_reason() -> None:
    by_fault = dict(MEANS)
    for name, row in CLASSES.items():
        if row.drill["kind"] == "gpusim":
            # A class that is about the same fault for good comes second.
            by_fault.setdefault(row.drill["fault"], name)
    faults = simulated()
    assert len(faults) > 10
    assert set(WHY_NOT) <= faults and set(MEANS) <= faults
    left = {fault for fault in faults - set(WHY_NOT) if by_fault.get(fault) not in drilled()}
    assert left == set()


def test_every_drill_is_of_a_class_that_there_is() -> None:
    assert drilled() <= set(CLASSES)


OUTPUT = """
    "msg": [
        "NODE  CASE  RECOGNISED  CONTAINED  REPAIRED  ENDED  AS  STEPS  WAITS FOR",
        "gpu2  17    0.12 s      0.41 s     -         9.50 s  returned  cordon > evidence",
        "gpu21  18    9.99 s      9.99 s     9.00 s         9.50 s  returned  cordon > evidence"
"""


def test_what_a_drill_measured_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latencies = load(TESTS / "latencies.py", "latencies_of_the_lab")
    monkeypatch.setattr(latencies, "FILE", tmp_path / "new" / "drills.json")
    assert latencies.table() == []
    latencies.keep("hot", "gpu2", "it was check mode")
    assert latencies.table() == []
    latencies.keep("gpu_lost", "gpu2", OUTPUT)
    assert '"contained": 0.41' in (tmp_path / "new" / "drills.json").read_text()
    head, row = latencies.table()
    assert head.split() == ["fault", "node", "recognised", "contained", "repaired", "ended"]
    assert row.split() == ["gpu_lost", "gpu2", "0.1", "s", "0.4", "s", "-", "9.5", "s"]

# Every test that the page of the safety rules names as a proof is there, and every rule has one.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "docsite" / "rst" / "guide_safety_rules.rst").read_text(encoding="utf-8")
PROOFS = sorted(set(re.findall(r"``([\w/]+\.py)::(\w+)``", PAGE)))


def test_the_page_is_read_right() -> None:
    assert len(PROOFS) > 50
    assert PAGE.count("::test_") == len(re.findall(r"``[\w/]+\.py::\w+``", PAGE))


@pytest.mark.parametrize(("path", "name"), PROOFS)
def test_a_proof_is_there(path: str, name: str) -> None:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_rule_has_a_proof() -> None:
    for table in PAGE.split(".. list-table::")[1:]:
        for row in re.split(r"\n   \* - ", table.partition("\n\n   * - Rule\n     - Proof")[2])[1:]:
            assert row.startswith("**") and "::test_" in row, row

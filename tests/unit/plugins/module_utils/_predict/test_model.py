# Tests of model files that are not what they should be.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError
from ansible_collections.aidc.ops.plugins.module_utils._predict.features import names
from ansible_collections.aidc.ops.plugins.module_utils._predict.model import Logistic, Model, Trees, dump, load

WIDTH = len(names(["used"]))
LINE = Model("drive", ("used",), 30, 0.2, True, 1e9, Logistic(-3.0, (0.0,) * WIDTH, (1.0,) * WIDTH, (0.5,) * WIDTH))
NODES = ((1, 0.5, 1, 2, 0.0), (-1, 0.0, 0, 0, -1.0), (-1, 0.0, 0, 0, 2.0))
WOOD = Model("drive", ("used",), 30, 0.2, False, 1e9, Trees(0.0, (NODES,)))


@pytest.mark.parametrize("model", [LINE, WOOD])
def test_what_is_written_is_read(model: Model) -> None:
    assert load(dump(model, {"reasons": []}), "x") == model


def test_a_tree_is_gone_down() -> None:
    row = [1.0] * WIDTH
    assert WOOD.risk(row) == pytest.approx(0.8808, abs=1e-4)
    assert WOOD.risk([0.0] * WIDTH) == pytest.approx(0.2689, abs=1e-4)


def changed(model: Model, **changes: Any) -> str:
    return json.dumps({**json.loads(dump(model, {})), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("\x80\x04K\x01.", "not JSON"),
        ("[" * 100000, "not JSON"),
        ("[]", "schema_version"),
        (changed(LINE, schema_version=2), "schema_version"),
        (changed(LINE, kind="toaster"), "toaster"),
        (changed(LINE, kind=["drive"]), "TypeError"),
        (changed(LINE, measures=["used", "used"]), "measures"),
        (changed(LINE, measures=["secret"]), "measures"),
        (changed(LINE, features=["used_level"]), "features"),
        (changed(LINE, enabled=1), "enabled"),
        (changed(LINE, threshold="0.1"), "not a number"),
        (changed(LINE, threshold=float("nan")), "not a number"),
        (changed(LINE, horizon_days=0), "not a number"),
        (changed(LINE, algorithm="pickle"), "pickle"),
        (changed(LINE, algorithm="trees"), "KeyError"),
        (changed(LINE, parameters={"intercept": 0, "means": [], "scales": [], "weights": []}), "do not fit"),
        (changed(WOOD, parameters={"intercept": 0, "trees": [[[0, 1, 0, 0, 0]]]}), "leads out"),
        (changed(WOOD, parameters={"intercept": 0, "trees": [[[99, 1, 1, 2, 0]]]}), "feature"),
        (changed(WOOD, parameters={"intercept": 0, "trees": [[]]}), "empty"),
        (changed(WOOD, parameters={"intercept": 0, "trees": [[[0, 1]]]}), "ValueError"),
    ],
)
def test_anything_else_is_refused_with_its_name(text: str, message: str) -> None:
    with pytest.raises(PredictionError, match=message) as refused:
        load(text, "/models/drive.json")
    assert str(refused.value).startswith("/models/drive.json: ")
    assert len(str(refused.value)) < 400

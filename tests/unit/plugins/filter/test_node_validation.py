# Tests of the filter node_validation as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template


def template(text: str, **variables: object) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_a_verdict() -> None:
    answers = {"services": {}, "scheduler": ["IDLE"]}
    found = template("{{ answers | aidc.ops.node_validation('run', none, []) }}", answers=answers)
    assert (found["fit"], found["outcome"], found["set"]) == (True, "done", "run")


def test_several_sets() -> None:
    found = template("{{ {} | aidc.ops.node_validation(['run', 'V1'], 0) }}")
    assert found["set"] == "run+V1" and not found["fit"]


@pytest.mark.parametrize(
    "text", ["{{ {} | aidc.ops.node_validation('V9') }}", "{{ 7 | aidc.ops.node_validation('V1') }}"]
)
def test_complaint_names_the_filter(text: str) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.node_validation: "):
        template(text)

# Tests of the filter gpu_problems as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template


def template(text: str, **variables: object) -> object:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_problems_of_a_node() -> None:
    gpus = {"available": True, "gpus": [{"device": "gpu:0000:1b:00", "lost": True}]}
    found = template("{{ gpus | aidc.ops.gpu_problems(1) }}", gpus=gpus)
    assert found == [
        {"device": "gpu:0000:1b:00", "problem": "lost", "text": "GPU gpu:0000:1b:00 no longer answers (lost)"}
    ]


def test_expected_number_may_be_left_out_or_null() -> None:
    gpus = {"available": True, "gpus": [{"device": "gpu:0000:1b:00"}]}
    assert template("{{ gpus | aidc.ops.gpu_problems }}", gpus=gpus) == []
    assert template("{{ gpus | aidc.ops.gpu_problems(none) }}", gpus=gpus) == []


def test_complaint_names_the_filter() -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.gpu_problems: this is not an answer"):
        template("{{ gpus | aidc.ops.gpu_problems(8) }}", gpus={"failed": True})

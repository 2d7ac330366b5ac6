# Tests of the filter slurm_gres_lines as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

RECORD = {"node": "gpu1", "gpus": [{"model": "NVIDIA H100 80GB HBM3", "minor_number": 0}]}


def template(text: str, **variables: object) -> object:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_lines() -> None:
    assert template("{{ records | aidc.ops.slurm_gres_lines }}", records=[RECORD]) == [
        "NodeName=gpu1 Name=gpu Type=h100 File=/dev/nvidia0"
    ]


def test_complaint_names_the_filter() -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.slurm_gres_lines: node gpu1 appears twice"):
        template("{{ records | aidc.ops.slurm_gres_lines }}", records=[RECORD, RECORD])

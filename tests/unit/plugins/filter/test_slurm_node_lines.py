# Tests of the filter slurm_node_lines as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

RECORD = {
    "node": "gpu1",
    "address": "10.0.0.11",
    "cpus": 16,
    "memory_mib": 64000,
    "gpus": [{"model": "NVIDIA H100 80GB HBM3", "minor_number": 0}],
}


def template(text: str, **variables: object) -> object:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_lines() -> None:
    lines = template("{{ records | aidc.ops.slurm_node_lines({'gpu1': {'Weight': 10}}) }}", records=[RECORD])
    assert lines == [
        "NodeName=gpu1 NodeAddr=10.0.0.11 CPUs=16 RealMemory=64000 Gres=gpu:h100:1 State=UNKNOWN Weight=10"
    ]


def test_complaint_names_the_filter() -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.slurm_node_lines: node gpu1: cpus"):
        template("{{ records | aidc.ops.slurm_node_lines }}", records=[RECORD | {"cpus": None}])

# Tests of the filter slurm_record as a play uses it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

RECORD = json.loads((Path(__file__).parents[2] / "fixtures" / "hardware_record" / "node.json").read_text("utf-8"))


def template(text: str, **variables: object) -> object:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_line_of_a_node() -> None:
    text = "{{ [one] | aidc.ops.slurm_node_lines({'gpu1': one.topology}) | first }}"
    one = template("{{ record | aidc.ops.slurm_record('gpu1', '10.0.0.11') }}", record=RECORD)
    assert template(text, one=one) == (
        "NodeName=gpu1 NodeAddr=10.0.0.11 CPUs=224 RealMemory=2063360 Gres=gpu:h100:1,gpu:h100_1g.10gb:1 State=UNKNOWN "
        "SocketsPerBoard=2 CoresPerSocket=56 ThreadsPerCore=2"
    )


@pytest.mark.parametrize("bad", [{}, {"cpus": ["x"]}, "text", None])
def test_complaint_names_the_filter(bad: object) -> None:
    with pytest.raises(Exception, match=r"aidc\.ops\.slurm_record: "):
        template("{{ record | aidc.ops.slurm_record('gpu1', 'a') }}", record=bad)

# Tests of the module dataset_plan.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.modules import dataset_plan

NODES = [{"name": f"st{n}", "rack": f"r{n // 2}", "bytes": 1000} for n in range(6)]
DATASETS = [{"name": "{{ 7 * 7 }}", "bytes": 400, "replicas": 2}, {"name": "logs", "bytes": 90}]


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    def run(**arguments: t.Any) -> dict[str, t.Any]:
        given = {"nodes": NODES, "datasets": DATASETS, "piece_bytes": 50, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            dataset_plan.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_new_data_then_a_lost_node(plan: t.Callable[..., dict[str, t.Any]]) -> None:
    first = plan(bytes_per_second=10)
    assert first["changed"] is False
    assert (first["moved_bytes"], first["new_bytes"], first["moved_over_least"]) == (0, 890, None)
    assert len(first["placement"]["{{ 7 * 7 }}/0"]) == 2
    assert sum(wave["bytes"] for wave in first["waves"]) == 890
    assert first["waves"][0]["seconds"] == first["waves"][0]["bytes"] / 10
    assert plan(present=first["placement"])["moves"] == []
    lost = plan(nodes=NODES[1:], present=first["placement"])
    assert lost["moved_bytes"] >= lost["least_bytes"] > 0
    assert "st0" not in json.dumps(lost["placement"])
    earlier = {key: lost[key] for key in ("fingerprint", "placement")}
    assert plan(nodes=NODES[1:], present=lost["placement"], earlier=earlier)["moves"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"nodes": []}, "no node"),
        ({"datasets": [{"name": "d", "bytes": 10, "replicas": 9}]}, "9 replicas need as many racks"),
        ({"datasets": [{"name": "d", "bytes": 10**5}]}, "do not fit"),
        ({"present": {"logs/0": "st0"}}, "has to be a list of names"),
        ({"piece_bytes": 0}, "piece_bytes has to be at least 1"),
        ({"tolerance": -1}, "between 0 and 1"),
        ({"moves_per_node": 0}, "moves_per_node has to be at least 1"),
    ],
)
def test_what_cannot_be(plan: t.Callable[..., dict[str, t.Any]], arguments: dict[str, t.Any], says: str) -> None:
    answer = plan(**arguments)
    assert answer["failed"]
    assert says in answer["msg"]

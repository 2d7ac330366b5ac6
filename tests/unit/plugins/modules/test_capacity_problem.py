# Tests of the module capacity_problem: from scripts in the place of Slurm's commands to a problem.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.modules import capacity_problem
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_sources.slurm_shapes import NEW, Shapes

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A settings file with a Slurm of scripts: two nodes, a job that runs and one that waits."""
    slurm = Shapes(NEW)
    runs = slurm.job(1, "RUNNING", nodes="gpu1", gres_detail=["gpu:h100:2(IDX:0-1)"])
    answers = {
        "scontrol": slurm.answer("nodes", slurm.node("gpu1"), slurm.node("gpu2")),
        "squeue": slurm.answer("jobs", runs, slurm.job(2, tres_per_node="gpu:8")),
        "sacct": "vision|1800|120\n" * 20,
    }
    for name, text in answers.items():
        (tmp_path / f"{name}.txt").write_text(text)
        (tmp_path / name).write_text(f"#!/bin/sh\ncat {tmp_path}/{name}.txt\n")
        (tmp_path / name).chmod(0o755)
    engine = {name: str(tmp_path / name) for name in ("scontrol", "squeue", "sinfo")}
    settings = {
        "schema_version": 1,
        "ledger": "/none/ledger.sqlite",
        "evidence_dir": "/none",
        "ticket_dir": "/none",
        "engine": engine,
        "nodes": {"gpu1": {"rack": "r1", "feed": "f1"}, "gpu2": {"rack": "r1"}},
    }
    path = tmp_path / "controller.json"
    path.write_text(json.dumps(settings))
    return str(path)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], config: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.delenv("AIDC_OPS_PROMETHEUS_URL", raising=False)

    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        with (
            patch_module_args({"config": config, "_ansible_check_mode": check, **arguments}),
            pytest.raises(SystemExit),
        ):
            capacity_problem.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_it_reads_and_changes_nothing(ask: Ask) -> None:
    first = ask()
    assert first["changed"] is False and ask(check=True)["problem"] == first["problem"]
    problem = read_problem(first["problem"])
    assert [(node.name, node.rack, node.feed, node.gpus) for node in problem.nodes] == [
        ("gpu1", "r1", "f1", 8),
        ("gpu2", "r1", "", 8),
    ]
    works = {work.name: work for work in problem.workloads}
    assert works["job/1"].running_on == ("gpu1",) and works["job/2"].duration_hours == 0.5
    assert first["handles"]["job/2"]["state"] == "pending" and first["handles"]["job/2"]["engine"] == "engine"
    assert "1 node: have no feed that is known, and count as being in one together: gpu2." in first["notes"]


def test_everything_together(ask: Ask, tmp_path: Path) -> None:
    record = {
        "schema_version": 1,
        "node": {"hostname": "gpu2", "id": "dmi:2"},
        "topology": {"rack": "r9", "leaf": "leaf2"},
        "gpus": [{"model": "NVIDIA H100 80GB HBM3", "memory_total_bytes": 81559 * 2**20, "nvlinks_active": 18}] * 8,
    }
    fleet = tmp_path / "fleet.jsonl"
    fleet.write_text(json.dumps(record) + "\n")
    answer = ask(
        fleet_path=str(fleet),
        places={"feed": {"gpu2": "f2"}},
        site={"policy": {"objectives": ["allocation"]}, "maintenance": [{"node": "gpu1", "start": 1, "end": 9e9}]},
        failures={"days": 100, "failures": 40, "repair_hours": 48},
        demand=[{"name": "forecast/vision", "project": "vision", "gpus": 8, "copies": 2}],
        accounting_days=0,
    )
    gpu1, gpu2 = answer["problem"]["nodes"]
    assert not gpu1["in_service"] and gpu2["gpu_memory_mib"] == 81559
    assert (gpu2["rack"], gpu2["leaf"], gpu2["feed"]) == ("r1", "leaf2", "f2"), "the settings file counts more"
    works = {row["name"]: row for row in answer["problem"]["workloads"]}
    assert works["forecast/vision"]["copies"] == 1 and works["job/2"]["duration_hours"] == 2.0
    assert answer["problem"]["policy"] == {"objectives": ["allocation"], "reserve_per_rack": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": "soon"}, "'soon' is not a time"),
        ({"power_range": "long"}, "'long' is not a duration"),
        ({"accounting_days": -1}, "accounting_days: -1 is not from 0 to 3650"),
        ({"fleet_path": "/none/fleet.jsonl"}, "/none/fleet.jsonl cannot be read"),
        ({"site": {"racks": {}}}, "site.racks: no such key"),
        ({"site": {"nodes": {"gpu1": {"prise": 1}}}}, "nodes[gpu1].prise: no such key"),
        ({"failures": {"days": 10}}, "needs cases, or failures"),
        ({"demand": [{"copies": 1}]}, "demand[0] is no workload"),
        ({"config": "/none/controller.json"}, "/none/controller.json"),
        ({"url": "monitor:9090"}, "is not the address of a Prometheus server"),
    ],
)
def test_what_is_wrong_is_said(ask: Ask, arguments: dict[str, Any], message: str) -> None:
    answer = ask(**arguments)
    assert answer["failed"] and message in answer["msg"]


def test_a_scheduler_that_does_not_answer_is_no_empty_fleet(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "squeue").write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    answer = ask()
    assert answer["failed"] and "Unable to contact slurm controller" in answer["msg"]

# Tests of Slurm's nodes and jobs as rows of a problem, in the shapes of an old and a new release.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.slurm import read
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_sources.slurm_shapes import (
    NEW,
    NOT_SET,
    OLD,
    Shapes,
)

FIXTURES = Path(__file__).parents[3] / "fixtures" / "slurm"
NOW = 1_800_000_000.0
HOUR = 3600


@pytest.fixture(params=[OLD, NEW])
def slurm(request: pytest.FixtureRequest) -> Shapes:
    return Shapes(request.param)


def state_of(slurm: Shapes, nodes: list[dict[str, Any]], *jobs: dict[str, Any], accounting: str = "") -> EngineState:
    """The state, which has to be a problem."""
    state = read(slurm.answer("nodes", *nodes), slurm.answer("jobs", *jobs), accounting, NOW)
    read_problem({"schema_version": 1, "nodes": state.nodes, "workloads": state.workloads})
    return state


def rows_of(state: EngineState) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in state.workloads}


def notes_of(state: EngineState) -> str:
    return " | ".join(state.notes)


def test_recorded_nodes_of_both_releases() -> None:
    empty = Shapes(OLD).answer("jobs")
    for name in ("sinfo_22.05.json", "scontrol_nodes_24.11.json", "rest_nodes_v0.0.42.json"):
        state = read((FIXTURES / name).read_text(), empty)
        nodes = {node["name"]: node for node in state.nodes}
        assert list(nodes) == ["cpu1", "gpu1", "gpu2", "gpu3"]
        assert nodes["gpu1"] == {
            "name": "gpu1",
            "cpu_milli": 16000,
            "memory_mib": 64000,
            "in_service": True,
            "gpus": 4,
            "gpu_model": "h100",
        }
        assert not nodes["gpu2"]["in_service"] and not nodes["gpu3"]["in_service"], "drained, and never came up"
        assert "gpus" not in nodes["cpu1"]
        assert state.node_handles["gpu1"]["features"] == ["hbm3", "ib"] and state.node_handles["gpu1"]["weight"] == 1
        assert state.engine == "slurm" and "1 node: have GPUs of two models" in notes_of(state)


def test_states_that_take_no_work(slurm: Shapes) -> None:
    nodes = [
        slurm.node("a", state="IDLE+DRAIN", reason="Kim works here"),
        slurm.node("b", state="IDLE+POWERED_DOWN"),
        slurm.node("c", state="MIXED"),
        slurm.node("d", state="IDLE+MAINTENANCE"),
        slurm.node("e", state="DOWN+NOT_RESPONDING"),
        slurm.node("f", state="IDLE+RESERVED", reservation="class"),
        slurm.node("g", state="DOWN+POWERED_DOWN", reason="disk"),
    ]
    state = state_of(slurm, nodes)
    assert [node["name"] for node in state.nodes if node["in_service"]] == ["b", "c", "f"]
    assert "1 node: are in a reservation" in notes_of(state)
    assert state.node_handles["f"]["reservation"] == "class"


def test_what_is_kept_for_the_system_is_no_capacity() -> None:
    slurm = Shapes(NEW)
    node = slurm.node("a", effective_cpus=60, specialized_memory=12000)
    (row,) = state_of(slurm, [node]).nodes
    assert (row["cpu_milli"], row["memory_mib"]) == (60000, 500000)


def test_a_job_that_waits(slurm: Shapes) -> None:
    job = slurm.job(7, node_count=2, cpus=32, tres_per_node="gpu:h100:8", deadline=int(NOW) + 6 * HOUR)
    state = state_of(slurm, [slurm.node("a"), slurm.node("b")], job)
    assert rows_of(state)["job/7"] == {
        "name": "job/7",
        "copies": 2,
        "cpu_milli": 16000,
        "memory_mib": 16000,
        "gpus": 8,
        "gang": True,
        "priority": 100,
        "project": "vision",
        "duration_hours": 2.0,
        "gpu_models": ["h100"],
        "deadline_hours": 6.0,
    }
    handle = state.handles["job/7"]
    assert (handle["kind"], handle["id"], handle["state"], handle["replicas"]) == ("job", "7", "pending", 2)
    assert (handle["account"], handle["partition"], handle["user"], handle["can_requeue"]) == (
        "vision",
        "gpu",
        "kim",
        True,
    )


def test_a_job_that_runs_keeps_its_place(slurm: Shapes) -> None:
    job = slurm.job(
        8,
        "RUNNING",
        nodes="n[1-2]",
        node_count=2,
        cpus=16,
        end_time=int(NOW) + HOUR,
        gres_detail=["gpu:h100:4(IDX:0-3)", "gpu:h100:4(IDX:0,2-4)"],
    )
    row = rows_of(state_of(slurm, [slurm.node("n1"), slurm.node("n2")], job))["job/8"]
    assert row["running_on"] == ["n1", "n2"] and row["gpus"] == 4 and row["cpu_milli"] == 8000
    assert row["gang"] and not row["may_move"] and not row["preemptible"] and row["duration_hours"] == 1.0


def test_unequal_nodes_of_a_job_are_rows_of_their_own(slurm: Shapes) -> None:
    job = slurm.job(
        2, "RUNNING", nodes="n[2-3]", node_count=2, cpus=2, gres_detail=["gpu:h100:4(IDX:0-3)", "gpu:h100:1(IDX:0)"]
    )
    rows = rows_of(state_of(slurm, [slurm.node("n2"), slurm.node("n3")], job))
    assert {name: (row["gpus"], row["running_on"]) for name, row in rows.items()} == {
        "job/2": (4, ["n2"]),
        "job/2/part2": (1, ["n3"]),
    }


def test_what_runs_on_a_node_that_is_out_is_not_planned(slurm: Shapes) -> None:
    nodes = [slurm.node("n1"), slurm.node("n2", state="MIXED+DRAIN", reason="disk")]
    whole = slurm.job(1, "RUNNING", nodes="n2", gres_detail=["gpu:h100:8(IDX:0-7)"])
    half = slurm.job(2, "RUNNING", nodes="n[1-2]", node_count=2, gres_detail=["gpu:h100:1(IDX:0)"] * 2)
    state = state_of(slurm, nodes, whole, half)
    assert set(state.handles) == {"job/2"}
    assert rows_of(state)["job/2"]["running_on"] == ["n1"] and not rows_of(state)["job/2"]["gang"]
    assert "2 jobs: run on nodes that take no new work" in notes_of(state)


def test_jobs_that_do_not_ask_for_room_now(slurm: Shapes) -> None:
    jobs = [
        slurm.job(1, priority=0, state_reason="JobHeldUser"),
        slurm.job(2, eligible_time=int(NOW) + HOUR, state_reason="BeginTime"),
        slurm.job(3, "CANCELLED"),
        slurm.job(4, "COMPLETED"),
        slurm.job(5, priority=0, state_reason="JobHeldAdmin", admin_comment="x aidc.ops:plan_hold"),
    ]
    state = state_of(slurm, [slurm.node("a")], *jobs)
    assert set(state.handles) == {"job/5"}, "what a plan of ours holds still asks"
    assert state.notes[:2] == [
        "1 job: are held and not planned: 1.",
        "1 job: may begin later only and are not planned: 2.",
    ]


def test_ways_to_ask_for_gpus(slurm: Shapes) -> None:
    nodes = [slurm.node(f"n{number}") for number in range(4)]
    jobs = [
        slurm.job(1, tres_per_job="gpu:6"),
        slurm.job(2, tres_per_job="gpu:h100:16"),
        slurm.job(3, tres_per_task="gpu:1", tasks=4, cpus=4),
        slurm.job(4, tres_per_socket="gpu:2", sockets_per_node=2),
        slurm.job(5, tres_req_str="cpu=8,mem=16000M,node=1,billing=8,gres/gpu=3,gres/gpu:h100=3"),
        slurm.job(6),
    ]
    state = state_of(slurm, nodes, *jobs)
    rows = rows_of(state)
    assert [rows[f"job/{number}"]["gpus"] for number in range(1, 7)] == [6, 8, 4, 4, 3, 0]
    assert rows["job/2"]["copies"] == 2 and rows["job/2"]["cpu_milli"] == 4000 and rows["job/2"]["gang"]
    assert "gpu_models" not in rows["job/1"] and rows["job/5"]["gpu_models"] == ["h100"]
    assert "1 job: want more GPUs in all than a node has" in notes_of(state)


def test_processors_and_memory_for_each_gpu(slurm: Shapes) -> None:
    job = slurm.job(1, tres_per_node="gpu:4", memory_per_node=None)
    job.update(cpus_per_tres=slurm.gres("gpu:6"), memory_per_tres=slurm.gres("gpu:10240"))
    row = rows_of(state_of(slurm, [slurm.node("a")], job))["job/1"]
    assert (row["cpu_milli"], row["memory_mib"]) == (24000, 40960)
    job = slurm.job(2, memory_per_node=None, memory_per_cpu=500)
    assert rows_of(state_of(slurm, [slurm.node("a")], job))["job/2"]["memory_mib"] == 4000


def test_partition_and_features_become_models(slurm: Shapes) -> None:
    nodes = [
        slurm.node("a", features="ib"),
        slurm.node("b", gres="gpu:a100:4", partitions=["old"]),
        slurm.node("c"),
        slurm.node("d", gres="", partitions=["cpu"]),
    ]
    jobs = [
        slurm.job(1, tres_per_node="gpu:1", partition="old"),
        slurm.job(2, tres_per_node="gpu:1", partition="old,gpu"),
        slurm.job(3, tres_per_node="gpu:1", features="ib"),
        slurm.job(4, tres_per_node="gpu:1", features="nobody"),
        slurm.job(5, tres_per_node="gpu:a100:1"),
        slurm.job(6, partition="cpu"),
        slurm.job(7, tres_per_node="gpu:b300:1"),
        slurm.job(8, tres_per_node="gpu:1", features="[rack1|rack2]"),
    ]
    state = read(slurm.answer("nodes", *nodes), slurm.answer("jobs", *jobs), "", NOW)
    rows = rows_of(state)
    assert {name: row.get("gpu_models") for name, row in rows.items()} == {
        "job/1": ["a100"],
        "job/2": None,
        "job/3": ["h100"],
        "job/6": None,
        "job/7": ["b300"],
        "job/8": ["h100"],
    }
    assert "2 jobs: want what no node has and are not planned: 4, 5." in state.notes
    assert (
        "may use a part of the nodes with their GPU model only (partition, features), which is not planned: 3"
        in notes_of(state)
    )
    assert "may use a part of the nodes only" in notes_of(state) and "not understood: 8" in notes_of(state)


def test_what_a_plan_set_does_not_bind_the_next_one(slurm: Shapes) -> None:
    """Features follow from what asks for them, and an order must not confirm itself."""
    nodes = [slurm.node("a", features="ib,aidc_plan_chat"), slurm.node("b", gres="gpu:a100:4")]
    mark = "ask Kim aidc.ops:plan_nice=5.1029.7000.7000"
    jobs = [
        slurm.job(1, tres_per_node="gpu:1", features="aidc_plan_vision"),
        slurm.job(2, tres_per_node="gpu:1", features="aidc_plan_vision&ib"),
        slurm.job(3, tres_per_node="gpu:1", features="aidc_plan_vision|hbm"),
        slurm.job(4, priority=6500, admin_comment=mark),
        slurm.job(5, priority=7000, admin_comment=mark),
        slurm.job(6, priority=2, admin_comment=mark),
        slurm.job(7, priority=6500, admin_comment=f"x{mark}".replace("Kim aidc", "Kim,aidc")),
    ]
    rows = rows_of(state_of(slurm, nodes, *jobs))
    assert [rows[f"job/{number}"].get("gpu_models") for number in (1, 2, 3)] == [None, ["h100"], None]
    assert [rows[f"job/{number}"]["priority"] for number in (4, 5, 6, 7)] == [7524, 7000, 7000, 6500]


def test_arrays(slurm: Shapes) -> None:
    nodes = [slurm.node("a"), slurm.node("b")]
    jobs = [
        slurm.job(4, array_job_id=4, array_task_string="2-9%4", array_max_tasks=4, tres_per_node="gpu:1"),
        slurm.job(5, "RUNNING", array_job_id=4, nodes="a", gres_detail=["gpu:h100:1(IDX:0)"]),
        slurm.job(6, array_job_id=6, array_task_string="0-4:2", node_count=2, cpus=16),
        slurm.job(8, array_job_id=8, array_task_string="1-3%1", array_max_tasks=1),
        slurm.job(9, "RUNNING", array_job_id=8, nodes="b"),
    ]
    state = state_of(slurm, nodes, *jobs)
    rows = rows_of(state)
    assert rows["job/4"]["copies"] == 3 and not rows["job/4"]["gang"], "four at once, and one runs"
    assert {"job/6", "job/6/task2", "job/6/task3"} < set(rows) and rows["job/6/task3"]["gang"]
    assert "job/8" not in rows and "1 job: are arrays that run as many tasks as they may: 8." in state.notes


def test_a_huge_array_is_no_million_rows(slurm: Shapes) -> None:
    job = slurm.job(6, array_job_id=6, array_task_string="0-999999", node_count=2, cpus=16)
    state = state_of(slurm, [slurm.node("a")], job)
    assert len(state.workloads) == 100 and "of which 100 tasks are planned" in notes_of(state)


def test_jobs_that_wait_for_others(slurm: Shapes) -> None:
    jobs = [
        slurm.job(6),
        slurm.job(7, dependency="afterok:6(unfulfilled),afterany:3(unfulfilled)", state_reason="Dependency"),
        slurm.job(8, het_job_id=8),
    ]
    state = state_of(slurm, [slurm.node("a")], *jobs)
    assert rows_of(state)["job/7"]["after"] == ["job/6"], "job 3 has ended"
    assert "1 job: belong to jobs of several parts" in notes_of(state)


def test_durations(slurm: Shapes) -> None:
    accounting = "vision|1800|120\n" * 20 + "chat|60|120\n" * 19 + "vision|9|UNLIMITED\n"
    jobs = [slurm.job(1), slurm.job(2, account="chat"), slurm.job(3, time_limit=None)]
    rows = rows_of(state_of(slurm, [slurm.node("a")], *jobs, accounting=accounting))
    assert [rows[f"job/{number}"]["duration_hours"] for number in (1, 2, 3)] == [0.5, 2.0, 0.0]
    with pytest.raises(EngineError, match="sacct gave a line that is no job: 'Slurm accounting storage is disabled'"):
        state_of(slurm, [slurm.node("a")], accounting="Slurm accounting storage is disabled")


def test_the_wckey_is_the_class(slurm: Shapes) -> None:
    jobs = [
        slurm.job(1, wckey="language_training", tres_per_node="gpu:1"),
        slurm.job(2, "RUNNING", nodes="a", wckey="*vision_training", gres_detail=["gpu:h100:1(IDX:0)"]),
        slurm.job(3, wckey="*"),
        slurm.job(4, wckey=None),
    ]
    rows = rows_of(state_of(slurm, [slurm.node("a")], *jobs))
    found = [rows[f"job/{number}"].get("workload_class") for number in range(1, 5)]
    assert found == ["language_training", "vision_training", None, None]
    with pytest.raises(EngineError, match="wckey of job 5 is"):
        state_of(slurm, [slurm.node("a")], slurm.job(5, wckey=7))


def test_whole_nodes(slurm: Shapes) -> None:
    shared = "none" if slurm.old else ["none"]
    state = state_of(slurm, [slurm.node("a")], slurm.job(1, shared=shared, tres_per_node="gpu:1"))
    assert rows_of(state)["job/1"]["cpu_milli"] == 64000
    assert "all processors of a node were counted" in notes_of(state)


def test_many_priorities_are_levels(slurm: Shapes) -> None:
    jobs = [slurm.job(number, priority=number * number) for number in range(1, 31)]
    rows = rows_of(state_of(slurm, [slurm.node("a")], *jobs))
    levels = [rows[f"job/{number}"]["priority"] for number in range(1, 31)]
    assert levels == sorted(levels) and set(levels) == set(range(1, 11))


def test_a_node_that_promised_too_much_counts_as_full(slurm: Shapes) -> None:
    jobs = [slurm.job(number, "RUNNING", nodes="a", cpus=40) for number in (1, 2)]
    state = state_of(slurm, [slurm.node("a")], *jobs)
    assert state.nodes[0]["cpu_milli"] == 80000 and "count as full: a" in notes_of(state)


def test_mixed_gpus_and_shards(slurm: Shapes) -> None:
    nodes = [slurm.node("a", gres="gpu:h100:2,gpu:h200:4"), slurm.node("b", gres="gpu:a100_1g.5gb:7")]
    jobs = [
        slurm.job(1, tres_per_node="gpu:h100:1,gres/gpu:h200:1"),
        slurm.job(2, tres_per_node="shard:2"),
        slurm.job(3, tres_per_node="gpu:a100_1g.5gb:1"),
    ]
    state = state_of(slurm, nodes, *jobs)
    assert [(node["gpus"], node["gpu_model"]) for node in state.nodes] == [(4, "h200"), (7, "a100_1g.5gb")]
    assert rows_of(state)["job/3"]["gpu_models"] == ["a100_1g.5gb"]
    assert "want GPUs of several models on one node and are not planned: 1" in notes_of(state)
    assert "want shards of GPUs" in notes_of(state)


def test_numbers_that_are_not_set() -> None:
    slurm = Shapes(OLD)
    job = slurm.job(1, node_count=NOT_SET, time_limit=NOT_SET, priority=50)
    row = rows_of(state_of(slurm, [slurm.node("a")], job))["job/1"]
    assert (row["copies"], row["duration_hours"]) == (1, 0.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("job_state", 7),
        ("cpus", "eight"),
        ("cpus", True),
        ("nodes", ["a"]),
        ("gres_detail", [7]),
        ("array_task_string", "9-1"),
        ("tres_per_node", "gpu:99999999999"),
        ("account", {"{{ 7 }}": 1}),
    ],
)
def test_malformed_jobs(slurm: Shapes, key: str, value: Any) -> None:
    runs = key in ("nodes", "gres_detail")
    job = {**slurm.job(7, "RUNNING" if runs else "PENDING", nodes="a" if runs else ""), key: value}
    with pytest.raises(EngineError, match=f"malformed: {key} of job 7"):
        state_of(slurm, [slurm.node("a")], job)


def test_answers_that_are_none(slurm: Shapes) -> None:
    nodes = slurm.answer("nodes", slurm.node("a"))
    cut = slurm.answer("jobs", slurm.job(1))[:-40]
    with pytest.raises(EngineError, match="cut off"):
        read(nodes, cut)
    with pytest.raises(EngineError, match="no list of jobs"):
        read(nodes, nodes)
    with pytest.raises(EngineError, match="could not answer"):
        read(nodes, (FIXTURES / "no_controller_24.11.json").read_text())
    with pytest.raises(EngineError, match="the job 1 twice"):
        read(nodes, slurm.answer("jobs", slurm.job(1), slurm.job(1)))
    with pytest.raises(EngineError, match="an entry that is no job"):
        read(nodes, json.dumps({"jobs": [{"job_id": "1"}]}))
    with pytest.raises(EngineError, match="which Slurm does not name as a node"):
        read(nodes, slurm.answer("jobs", slurm.job(1, "RUNNING", nodes="ghost")))
    with pytest.raises(EngineError, match="processors and the memory of node a"):
        read(slurm.answer("nodes", {"name": "a", "state": "idle"}), slurm.answer("jobs"))

# Tests of Kubernetes' nodes, pods and workloads as rows of a problem.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.kubernetes import read
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._capacity_sources.kube_shapes import (
    H100,
    deployment,
    job,
    node,
    pod,
    spec,
)

NOW = 1_800_000_000.0
WEB = ("ReplicaSet", "tagger-6d4f")
CPU: dict[str, str] = {}


def state_of(
    nodes: list[dict[str, Any]], pods: list[dict[str, Any]] | None = None, **workloads: list[dict[str, Any]]
) -> EngineState:
    """The state, which has to be a problem."""
    state = read(nodes, pods or [], workloads, NOW)
    read_problem({"schema_version": 1, "nodes": state.nodes, "workloads": state.workloads})
    return state


def rows_of(state: EngineState) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in state.workloads}


def notes_of(state: EngineState) -> str:
    return " | ".join(state.notes)


def test_a_node() -> None:
    labels = {**H100, "nvidia.com/gpu.clique": "c1.0", "network.topology.nvidia.com/leaf": "leaf7"}
    state = state_of([node("gpu1", labels=labels), node("cpu1", 0, CPU)])
    assert state.nodes == [
        {"name": "cpu1", "cpu_milli": 64000, "memory_mib": 524288, "in_service": True},
        {
            "name": "gpu1",
            "cpu_milli": 64000,
            "memory_mib": 524288,
            "in_service": True,
            "gpus": 8,
            "gpu_model": "h100",
            "gpu_memory_mib": 81559,
            "leaf": "leaf7",
            "nvlink_domain": "c1.0",
        },
    ]
    assert state.node_handles["gpu1"]["labels"]["kubernetes.io/hostname"] == "gpu1"
    assert state.engine == "kubernetes" and state.notes == []


def test_nodes_that_take_no_work() -> None:
    master = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    nodes = [node("a", unschedulable=True), node("b", ready=False), node("c", taints=[master]), node("d")]
    assert [one["name"] for one in state_of(nodes).nodes if one["in_service"]] == ["d"]


def test_what_belongs_to_a_node_is_taken_off_it() -> None:
    pods = [
        pod("agent", "a", ("DaemonSet", "agent"), cpu="500m", memory="1Gi"),
        pod("static", "a", cpu="1", about={"annotations": {"kubernetes.io/config.mirror": "x"}}),
    ]
    state = state_of([node("a")], pods)
    assert state.nodes[0]["cpu_milli"] == 62500 and state.workloads == []


def test_a_deployment_with_its_pods() -> None:
    pods = [pod(f"tagger-6d4f-{at}", on, WEB, gpus=1) for at, on in enumerate(("a", "b", ""))]
    pods.append(pod("tagger-6d4f-old", "a", WEB, phase="Failed"))
    state = state_of([node("a"), node("b")], pods, deployment=[deployment("tagger", 3)])
    assert rows_of(state) == {
        "vision/deployment/tagger": {
            "name": "vision/deployment/tagger",
            "project": "vision",
            "copies": 3,
            "cpu_milli": 4000,
            "memory_mib": 16384,
            "gpus": 1,
            "gang": False,
            "priority": 0,
            "duration_hours": 0.0,
            "preemptible": False,
            "may_move": True,
            "running_on": ["a", "b"],
        }
    }
    handle = state.handles["vision/deployment/tagger"]
    assert (handle["kind"], handle["namespace"], handle["name"]) == ("deployment", "vision", "tagger")
    assert (handle["state"], handle["replicas"]) == ("running", 3)


def test_classes_are_told_by_labels() -> None:
    telling = deployment("tagger", 2)
    telling["spec"]["template"]["metadata"]["labels"].update(
        {"aidc.ops/workload-class": "language_training", "aidc.ops/latency-class": "batch"}
    )
    labels = {"aidc.ops/workload-class": "old", "aidc.ops/latency-class": "interactive"}
    odd = {"aidc.ops/latency-class": "Interactive", "aidc.ops/workload-class": ""}
    pods = [pod("tagger-6d4f-1", "a", WEB, gpus=1, labels=labels), pod("chat", "a", labels=labels)]
    state = state_of([node("a")], [*pods, pod("odd", "a", labels=odd)], deployment=[telling, deployment("quiet")])
    found = {name: (row.get("workload_class"), row.get("latency_class")) for name, row in rows_of(state).items()}
    assert found == {
        "vision/deployment/tagger": ("language_training", "batch"),
        "vision/deployment/quiet": (None, None),
        "vision/pod/chat": ("old", "interactive"),
        "vision/pod/odd": (None, None),
    }
    told = "1 workload: have a label aidc.ops/latency-class that is none of interactive, batch: vision/pod/odd."
    assert state.notes == [told]


def test_replicas_that_nobody_has_asked_for() -> None:
    state = state_of([node("a")], deployment=[deployment("none", 0), deployment("one", None)])
    assert {name: row["copies"] for name, row in rows_of(state).items()} == {"vision/deployment/one": 1}
    assert state.handles["vision/deployment/one"]["state"] == "pending"


def test_pods_say_more_than_their_template() -> None:
    """A limit range, or somebody who resized them in place, gave them other requests."""
    pods = [pod("tagger-6d4f-1", "a", WEB, gpus=1, cpu="6", priority=1000)]
    row = rows_of(state_of([node("a")], pods, deployment=[deployment("tagger", 2)]))["vision/deployment/tagger"]
    assert (row["cpu_milli"], row["priority"]) == (6000, 1000)


def test_a_rollout_has_more_pods_than_replicas() -> None:
    pods = [pod(f"tagger-6d4f-{at}", "a", WEB, gpus=1) for at in range(3)]
    row = rows_of(state_of([node("a")], pods, deployment=[deployment("tagger", 2)]))["vision/deployment/tagger"]
    assert (row["copies"], row["running_on"]) == (2, ["a", "a"])


def test_copies_on_nodes_that_are_out() -> None:
    nodes = [node("a"), node("b", unschedulable=True), node("c", ready=False)]
    pods = [pod(f"tagger-6d4f-{on}", on, WEB, gpus=1) for on in ("a", "b", "c")]
    state = state_of(nodes, pods, deployment=[deployment("tagger", 3)])
    row = rows_of(state)["vision/deployment/tagger"]
    assert (row["copies"], row["running_on"]) == (2, ["a"]), "what the dead node had needs a place"
    assert row["unplanned_copies"] == 1
    assert state.handles["vision/deployment/tagger"]["replicas"] == 3
    assert "have copies on nodes that take no new work" in notes_of(state)


def test_jobs() -> None:
    jobs = [
        job("train", parallelism=4, completions=4, completionMode="Indexed"),
        job("sweep", spec(1), {"succeeded": 7}, parallelism=4, completions=10),
        job("over", status={"conditions": [{"type": "Complete", "status": "True"}]}),
        job("timed", activeDeadlineSeconds=7200, status={"startTime": "2027-01-15T07:00:00Z"}),
    ]
    pods = [pod(f"train-{at}", f"n{at}", ("Job", "train"), gpus=8) for at in range(4)]
    rows = rows_of(state_of([node(f"n{at}") for at in range(4)], pods, job=jobs))
    train = rows["vision/job/train"]
    assert train["gang"] and train["copies"] == 4 and not train["may_move"] and not train["preemptible"]
    assert rows["vision/job/sweep"]["copies"] == 3 and not rows["vision/job/sweep"]["gang"]
    assert "vision/job/over" not in rows and rows["vision/job/timed"]["duration_hours"] == 1.0


def test_pods_alone() -> None:
    pods = [pod("shell", "a", gpus=1), pod("rank0", "", ("PyTorchJob", "big"), gpus=8), pod("gone", "a", about={})]
    pods[2]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    state = state_of([node("a")], pods)
    assert {name: one["kind"] for name, one in state.handles.items()} == {
        "vision/pod/shell": "pod",
        "vision/pod/rank0": "pod",
    }
    assert "made by something that is not read, and are planned one by one: vision/rank0" in notes_of(state)
    assert rows_of(state)["vision/pod/shell"]["may_move"] is False


def test_models_that_a_pod_may_have() -> None:
    nodes = [
        node("h"),
        node(
            "l", labels={**H100, "nvidia.com/gpu.product": "NVIDIA-L40S"}, taints=[{"key": "x", "effect": "NoSchedule"}]
        ),
        node("h2", labels={**H100, "pool": "train"}),
        node("c", 0, CPU),
    ]
    wanted = {
        "product": spec(1, nodeSelector={"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}),
        "both": spec(1, tolerations=[{"operator": "Exists"}]),
        "pool": spec(1, nodeSelector={"pool": "train"}),
        "never": spec(1, nodeSelector={"pool": "nobody"}),
        "bare": spec(1, nodeSelector={"kubernetes.io/hostname": "c"}),
        "plain": spec(nodeSelector={"pool": "train"}),
    }
    state = state_of(nodes, deployment=[deployment(name, 1, body) for name, body in wanted.items()])
    rows = {name.rpartition("/")[2]: row.get("gpu_models") for name, row in rows_of(state).items()}
    assert rows == {"product": ["h100"], "both": None, "pool": ["h100"], "plain": None}
    assert "want what no node has and are not planned: vision/deployment/never" in notes_of(state)
    assert "want GPUs that no node they may use has, and are not planned: vision/deployment/bare" in notes_of(state)
    assert "with their GPU model only, which is not planned: vision/deployment/pool" in notes_of(state)
    assert "a part of the nodes only, which is not planned: vision/deployment/plain" in notes_of(state)


def test_a_taint_that_only_says_that_a_node_is_out_forbids_nothing() -> None:
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    state = state_of([node("a", unschedulable=True, taints=[cordon])], deployment=[deployment("tagger")])
    assert set(state.handles) == {"vision/deployment/tagger"}


def test_what_a_plan_set_does_not_bind_the_next_one() -> None:
    set_by_plan = {"taints": [{"key": "aidc.ops/project", "value": "talk", "effect": "NoSchedule"}]}
    nodes = [node("a", labels={**H100, "aidc.ops/project": "talk"}, **set_by_plan), node("b")]
    anti = {"key": "aidc.ops/project", "operator": "In", "values": ["vision"]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [anti]}]}}
    wanted = {
        "plain": spec(1),
        "own": spec(1, nodeSelector={"aidc.ops/project": "vision"}),
        "affine": spec(1, affinity={"nodeAffinity": required}),
        "wrong": spec(1, nodeSelector={"aidc.ops/project": "talk"}),
    }
    state = state_of(nodes, deployment=[deployment(name, 1, body) for name, body in wanted.items()])
    assert {name.rpartition("/")[2] for name in rows_of(state)} == set(wanted)
    (note,) = state.notes
    assert note.endswith("the nodes of another project than theirs: vision/deployment/wrong.")


def test_spread() -> None:
    hosts = {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    alone = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "alone"}}}
    zones = {**hosts, "topologyKey": "topology.kubernetes.io/zone"}
    anti = "requiredDuringSchedulingIgnoredDuringExecution"
    wanted = {
        "even": spec(1, topologySpreadConstraints=[hosts]),
        "alone": spec(1, affinity={"podAntiAffinity": {anti: [alone]}}),
        "zones": spec(1, topologySpreadConstraints=[zones]),
        "soft": spec(1, topologySpreadConstraints=[{**hosts, "whenUnsatisfiable": "ScheduleAnyway"}]),
    }
    state = state_of([node("a"), node("b")], deployment=[deployment(name, 5, body) for name, body in wanted.items()])
    limits = {name.rpartition("/")[2]: row.get("most_per_node") for name, row in rows_of(state).items()}
    assert limits == {"even": 3, "alone": 1, "zones": None, "soft": None}
    assert "beside, something that is not planned: vision/deployment/zones" in notes_of(state)


def mig_spec(profiles: dict[str, int]) -> dict[str, Any]:
    body = spec()
    requests = body["containers"][0]["resources"]["requests"]
    requests.update({f"nvidia.com/mig-{name}": str(count) for name, count in profiles.items()})
    return body


def test_mig_mixed() -> None:
    nodes = [node("a", 6, extra={"nvidia.com/mig-1g.10gb": "7", "nvidia.com/mig-3g.40gb": "2"})]
    wanted = {
        "small": mig_spec({"1g.10gb": 1}),
        "large": mig_spec({"3g.40gb": 3}),
        "odd": mig_spec({"1g.99gb": 1}),
        "both": mig_spec({"1g.10gb": 1, "3g.40gb": 1}),
    }
    state = state_of(nodes, deployment=[deployment(name, 7, body) for name, body in wanted.items()])
    rows = {name.rpartition("/")[2]: row for name, row in rows_of(state).items()}
    assert (state.nodes[0]["gpus"], state.nodes[0]["gpu_model"], state.nodes[0]["mig_slices"]) == (8, "h100", 7)
    assert (rows["small"]["gpus"], rows["small"]["mig_profile"]) == (1, "1g.10gb")
    assert [rows[name]["gpus"] for name in ("large", "odd", "both")] == [2, 1, 1]
    assert all("mig_profile" not in rows[name] for name in ("large", "odd", "both"))
    assert "several parts of GPUs" in notes_of(state) and "no GPU here is known to have" in notes_of(state)
    problem = read_problem({"schema_version": 1, "nodes": state.nodes, "workloads": state.workloads})
    assert next(one for one in problem.workloads if one.name.endswith("small")).gpu_share_milli == 130


def test_one_mig_profile_on_two_kinds_of_gpus() -> None:
    small = {**H100, "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.memory": "40960"}
    extra = {"nvidia.com/mig-1g.10gb": "4"}
    nodes = [node("a", 7, extra=extra), node("b", 7, small, extra=extra)]
    state = state_of(nodes, deployment=[deployment("infer", 3, mig_spec({"1g.10gb": 1}))])
    assert rows_of(state)["vision/deployment/infer"]["gpu_models"] == ["h100"]
    assert "that GPUs of several models cut differently; h100 is planned" in notes_of(state)


def test_mig_that_nobody_has_cut_yet() -> None:
    mixed = {**H100, "nvidia.com/mig.strategy": "mixed"}
    labels = {
        "may": mixed,
        "none": {**H100, "nvidia.com/mig.strategy": "none"},
        "time": {**mixed, "nvidia.com/gpu.replicas": "4"},
        "l40s": {**mixed, "nvidia.com/gpu.product": "NVIDIA-L40S"},
        "unknown": {key: value for key, value in mixed.items() if key != "nvidia.com/gpu.memory"},
    }
    state = state_of([node(name, 8, own) for name, own in labels.items()])
    assert {row["name"] for row in state.nodes if row.get("mig_slices")} == {"may"}


def test_mig_single_is_a_model_of_its_own() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "nvidia.com/gpu.memory": "4864"}
    (row,) = state_of([node("a", 56, labels)]).nodes
    assert (row["gpus"], row["gpu_model"], row["gpu_memory_mib"]) == (56, "a100-1g.5gb", 4864)


def test_time_slices() -> None:
    labels = {**H100, "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3-SHARED", "nvidia.com/gpu.replicas": "4"}
    state = state_of([node("a", 32, labels)], deployment=[deployment("tagger")])
    assert (state.nodes[0]["gpus"], state.nodes[0]["gpu_model"]) == (8, "h100")
    row = rows_of(state)["vision/deployment/tagger"]
    assert (row["gpus"], row["gpu_share_milli"]) == (1, 250)


def test_a_gpu_without_a_label() -> None:
    state = state_of([node("a", 2, {})])
    assert state.nodes[0]["gpu_model"] == "gpu" and "a model that no label names: a" in notes_of(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpu": "many"}, "node a with amounts"),
        ({"memory": "1e999"}, "node a with amounts"),
        ({"nvidia.com/gpu": "-1"}, "node a with amounts"),
    ],
)
def test_malformed_nodes(change: dict[str, str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        state_of([node("a", extra=change)])


def test_malformed_objects() -> None:
    with pytest.raises(EngineError, match="gave a node twice"):
        state_of([node("a"), node("a")])
    with pytest.raises(EngineError, match="has it registered"):
        state_of([{"metadata": {"name": "a"}, "spec": {}, "status": {}}])
    with pytest.raises(EngineError, match="vision/deployment/tagger with replicas 'two'"):
        state_of([node("a")], deployment=[deployment("tagger", "two")])  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="wants 9000000 copies; 200000 are the most"):
        state_of([node("a")], deployment=[deployment("tagger", 9_000_000)])
    with pytest.raises(EngineError, match="vision/deployment/tagger twice"):
        state_of([node("a")], deployment=[deployment("tagger"), deployment("tagger")])
    with pytest.raises(EngineError, match="pod vision/x with requests"):
        state_of([node("a")], [pod("x", cpu="{{ 7 * 7 }}")])
    with pytest.raises(EngineError, match="without a namespace"):
        state_of([node("a")], [{"metadata": {"name": "x"}, "spec": {}}])

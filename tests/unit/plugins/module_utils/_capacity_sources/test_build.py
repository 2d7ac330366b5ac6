# Tests of the problem that is made of schedulers, hardware records, measurements and people.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.build import Built, Sources, build
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.power import Measured, measure
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.reserve import (
    History,
    poisson_quantile,
    read_history,
    reserve_per_rack,
)
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.answers import Sample

NOW = 1_800_000_000.0
DAY = 86400


def node(name: str, gpus: int = 8, model: str = "h100") -> dict[str, Any]:
    row = {"name": name, "cpu_milli": 64000, "memory_mib": 512000, "in_service": True}
    return {**row, "gpus": gpus, "gpu_model": model} if gpus else row


def work(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "project": "vision", "copies": 1, "cpu_milli": 1000, "memory_mib": 1000, "gpus": 1, **more}


def state(*rows: dict[str, Any], engine: str = "slurm", notes: tuple[str, ...] = ()) -> EngineState:
    nodes = [row for row in rows if "copies" not in row]
    works = [row for row in rows if "copies" in row]
    handles = {row["name"]: {"kind": "job", "name": row["name"]} for row in works}
    return EngineState(engine, nodes, works, handles, {}, list(notes))


def record(name: str, gpus: int = 8, lost: int = 0, **topology: str) -> dict[str, Any]:
    card = {"model": "NVIDIA H100 80GB HBM3", "memory_total_bytes": 81559 * 2**20, "nvlinks_active": 18, "lost": None}
    return {
        "node": {"hostname": name, "id": f"dmi:{name}"},
        "topology": topology,
        "gpus": [{**card, "lost": at < lost or None} for at in range(gpus)],
        "infiniband_ports": [{"rate_gbps": 400.0, "state": "Active"}, {"rate_gbps": 400.0, "state": "Down"}],
        "nics": [{"speed_mbps": 25000, "state": "up"}],
    }


def made(*rows: dict[str, Any], **more: Any) -> Built:
    given: dict[str, Any] = {"states": {"engine": state(*rows)}, "at": NOW, "now": NOW, **more}
    return build(Sources(**given))


def nodes_of(built: Built) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in built.problem["nodes"]}


def works_of(built: Built) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in built.problem["workloads"]}


def notes_of(built: Built) -> str:
    return " | ".join(built.notes)


def test_a_scheduler_alone() -> None:
    built = made(node("a"), work("job/1"))
    assert set(built.problem) == {"schema_version", "nodes", "workloads"}
    assert built.handles["job/1"]["engine"] == "engine"
    assert "1 node: have no rack that is known" in notes_of(built)
    with pytest.raises(ProblemError, match="an empty fleet"):
        made()


def test_hardware_records() -> None:
    rows = [node("a"), node("b", model="gpu"), node("c"), node("d", model="a100"), node("e")]
    records = [
        record("a.example.com", rack="r1", feed="f1"),
        record("b", leaf="leaf1"),
        record("c", lost=2),
        record("d"),
        record("x"),
    ]
    records[1]["topology"]["lldp_neighbors"] = [{"chassis_name": "other"}]
    built = made(*rows, records=records)
    nodes = nodes_of(built)
    assert (nodes["a"]["rack"], nodes["a"]["feed"], nodes["a"]["gpu_memory_mib"]) == ("r1", "f1", 81559)
    assert (nodes["a"]["network_mbit"], nodes["b"]["leaf"], nodes["b"]["gpu_model"]) == (400000, "leaf1", "h100")
    assert nodes["c"]["gpus"] == 6 and nodes["d"]["gpu_model"] == "a100"
    for note in (
        "1 node: have lost GPUs, which are not planned: c.",
        "another model by their record than by their scheduler: d.",
        "1 node: have no hardware record: e.",
        "1 hardware records are of nodes that no scheduler has",
    ):
        assert note in notes_of(built)


def test_two_records_with_the_same_first_part_are_not_guessed() -> None:
    built = made(node("a"), records=[record("a.x", rack="r1"), record("a.y", rack="r2")])
    assert "rack" not in nodes_of(built)["a"] and "have no hardware record: a" in notes_of(built)


def test_power_limits_that_all_gpus_of_a_node_take() -> None:
    rows = [node("a"), node("b"), node("c", model="h100-1g.10gb"), node("d")]
    records = [record(name, 3) for name in "abcd"]
    for each in (records[0], records[2]):
        for gpu, lowest, highest in zip(each["gpus"], (100.0, 200.0, None), (650.0, 700.0, None), strict=True):
            gpu.update(power_limit_min_watts=lowest, power_limit_max_watts=highest)
    # One that is lost takes no limit, and what AMD's library gives as 0 is not known.
    records[0]["gpus"].append({**records[0]["gpus"][0], "lost": True, "power_limit_max_watts": 50.0})
    records[3]["gpus"][0].update(power_limit_min_watts=0.0, power_limit_max_watts=750.0)
    nodes = nodes_of(made(*rows, records=records, site={"nodes": {"d": {"gpu_limit_max_watts": 600}}}))
    keys = ("gpu_limit_min_watts", "gpu_limit_max_watts")
    found = {name: [row.get(key) for key in keys] for name, row in nodes.items()}
    assert found == {"a": [200.0, 650.0], "b": [None, None], "c": [None, None], "d": [None, 600]}


def test_curves_and_classes_of_the_site() -> None:
    point = {"limit_watts": 500, "seconds": 1.0, "mean_watts": 488.0}
    points = [point, {**point, "limit_watts": 700}]
    curve = {"model": "NVIDIA H100 80GB HBM3", "workload": "language_training", "origin": "our own", "points": points}
    classes = {"vision/*": {"workload_class": "vision_training"}, "*/chat": {"latency_class": "interactive"}}
    site = {"power_curves": [curve], "workloads": classes, "policy": {"power_limits": {"slowdown_percent": 5}}}
    built = made(node("a"), work("vision/deployment/chat"), work("job/1", workload_class="x"), site=site)
    assert built.problem["power_curves"] == [curve] and built.problem["policy"] == site["policy"]
    row = works_of(built)["vision/deployment/chat"]
    assert (row["workload_class"], row["latency_class"]) == ("vision_training", "interactive")
    assert works_of(built)["job/1"]["workload_class"] == "x"


def test_later_sources_count_more() -> None:
    site = {
        "nodes": {"gpu*": {"feed": "f9", "price_per_hour": 2.5}, "gpu1": {"price_per_hour": 3}, "gone": {"feed": "x"}}
    }
    records = [record("gpu1", rack="r1", feed="f1")]
    built = made(node("gpu1"), node("gpu2"), records=records, places={"gpu1": {"rack": "r2", "leaf": ""}}, site=site)
    row = nodes_of(built)["gpu1"]
    assert (row["rack"], row["feed"], row["price_per_hour"]) == ("r2", "f9", 3) and "leaf" not in row
    assert nodes_of(built)["gpu2"]["price_per_hour"] == 2.5
    assert "site.nodes[gone] is about no node that there is." in built.notes


def test_words_of_people() -> None:
    site = {
        "projects": [{"name": "chat", "quota_gpu_milli": 8000}],
        "feeds": [{"name": "f1", "limit_watts": 9000.0}],
        "offers": [{"name": "big", "price": 9.0, "node": {**node("any"), "gpu_model": "NVIDIA B200"}}],
        "policy": {"objectives": ["allocation"], "reserve_per_rack": 1},
        "workloads": {"vision/*": {"preemptible": False, "gpu_models": ["NVIDIA H100 80GB HBM3", "NVIDIA B200"]}},
    }
    built = made(node("a"), work("vision/deployment/x"), work("job/1"), site=site, history=History(9, 9.0, 1.0))
    assert works_of(built)["vision/deployment/x"]["gpu_models"] == ["h100", "b200"]
    assert "gpu_models" not in works_of(built)["job/1"]
    assert built.problem["policy"]["reserve_per_rack"] == 1, "what a person says counts more than a history"
    assert [one["name"] for one in built.problem["projects"]] == ["chat", "vision"]
    assert "1 project: have workloads and are not among those of the site" in notes_of(built)
    assert site["workloads"]["vision/*"]["gpu_models"][0].startswith("NVIDIA"), "what was given stays as it is"


def test_gpus_that_nobody_has() -> None:
    offers = [{"name": "big", "price": 9.0, "node": {**node("any"), "gpu_model": "b200"}}]
    rows = [node("a"), work("job/1", gpu_models=["b200", "x"]), work("job/2", after=["job/1"])]
    built = made(*rows)
    assert set(works_of(built)) == set(built.handles) == {"job/2"} and works_of(built)["job/2"]["after"] == []
    assert "want b200, x, which nobody has or offers: job/1" in notes_of(built)
    assert works_of(made(*rows, site={"offers": offers}))["job/1"]["gpu_models"] == ["b200"]


def test_maintenance() -> None:
    windows = [
        {"node": "a*", "start": NOW - 60, "end": NOW + 60, "summary": "fans"},
        {"node": "b1", "start": "2027-01-15T09:00:00Z", "end": "2027-01-15T10:00:00Z"},
        {"node": "ghost", "start": NOW, "end": NOW + 1},
    ]
    rows = [node("a1"), node("a2"), node("b1")]
    built = made(*rows, site={"maintenance": windows})
    assert [name for name, row in nodes_of(built).items() if not row["in_service"]] == ["a1", "a2"]
    for note in (
        "2 nodes: are in maintenance then: a1, a2.",
        "within a day after that moment: b1",
        "window, and no scheduler",
    ):
        assert note in notes_of(built)
    later = made(*rows, site={"maintenance": windows}, at=1_800_000_000 + 3700)
    assert [name for name, row in nodes_of(later).items() if not row["in_service"]] == ["b1"]


def test_a_later_moment() -> None:
    rows = [
        node("a"),
        work("job/1", running_on=["a"], duration_hours=0.01),
        work("job/2", after=["job/1"]),
        work("job/3", running_on=["a"], duration_hours=0.0),
    ]
    assert set(works_of(made(*rows))) == {"job/1", "job/2", "job/3"}
    later = made(*rows, at=NOW + DAY)
    assert set(works_of(later)) == {"job/2", "job/3"} and works_of(later)["job/2"]["after"] == []


def test_demand_is_less_what_is_there() -> None:
    rows = [node("a"), work("job/1", copies=3, gpus=2), work("job/2", project="chat", gpus=0)]
    demand = [
        {"name": "forecast/vision", "project": "vision", "copies": 4, "gpus": 4},
        {"name": "forecast/more", "project": "vision", "copies": 2, "gpus": 2},
        {"name": "forecast/chat", "project": "chat", "copies": 2, "gpus": 1},
    ]
    built = made(*rows, demand=demand)
    copies = {name: row["copies"] for name, row in works_of(built).items() if name.startswith("forecast")}
    assert copies == {"forecast/vision": 3, "forecast/more": 1, "forecast/chat": 2}, "6 GPUs: one copy of 4, one of 2"
    assert set(built.handles) == {"job/1", "job/2"}
    assert not {"forecast/vision"} & set(works_of(made(*rows, demand=[{**demand[0], "copies": 1}])))
    with pytest.raises(SourceError, match=r"demand\[job/1\]: there is a workload of that name already"):
        made(*rows, demand=[{**demand[0], "name": "job/1"}])
    with pytest.raises(SourceError, match=r"demand\[0\] is no workload"):
        made(*rows, demand=[{"gpus": 1}])


def test_demand_of_mig_instances() -> None:
    cut = {"gpu_memory_mib": 81559, "mig_slices": 7}
    has = {"gpus": 1, "mig_profile": "1g.10gb", "project": "chat"}
    rows = [{**node("a"), **cut}, {**node("b"), "gpu_memory_mib": 81559}, work("job/1", copies=3, **has)]
    built = made(*rows, demand=[{"name": "forecast/chat", "copies": 5, **has}])
    assert works_of(built)["forecast/chat"]["copies"] == 2
    for wrong in ({"mig_slices": [7]}, {"mig_slices": 7, "gpu_memory_mib": "80 GB"}):
        with pytest.raises(ProblemError, match=r"nodes\[a\]\.(mig_slices|gpu_memory_mib): expected integer"):
            made(*rows, demand=[{"name": "forecast/chat", "copies": 5, **has}], site={"nodes": {"a": wrong}})


def test_several_engines() -> None:
    halves = work("x/deployment/c", copies=3, running_on=["s1", "k1"], unplanned_copies=1)
    pods = state(node("k1"), node("s1"), work("x/pod/a", running_on=["s1"]), work("x/pod/b", after=["x/pod/a"]), halves)
    states = {"engine": state(node("s1"), node("k1"), work("job/1"), notes=("It rains.",)), "pods": pods}
    built = build(Sources(states=states, chosen={"k1": "pods"}, at=NOW, now=NOW))
    assert {name: row["engine"] for name, row in nodes_of(built).items()} == {"s1": "engine", "k1": "pods"}
    assert {row["engine"] for name, row in works_of(built).items() if name.startswith("pods:")} == {"pods"}
    assert not any("engine" in row for row in nodes_of(made(node("s1"))).values()), "where there is one, nobody asks"
    other = works_of(built)["pods:x/deployment/c"]
    assert (other["copies"], other["running_on"], other["unplanned_copies"]) == (2, ["k1"], 2)
    assert set(built.handles) == {"job/1", "pods:x/pod/b", "pods:x/deployment/c"}, "what runs on s1 is not planned here"
    assert built.handles["pods:x/pod/b"]["engine"] == "pods" and built.notes[0] == "It rains."
    assert "are in pods, but belong to another engine by the settings file: s1" in notes_of(built)


def test_measured_power() -> None:
    rows = [node("a"), node("b"), node("c", 0), node("d", model="l40s")]
    measured = Measured({"a": 900.0, "d": 400.0}, {"h100": 520.0}, {"h100": 70.0})
    built = made(*rows, measured=measured, site={"nodes": {"d": {"idle_watts": 1.0}}})
    nodes = nodes_of(built)
    assert [nodes[name].get("idle_watts") for name in "abcd"] == [900.0, 900.0, None, 1.0]
    assert [nodes[name].get("gpu_watts") for name in "abcd"] == [520.0, 520.0, None, None]
    assert [nodes[name].get("gpu_idle_watts") for name in "abcd"] == [70.0, 70.0, None, None]
    assert "no power reading of their own; that of like nodes was taken: b" in notes_of(built)
    assert "whose power nobody measures; they count as drawing nothing: d" in notes_of(built)


def test_what_prometheus_is_asked() -> None:
    class Server:
        asked: list[str] = []  # noqa: RUF012

        def samples(self, expr: str, time: float | None = None) -> list[Sample]:
            self.asked.append(expr)
            if "modelName" in expr:
                busy = 1.0 if "0.95" in expr else 0.1
                pairs = [("NVIDIA H100 80GB HBM3", 500.0), ("NVIDIA H100 PCIe", 300.0), ("NVIDIA L4", math.nan)]
                pairs = [(model, value * busy) for model, value in pairs]
                return [Sample({"modelName": model}, value, 0.0) for model, value in pairs]
            return [
                Sample({"instance": name}, value, 0.0) for name, value in (("a:9100", 900.0), ("b", -1.0), ("c", 7.0))
            ]

    found = measure(Server(), 3600)
    assert found == Measured({"a": 900.0, "c": 7.0}, {"h100": 400.0}, {"h100": 40.0})
    assert all("[3600s]" in expr for expr in Server.asked)


def test_the_reserve_for_failures() -> None:
    rows = [{**node(f"n{at}"), "rack": f"r{at // 40}"} for at in range(80)]
    remarks = Remarks()
    # 40 like nodes * 39.5 failures / (80 nodes * 100 days) * 2 days = 0.395; P(0) + P(1) = 0.940, with P(2) 0.992.
    assert reserve_per_rack(rows, History(39, 100.0, 2.0), remarks) == 2
    assert "39 failures of 80 nodes in 100 days, each away for 48 hours" in remarks.sentences()[0]
    assert reserve_per_rack(rows, History(0, 100.0, 0.0), Remarks()) == 0
    assert reserve_per_rack(rows[:1], History(900, 1.0, 30.0), remarks) == 1, "no more than there are"
    assert "leaves all nodes of a kind free" in remarks.sentences()[-1]
    assert made(*rows, history=History(39, 100.0, 2.0)).problem["policy"] == {"reserve_per_rack": 2}


def test_quantiles_of_poisson() -> None:
    """Against sums of the distribution that were worked out by hand: P(0) = e^-m, P(1) = m e^-m, …"""
    assert [poisson_quantile(mean, 0.95) for mean in (0.0, 0.05, 0.06, 1.0, 3.0)] == [0, 0, 1, 3, 6]
    assert abs(poisson_quantile(499.0, 0.95) - poisson_quantile(501.0, 0.95)) <= 4


def test_a_history_of_cases() -> None:
    cases = [
        {"opened_at": NOW - 10 * DAY, "closed_at": NOW - 8 * DAY, "state": "returned"},
        {"opened_at": NOW - 4 * DAY, "closed_at": None, "state": "held"},
        {"opened_at": NOW - 3 * DAY, "closed_at": NOW, "state": "observed"},
        {"opened_at": NOW - 99 * DAY, "closed_at": NOW, "state": "returned"},
    ]
    assert read_history({"days": 30, "cases": cases}, NOW) == History(2, 30.0, 3.0)
    assert read_history({"days": 30, "failures": 4, "repair_hours": 12, "confidence": 0.99}, NOW) == History(
        4, 30, 0.5, 0.99
    )
    for data, message in (
        ({"days": 30}, "needs cases, or failures"),
        ({"days": 0, "cases": []}, "failures.days has to be a number from 0.01 on"),
        ({"days": math.nan, "cases": []}, "failures.days"),
        ({"days": 1, "cases": [7]}, r"failures.cases\[0\] is no case"),
        ({"days": 1, "cases": "x"}, "failures.cases has to be a list"),
        ({"days": 1, "failures": -1, "repair_hours": 1}, "failures.failures"),
        ({"days": 1, "failures": 1, "repair_hours": 1, "confidence": 1.5}, "above 0 and below 1"),
    ):
        with pytest.raises(SourceError, match=message):
            read_history(data, NOW)


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"node": {}}, "site.node: no such key; known are feeds, maintenance"),
        ({"nodes": []}, "site.nodes has to be a dictionary"),
        ({"projects": {}}, "site.projects has to be a list"),
        ({"power_curves": {}}, "site.power_curves has to be a list"),
        ({"nodes": {"a": 7}}, r"site.nodes\[a\]: has to be a name or pattern"),
        ({"workloads": {"job/1": {"copies": 2}}}, r"site.workloads\[job/1\].copies: that is what the scheduler says"),
        ({"maintenance": [{"node": "a", "start": 1}]}, r"maintenance\[0\]: needs node, start and end; end is missing"),
        ({"maintenance": [{"node": "a", "start": 5, "end": 5}]}, "not after its start"),
        ({"maintenance": [{"node": "a", "start": "soon", "end": 5}]}, r"maintenance\[0\].start: 'soon' is not a time"),
        ({"maintenance": ["a"]}, r"maintenance\[0\]: needs node"),
    ],
)
def test_a_site_that_is_wrong(site: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        made(node("a"), work("job/1"), site=site)


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"nodes": {"a": {"price": 3}}}, r"nodes\[a\].price: no such key"),
        ({"nodes": {"a": {"idle_watts": math.nan}}}, r"nodes\[a\].idle_watts"),
        ({"policy": {"objectives": ["luck"]}}, "none of"),
        ({"offers": ["x"]}, "offers"),
        ({"projects": ["x"]}, "projects"),
        ({"power_curves": ["x"]}, "power_curves"),
        ({"workloads": {"job/1": {"latency_class": "soon"}}}, r"workloads\[job/1\].latency_class: 'soon' is none of"),
    ],
)
def test_values_that_the_problem_refuses(site: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        made(node("a"), work("job/1"), site=site)


def test_a_large_fleet_with_one_matter_is_one_note() -> None:
    rows = [node(f"n{at}") for at in range(3000)]
    built = made(*rows)
    assert len(built.notes) == 2 and "n0, n1, n2, n3, n4 and 2995 more." in built.notes[0]
    assert len(read_problem(built.problem).nodes) == 3000

# Tests of what the inventory asks Prometheus and makes of the answers, with answers that are written here.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.answers import Sample, Target
from ansible_collections.aidc.ops.plugins.plugin_utils._prometheus_fleet import (
    Fleet,
    Question,
    read_fleet,
    without_port,
)

LABELS = {"aidc_ops_rack": "rack", "aidc_ops_leaf": "leaf"}


def s(value: float = 1, **labels: str) -> Sample:
    return Sample(labels, value, 0.0)


PARTS = {"up": "(up{", "gpus": "count by (instance, model)", "problems": "count by (instance, problem)"}


class Client:
    """Answers with the first list whose name, or the part of an expression that it stands for, is in the expression."""

    def __init__(self, targets: list[Target] | None = None, **answers: list[Sample]) -> None:
        self.found, self.answers, self.asked = targets or [], answers, []

    def samples(self, expr: str) -> list[Sample]:
        self.asked.append(expr)
        return next((answer for part, answer in self.answers.items() if PARTS.get(part, part) in expr), [])

    def targets(self) -> list[Target]:
        return self.found


def read(question: Question | None = None, **answers: t.Any) -> dict[str, dict[str, t.Any]]:
    client: t.Any = Client(**answers)
    fleet = read_fleet(client, question or Question(label_variables=LABELS))
    return {host.name: host.variables for host in fleet.hosts()}


def test_nothing_is_known_but_the_host() -> None:
    assert read(up=[s(instance="gpu1", job="node_exporter")]) == {
        "gpu1": {
            "aidc_ops_node_id": None,
            "aidc_ops_gpu_model": None,
            "aidc_ops_gpu_models": None,
            "aidc_ops_gpu_count": None,
            "aidc_ops_gpu_problems": None,
            "aidc_ops_state": "up",
            "aidc_ops_alerts": [],
        }
    }


def test_the_targets_of_a_host_are_one() -> None:
    hosts = read(
        up=[
            s(1, instance="gpu1:9100", job="node_exporter", rack="r1"),
            s(0, instance="gpu1:9400", job="gpu_exporter", rack="r1", leaf="l1"),
            s(0, instance="gpu2:9100", job="node_exporter"),
        ]
    )
    assert list(hosts) == ["gpu1", "gpu2"]
    assert (hosts["gpu1"]["aidc_ops_state"], hosts["gpu2"]["aidc_ops_state"]) == ("partial", "down")
    assert (hosts["gpu1"]["aidc_ops_rack"], hosts["gpu1"]["aidc_ops_leaf"]) == ("r1", "l1")
    assert "aidc_ops_rack" not in hosts["gpu2"], "it would hide a group's variable"


def test_labels_that_disagree_are_told() -> None:
    client: t.Any = Client(up=[s(instance="a", job="x", rack="r1"), s(instance="a", job="y", rack="r2")])
    fleet = read_fleet(client, Question(label_variables=LABELS))
    assert fleet.variables["a"]["aidc_ops_rack"] == "r1"
    assert fleet.disagreeing == ["rack of a is r1 and r2"]


def test_gpus() -> None:
    hosts = read(
        up=[s(instance=name, job="x") for name in ("full", "mixed", "none", "slow", "amd", "dark")],
        gpus=[
            s(8, instance="full", model="NVIDIA H100"),
            s(2, instance="mixed", model="B"),
            s(6, instance="mixed", model="A"),
            s(0, instance="none"),
            s(1, instance="slow", model=""),
            s(4, instance="amd", model="MI300X", source="record"),
            s(8, instance="not a host of ours", model="A"),
        ],
    )
    seen = {
        name: (v["aidc_ops_gpu_count"], v["aidc_ops_gpu_model"], v["aidc_ops_gpu_models"]) for name, v in hosts.items()
    }
    assert seen == {
        "full": (8, "NVIDIA H100", {"NVIDIA H100": 8}),
        "mixed": (8, "A", {"A": 6, "B": 2}),
        "none": (0, None, {}),
        "slow": (1, None, {"unknown": 1}),
        "amd": (4, "MI300X", {"MI300X": 4}),
        "dark": (None, None, None),
    }
    problems = {name: variables["aidc_ops_gpu_problems"] for name, variables in hosts.items()}
    assert problems == {"full": {}, "mixed": {}, "none": {}, "slow": {}, "amd": None, "dark": None}


def test_problems() -> None:
    hosts = read(
        up=[s(instance="a", job="x"), s(instance="b", job="x")],
        problems=[s(2, instance="a", problem="lost"), s(1, instance="a", problem="row_remap_pending")],
    )
    assert hosts["a"]["aidc_ops_gpu_problems"] == {"lost": 2, "row_remap_pending": 1}
    assert hosts["b"]["aidc_ops_gpu_problems"] is None


def test_alerts() -> None:
    firing = {"__name__": "ALERTS", "alertstate": "firing", "alertname": "GpuFellOffBus"}
    hosts = read(
        up=[s(instance="a", job="x"), s(instance="b", job="x")],
        ALERTS=[s(instance="a", **firing, severity="critical"), s(instance="other", **firing), s(**firing)],
    )
    assert hosts["a"]["aidc_ops_alerts"] == [{"alertname": "GpuFellOffBus", "severity": "critical"}]
    assert hosts["b"]["aidc_ops_alerts"] == []


def test_node_ids() -> None:
    hosts = read(up=[s(instance="a", job="x")], aidc_ops_hardware_info=[s(instance="a", node_id="dmi:S1")])
    assert hosts["a"]["aidc_ops_node_id"] == "dmi:S1"


def test_two_nodes_with_one_name_are_an_error() -> None:
    ids = [s(instance="a", node_id="dmi:S1"), s(instance="a:9100", node_id="dmi:S2")]
    with pytest.raises(PrometheusError, match="two nodes share"):
        read(up=[s(instance="a", job="x")], aidc_ops_hardware_info=ids)


def test_series_of_the_persons_own() -> None:
    series = ({"variable": "kernel", "query": "own1", "label": "version"}, {"variable": "load", "query": "own2"})
    hosts = read(
        Question(read=(), series=series),
        up=[s(instance="a", job="x"), s(instance="b", job="x")],
        own1=[s(instance="a", version="6.1"), s(instance="other", version="x")],
        own2=[s(float("nan"), instance="a"), s(1.5, instance="b")],
    )
    assert (hosts["a"]["kernel"], hosts["a"]["load"]) == ("6.1", "NaN")
    assert (hosts["b"]["kernel"], hosts["b"]["load"]) == (None, 1.5)


def test_two_values_for_one_host_are_an_error() -> None:
    series = ({"variable": "load", "query": "own"},)
    with pytest.raises(PrometheusError, match="more than one"):
        read(Question(series=series), up=[s(instance="a", job="x")], own=[s(instance="a"), s(instance="a", x="y")])


# --- Who is a host ---------------------------------------------------------------------------------------------------


def target(job: str, instance: str, health: str = "up", address: str = "10.0.0.1:9100", **labels: str) -> Target:
    return Target(
        {"job": job, "instance": instance, **labels}, {"__address__": address}, f"http://{address}", health, ""
    )


def test_hosts_from_targets() -> None:
    hosts = read(
        Question(hosts_from=("targets",), jobs=("node_exporter",), label_variables=LABELS),
        targets=[
            target("node_exporter", "gpu1", rack="r1"),
            target("node_exporter", "gpu2", "down", "gpu2:9100"),
            target("node_exporter", "gpu3", "unknown", "[2001:db8::3]:9100"),
            target("other", "x"),
        ],
    )
    assert list(hosts) == ["gpu1", "gpu2", "gpu3"]
    assert [v["aidc_ops_state"] for v in hosts.values()] == ["up", "down", None]
    assert [v.get("ansible_host") for v in hosts.values()] == ["10.0.0.1", None, "2001:db8::3"]
    assert hosts["gpu1"]["aidc_ops_rack"] == "r1"


@pytest.mark.parametrize("address", ["-oProxyCommand=x:1", "a b:1", "{{ 1 }}:9100", "fe80::1%eth0/../x", "a;b"])
def test_an_address_that_is_none_is_an_error(address: str) -> None:
    with pytest.raises(PrometheusError, match="not the address of a host"):
        read(Question(hosts_from=("targets",)), targets=[target("node_exporter", "gpu1", address=address)])


def test_hosts_from_a_query() -> None:
    question = Question(hosts_from=("query",), hosts_query="mine", host_label="node", read=())
    hosts = read(question, mine=[s(node="n1"), s(node="n2", instance="x")])
    assert list(hosts) == ["n1", "n2"]
    assert hosts["n1"]["aidc_ops_state"] is None


def test_a_series_without_the_label_is_an_error() -> None:
    question = Question(hosts_from=("query",), hosts_query="mine", host_label="node")
    with pytest.raises(PrometheusError, match="without the label node"):
        read(question, mine=[s(node="n1"), s(instance="x")])
    with pytest.raises(PrometheusError, match="no label node"):
        read(Question(hosts_from=("targets",), host_label="node"), targets=[target("node_exporter", "x")])


def test_all_sources_together() -> None:
    question = Question(hosts_from=("up", "targets", "query"), hosts_query="mine", read=())
    hosts = read(
        question, up=[s(instance="a", job="x")], mine=[s(instance="b")], targets=[target("node_exporter", "c")]
    )
    assert list(hosts) == ["a", "b", "c"]


# --- What is asked ---------------------------------------------------------------------------------------------------


def test_only_what_is_wanted_is_asked() -> None:
    assert set(Question(read=()).queries()) == {"up"}
    assert set(Question().queries()) == {"up", "gpus", "problems", "alerts", "node_id"}
    assert set(Question(read=("alerts",)).queries()) == {"up", "alerts"}


def test_jobs_and_labels_are_quoted() -> None:
    query = Question(jobs=('a"b', "c.d|e\\"), label_variables=LABELS, host_label="node").queries()["up"]
    assert query == r"""max by (node, job, rack, leaf) (up{job=~"a\"b|c\\.d\\|e\\\\",node!=""})"""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"host_label": 'x"}'}, "not the name of a label"),
        ({"host_label": "1x"}, "not the name of a label"),
        ({"label_variables": {"x": "a-b"}}, "not the name of a label"),
        ({"label_variables": {"x-y": "a"}}, "not the name of a variable"),
        ({"series": ({"variable": "x y", "query": "up"},)}, "not the name of a variable"),
        ({"series": ({"query": "up"},)}, "not the name of a variable"),
        ({"series": ({"variable": "x"},)}, "no query"),
        ({"hosts_from": ("query",)}, "hosts_query"),
        ({"jobs": ()}, "jobs is empty"),
    ],
)
def test_options_that_cannot_be(options: dict[str, t.Any], says: str) -> None:
    with pytest.raises(PrometheusError, match=says):
        read(Question(**options))


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("gpu1:9100", "gpu1"),
        ("gpu1", "gpu1"),
        ("10.0.0.1:9100", "10.0.0.1"),
        ("[2001:db8::1]:9100", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("gpu1:", "gpu1:"),
        ("gpu1:x", "gpu1:x"),
        ("", ""),
        (":9100", ""),
    ],
)
def test_ports_are_left_out(address: str, host: str) -> None:
    assert without_port(address) == host


def test_names_may_keep_their_port() -> None:
    fleet = Fleet(Question(strip_port=False))
    fleet.add_up([s(instance="gpu1:9100", job="x")])
    assert fleet.hosts()[0].name == "gpu1:9100"

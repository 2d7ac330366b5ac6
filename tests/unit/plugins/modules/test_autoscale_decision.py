# Tests of the module autoscale_decision on stand-ins of Prometheus and of the API server.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.options import ARGUMENTS
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.modules import autoscale_decision
from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus, sample, vector
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._resize.services import (
    Services,
    container,
    service,
)

Call = Callable[..., dict[str, Any]]


def flat(value: Any, points: int = 1000) -> Callable[[dict[str, str]], dict[str, Any]]:
    """A range query's answer: the value at the last so many of the points asked for."""

    def answer(parameters: dict[str, str]) -> dict[str, Any]:
        start, end, step = (float(parameters[name]) for name in ("start", "end", "step"))
        moments = [start + step * place for place in range(round((end - start) / step) + 1)]
        moments = moments[max(0, len(moments) - points) :]
        values = [[moment, str(value)] for moment in moments]
        return {"resultType": "matrix", "result": [{"metric": {}, "values": values}] if values else []}

    return answer


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with FakePrometheus() as server:
        server.queries["load"] = flat(96)
        yield server


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Services:
    made = Services(deployments=service(3, container(limits={"nvidia.com/gpu": "4"}), container("log")))
    monkeypatch.setattr(
        autoscale_decision, "open_addressed", lambda _settings, name, dry_run: (KubernetesEngine(made, dry_run), name)
    )
    return made


@pytest.fixture
def decide(call: Call, fake: FakePrometheus, api: Services) -> Call:
    def do(**arguments: Any) -> dict[str, Any]:
        given = {"workload": "models/deployment/chat", "query": "load", "target": 20, "maximum": 12, "timeout": 60}
        return call(autoscale_decision.main, **{"url": fake.url, **given, **arguments})

    return do


def test_up(decide: Call, fake: FakePrometheus, api: Services) -> None:
    answer = decide()
    assert (answer["action"], answer["current"], answer["replicas"], answer["most"]) == ("up", 3, 5, 12)
    assert (answer["load"], answer["wanted"], answer["ready"], answer["blind"]) == (96.0, 5, 3, False)
    assert answer["changed"] is False and api.patches() == []
    (asked,) = fake.asked("query_range")
    assert abs(float(asked["end"]) - time.time()) < 60 and asked["step"] == "30.000"
    assert float(asked["end"]) - float(asked["start"]) == 420, "the window and what may be missing before it"
    assert (decide(max_gpus=16)["replicas"], decide(max_gpus=16, gpus_per_replica=3.2)["replicas"]) == (4, 5)


def test_down_only_when_all_is_known(decide: Call, fake: FakePrometheus, api: Services) -> None:
    fake.queries["load"] = flat(15)
    assert decide()["replicas"] == 2
    fake.queries["load"] = flat(15, points=5)
    assert decide()["replicas"] == 3
    fake.queries["load"] = flat(15)
    fake.queries["count"] = vector(sample(2))
    assert "only 2 of 3 replicas report" in decide(reporting_query="count(x)")["reason"]
    fake.queries["count"] = vector()
    assert "only 0 of 3 replicas report" in decide(reporting_query="count(x)")["reason"]
    fake.queries["count"] = vector(sample(3))
    assert decide(reporting_query="count(x)")["replicas"] == 2
    api.workload()["metadata"]["annotations"] = {"aidc.ops/scaled-up-at": str(int(time.time()) - 10)}
    assert decide()["replicas"] == 3
    api.workload()["metadata"]["annotations"] = {"aidc.ops/scaled-down-at": "{{ 7 * 7 }}"}
    assert "aidc.ops/scaled-down-at is no time" in decide()["reason"]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-3"])
def test_values_that_are_none(decide: Call, fake: FakePrometheus, value: str) -> None:
    fake.queries["load"] = flat(value)
    answer = decide()
    assert (answer["action"], answer["blind"], answer["load"]) == ("hold", True, None)


def test_a_server_that_says_nothing(decide: Call, fake: FakePrometheus) -> None:
    fake.queries["load"] = flat(1, points=0)
    answer = decide()
    assert (answer["action"], answer["replicas"], answer["blind"]) == ("hold", 3, True)
    assert "there are no values" in answer["reason"]
    fake.status = 503
    assert "503" in decide()["reason"]
    fake.status, fake.body = 200, b"<html>"
    assert decide()["action"] == "hold"
    fake.body, fake.warnings = None, ["a store did not answer"]
    fake.queries["load"] = flat(1)
    assert decide()["action"] == "hold", "a part may be missing"
    assert decide(url="http://127.0.0.1:1")["action"] == "hold"


def test_a_forecast(decide: Call, fake: FakePrometheus) -> None:
    fake.queries["load"] = flat(55)
    begin = time.time() - 60
    row = {"name": "total", "quantiles": {"0.9": [55.0, 95.0]}}
    forecast = {"times": [begin, begin + 300], "step_seconds": 300, "series": [], "projects": [], "total": row}
    assert decide()["replicas"] == 3
    assert decide(forecast=forecast, startup="5m")["replicas"] == 5
    late = decide(forecast=forecast, startup="1h")
    assert late["replicas"] == 3 and late["notes"] == [
        "without a forecast: the forecast does not reach from now to 3600 s ahead"
    ]
    fake.queries["load"] = flat(1)
    assert decide(forecast={})["replicas"] == 3, "a forecast that was asked for and is not there"
    assert decide()["replicas"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 0}, "target is 0"),
        ({"target": "nan"}, "target is nan"),
        ({"maximum": 0}, "minimum is 1 and maximum 0"),
        ({"stabilisation": "soon"}, "stabilisation: 'soon' is not a duration"),
        ({"cooldown_up": "-5m"}, "cooldown_up: '-5m' is not a duration"),
        ({"max_gpus": 3}, "the budget of GPUs allows 0 replicas, and minimum is 1"),
        ({"gpus_per_replica": "nan", "max_gpus": 4}, "gpus_per_replica is nan"),
        ({"workload": "models/deployment/none"}, "no deployment 'none'"),
        ({"workload": "12"}, "not namespace/kind/name"),
        ({"url": "ftp://x"}, "ftp://x"),
        ({"forecast": {}, "measure": "per_replica"}, "a forecast is of the whole service"),
        ({"forecast": {}, "forecast_quantile": 1}, "forecast_quantile is 1"),
    ],
)
def test_what_makes_no_sense(decide: Call, arguments: dict[str, Any], message: str) -> None:
    answer = decide(**arguments)
    assert answer["failed"] and message in answer["msg"]
    assert answer["msg"].startswith("Nothing was decided about ")


def test_several_series_are_an_error(decide: Call, fake: FakePrometheus) -> None:
    twice = flat(1)({"start": "0", "end": "60", "step": "30"})
    twice["result"] = [{**twice["result"][0], "metric": {"pod": pod}} for pod in ("a", "b")]
    fake.queries["load"] = twice
    assert "query gives 2 series; make one of them" in decide()["msg"]
    fake.queries["load"] = flat(1)
    fake.queries["count"] = vector(sample(1, pod="a"), sample(1, pod="b"))
    assert "reporting_query gives 2 series" in decide(reporting_query="count(x)")["msg"]


def test_a_service_that_is_switched_off(decide: Call, api: Services) -> None:
    api.workload()["spec"]["replicas"] = 0
    answer = decide()
    assert (answer["action"], answer["replicas"], answer["blind"]) == ("hold", 0, False)


def test_slurm_has_no_services(decide: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        autoscale_decision, "open_addressed", lambda _settings, name, dry_run: (SlurmEngine("a", "b", 1), name)
    )
    assert "only services of Kubernetes are scaled" in decide()["msg"]


def test_the_documentation_has_the_options() -> None:
    documented = yaml.safe_load(autoscale_decision.DOCUMENTATION)["options"]
    for name, spec in ARGUMENTS.items():
        shown = {
            key: documented[name][key] for key in ("type", "default", "choices", "required") if key in documented[name]
        }
        assert shown == spec, name

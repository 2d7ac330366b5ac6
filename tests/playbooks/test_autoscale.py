# Runs the playbook autoscale against stand-ins of Prometheus and of a Kubernetes API server.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.tests.fakes.kubernetes import FakeKubernetes
from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus
from ansible_collections.aidc.ops.tests.playbooks.console import Console
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._resize.services import (
    Services,
    container,
    service,
)

APPS = "/apis/apps/v1/namespaces/models/deployments/"
NAMES = ("chat", "code", "blind", "speech")


def steady(parameters: dict[str, str], load: float) -> dict[str, Any]:
    """The same load all the time that is asked for."""
    start, end, step = (float(parameters[name]) for name in ("start", "end", "step"))
    values = [[start + step * place, str(load)] for place in range(round((end - start) / step) + 1)]
    return {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}


class Site:
    """Four services of three replicas: one wants more, one fewer, one shows no load, one will want more soon."""

    def __init__(self, folder: Path, prometheus: FakePrometheus) -> None:
        self.prometheus = prometheus
        self.api = Services()
        for name in NAMES:
            self.api.put(APPS + name, copy.deepcopy(service(3, container(limits={"nvidia.com/gpu": "2"}))))
        prometheus.queries["chat"] = lambda parameters: steady(parameters, 96)
        prometheus.queries["code"] = lambda parameters: steady(parameters, 15)
        prometheus.queries["speech"] = self._rising
        self.console = Console(folder)
        self.kubernetes = FakeKubernetes(self.api)
        settings = json.loads(self.console.controller.config.read_text())
        settings["engines"] = {
            "inference": {"kind": "kubernetes", "kubeconfig": str(self.kubernetes.kubeconfig(folder))}
        }
        self.console.controller.config.write_text(json.dumps(settings))
        self.services = [
            {"workload": f"inference:models/deployment/{name}", "query": name, "target": 20, "maximum": 12}
            for name in NAMES
        ]
        self.services[-1] |= {
            "forecast": {"start": "-7d", "step": "1h", "horizon": "4h", "model": "seasonal_naive"},
            "startup": "2h",
        }

    def run(self, *arguments: str, **variables: Any) -> tuple[int, list[str]]:
        """The exit status and the table, with the rest of the output behind it."""
        given = {"autoscale_services": self.services, "autoscale_prometheus_url": self.prometheus.url, **variables}
        status, output = self.console.run("autoscale", *arguments, **given)
        table = output.partition("[Show what was decided]")[2].partition("TASK [")[0]
        return status, [*re.findall(r'^\s+"(.*?)",?$', table, re.MULTILINE), output]

    def replicas(self) -> dict[str, int]:
        return {name: self.api.objects[APPS + name]["spec"]["replicas"] for name in NAMES}

    @staticmethod
    def _rising(parameters: dict[str, str]) -> dict[str, Any]:
        """45, but 95 in the next two hours of each day before."""
        answer = steady(parameters, 45)
        begin = time.time()
        for point in answer["result"][0]["values"]:
            if (point[0] - begin) % 86400 < 7200:
                point[1] = "95"
        return answer


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with FakePrometheus() as prometheus:
        made = Site(tmp_path, prometheus)
        with made.kubernetes:
            yield made


def outcomes(table: list[str]) -> dict[str, str]:
    """The words about each service, without the last column."""
    rows = [re.split(r"\s{2,}", line) for line in table[1:-1]]
    return {row[0].rpartition("/")[2]: " ".join(row[1:4]) for row in rows}


def test_four_steps(site: Site) -> None:
    status, table = site.run("--check")
    assert status == 0, table[-1]
    assert outcomes(table) == {
        "chat": "3 5 would go up",
        "code": "3 2 would go down",
        "blind": "3 3 blind",
        "speech": "3 5 would go up",
    }, table[-1]
    assert set(site.replicas().values()) == {3} and not site.api.patches(), "check mode changes nothing"

    status, table = site.run()
    assert status == 0, table[-1]
    assert site.replicas() == {"chat": 5, "code": 2, "blind": 3, "speech": 5}
    assert "load 96 at 20 a replica: it gets 5 replicas" in table[1]
    assert "there are no values: it keeps its 3 replicas" in table[3] and "[WARNING]" in table[-1]
    assert "foretold for the next 7200 s" in table[4]

    for arguments in ((), ("--check",)):
        status, table = site.run(*arguments)
        assert status == 0, table[-1]
        assert set(outcomes(table).values()) == {"5 5 kept", "2 2 kept", "3 3 blind"}
    assert site.replicas() == {"chat": 5, "code": 2, "blind": 3, "speech": 5}


def test_one_that_fails_does_not_keep_the_others(site: Site) -> None:
    site.services = [
        {**site.services[0], "workload": "inference:models/deployment/gone"},
        {**site.services[2], "maximum": 0, "workload": "inference:models/deployment/chat"},
        {**site.services[1], "query": "nothing"},
        {**site.services[1], "workload": "inference:models/deployment/speech"},
    ]
    status, table = site.run()
    assert status != 0
    assert "gone, inference:models/deployment/chat could not be looked after" in table[-1]
    assert outcomes(table) == {
        "gone": "? ? failed",
        "chat": "? ? failed",
        "code": "3 3 blind",
        "speech": "3 2 went down",
    }
    assert "no deployment 'gone'" in table[1]
    assert site.replicas() == {"chat": 3, "code": 3, "blind": 3, "speech": 2}


def test_without_a_server_nothing_shrinks(site: Site) -> None:
    status, table = site.run(autoscale_prometheus_url="http://127.0.0.1:1")
    assert status == 0, table[-1]
    assert set(outcomes(table).values()) == {"3 3 blind"} and set(site.replicas().values()) == {3}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"autoscale_prometheus_url": None}, "Set autoscale_prometheus_url to the address"),
        ({"autoscale_services": [{"query": "x"}]}, "each with workload, query, target and maximum"),
        ({"autoscale_services": [{"workload": "a"}, {"workload": "a"}]}, "and each workload once"),
    ],
)
def test_variables_that_are_wrong(site: Site, variables: dict[str, Any], message: str) -> None:
    status, table = site.run(**variables)
    assert status != 0 and message in " ".join(table[-1].split())

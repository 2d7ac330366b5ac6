# Reaches the nodes of the scenario from outside and asks Prometheus, Alertmanager and the exporters.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from typing import Any

import testinfra
from prometheus_client.parser import text_string_to_metric_families
from waiting import wait_for

MON = testinfra.get_host("podman://aidc-monitoring-mon")
GPU1 = testinfra.get_host("podman://aidc-monitoring-gpu1")


def run(host: Any, command: str) -> str:
    """Standard output of a command that has to succeed."""
    done = host.run(command)
    assert done.rc == 0, f"{command}: {done.stdout}{done.stderr}"
    return str(done.stdout)


# Where the roles have placed a node's own certificate. As a client, any of the same authority will do.
CERTIFICATE = "/etc/prometheus/web/prometheus-node-exporter"


def curl(host: Any, url: str, *options: str, seconds: int = 5) -> str:
    """What a server answers to a node that shows its certificate and checks the server's."""
    access = f"--cacert {CERTIFICATE}/ca.crt --cert {CERTIFICATE}/tls.crt --key {CERTIFICATE}/tls.key"
    return run(host, f"curl -sS --fail --max-time {seconds} {access} {shlex.join([*options, url])}")


def prometheus(path: str) -> Any:
    return json.loads(curl(MON, f"https://127.0.0.1:9090/api/v1/{path}"))["data"]


def query(expression: str) -> list[dict[str, Any]]:
    """Samples of an instant query, as [{labels, value}]."""
    answer = curl(MON, "https://127.0.0.1:9090/api/v1/query", "--data-urlencode", f"query={expression}")
    result = json.loads(answer)["data"]["result"]
    return [{"labels": sample["metric"], "value": float(sample["value"][1])} for sample in result]


def active_alerts(name: str) -> list[dict[str, Any]]:
    """The active alerts of this name as Alertmanager's API gives them to the loop."""
    found = json.loads(curl(MON, "https://127.0.0.1:9093/api/v2/alerts?active=true"))
    return [alert for alert in found if alert["labels"]["alertname"] == name and alert["status"]["state"] == "active"]


def alertmanager(host: Any, path: str, *options: str) -> Any:
    """What the Alertmanager of a node answers, asked from the node of Prometheus."""
    address = {MON.backend.name: "127.0.0.1", GPU1.backend.name: "gpu1"}[host.backend.name]
    return json.loads(curl(MON, f"https://{address}:9093/api/v2/{path}", *options) or "null")


def metrics(host: Any, address: str) -> list[Any]:
    """All samples that an exporter serves."""
    text = curl(host, f"https://{address}/metrics", seconds=15)
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def assert_refused(host: Any, arguments: str) -> None:
    """That somebody is there (7: nobody, 28: no answer), and does not let curl in."""
    done = host.run(f"curl -s --max-time 10 {arguments}")
    assert (done.rc in (0, 7, 28), done.stdout) == (False, "")


def answers(host: Any, address: str) -> bool:
    """Whether an exporter serves its metrics just now."""
    try:
        return bool(metrics(host, address))
    except AssertionError:
        return False


def seconds_until(condition: Callable[[], Any], limit: float, what: str) -> float:
    """How long it took until the condition was true; printed, since it is what the documentation promises."""
    start = time.monotonic()
    wait_for(condition, limit, what)
    taken = time.monotonic() - start
    print(f"measured: {what}: {taken:.1f} s")
    return taken

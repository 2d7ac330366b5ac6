# The log pipeline seen from outside: who may send, what arrives, what waits.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Testinfra tests of the scenario logs."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
import testinfra
from waiting import wait_for

SENDER, COLLECTOR = "aidc-ops-log-sender", "aidc-ops-log-collector"


@pytest.fixture(scope="module")
def collector() -> Any:
    return testinfra.get_host("podman://aidc-logs-logs")


@pytest.fixture(scope="module")
def node() -> Any:
    return testinfra.get_host("podman://aidc-logs-gpu1")


def found(collector: Any, text: str, *options: str) -> list[dict[str, Any]]:
    command = "aidc-logs --json --since 10m --limit 5000 --text %s" + " %s" * len(options)
    return list(json.loads(collector.check_output(command, text, *options)))


def arrived(collector: Any, text: str, seconds: float = 30) -> dict[str, Any]:
    return dict(wait_for(lambda: found(collector, text), seconds, f"a line with {text}")[0])


def test_a_line_of_a_node_arrives_masked(node: Any, collector: Any) -> None:
    mark = uuid.uuid4().hex
    line = f"{mark} user=alice from 203.0.113.9 password=hunter2 project-apollo ' \" %s {{{{ 7 * 7 }}}}"
    node.check_output("logger -t trainer -p user.err -- %s", line)
    row = arrived(collector, mark)
    assert (row["node"], row["program"], row["severity"]) == ("gpu1", "trainer", "err")
    assert not [word for word in ("alice", "203.0.113.9", "hunter2", "apollo") if word in row["line"]]
    assert "[user:" in row["line"] and "[ip:" in row["line"] and "[project:" in row["line"]
    assert row["line"].endswith("' \" %s {{ 7 * 7 }}")


def test_collector_sends_its_own_lines_with_the_same_marks(node: Any, collector: Any) -> None:
    mark = uuid.uuid4().hex
    for host in (node, collector):
        host.check_output("logger -t test -- %s", f"{mark} user=alice")
    wait_for(lambda: len(found(collector, mark)) == 2, 30, "a line of both nodes")
    rows = found(collector, mark)
    assert {row["node"] for row in rows} == {"gpu1", "logs"} and len({row["line"] for row in rows}) == 1


def test_who_shows_no_certificate_is_refused(node: Any, collector: Any) -> None:
    mark = uuid.uuid4().hex
    body = json.dumps({"node": "gpu1", "line": mark})
    frames = f"1 open 0\n2 syslog {len(body)} {body}\n"
    node.run("(printf %%s %s; sleep 2) | openssl s_client -quiet -connect logs:20515", frames)
    assert found(collector, mark) == []


def test_lines_wait_while_the_collector_is_down(node: Any, collector: Any) -> None:
    mark = uuid.uuid4().hex
    collector.check_output(f"systemctl stop {COLLECTOR}")
    try:
        node.check_output("for i in $(seq 200); do echo %s waits $i; done | logger -t test", mark)
        time.sleep(2)
        assert found(collector, mark) == []
        # Killed in the end, since it cannot deliver; that is no failure.
        node.check_output(f"systemctl restart {SENDER}")
        node.check_output(f"systemctl stop {SENDER}")
        assert node.check_output(f"systemctl show --property Result --value {SENDER}") == "success"
        node.check_output(f"systemctl start {SENDER}")
    finally:
        collector.check_output(f"systemctl start {COLLECTOR}")
    wait_for(
        lambda: len({row["line"] for row in found(collector, f"{mark} waits")}) == 200, 60, "all lines that waited"
    )


def test_what_listens(node: Any, collector: Any) -> None:
    def listening(host: Any) -> set[str]:
        lines = [line.split() for line in host.check_output("ss -Hlnt").splitlines()]
        return {fields[3] for fields in lines if fields[3].rpartition(":")[2] not in ("22", "9100")}

    assert listening(node) == set()
    assert {address.rpartition(":")[2] for address in listening(collector)} == {"20515", "5432"}
    # The database is for this host alone.
    assert {address for address in listening(collector) if address.endswith(":5432")} <= {
        "127.0.0.1:5432",
        "[::1]:5432",
    }


def test_nothing_runs_as_root_and_keys_are_closed(node: Any, collector: Any) -> None:
    for host, unit, function in ((node, SENDER, "sender"), (collector, COLLECTOR, "collector")):
        pid = host.check_output(f"systemctl show --property MainPID --value {unit}")
        assert host.check_output(f"stat -c %U /proc/{pid}") == "aidc_logs"
        assert host.file(f"/etc/aidc_ops_logs/{function}/own.key").mode == 0o640
        assert host.run(f"runuser -u nobody -- cat /etc/aidc_ops_logs/{function}/own.key").rc != 0


def test_counters_are_served(node: Any, collector: Any) -> None:
    for host, function in ((node, "sender"), (collector, "collector")):
        path = f"/var/lib/prometheus/node-exporter/aidc_logs_{function}.prom"
        wait_for(lambda host=host, path=path: host.file(path).exists, 90, f"counters of the {function}")
        assert "aidc_log_stats_timestamp_seconds" in host.file(path).content_string


def test_retention(collector: Any) -> None:
    assert collector.service("aidc-ops-log-retention.timer").is_enabled
    collector.check_output("systemctl start aidc-ops-log-retention.service")
    path = "/var/lib/prometheus/node-exporter/aidc_logs_retention.prom"
    assert "aidc_log_retention_last_success_timestamp_seconds" in collector.file(path).content_string


def test_services_come_back_at_boot(node: Any, collector: Any) -> None:
    for host, unit in ((node, SENDER), (collector, SENDER), (collector, COLLECTOR)):
        assert host.service(unit).is_enabled

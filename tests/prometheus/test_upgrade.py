# A real Prometheus of Debian 12 that becomes the one of Debian 13: its data, its configuration and its rules go on.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from debian_package import unpacked_of
from prometheus_rendered import RULE_FILES, rules
from prometheus_server import PrometheusServer

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.tests.prometheus.stack import Exporter
from ansible_collections.aidc.ops.tests.prometheus.test_scale_out import server

RELEASES = ("bookworm", "trixie")
HOURS, STEP = 6, 60
# Rule files whose groups are all evaluated within two minutes.
OFTEN = ("aidc_faults", "aidc_gpu", "aidc_monitoring")


def build(release: str) -> Path:
    return unpacked_of(release, "prometheus") / "usr" / "bin" / "prometheus"


def version(one: PrometheusServer) -> tuple[int, ...]:
    with urllib.request.urlopen(f"{one.url}/api/v1/status/buildinfo", timeout=30) as answer:
        text = str(json.load(answer)["data"]["version"])
    return tuple(int(part) for part in text.partition("+")[0].split("."))


def series(one: PrometheusServer, expression: str, moment: float) -> list[tuple[float, str]]:
    """Every sample of a range vector, as time and value."""
    url = f"{one.url}/api/v1/query?query={urllib.parse.quote(expression)}&time={moment}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        result = json.load(answer)["data"]["result"]
    return [tuple(sample) for found in result for sample in found["values"]]


def health(one: PrometheusServer) -> dict[str, set[str]]:
    """How the rules of each file are."""
    with urllib.request.urlopen(f"{one.url}/api/v1/rules", timeout=30) as answer:
        groups = json.load(answer)["data"]["groups"]
    return {Path(group["file"]).stem: {rule["health"] for rule in group["rules"]} for group in groups}


@pytest.fixture
def site(tmp_path: Path) -> PrometheusServer:
    """A server as the role sets it up, with hours of history."""
    exporter = Exporter("aidc_test_metric 42\n")
    host, port = exporter.address.split(":")
    job = {"name": "node_exporter", "port": int(port), "hosts": [{"name": "gpu1", "address": host}]}
    one = server(tmp_path / "site", prometheus_targets=[job])
    (tmp_path / "site" / "rules").mkdir()
    for name in RULE_FILES:
        (tmp_path / "site" / "rules" / f"{name}.yml").write_text(rules(name), encoding="utf-8")
    end = int(time.time()) - 3600
    lines = [f"aidc_history_total {second} {second}" for second in range(end - HOURS * 3600, end, STEP)]
    history = tmp_path / "history.txt"
    history.write_text("# TYPE aidc_history counter\n" + "\n".join(lines) + "\n# EOF\n", encoding="utf-8")
    one.fill(history)
    return one


def test_the_next_version_has_what_the_one_before_stored(site: PrometheusServer) -> None:
    old, new = map(build, RELEASES)
    site.binary = old
    with site.start():
        before = version(site)
        client = PrometheusClient(site.url, timeout=30)
        give_up_at = time.monotonic() + 120
        while len(series(site, "aidc_test_metric[10m]", moment := time.time())) < 3:
            assert time.monotonic() < give_up_at, "three scrapes"
            time.sleep(0.5)
        history = series(site, "aidc_history_total[1d]", moment)
        scraped = series(site, "aidc_test_metric[10m]", moment)
        assert len(history) == HOURS * 3600 // STEP
        assert client.samples('up{job="node_exporter",instance="gpu1"}')
    site.binary = new
    with site.start():
        assert version(site) > before
        assert series(site, "aidc_history_total[1d]", moment) == history
        assert series(site, "aidc_test_metric[10m]", moment) == scraped
        give_up_at = time.monotonic() + 120
        # The others are evaluated less often, some of them only each hour.
        while [(found := health(site)).get(name) for name in OFTEN] != [{"ok"}] * len(OFTEN):
            assert time.monotonic() < give_up_at, found
            time.sleep(1)
        assert set(found) == set(RULE_FILES)
        assert not [name for name, states in found.items() if "err" in states], found
        # Rules may have an answer before the first scrape has.
        while len(series(site, "aidc_test_metric[10m]", time.time())) <= len(scraped):
            assert time.monotonic() < give_up_at, "and it goes on"
            time.sleep(0.5)

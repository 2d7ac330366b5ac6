# A real Prometheus with two hours of a small data centre and the rules of our role.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# Before anything of a collection is imported.
init_plugin_loader([str(HERE.parents[1] / ".ansible" / "collections")])

from lab import lab
from prometheus_server import PrometheusServer
from server import Asked, rules


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The server, when all rules have been worked out."""
    folder = tmp_path_factory.mktemp("prometheus")
    rules(folder / "rules")
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(folder / "rules" / "*.yml")]}
    # The samples end now, and are still believed at the end of the tests.
    server = PrometheusServer(folder, flags=["--query.lookback-delta=15m"], config=json.dumps(config))
    samples = folder / "lab.om"
    with samples.open("w", encoding="utf-8") as target:
        target.writelines(lab().openmetrics(time.time()))
    server.fill(samples)
    with server.start():
        asked = Asked(server.url)
        give_up_at = time.monotonic() + 180
        # What comes last needs what comes before, and each is a round later at worst.
        while not (asked.series("fleet:aidc_pue:ratio") and asked.series("job:aidc_energy_cost:per_hour")):
            assert time.monotonic() < give_up_at, server.log.read_text(errors="replace")[-2000:]
            time.sleep(0.3)
        time.sleep(3)
        yield asked

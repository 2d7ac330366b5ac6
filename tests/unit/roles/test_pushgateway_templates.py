# Tests of what the role pushgateway writes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from exporter_rendered import arguments


def test_metrics_survive_a_restart_and_nobody_else_reaches_it() -> None:
    assert arguments("pushgateway") == [
        "--persistence.file=/var/lib/prometheus/pushgateway.data",
        "--persistence.interval=1m",
        "--web.listen-address=127.0.0.1:9091",
        "--web.config.file=/etc/prometheus/web/prometheus-pushgateway/web.yml",
    ]


def test_other_places_are_possible() -> None:
    made = arguments("pushgateway", pushgateway_persistence_file="/srv/p", pushgateway_listen_address="2001:db8::1")
    assert made[0] == "--persistence.file=/srv/p"
    assert made[2] == "--web.listen-address=[2001:db8::1]:9091"

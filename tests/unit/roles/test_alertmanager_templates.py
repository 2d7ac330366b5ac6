# Tests of what the role alertmanager writes.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

from typing import Any

import yaml
from render import render


def config(**variables: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(render("alertmanager", "alertmanager.yml.j2", **variables))
    return loaded


def test_nobody_is_notified_by_default() -> None:
    default = config()
    assert default["route"]["receiver"] == "none"
    assert default["receivers"] == [{"name": "none"}]
    assert (default["route"]["routes"], default["inhibit_rules"]) == ([], [])
    assert default["global"]["resolve_timeout"] == "5m"


def test_receivers_routes_and_inhibition_are_placed_as_they_are() -> None:
    webhook = {"name": "duty", "webhook_configs": [{"url": "https://duty.example.com/hook", "send_resolved": True}]}
    mail = {
        "name": "mail",
        "email_configs": [{"to": "ops@example.com", "text": '{{ template "x" . }}: "quoted" # no comment'}],
    }
    routes = [{"receiver": "mail", "matchers": ['severity="critical"']}]
    inhibit = [{"source_matchers": ["alertname=A"], "target_matchers": ["alertname=B"], "equal": ["instance"]}]
    made = config(
        alertmanager_receivers=[webhook, mail],
        alertmanager_default_receiver="duty",
        alertmanager_routes=routes,
        alertmanager_inhibit_rules=inhibit,
    )
    assert made["receivers"] == [{"name": "none"}, webhook, mail]
    assert made["route"]["receiver"] == "duty"
    assert (made["route"]["routes"], made["inhibit_rules"]) == (routes, inhibit)


def test_the_cluster_is_off_by_default() -> None:
    line = render("alertmanager", "default.j2").splitlines()[-1]
    assert line == (
        'ARGS="--web.listen-address=127.0.0.1:9093 '
        "--web.config.file=/etc/prometheus/web/prometheus-alertmanager/web.yml "
        '--data.retention=120h --cluster.listen-address="'
    )


def test_a_cluster_names_its_peers() -> None:
    line = render(
        "alertmanager",
        "default.j2",
        alertmanager_cluster_listen_address="192.0.2.1:9094",
        alertmanager_cluster_peers=["192.0.2.2:9094", "192.0.2.3:9094"],
        alertmanager_extra_args=["--log.level=debug"],
    ).splitlines()[-1]
    assert line.split(" ")[3:] == [
        "--cluster.listen-address=192.0.2.1:9094",
        "--cluster.peer=192.0.2.2:9094",
        "--cluster.peer=192.0.2.3:9094",
        '--log.level=debug"',
    ]

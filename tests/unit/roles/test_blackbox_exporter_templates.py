# Tests of what the role blackbox_exporter writes; the program itself checks it in tests/prometheus.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import yaml
from exporter_rendered import arguments, rendered
from render import render


def modules(**variables: Any) -> dict[str, Any]:
    return dict(yaml.safe_load(render("blackbox_exporter", "blackbox.yml.j2", **variables))["modules"])


def test_the_usual_probes_are_there() -> None:
    made = modules()
    assert {name: module["prober"] for name, module in made.items()} == {
        "http_2xx": "http",
        "tcp_connect": "tcp",
        "ssh_banner": "tcp",
        "icmp": "icmp",
        "tls": "tcp",
        "dns": "dns",
    }
    assert made["tls"]["tcp"]["tls"] is True


def test_certificates_are_checked() -> None:
    made = modules()
    assert made["http_2xx"]["http"]["tls_config"]["insecure_skip_verify"] is False
    assert made["tls"]["tcp"]["tls_config"]["insecure_skip_verify"] is False


def test_a_site_adds_and_replaces_modules() -> None:
    own = {"prober": "http", "http": {"tls_config": {"ca_file": "/etc/site-ca.crt"}}}
    made = modules(blackbox_exporter_extra_modules={"http_2xx": own, "intern": own})
    assert made["http_2xx"] == made["intern"] == own
    assert "icmp" in made


def test_text_of_a_module_stays_text() -> None:
    hostile = {"prober": "dns", "dns": {"query_name": '{{ 7 * 7 }} # "\n- x'}}
    assert modules(blackbox_exporter_extra_modules={"odd": hostile})["odd"] == hostile


def test_the_configuration_is_named_and_icmp_is_a_choice() -> None:
    assert arguments("blackbox_exporter")[0] == "--config.file=/etc/prometheus/blackbox.yml"
    assert "CapabilityBoundingSet=CAP_NET_RAW\n" in rendered("blackbox_exporter", "unit.conf.j2")
    assert "CapabilityBoundingSet=\n" in rendered("blackbox_exporter", "unit.conf.j2", blackbox_exporter_icmp=False)

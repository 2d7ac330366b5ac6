# The alert rules of the role prometheus as it writes them for a small site, for the tests of what they say and do.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from render import ROOT, load_variables, render

RULE_TESTS = Path(__file__).resolve().parent / "prometheus_rules"
RULE_FILES = tuple(load_variables(ROOT / "roles" / "prometheus" / "vars" / "main.yml")["__prometheus_rule_files"])
JOBS = [
    {
        "name": "node_exporter",
        "port": 9100,
        "hosts": [{"name": "mon", "address": "192.0.2.1"}, {"name": "gpu1", "address": "192.0.2.11"}],
    },
    {
        "name": "gpu_exporter",
        "port": 9400,
        "hosts": [{"name": "gpu1", "address": "192.0.2.11", "labels": {"rack": "r1", "leaf": "l1"}}],
    },
]


def rules(name: str, **variables: Any) -> str:
    settings = {
        "prometheus_expected_gpus": {"gpu1": 8},
        "prometheus_targets": JOBS,
        "prometheus_expected_loop_sources": ["alertmanager"],
        "prometheus_playbook_max_age_hours": {"site": 26},
        "prometheus_power_ceilings": [
            {"name": "rack r1", "query": 'rack:aidc_power_watts:sum{rack="r1"}', "watts": 40000}
        ],
    }
    return render("prometheus", f"rules/{name}.yml.j2", **(settings | variables))


@cache
def _alerts_of(name: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(rules(name))["groups"] for rule in group["rules"] if "alert" in rule]


def alerts(files: Sequence[str] = RULE_FILES) -> list[dict[str, Any]]:
    return [rule for name in files for rule in _alerts_of(name)]

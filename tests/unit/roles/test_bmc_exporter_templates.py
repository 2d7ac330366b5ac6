# Tests of what the role bmc_exporter writes; the program itself reads it in tests/bmc.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import yaml
from exporter_rendered import arguments
from render import ROOT, render

MODULE = {"name": "remote", "username": "monitor", "password": "pass: {{ 7 * 7 }} #1"}


def modules(*given: dict[str, Any]) -> dict[str, Any]:
    return dict(yaml.safe_load(render("bmc_exporter", "ipmi.yml.j2", bmc_exporter_modules=list(given)))["modules"])


def test_a_module_with_defaults() -> None:
    assert modules(MODULE)["remote"] == {
        "user": "monitor",
        "pass": "pass: {{ 7 * 7 }} #1",
        "driver": "LAN_2_0",
        "privilege": "user",
        "timeout": 10000,
        "collectors": ["bmc", "ipmi", "chassis", "dcmi"],
        "exclude_sensor_ids": [],
    }


def test_the_defaults_are_those_of_the_specification() -> None:
    spec = yaml.safe_load((ROOT / "roles/bmc_exporter/meta/argument_specs.yml").read_text())
    wanted = spec["argument_specs"]["main"]["options"]["bmc_exporter_modules"]["options"]
    made = modules(MODULE)["remote"]
    for name in ("driver", "privilege", "timeout", "collectors", "exclude_sensor_ids"):
        assert made[name] == wanted[name]["default"], name


def test_odd_boards_get_their_workarounds() -> None:
    odd = {**MODULE, "name": "old", "privilege": "admin", "workaround_flags": ["opensesspriv"], "collectors": ["ipmi"]}
    made = modules(MODULE, odd)["old"]
    assert (made["workaround_flags"], made["privilege"], made["collectors"]) == (["opensesspriv"], "admin", ["ipmi"])


def test_the_exporter_does_not_ask_its_own_node_unless_told() -> None:
    assert modules(MODULE)["default"] == {"collectors": []}
    assert modules({**MODULE, "name": "default"})["default"]["user"] == "monitor"


def test_the_configuration_is_named() -> None:
    assert arguments("bmc_exporter")[0] == "--config.file=/etc/prometheus/ipmi.yml"

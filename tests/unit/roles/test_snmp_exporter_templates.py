# Tests of what the role snmp_exporter writes; the program itself checks it in tests/prometheus.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
import yaml
from exporter_rendered import arguments
from render import ROOT, load_variables, render

PDU = {"name": "pdu", "username": "monitor", "password": "first{{ 1 }}", "priv_password": "second: #2"}
SWITCH = {"name": "switch", "version": 2, "community": "public"}
OLD = {"stdout": "", "stderr": "snmp_exporter, version 0.21.0 (branch: debian/sid)", "rc": 0}
NEW = {"stdout": "snmp_exporter, version 0.26.0 (branch: HEAD)", "stderr": "", "rc": 0}


def config(banner: dict[str, Any], *auths: dict[str, Any], **variables: Any) -> Any:
    return yaml.safe_load(
        render(
            "snmp_exporter",
            "snmp.yml.j2",
            __snmp_exporter_banner=banner,
            snmp_exporter_auths=list(auths),
            **variables,
        )
    )


def test_before_0_23_every_module_has_the_credentials_in_it() -> None:
    made = config(OLD, PDU, SWITCH)
    assert set(made) == {"if_mib_pdu", "entity_sensor_pdu", "if_mib_switch", "entity_sensor_switch"}
    assert made["if_mib_switch"]["auth"] == {"community": "public"}
    assert made["if_mib_switch"]["version"] == 2
    assert made["entity_sensor_pdu"]["auth"] == {
        "security_level": "authPriv",
        "username": "monitor",
        "auth_protocol": "SHA",
        "password": "first{{ 1 }}",
        "priv_protocol": "AES",
        "priv_password": "second: #2",
    }


def test_from_0_23_on_they_stand_beside_each_other() -> None:
    made = config(NEW, PDU, SWITCH)
    assert set(made) == {"auths", "modules"}
    assert made["auths"]["switch"] == {"community": "public", "version": 2}
    assert made["auths"]["pdu"]["version"] == 3
    assert set(made["modules"]) == {"if_mib", "entity_sensor"}
    assert "auth" not in made["modules"]["if_mib"]


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("noAuthNoPriv", {"security_level", "username"}),
        ("authNoPriv", {"security_level", "username", "auth_protocol", "password"}),
    ],
)
def test_what_the_level_does_not_need_is_left_out(level: str, keys: set[str]) -> None:
    made = config(OLD, {**PDU, "security_level": level, "context_name": "a"})
    assert set(made["if_mib_pdu"]["auth"]) == keys | {"context_name"}


@pytest.mark.parametrize(("banner", "empty"), [(OLD, {}), (NEW, {"auths": {}})])
def test_nothing_is_asked_without_credentials(banner: dict[str, Any], empty: dict[str, Any]) -> None:
    made = config(banner)
    assert {key: value for key, value in made.items() if key != "modules"} == empty


def test_a_fresh_node_gets_the_form_of_what_will_be_installed() -> None:
    absent = {"rc": 2, "msg": "no such file", "stdout": "", "stderr": ""}
    assert "if_mib_pdu" in config(absent, PDU)
    assert "auths" in config(absent, PDU, snmp_exporter_version="0.26.0")


def test_a_site_adds_modules_of_makers() -> None:
    energy = {
        "walk": ["1.3.6.1.4.1.99999.1"],
        "metrics": [{"name": "x", "oid": "1.3.6.1.4.1.99999.1", "type": "gauge"}],
    }
    made = config(OLD, PDU, snmp_exporter_modules={"maker": energy})
    assert made["maker_pdu"]["walk"] == ["1.3.6.1.4.1.99999.1"]


def test_every_column_and_every_name_that_is_needed_is_asked_for() -> None:
    for name, module in config(NEW)["modules"].items():
        asked = set(module["walk"])
        needed = {metric["oid"] for metric in module["metrics"] if metric["name"] != "sysUpTime"}
        needed |= {lookup["oid"] for metric in module["metrics"] for lookup in metric.get("lookups", [])}
        assert asked == needed, name
        for metric in module["metrics"][1:]:
            assert {lookup["labels"][0] for lookup in metric["lookups"]} == {metric["indexes"][0]["labelname"]}


@pytest.mark.parametrize(
    ("auth", "whole"),
    [
        (PDU, True),
        (SWITCH, True),
        ({"name": "a", "version": 2}, False),
        ({**PDU, "password": "short"}, False),
        ({"name": "a", "username": "u", "password": "12345678"}, False),
        ({"name": "a", "username": "u", "password": "12345678", "security_level": "authNoPriv"}, True),
        ({"name": "a", "security_level": "noAuthNoPriv"}, False),
    ],
)
def test_credentials_that_are_not_whole_are_found(auth: dict[str, Any], whole: bool) -> None:
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

    names = load_variables(ROOT / "roles/snmp_exporter/vars/main.yml") | {"snmp_exporter_auths": [auth]}
    found = Templar(DataLoader(), variables=names).template(names["__snmp_exporter_incomplete_auths"])
    assert found == ([] if whole else [auth["name"]])


def test_the_configuration_is_named() -> None:
    assert arguments("snmp_exporter")[0] == "--config.file=/etc/prometheus/snmp.yml"

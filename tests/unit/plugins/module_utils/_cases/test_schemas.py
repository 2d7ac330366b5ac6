# Tests that the published JSON Schemas describe what the code gives and takes.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import settings as settings_module
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import STEPS
from ansible_collections.aidc.ops.plugins.module_utils._errors import SettingsError
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site

SCHEMAS = Path(__file__).parents[5] / "docs" / "schemas"
LEAST: dict[str, Any] = {"schema_version": 1, "ledger": "/l", "evidence_dir": "/e", "ticket_dir": "/t"}


def load(name: str) -> dict[str, Any]:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return dict(schema)


def test_cases_and_faults(site: Site) -> None:
    site.record(site.line(), site.alert(), site.alert("gpu4", "ansible_run_failed"))
    leaf = Recognition("storage_server_down", "node", location="192.0.2.16")
    site.record(site.alert("gpu5", "storage_server_down", recognition=leaf))
    unit = Recognition("unit_failed", "unit:slurmd.service")
    site.record(site.alert("gpu6", "unit_failed", recognition=unit))
    site.ledger.approve(2, "kim")
    site.do(1, "cordon")
    site.ledger.cancel(3, "kim")
    case_schema, fault_schema = load("case"), load("fault")
    for case in site.ledger.cases():
        plain = json.loads(json.dumps(case.as_dict()))
        jsonschema.validate(plain, case_schema)
        assert set(plain) == set(case_schema["properties"]) == set(case_schema["required"])
        for fault in site.ledger.faults(case.id):
            plain = json.loads(json.dumps(fault.as_dict()))
            jsonschema.validate(plain, fault_schema)
            assert set(plain) == set(fault_schema["properties"]) == set(fault_schema["required"])
    assert {step for step in case_schema["properties"]["step"]["enum"] if step} == set(STEPS)


def test_the_settings_schema_has_every_key_and_no_other() -> None:
    def compare(kind: type, schema: dict[str, Any], where: str) -> None:
        names = {field.name for field in fields(kind)}
        assert set(schema["properties"]) - {"schema_version"} == names, where
        for field in fields(kind):
            child = getattr(settings_module, str(field.type), None)
            if is_dataclass(child):
                compare(child, schema["properties"][field.name], f"{where}.{field.name}")  # type: ignore[arg-type]

    schema = load("settings")
    compare(settings_module.Settings, schema, "settings")
    compare(settings_module.NodeSettings, schema["properties"]["nodes"]["additionalProperties"], "nodes")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gate": {"out_percent": 50, "per_leaf": None}},
        {"gate": {"out_percent": 101}},
        {"gate": {"out_max": -1}},
        {"gate": {"modes": {"contain": "act"}}},
        {"gate": {"modes": {"contain": "maybe"}}},
        {"tick_seconds": 0},
        {"tick_seconds": "2"},
        {"nodes": {"gpu1": {"rack": None, "expected_gpus": 8}}},
        {"nodes": {"gpu*": {}}},
        {"nodes": {"gpu1": {"colour": "red"}}},
        {"alertmanager": {"urls": ["http://127.0.0.1:9093"], "watchdog_alert": None}},
        {"alertmanager": {"urls": "http://127.0.0.1:9093"}},
        {"metrics_file": None},
        {"metrics_file": ""},
        {"containment": "later"},
        {"ledger": "postgresql://user@host:5432/db"},
        {"ledger": "postgresql://user:secret@host/db"},
        {"ledger": "postgresql://user@host/db?password=x"},
        {"ledger": "mysql://host/db"},
        {"engines": {"k8s": {"kind": "kubernetes", "kubeconfig": None}}},
        {"engines": {"k8s": {"kind": "nomad"}}},
        {"nodes": {"gpu1": {"spare": True, "feed": "A", "engine": None}}},
        {"nodes": {"gpu1": {"spare": 1}}},
        {"gate": {"class_modes": {"gpu_stopped": "act"}, "breaker_rearm_seconds": None}},
        {"gate": {"class_modes": {"gpu_stopped": "perhaps"}}},
        {"gate": {"modes": {"power_cycle": "approve", "swap_spare": "act"}}},
        {"gate": {"lemon_cases": 0}},
        {"retention_days": 0},
        {"webhook": {"port": 5055, "token_file": None, "max_bytes": 1}},
        {"webhook": {"port": 65536}},
        {"webhook": {"mappings": {"zabbix": {"Disk is full": "filesystem_full"}}}},
        {"webhook": {"mappings": {"carrier pigeon": {}}}},
        {"ticket": {"backend": "webhook"}},
        {"ticket": {"backend": "webhook", "url": "https://tickets.example.org/"}},
        {"notify": {"mail_to": ["kim@example.org"]}},
        {"notify": {"mail_to": "kim@example.org"}},
        {"fault_classes": {"gpu_stopped": {"severity": "low"}}},
        {"fault_classes": []},
        {"deadlines_seconds": {"swap_spare": 5, "await_idle": 1}},
        {"unknown": 1},
        {"schema_version": 2},
    ],
)
def test_schema_and_parser_agree(change: dict[str, Any]) -> None:
    data = {**LEAST, **change}
    try:
        settings_module.parse_settings(data)
        parsed = True
    except SettingsError:
        parsed = False
    assert jsonschema.Draft202012Validator(load("settings")).is_valid(data) == parsed

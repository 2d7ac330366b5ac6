# Tests of the fault rules with the real promtool: each fires when it should, and not when it must not.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import prometheus_server
import yaml
from prometheus_rendered import alerts, rules
from rule_cases import CASES, Case

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

FAULTS = yaml.safe_load(rules("aidc_faults"))
NAMES = {rule["alert"]: rule for group in FAULTS["groups"] for rule in group["rules"]}
# What other programs than Prometheus send.
BY_CALLBACKS = {"ansible_run_failed", "ansible_run_not_started"}


def labels_of(case: Case, rule: dict[str, Any]) -> dict[str, str]:
    found = dict(re.findall(r'(\w+)="([^"]*)"', case.series(True)[0]["series"])) if case.gpu else {}
    found = {name: value for name, value in found.items() if name != "xid"}
    return {"instance": "n1", "rack": "r1", "leaf": "l1", **found, **case.labels, **rule["labels"]}


def unit_test(case: Case, firing: bool) -> dict[str, Any]:
    rule = NAMES[case.alert]
    expected = [
        {
            "exp_labels": labels_of(case, rule),
            "exp_annotations": {**rule["annotations"], "summary": case.summary},
        }
    ]
    return {
        "interval": "30s",
        "input_series": case.series(firing),
        "alert_rule_test": [
            {"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected if firing else []},
        ],
    }


def promtool(folder: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    (folder / "rules.yml").write_text(yaml.safe_dump(FAULTS))
    (folder / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "30s", "tests": tests})
    )
    command = [str(prometheus_server.program("promtool")), "test", "rules", "tests.yml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_each_fires_and_keeps_silent(tmp_path: Path) -> None:
    result = promtool(tmp_path, [unit_test(case, firing) for case in CASES for firing in (True, False)])
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_rule_that_fires_wrongly_would_be_noticed(tmp_path: Path) -> None:
    case = CASES[0]
    wrong = unit_test(case, False)
    wrong["input_series"] = case.series(True)
    assert promtool(tmp_path, [wrong]).returncode != 0


def test_each_has_a_case() -> None:
    assert {case.alert for case in CASES} == set(NAMES)


def test_every_fault_class_that_counts_on_an_alert_has_one() -> None:
    named = {
        rule["labels"]["fault_class"]: rule["labels"]["severity"]
        for rule in alerts()
        if "fault_class" in rule["labels"]
    }
    wanted = {name: row.severity for name, row in CLASSES.items() if row.alerts and name not in BY_CALLBACKS}
    assert named == wanted

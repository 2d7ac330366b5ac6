# Tests of the alert rules with the real promtool: each fires when it should, and not when it must not.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Every file rule_cases*.py beside this one has the cases of one rule file. Those of aidc_gpu and aidc_monitoring,
which follow one alert through time, are in tests/unit/roles/prometheus_rules.
"""

from __future__ import annotations

import importlib
import itertools
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import prometheus_server
import pytest
import yaml
from prometheus_rendered import RULE_FILES, alerts, rules
from rule_cases import CASES, Case

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES

MODULES = {
    path.stem: importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("rule_cases*.py"))
}
# What other programs than Prometheus send.
BY_CALLBACKS = {"ansible_run_failed", "ansible_run_not_started"}
# Those that have no cases, because they have a file of tests of their own or no alert.
ELSEWHERE = {"aidc_gpu", "aidc_monitoring", "aidc_recording"}


def labels_of(case: Case, rule: dict[str, Any]) -> dict[str, str]:
    found = dict(re.findall(r'(\w+)="([^"]*)"', case.series(True)[0]["series"])) if case.gpu else {}
    found = {name: value for name, value in found.items() if name != "xid"}
    node = {"instance": "n1", "rack": "r1", "leaf": "l1"} if case.node else {}
    return {**node, **found, **case.labels, **rule["labels"]}


def unit_test(case: Case, firing: bool, rule: dict[str, Any]) -> dict[str, Any]:
    expected = [
        {
            "exp_labels": labels_of(case, rule),
            "exp_annotations": {**rule["annotations"], "summary": case.summary},
        }
    ]
    return {
        "interval": case.interval,
        "input_series": case.series(firing),
        "alert_rule_test": [
            {"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected if firing else []},
        ],
    }


def named(file: str) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in alerts([file])}


def only(name: str, alert: str) -> dict[str, Any]:
    """A rule file with all that it records and this one alert: what else it says need not be evaluated for weeks."""
    groups = yaml.safe_load(rules(name))["groups"]
    for group in groups:
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert", alert) == alert]
    return {"groups": groups}


def promtool(folder: Path, files: Sequence[str], tests: Sequence[dict[str, Any]]) -> Any:
    """Runs tests, those of one alert and interval together: promtool evaluates all of one file at one interval."""

    def key(test: dict[str, Any]) -> tuple[str, str]:
        return test["alert_rule_test"][0]["alertname"], test["interval"]

    given = []
    for (alert, interval), group in itertools.groupby(sorted(tests, key=key), key=key):
        names = [f"{alert}_{name}.yml" for name in files]
        for name, path in zip(files, names, strict=True):
            (folder / path).write_text(yaml.safe_dump(only(name, alert)))
        document = {"rule_files": names, "evaluation_interval": interval, "tests": list(group)}
        given.append(f"tests_{alert}_{interval}.yml")
        (folder / given[-1]).write_text(yaml.safe_dump(document))
    command = [str(prometheus_server.program("promtool")), "test", "rules", *given]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


def test_every_rule_file_is_sound(tmp_path: Path) -> None:
    for name in RULE_FILES:
        (tmp_path / f"{name}.yml").write_text(rules(name))
    command = [str(prometheus_server.program("promtool")), "check", "rules", *sorted(map(str, tmp_path.iterdir()))]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", MODULES)
def test_each_fires_and_keeps_silent(name: str, tmp_path: Path) -> None:
    module = MODULES[name]
    found = named(module.RULES[0])
    tests = [unit_test(case, firing, found[case.alert]) for case in module.CASES for firing in (True, False)]
    result = promtool(tmp_path, module.RULES, tests)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_rule_that_fires_wrongly_would_be_noticed(tmp_path: Path) -> None:
    case = CASES[0]
    wrong = unit_test(case, False, named("aidc_faults")[case.alert])
    wrong["input_series"] = case.series(True)
    assert promtool(tmp_path, ["aidc_faults"], [wrong]).returncode != 0


@pytest.mark.parametrize("name", MODULES)
def test_each_has_a_case(name: str) -> None:
    module = MODULES[name]
    assert {case.alert for case in module.CASES} == set(named(module.RULES[0]))


def test_each_rule_file_has_cases() -> None:
    assert {module.RULES[0] for module in MODULES.values()} | ELSEWHERE == set(RULE_FILES)


def test_every_fault_class_that_counts_on_an_alert_has_one() -> None:
    found = {
        (rule["labels"]["fault_class"], rule["labels"]["severity"])
        for rule in alerts()
        if "fault_class" in rule["labels"]
    }
    assert found == {(name, row.severity) for name, row in CLASSES.items() if row.alerts and name not in BY_CALLBACKS}

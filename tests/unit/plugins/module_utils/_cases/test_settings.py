# Tests of the settings file: the whole of it, defaults, and every kind of wrong value named.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import STEPS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import load_settings, parse_settings
from ansible_collections.aidc.ops.plugins.module_utils._errors import SettingsError

LEAST = {"schema_version": 1, "ledger": "/l", "evidence_dir": "/e", "ticket_dir": "/t"}
WHOLE = {
    **LEAST,
    "metrics_file": None,
    "engine": {"kind": "slurm", "scontrol": "/s", "squeue": "/q", "sinfo": "/i", "timeout_seconds": 10},
    "containment": "playbook",
    "kernel_log": {"spool": "/k", "poll_seconds": 0.05},
    "alertmanager": {
        "urls": ["http://127.0.0.1:9093"],
        "poll_seconds": 5,
        "timeout_seconds": 5,
        "watchdog_alert": None,
        "blind_after_seconds": 60,
    },
    "tick_seconds": 2,
    "nodes": {
        "gpu1": {
            "node_id": "dmi:SIM1",
            "address": "10.0.0.1",
            "rack": None,
            "leaf": None,
            "pool": "gpu",
            "expected_gpus": 8,
        }
    },
    "gate": {
        "out_percent": 10,
        "out_max": 20,
        "per_rack": 2,
        "per_leaf": None,
        "per_job": 1,
        "parallel_repairs": 4,
        "resets_per_gpu_per_day": 2,
        "reboots_per_node_per_day": 2,
        "power_cycles_per_node_per_day": 1,
        "event_max_age_seconds": 900,
        "drain_deadline_seconds": 3600,
        "force_after_deadline": False,
        "settle_seconds": 300,
        "storm_nodes": 10,
        "storm_seconds": 300,
        "breaker_failures": 3,
        "breaker_window_seconds": 3600,
        "modes": dict.fromkeys(("contain", "reset", "reboot", "restart_service", "resume"), "observe"),
    },
    "deadlines_seconds": {
        "evidence": 600,
        "reset": 600,
        "reboot": 900,
        "validate": 900,
        "resume": 120,
        "restart_service": 300,
        "ticket": 120,
        "cordon": 120,
    },
}


def test_the_whole_file() -> None:
    settings = parse_settings(WHOLE)
    assert settings.containment == "playbook"
    assert settings.alertmanager.watchdog_alert is None
    assert settings.node_id("gpu1") == "dmi:SIM1"
    assert settings.node_id("elsewhere") == "name:elsewhere"
    assert settings.deadline_seconds("reboot") == 900
    assert settings.deadline_seconds("drain") == 3600


def test_defaults_are_the_safe_ones() -> None:
    settings = parse_settings(LEAST)
    assert {settings.gate.modes.of(action) for action in ("contain", "reset", "reboot", "resume")} == {"observe"}
    assert (settings.gate.out_percent, settings.gate.out_max, settings.gate.per_rack) == (10, 20, 2)
    assert settings.gate.force_after_deadline is False
    whole = parse_settings({**WHOLE, "alertmanager": {}, "containment": "in_process"})
    assert whole.gate == settings.gate and whole.deadlines_seconds == settings.deadlines_seconds


def test_every_step_has_a_deadline() -> None:
    assert all(parse_settings(LEAST).deadline_seconds(step) > 0 for step in STEPS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "the settings has to be an object, not a list"),
        ({"schema_version": 2}, "schema_version has to be 1, not 2"),
        ({"ledger": ""}, "ledger has to be a text that is not empty"),
        ({"legder": "/l"}, "legder is not a known key; known are .*ledger"),
        ({"metrics_file": 5}, "metrics_file has to be a text"),
        ({"engine": {"kind": "pbs"}}, "engine.kind has to be one of slurm, not 'pbs'"),
        ({"engine": {"timeout_seconds": 0}}, "engine.timeout_seconds has to be a number above 0, not 0"),
        ({"engine": None}, "engine has to be an object, not null"),
        ({"containment": "soon"}, "containment has to be one of in_process, playbook"),
        ({"alertmanager": {"urls": "http://x"}}, r"alertmanager.urls has to be a list of texts"),
        ({"alertmanager": {"urls": [1]}}, r"alertmanager.urls\[0\] has to be a text"),
        ({"alertmanager": {"poll_seconds": float("nan")}}, "alertmanager.poll_seconds has to be a number above 0"),
        ({"tick_seconds": True}, "tick_seconds has to be a number above 0, not True"),
        ({"gate": {"out_percent": 101}}, "gate.out_percent has to be a number from 0 to 100, not 101"),
        ({"gate": {"out_max": -1}}, "gate.out_max has to be a whole number from 0 on, not -1"),
        ({"gate": {"out_max": 1.5}}, "gate.out_max has to be a whole number"),
        ({"gate": {"force_after_deadline": "no"}}, "gate.force_after_deadline has to be true or false"),
        ({"gate": {"modes": {"reboot": "yes"}}}, "gate.modes.reboot has to be one of observe, approve, act, not 'yes'"),
        ({"gate": {"modes": {"explode": "act"}}}, "gate.modes.explode is not a known key"),
        ({"nodes": {"gpu*": {}}}, "nodes: 'gpu\\*' is not the name of a host"),
        ({"nodes": {"all,!x": {}}}, "is not the name of a host"),
        ({"nodes": {"x" * 254: {}}}, "is not the name of a host"),
        ({"nodes": {"gpu1": {"rack": 7}}}, "nodes.gpu1.rack has to be a text"),
        ({"nodes": {"gpu1": {"pool": None}}}, "nodes.gpu1.pool has to be a text"),
        ({"deadlines_seconds": {"reboot": "15m"}}, "deadlines_seconds.reboot has to be a number above 0, not '15m'"),
    ],
)
def test_wrong_values_are_named(change: Any, message: str) -> None:
    data = {**LEAST, **change} if isinstance(change, dict) else change
    with pytest.raises(SettingsError, match=message):
        parse_settings(data)


@pytest.mark.parametrize("key", ["ledger", "evidence_dir", "ticket_dir"])
def test_missing_keys_are_named(key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key} is missing"):
        parse_settings({name: value for name, value in LEAST.items() if name != key})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "has to be an object"),
    ],
)
def test_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "controller.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(str(path))
    assert str(path) in str(caught.value)
    path.write_text(json.dumps(WHOLE), encoding="utf-8")
    assert load_settings(str(path)).ledger == "/l"

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


def test_how_the_alertmanagers_are_asked() -> None:
    plain = parse_settings(LEAST).alertmanager
    assert (plain.ca_file, plain.client_cert, plain.client_key, plain.username, plain.password_file) == (None,) * 5
    given = {"ca_file": "/ca", "client_cert": "/c", "client_key": "/k", "username": "loop", "password_file": "/p"}
    made = parse_settings({**LEAST, "alertmanager": given}).alertmanager
    assert {name: getattr(made, name) for name in given} == given
    assert parse_settings({**LEAST, "alertmanager": {"client_cert": "/both", "client_key": None}})


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
        ({"engine": {"kind": "pbs"}}, "engine.kind has to be one of slurm, kubernetes, not 'pbs'"),
        ({"engine": {"timeout_seconds": 0}}, "engine.timeout_seconds has to be a number above 0, not 0"),
        ({"engine": None}, "engine has to be an object, not null"),
        ({"containment": "soon"}, "containment has to be one of in_process, playbook"),
        ({"alertmanager": {"urls": "http://x"}}, r"alertmanager.urls has to be a list of texts"),
        ({"alertmanager": {"urls": [1]}}, r"alertmanager.urls\[0\] has to be a text"),
        ({"alertmanager": {"poll_seconds": float("nan")}}, "alertmanager.poll_seconds has to be a number above 0"),
        ({"alertmanager": {"ca_file": 1}}, "alertmanager.ca_file has to be a text"),
        ({"alertmanager": {"client_key": "/k"}}, "alertmanager.client_key is given without alertmanager.client_cert"),
        (
            {"alertmanager": {"password_file": "/p"}},
            "alertmanager.password_file is given without alertmanager.username",
        ),
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
        ({"nodes": {"gpu1": {"spare": "yes"}}}, "nodes.gpu1.spare has to be true or false"),
        ({"nodes": {"gpu1": {"engine": "k8s"}}}, "nodes.gpu1.engine names 'k8s', which is not one of engines"),
        ({"engines": {"k8s": {"kind": "nomad"}}}, "engines.k8s.kind has to be one of slurm, kubernetes"),
        ({"engines": {"k8s": {"kubeconfig": 5}}}, "engines.k8s.kubeconfig has to be a text"),
        ({"ledger": "mysql://host/db"}, "ledger has to be a path or postgresql://"),
        ({"ledger": "postgresql://user@host"}, "ledger has to be a path or postgresql://"),
        ({"ledger": "postgresql://user:secret@host/db"}, "ledger must hold no password"),
        ({"ledger": "postgresql://user@host/db?password=secret"}, "ledger must hold no password"),
        ({"ledger_password_file": 1}, "ledger_password_file has to be a text"),
        ({"retention_days": 0}, "retention_days has to be a whole number from 1 on"),
        ({"gate": {"class_modes": {"gpu_nonsense": "act"}}}, "gate.class_modes.gpu_nonsense is not a fault class"),
        ({"gate": {"class_modes": {"gpu_stopped": "maybe"}}}, "gate.class_modes.gpu_stopped has to be one of observe"),
        ({"gate": {"breaker_rearm_seconds": 0}}, "gate.breaker_rearm_seconds has to be a number above 0"),
        ({"gate": {"lemon_cases": 0}}, "gate.lemon_cases has to be a whole number from 1 on"),
        ({"gate": {"approval_expires_seconds": "1d"}}, "gate.approval_expires_seconds has to be a number above 0"),
        ({"fault_classes": []}, "fault_classes has to be an object"),
        ({"fault_classes": {"gpu_stopped": {"severity": "awful"}}}, "fault_classes: .*severity"),
        ({"webhook": {"port": 0}}, "webhook.port has to be a port from 1 to 65535"),
        ({"webhook": {"max_bytes": 0}}, "webhook.max_bytes has to be a whole number from 1 on"),
        ({"ticket": {"backend": "webhook"}}, "ticket.url is missing"),
        ({"ticket": {"backend": "paper"}}, "ticket.backend has to be one of file, webhook"),
        ({"notify": {"mail_to": "kim@example.org"}}, "notify.mail_to has to be a list of texts"),
        ({"deadlines_seconds": {"power_cycle": 0}}, "deadlines_seconds.power_cycle has to be a number above 0"),
        ({"deadlines_seconds": {"reboot": "15m"}}, "deadlines_seconds.reboot has to be a number above 0, not '15m'"),
    ],
)
def test_wrong_values_are_named(change: Any, message: str) -> None:
    data = {**LEAST, **change} if isinstance(change, dict) else change
    with pytest.raises(SettingsError, match=message):
        parse_settings(data)


def test_new_parts() -> None:
    settings = parse_settings(
        {
            **LEAST,
            "ledger": "postgresql://aidc@db.example.org:5432/aidc",
            "ledger_password_file": "/p",
            "engines": {"k8s": {"kind": "kubernetes", "context": "lab"}},
            "nodes": {"gpu1": {"engine": "k8s", "feed": "A", "spare": True}},
            "gate": {"class_modes": {"gpu_stopped": "approve"}, "modes": {"contain": "act"}},
            "fault_classes": {"gpu_stopped": {"severity": "low"}},
        }
    )
    assert settings.engines["k8s"].context == "lab" and settings.nodes["gpu1"].spare
    assert settings.gate.mode("contain", "gpu_stopped") == "approve"
    assert settings.gate.mode("reset", "gpu_stopped") == "observe"
    assert settings.gate.mode("contain", "gpu_fell_off_bus") == "act"
    assert settings.catalogue.classes["gpu_stopped"].severity == "low"
    assert parse_settings(LEAST).catalogue.classes["gpu_stopped"].severity == "critical"


def test_a_wrong_ledger_shows_no_password() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings({**LEAST, "ledger": "postgresql://user:secret@host/db"})
    assert "secret" not in str(caught.value)


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

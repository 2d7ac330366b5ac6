# Tests of the command aidc-cases, on a real ledger.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import json
import socket
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.event_source.kernel_log import KernelLog
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_bodies import context_of
from ansible_collections.aidc.ops.plugins.module_utils._cases import holder
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager
from ansible_collections.aidc.ops.tests.fakes.certificates import Authority
from ansible_collections.aidc.ops.tests.fakes.controller import XID79, Controller

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "remediation_controller" / "files" / "aidc_cases.py"


def load() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("aidc_cases", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


aidc_cases = load()


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    controller = Controller(tmp_path)
    controller.log("gpu2", XID79 + " \x1b[31m{{ 1/0 }}")
    KernelLog(str(controller.config)).step()
    return controller


@pytest.fixture
def command(controller: Controller, capsys: pytest.CaptureFixture[str]) -> t.Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = aidc_cases.main(["--config", str(controller.config), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


Command = t.Callable[..., "tuple[int, str, str]"]


def test_list(command: Command) -> None:
    status, out, _err = command("list")
    assert status == 0 and "gpu2" in out and "gpu_fell_off_bus" in out
    assert json.loads(command("list", "--json")[1])[0]["case_id"] == 1
    assert "gpu2" not in command("list", "--state", "returned")[1]


def test_show_and_timeline_hide_what_a_terminal_would_obey(command: Command) -> None:
    assert "gpu:0000:1b:00" in command("show", "1")[1]
    out = command("timeline", "1")[1]
    assert "\x1b" not in out and "{{ 1/0 }}" in out
    events = json.loads(command("timeline", "1", "--json")[1])
    assert {event["kind"] for event in events[:2]} == {"signal", "opened"}


def test_a_case_that_is_not_there_is_an_error(command: Command) -> None:
    status, _out, err = command("show", "99")
    assert status == 2 and err.startswith("aidc-cases: ")


def test_broken_settings_are_an_error(command: Command, controller: Controller) -> None:
    controller.config.write_text("{")
    assert command("list")[0] == 2


def test_pause_and_resume(command: Command, controller: Controller) -> None:
    assert command("pause")[0] == 0
    assert controller.ledger().controls()["paused_by"]
    assert command("pause")[0] == 1
    assert command("resume")[0] == 0
    assert controller.ledger().controls()["paused_by"] is None


def test_cancel(command: Command, controller: Controller) -> None:
    assert command("cancel", "1")[0] == 0
    assert controller.ledger().case(1).state == "cancelled"
    assert command("cancel", "1")[0] == 1


def test_rearm_says_when_there_is_nothing_to_do(command: Command) -> None:
    assert command("rearm")[0] == 1


def test_approve_needs_an_open_case(command: Command) -> None:
    assert command("approve", "1")[0] == 0
    command("cancel", "1")
    assert command("approve", "1")[0] != 0


def test_status_requires_heartbeats(command: Command) -> None:
    assert command("status", "--require", "kernel_log")[0] == 0
    status, _out, err = command("status", "--require", "alertmanager")
    assert status == 1 and "alertmanager" in err
    assert "kernel_log" in json.loads(command("status", "--json")[1])["heartbeats"]


def test_quiesce_waits_for_leases_of_living_runs_only(
    command: Command, controller: Controller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flag = tmp_path / "quiesce"
    monkeypatch.setenv("AIDC_OPS_QUIESCE_FILE", str(flag))
    assert command("quiesce")[0] == 0 and flag.exists()
    controller.ledger().lease([1], holder.this_process(), 600)
    status, out, _err = command("quiesce", "--seconds", "0.1")
    assert status == 1 and "[1]" in out
    controller.ledger().release(holder.this_process())
    controller.ledger().lease([1], f"{holder.this_process().split(':')[0]}:999999999:1", 600)
    assert command("quiesce", "--seconds", "0.1")[0] == 0


def test_quiesce_prolongs_the_stop_of_the_service(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIDC_OPS_QUIESCE_FILE", str(tmp_path / "quiesce"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(str(tmp_path / "notify"))
        service_manager.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert command("quiesce")[0] == 0
        assert service_manager.recv(100) == b"EXTEND_TIMEOUT_USEC=10000000"


def test_quiesce_outside_of_the_service_says_so(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIDC_OPS_QUIESCE_FILE", raising=False)
    assert command("quiesce")[0] == 2


def test_check_config(command: Command, controller: Controller, tmp_path: Path) -> None:
    assert command("check-config", str(controller.config))[0] == 0
    bad = tmp_path / "bad.json"
    bad.write_text('{"schema_version": 1}')
    status, _out, err = command("check-config", str(bad))
    assert status == 2 and "bad.json" in err


def test_bmc_context_is_what_the_listener_expects(controller: Controller, command: Command, tmp_path: Path) -> None:
    assert command("bmc-context", "gpu1")[0] == 2
    token = tmp_path / "token"
    token.write_text("a-token-of-many-characters\n")
    content = json.loads(controller.config.read_text())
    content["webhook"] = {"token_file": str(token)}
    controller.config.write_text(json.dumps(content))
    assert command("bmc-context", "nobody")[0] == 2
    assert command("bmc-context", "gpu1")[1].strip() == context_of("gpu1", b"a-token-of-many-characters")


def test_report_failure_shows_a_certificate(controller: Controller, command: Command, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with FakeAlertmanager(authority.server()) as server:
        content = json.loads(controller.config.read_text())
        content["alertmanager"]["urls"] = [server.url]
        controller.config.write_text(json.dumps(content))
        assert command("report-failure", "--controller", "ctl", "x.service")[0] == 2
        content["alertmanager"].update(authority.options())
        controller.config.write_text(json.dumps(content))
        assert command("report-failure", "--controller", "ctl", "x.service")[0] == 0
        assert [alert["labels"]["name"] for alert in server.posted] == ["x.service"]


def test_report_failure_tells_every_alertmanager(
    controller: Controller, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeAlertmanager() as first, FakeAlertmanager() as second:
        content = json.loads(controller.config.read_text())
        content["alertmanager"]["urls"] = [first.url, second.url]
        controller.config.write_text(json.dumps(content))
        monkeypatch.setenv("SERVICE_RESULT", "success")
        assert command("report-failure", "--unless-success", "--controller", "ctl", "x.service")[0] == 0
        assert first.posted == []
        monkeypatch.setenv("SERVICE_RESULT", "watchdog")
        assert command("report-failure", "--unless-success", "--controller", "ctl", "x.service")[0] == 0
        for server in (first, second):
            (alert,) = server.active()
            assert alert["labels"] == {
                "alertname": "RemediationServiceFailed",
                "instance": "ctl",
                "name": "x.service",
                "severity": "critical",
            }
        first.status = 500
        assert command("report-failure", "--controller", "ctl", "x.service")[0] == 2
        assert len(second.posted) == 2

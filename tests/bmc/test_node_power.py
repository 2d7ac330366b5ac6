# node_power and bmc_reset against simulated BMCs: our Redfish simulator, and ipmi_sim asked by ipmitool.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from bmcsim.ipmi import IpmiBmc
from bmcsim.model import Bmc, Fault
from sites import ADDRESSES, Site, free_port

from ansible_collections.aidc.ops.plugins.modules import bmc_reset, node_power

Answer = dict[str, Any]
RESET = "Actions/ComputerSystem.Reset"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_power, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(bmc_reset, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(bmc_reset, "_PROBE_SECONDS", 0.3)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def run(main: Callable[[], None], check: bool = False, **arguments: Any) -> Answer:
        with patch_module_args({"_ansible_check_mode": check, **arguments}), pytest.raises(SystemExit):
            main()
        return dict(json.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def redfish(site: Site, call: Callable[..., Answer], tmp_path: Path) -> Callable[..., Answer]:
    """node_power through Redfish."""

    def run(state: str, check: bool = False, main: Callable[[], None] = node_power.main, **more: Any) -> Answer:
        given = {
            "address": ADDRESSES[0],
            "port": site.port,
            "protocol": "redfish",
            "username": "admin",
            "password": "secret",
            "ca_path": site.certificate[0],
            "token": "aidc.ops:17:power:1",
            "state_dir": str(tmp_path / "attempts"),
            "timeout": 5,
            "request_timeout": 2,
        }
        if main is node_power.main:
            given.update(state=state, settle_seconds=0)
        return call(main, check=check, **{**given, **more})

    return run


@pytest.fixture
def ipmi(ipmi_bmc: IpmiBmc, call: Callable[..., Answer], tmp_path: Path) -> Callable[..., Answer]:
    def run(state: str, check: bool = False, main: Callable[[], None] = node_power.main, **more: Any) -> Answer:
        given = {
            "address": ipmi_bmc.host,
            "ipmi_port": ipmi_bmc.port,
            "protocol": "ipmi",
            "username": "admin",
            "password": "secret",
            "token": "aidc.ops:17:power:1",
            "state_dir": str(tmp_path / "attempts"),
            "timeout": 10,
        }
        if main is node_power.main:
            given.update(state=state, settle_seconds=0)
        return call(main, check=check, **{**given, **more})

    return run


def sent(bmc: Bmc) -> list[str]:
    return [entry["message"].split(": ")[1].rstrip(".") for entry in bmc.logs if "server was reset" in entry["message"]]


@pytest.mark.parametrize(
    ("state", "reset_type", "power"),
    [
        ("graceful_restart", "GracefulRestart", "on"),
        ("force_restart", "ForceRestart", "on"),
        ("power_cycle", "ForceOff, On", "on"),
        ("off", "ForceOff", "off"),
    ],
)
def test_check_run_run_check(
    site: Site, redfish: Callable[..., Answer], tmp_path: Path, state: str, reset_type: str, power: str
) -> None:
    bmc = Bmc("gpu1", power_seconds=0.2)
    site.start(bmc)
    check = redfish(state, check=True)
    assert (check["changed"], check["reset_type"], check["power_state_after"]) == (True, reset_type, "on")
    assert sent(bmc) == [] and not (tmp_path / "attempts").exists()
    first = redfish(state)
    assert "failed" not in first, first
    assert (first["changed"], first["reset_type"], first["protocol"]) == (True, reset_type, "redfish")
    assert (first["power_state_before"], first["power_state_after"]) == ("on", power)
    for check_mode in (False, True):
        again = redfish(state, check=check_mode)
        assert (again["changed"], again["reset_type"], again["power_state_after"]) == (False, reset_type, power)
    assert sent(bmc) == reset_type.split(", ")
    assert bmc.power_state == power.title()
    assert bmc.sessions == {} and bmc.failed_logins == 0


@pytest.mark.parametrize("state", ["on", "graceful_restart", "force_restart", "power_cycle"])
def test_a_server_that_is_off_is_switched_on(site: Site, redfish: Callable[..., Answer], state: str) -> None:
    bmc = Bmc("gpu1")
    bmc.reset("ForceOff")
    bmc.logs.clear()
    site.start(bmc)
    answer = redfish(state)
    assert (answer["power_state_before"], answer["power_state_after"], sent(bmc)) == ("off", "on", ["On"])


@pytest.mark.parametrize("state", ["on", "off"])
def test_what_is_already_so_is_left_alone(site: Site, redfish: Callable[..., Answer], state: str) -> None:
    bmc = Bmc("gpu1")
    bmc.reset({"on": "On", "off": "ForceOff"}[state])
    bmc.logs.clear()
    site.start(bmc)
    for check in (True, False):
        assert redfish(state, check=check)["changed"] is False
    assert sent(bmc) == []


def test_a_bmc_that_says_nothing_about_resets_is_tried(site: Site, redfish: Callable[..., Answer]) -> None:
    site.start(Bmc("gpu1"))
    # Another token is another attempt.
    assert redfish("power_cycle")["changed"]
    assert redfish("power_cycle", token="aidc.ops:17:power:2")["changed"]


def test_a_refused_reset_is_told_and_not_repeated(site: Site, redfish: Callable[..., Answer]) -> None:
    bmc = Bmc("gpu1", faults=[Fault("status", RESET, 403)])
    site.start(bmc)
    for _round in range(2):
        answer = redfish("force_restart")
        assert answer["failed"] and "HTTP status 403" in answer["msg"]
        assert answer["uncertain"] is False
        bmc.faults.clear()
    assert sent(bmc) == []


def test_a_restart_nobody_answered_is_uncertain(site: Site, redfish: Callable[..., Answer]) -> None:
    bmc = Bmc("gpu1", faults=[Fault("dead", RESET)])
    site.start(bmc)
    answer = redfish("force_restart", request_timeout=1)
    assert answer["failed"] and answer["uncertain"] and "no answer to the request" in answer["msg"]
    assert sent(bmc) == []


def test_a_server_that_does_not_go_off_is_told(site: Site, redfish: Callable[..., Answer]) -> None:
    bmc = Bmc("gpu1", power_seconds=60)
    site.start(bmc)
    answer = redfish("power_cycle", timeout=1)
    assert answer["failed"] and "was not off 1 seconds after ForceOff" in answer["msg"]
    assert sent(bmc) == ["ForceOff"]


def test_an_attempt_that_died_between_off_and_on_is_ended(
    site: Site, redfish: Callable[..., Answer], tmp_path: Path
) -> None:
    bmc = Bmc("gpu1")
    bmc.reset("ForceOff")
    bmc.logs.clear()
    site.start(bmc)
    marker = tmp_path / "attempts" / "node_power.aidc.ops:17:power:1.json"
    marker.parent.mkdir()
    marker.write_text('{"started_at": 1, "sent": ["ForceOff"], "power_before": "on"}')
    assert redfish("power_cycle", check=True)["reset_type"] == "On"
    assert sent(bmc) == []
    answer = redfish("power_cycle")
    assert (answer["changed"], answer["reset_type"], answer["power_state_after"]) == (True, "ForceOff, On", "on")
    assert sent(bmc) == ["On"]
    assert redfish("power_cycle")["changed"] is False


def test_an_attempt_that_died_sends_nothing_again(site: Site, redfish: Callable[..., Answer], tmp_path: Path) -> None:
    bmc = Bmc("gpu1")
    site.start(bmc)
    marker = tmp_path / "attempts" / "node_power.aidc.ops:17:power:1.json"
    marker.parent.mkdir()
    marker.write_text('{"started_at": 1, "sent": ["ForceRestart"]}')
    answer = redfish("force_restart")
    assert answer["failed"] and answer["uncertain"] and "ended before its outcome was known" in answer["msg"]
    assert sent(bmc) == []


def test_a_wrong_password_is_sent_once(site: Site, redfish: Callable[..., Answer]) -> None:
    bmc = Bmc("gpu1")
    site.start(bmc)
    answer = redfish("power_cycle", password="wrong", protocol="auto")
    assert answer["failed"] and "access denied" in answer["msg"]
    assert bmc.failed_logins == 1 and sent(bmc) == []


def test_the_password_is_not_shown(site: Site, redfish: Callable[..., Answer], tmp_path: Path) -> None:
    site.start(Bmc("gpu1"))
    assert "secret" not in str(redfish("power_cycle"))
    assert "secret" not in "".join(path.read_text() for path in (tmp_path / "attempts").iterdir())


def test_an_unknown_system_is_named(site: Site, redfish: Callable[..., Answer]) -> None:
    site.start(Bmc("gpu1"))
    assert "there are: 1" in redfish("off", system="7")["msg"]


@pytest.mark.parametrize(
    ("state", "reset_type", "power"),
    [
        ("force_restart", "ForceRestart", "on"),
        ("power_cycle", "ForceOff, On", "on"),
        ("off", "ForceOff", "off"),
        ("on", "On", "on"),
    ],
)
def test_ipmi(ipmi_bmc: IpmiBmc, ipmi: Callable[..., Answer], state: str, reset_type: str, power: str) -> None:
    (ipmi_bmc.folder / "power.state").write_text("0\n" if state == "on" else "1\n")
    assert ipmi(state, check=True)["reset_type"] == reset_type
    answer = ipmi(state)
    assert "failed" not in answer, answer
    assert (answer["changed"], answer["reset_type"], answer["protocol"]) == (True, reset_type, "ipmi")
    assert ipmi_bmc.power is (power == "on")
    assert ipmi(state)["changed"] is False
    (ipmi_bmc.folder / "power.state").write_text("1\n")


def test_auto_falls_back_to_ipmi(ipmi_bmc: IpmiBmc, ipmi: Callable[..., Answer]) -> None:
    answer = ipmi("power_cycle", protocol="auto", port=free_port())
    assert (answer["changed"], answer["protocol"]) == (True, "ipmi")
    assert ipmi_bmc.power


def test_a_user_who_may_only_read_switches_nothing(ipmi_bmc: IpmiBmc, ipmi: Callable[..., Answer]) -> None:
    answer = ipmi("off", username="viewer", password="look", ipmi_privilege="user")
    assert answer["failed"]
    assert ipmi_bmc.power


def test_bmc_reset(site: Site, redfish: Callable[..., Answer]) -> None:
    # Longer than its logout waits for an answer.
    bmc = Bmc("gpu1", restart_seconds=5.0)
    site.start(bmc)
    more: dict[str, Any] = {"main": bmc_reset.main, "away_seconds": 8, "timeout": 20}
    assert redfish("", check=True, **more)["changed"]
    assert bmc.logs == []
    first = redfish("", **more)
    assert "failed" not in first, first
    assert (first["changed"], first["reset"], first["seen_away"]) == (True, True, True)
    assert (first["reset_type"], first["protocol"]) == ("ForceRestart", "redfish")
    again = redfish("", **more)
    assert (again["changed"], again["reset"]) == (False, True)
    assert redfish("", check=True, **more)["changed"] is False
    assert [entry["message"] for entry in bmc.logs] == ["The BMC was restarted."]


def test_bmc_reset_that_does_not_come_back(site: Site, redfish: Callable[..., Answer]) -> None:
    bmc = Bmc("gpu1", restart_seconds=60)
    site.start(bmc)
    answer = redfish("", main=bmc_reset.main, away_seconds=2, timeout=2)
    assert answer["failed"] and not answer["reset"] and "did not answer 2 seconds after" in answer["msg"]


def test_bmc_reset_through_ipmi(ipmi: Callable[..., Answer]) -> None:
    # ipmi_sim says yes and stays.
    answer = ipmi("", main=bmc_reset.main, away_seconds=1, timeout=10, ipmi_privilege="administrator")
    assert (answer.get("reset"), answer["reset_type"], answer["protocol"]) == (True, "mc reset cold", "ipmi"), answer

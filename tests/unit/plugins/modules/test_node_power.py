# Tests of the modules node_power and bmc_reset without a BMC; tests/bmc has those with simulated ones.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.doc_fragments import _bmc
from ansible_collections.aidc.ops.plugins.module_utils._hardware.attempts import AttemptError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import PartError, Silent
from ansible_collections.aidc.ops.plugins.module_utils._repair.attempt import Attempt, finished
from ansible_collections.aidc.ops.plugins.module_utils._repair.bmc_control import (
    Impossible,
    IpmiControl,
    Place,
    Unsure,
    open_control,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair.bmc_options import bmc_options
from ansible_collections.aidc.ops.plugins.module_utils._repair.deadline import Deadline, wait_until
from ansible_collections.aidc.ops.plugins.module_utils._repair.power_plan import STATES, plan
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result
from ansible_collections.aidc.ops.plugins.modules import bmc_reset, node_power

Call = Callable[..., dict[str, Any]]
EVERY = ("On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "PowerCycle", "Nmi")


@pytest.mark.parametrize(
    ("wanted", "power", "allowed", "kinds"),
    [
        ("on", "on", EVERY, ""),
        ("off", "off", EVERY, ""),
        ("on", "off", EVERY, "On"),
        ("off", "on", EVERY, "ForceOff"),
        ("graceful_restart", "on", EVERY, "GracefulRestart"),
        ("graceful_restart", "on", None, "GracefulRestart"),
        ("graceful_restart", "on", ("GracefulShutdown", "On"), "GracefulShutdown On"),
        ("graceful_restart", "off", EVERY, "On"),
        ("force_restart", "on", EVERY, "ForceRestart"),
        ("force_restart", "on", ("PowerCycle",), "PowerCycle"),
        ("force_restart", "on", ("ForceOff", "On"), "ForceOff On"),
        ("power_cycle", "on", EVERY, "ForceOff On"),
        ("power_cycle", "on", ("PowerCycle", "On"), "PowerCycle"),
        ("power_cycle", "off", EVERY, "On"),
    ],
)
def test_plan(wanted: str, power: str, allowed: tuple[str, ...] | None, kinds: str) -> None:
    acts = plan(wanted, power, allowed)
    assert " ".join(act.kind for act in acts) == kinds
    # Whoever switches off rests before switching on, and nobody ends switched off who did not want to.
    assert all(act.settle for act in acts[:-1])
    assert not acts or acts[-1].until == ("off" if wanted == "off" else "on")


@pytest.mark.parametrize("wanted", STATES)
@pytest.mark.parametrize(("power", "allowed"), [(None, EVERY), ("paused", EVERY), ("poweringon", None)])
def test_nothing_is_sent_in_the_dark(wanted: str, power: str | None, allowed: tuple[str, ...] | None) -> None:
    with pytest.raises(Impossible, match="does not say whether"):
        plan(wanted, power, allowed)


def test_what_a_bmc_cannot_do() -> None:
    with pytest.raises(Impossible, match="it offers the resets Nmi"):
        plan("power_cycle", "on", ("Nmi",))
    with pytest.raises(Impossible, match="it offers the resets none"):
        plan("on", "off", ())


def ipmi(answers: dict[str, Result]) -> IpmiControl:
    def run(argv: Any, _timeout: float, _env: Any) -> Result:
        line = " ".join(argv)
        return next((value for key, value in answers.items() if line.endswith(key)), Result(0, "ok\n", ""))

    return IpmiControl(Place("192.0.2.10", username="a", password="b"), run)


@pytest.fixture(autouse=True)
def _ipmitool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ipmitool").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "ipmitool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


def test_ipmi_power() -> None:
    control = ipmi(
        {
            "power status": Result(0, "Chassis Power is on\n", ""),
            "power reset": Result(0, "Chassis Power Control: Reset\n", ""),
        }
    )
    assert control.power_state() == "on"
    control.reset("ForceRestart")
    with pytest.raises(Impossible, match="IPMI has no PowerCycle"):
        control.reset("PowerCycle")
    assert ipmi({"power status": Result(0, "Chassis Power is sleeping\n", "")}).power_state() is None


def test_ipmi_refusals() -> None:
    refused = Result(1, "", "Set Chassis Power Control to Down/Off failed: Insufficient privilege level\n")
    with pytest.raises(PartError, match="Insufficient privilege"):
        ipmi({"power off": refused}).reset("ForceOff")
    with pytest.raises(PartError, match="refuses"):
        ipmi({"power off": Result(1, "nonsense\n", "")}).reset("ForceOff")
    with pytest.raises(Silent, match="no answer through IPMI"):
        ipmi({"mc info": Result(1, "", "Error: Unable to establish IPMI v2 / RMCP+ session\n")})


def test_a_request_that_ipmitool_was_not_done_with_is_uncertain() -> None:
    def run(argv: Any, _timeout: float, _env: Any) -> Result:
        if argv[-1] == "off":
            raise TimeoutError("ipmitool did not answer within 20 s")
        return Result(0, "ok\n", "")

    with pytest.raises(Unsure, match="no answer to ipmitool chassis power off"):
        open_control(Place("192.0.2.10", protocol="ipmi"), run).reset("ForceOff")


@pytest.mark.parametrize("main", [node_power.main, bmc_reset.main])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"address": "https://bmc1"}, "without port and path"),
        ({"address": "-v"}, "address must be"),
        ({"port": 70000}, "port must be a port number"),
        ({"timeout": 0}, "timeout must be at least 1"),
        ({"request_timeout": 0}, "request_timeout must be at least 1"),
        ({"token": "a b"}, "the token may hold"),
    ],
)
def test_what_cannot_be_meant(
    call: Call, main: Callable[[], None], tmp_path: Path, arguments: dict[str, Any], text: str
) -> None:
    given = {"address": "192.0.2.10", "token": "t:1", "state_dir": str(tmp_path / "attempts"), "username": "admin"}
    more = {"state": "off"} if main is node_power.main else {}
    answer = call(main, config=None, **{**given, **more, **arguments})
    assert answer["failed"] and text in answer["msg"]


def test_in_band_there_is_no_redfish(call: Call, tmp_path: Path) -> None:
    given = {"token": "t:1", "state_dir": str(tmp_path / "attempts"), "protocol": "redfish"}
    assert "Redfish needs an address" in call(bmc_reset.main, config=None, **given)["msg"]
    assert "address" in call(node_power.main, config=None, state="off", **given)["msg"]
    assert (
        "settle_seconds cannot be"
        in call(node_power.main, config=None, state="off", address="192.0.2.1", settle_seconds=-1, **given)["msg"]
    )


def test_a_bmc_that_nobody_reaches_leaves_no_marker(call: Call, tmp_path: Path) -> None:
    given = {"token": "t:1", "state_dir": str(tmp_path / "attempts"), "protocol": "ipmi", "address": "192.0.2.10"}
    answer = call(node_power.main, config=None, state="off", timeout=2, **given)
    assert answer["failed"] and "the server was not switched" in answer["msg"]
    assert "the BMC was not reset" in call(bmc_reset.main, config=None, timeout=2, **given)["msg"]
    assert not list((tmp_path / "attempts").glob("*.json"))


def test_another_call_that_still_works_is_waited_for(call: Call, tmp_path: Path) -> None:
    given = {"token": "t:1", "state_dir": str(tmp_path / "attempts"), "protocol": "ipmi", "address": "192.0.2.10"}
    with Attempt(given["state_dir"], "node_power", "t:1") as attempt:
        assert attempt.take() and attempt.begin()
        answer = call(node_power.main, config=None, state="off", **given)
    assert (answer["changed"], answer["in_progress"]) == (False, True)


def test_attempts(tmp_path: Path) -> None:
    folder = str(tmp_path / "a")
    with Attempt(folder, "x", "t:1") as one, Attempt(folder, "x", "t:1") as other:
        assert one.earlier() is None and one.take() and not other.take()
        assert one.begin(a=1) and not other.begin(a=2)
        one.note(b=2)
        found = other.earlier() or {}
        assert (found["a"], found["b"], finished(found)) == (1, 2, False)
        assert finished(one.finish(c=3))
    with Attempt(folder, "x", "t:1") as again:
        assert again.take() and finished(again.earlier() or {})
        again.withdraw()
        assert again.earlier() is None
    (tmp_path / "file").write_text("")
    with pytest.raises(AttemptError), Attempt(str(tmp_path / "file"), "x", "t:1") as broken:
        broken.take()


def test_waiting() -> None:
    now = [0.0]
    answers = iter([False, False, True])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    deadline = Deadline(10, lambda: now[0])
    assert wait_until(lambda: next(answers), deadline, 3, sleep)
    assert (now[0], deadline.left()) == (6, 4)
    assert not wait_until(lambda: False, deadline, 3, sleep)
    assert deadline.over() and deadline.left() == 0 and deadline.left(least=1) == 1


def test_documentation_and_options_agree() -> None:
    shared = yaml.safe_load(_bmc.ModuleDocFragment.DOCUMENTATION)["options"]
    spec = bmc_options("operator", address_required=True)
    assert set(shared) == set(spec) - {"address", "ipmi_privilege"}
    for name, option in shared.items():
        for key in ("type", "default", "choices"):
            assert option.get(key) == spec[name].get(key), (name, key)
    for module, privilege in ((node_power, "operator"), (bmc_reset, "administrator")):
        options = yaml.safe_load(module.DOCUMENTATION)["options"]
        assert options["ipmi_privilege"]["default"] == privilege
        assert set(options) & set(shared) == set()

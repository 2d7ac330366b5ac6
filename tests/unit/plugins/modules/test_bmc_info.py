# Tests of the module bmc_info as Ansible calls it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import PARTS, RESULTS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_reader import Request
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_system import SYSTEM_KEYS
from ansible_collections.aidc.ops.plugins.modules import bmc_info

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    requests: list[Request] = []

    def read(request: Request, _run: object) -> dict[str, Any]:
        requests.append(request)
        return {"system": {"serial": "SN1"}, "problems": [], "protocol": "redfish"}

    monkeypatch.setattr(bmc_info, "read_bmc_bounded", read)
    return requests


@pytest.mark.parametrize("check", [False, True])
def test_answer_is_passed_on_and_nothing_is_changed(call: Call, asked: list[Request], check: bool) -> None:
    answer = call(bmc_info.main, check=check, config=None, address="bmc1.example", username="a", password="s3cret")
    assert (answer["changed"], answer["system"]) == (False, {"serial": "SN1"})
    assert asked[0].address == "bmc1.example"
    assert asked[0].parts == list(PARTS)
    assert asked[0].validate_certs is True


def test_the_password_is_never_shown(call: Call, asked: list[Request]) -> None:
    answer = call(bmc_info.main, config=None, address="bmc1.example", username="a", password="s3cret")
    assert asked[0].password == "s3cret"
    assert "s3cret" not in str(answer)


def test_the_password_may_come_from_the_environment(
    call: Call, asked: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDC_OPS_BMC_PASSWORD", "from outside")
    answer = call(bmc_info.main, config=None, address="bmc1.example", username="a")
    assert asked[0].password == "from outside"
    assert "from outside" not in str(answer)


def test_trouble_is_a_failure_with_its_message(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_unused: object) -> dict[str, Any]:
        raise BmcError("https://bmc1.example: no answer within 40 s")

    monkeypatch.setattr(bmc_info, "read_bmc_bounded", read)
    answer = call(bmc_info.main, config=None, address="bmc1.example")
    assert (answer["failed"], answer["msg"]) == (True, "https://bmc1.example: no answer within 40 s")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be at least 1, not 0"),
        ({"max_events": -1}, "max_events must be at least 1"),
        ({"port": 0}, "port must be a port number, not 0"),
        ({"ipmi_port": 70000}, "ipmi_port must be a port number"),
        ({"parts": []}, "at least one part"),
        ({"parts": ["gpus"]}, "value of parts must be one or more of"),
        ({"protocol": "snmp"}, "value of protocol must be one of"),
        ({"address": "-v"}, "address must be a name or an IP address"),
        ({"address": "bmc1:443"}, "without port and path"),
        ({"address": "https://bmc1"}, "without port and path"),
        ({"address": ""}, "address must be"),
        ({"address": "bmc1\n"}, "address must be"),
        ({"address": None, "protocol": "redfish"}, "Redfish needs an address"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    call: Call, asked: list[Request], options: dict[str, Any], message: str
) -> None:
    answer = call(bmc_info.main, **{"config": None, "address": "bmc1.example", **options})
    assert answer["failed"] and message in answer["msg"]
    assert asked == []


@pytest.mark.parametrize("address", ["bmc1", "bmc1.example.", "192.0.2.10", "2001:db8::7", "::1", "bmc_1"])
def test_addresses_that_are_good(call: Call, asked: list[Request], address: str) -> None:
    assert "failed" not in call(bmc_info.main, config=None, address=address)
    assert asked[0].address == address


def test_the_examples_are_accepted(call: Call, asked: list[Request]) -> None:
    tasks = [task["aidc.ops.bmc_info"] for task in yaml.safe_load(bmc_info.EXAMPLES) if "aidc.ops.bmc_info" in task]
    for arguments in tasks:
        assert "failed" not in call(bmc_info.main, config=None, **arguments)
    assert len(asked) == len(tasks) == 3


def test_the_documentation_names_what_is_returned() -> None:
    documented = yaml.safe_load(bmc_info.RETURN)
    assert set(documented) == {*RESULTS, "protocol", "problems"}
    assert set(documented["system"]["contains"]) == set(SYSTEM_KEYS)
    options = yaml.safe_load(bmc_info.DOCUMENTATION)["options"]
    assert set(options) == set(bmc_info.SPEC) == set(Request._fields)

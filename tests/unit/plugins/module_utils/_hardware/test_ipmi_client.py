# Tests of how ipmitool is called.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import ipmi_client
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import (
    Clock,
    MissingProgram,
    PartError,
    Silent,
)
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result

ALL = ("system", "chassis", "power", "thermal", "firmware", "events", "bmc")
ACCESS = ipmi_client.IpmiAccess("192.0.2.10", 6230, "admin", "top secret")
NOBODY = "Error: Unable to establish IPMI v2 / RMCP+ session"
OTHER_SUITE = f"Error in open session response message : invalid authentication algorithm\n\n{NOBODY}"


@pytest.fixture(autouse=True)
def _ipmitool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/usr/bin/{name}")


class Program:
    """Stands in for ipmitool: answers by the words of the command; what it was called with is in ``calls``."""

    def __init__(self, answers: Mapping[str, Result | Exception] | None = None) -> None:
        self.answers = dict(answers or {})
        self.calls: list[tuple[list[str], float, dict[str, str]]] = []

    def __call__(self, argv: Sequence[str], timeout: float, env: Mapping[str, str]) -> Result:
        self.calls.append((list(argv), timeout, dict(env)))
        line = " ".join(argv)
        answer = next((value for key, value in self.answers.items() if key in line), Result(0, "x : y\n", ""))
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_password_is_in_the_environment_and_in_no_argument() -> None:
    program = Program()
    ipmi_client.IpmiClient(ACCESS, Clock(30), program).ask("mc", "info")
    argv, timeout, env = program.calls[0]
    assert not [word for word in argv if "secret" in word]
    assert env["IPMI_PASSWORD"] == env["IPMITOOL_PASSWORD"] == "top secret"
    assert "-E" in argv and "-P" not in argv
    assert timeout <= 10


def test_the_arguments() -> None:
    program = Program()
    ipmi_client.IpmiClient(ACCESS._replace(privilege="user"), Clock(30), program).ask("lan", "print")
    line = " ".join(program.calls[0][0])
    assert line.startswith("/usr/bin/ipmitool -I lanplus -H 192.0.2.10 -C 17 ")
    assert line.endswith("-L USER -E -p 6230 -U admin lan print")
    assert program.calls[0][2]["TZ"] == "UTC"


def test_in_band_there_are_no_credentials() -> None:
    program = Program()
    access = ipmi_client.IpmiAccess(None, 6230, "admin", "top secret")
    ipmi_client.IpmiClient(access, Clock(30), program).ask("mc", "info")
    assert program.calls[0][0] == ["/usr/bin/ipmitool", "-I", "open", "mc", "info"]
    assert program.calls[0][2] == {"TZ": "UTC"}


def test_the_older_cipher_suite_is_tried_once_and_kept() -> None:
    program = Program({"-C 17": Result(1, "", OTHER_SUITE)})
    client = ipmi_client.IpmiClient(ACCESS, Clock(30), program)
    client.ask("mc", "info")
    client.ask("lan", "print")
    assert [call[0][call[0].index("-C") + 1] for call in program.calls] == ["17", "3", "3"]


def test_a_wrong_password_is_sent_once() -> None:
    program = Program({"-C": Result(1, "", NOBODY)})
    with pytest.raises(PartError, match="a wrong user name or password"):
        ipmi_client.IpmiClient(ACCESS, Clock(30), program).ask("mc", "info")
    assert len(program.calls) == 1


def test_a_cipher_suite_that_was_chosen_is_the_only_one() -> None:
    program = Program({"-C": Result(1, "", OTHER_SUITE)})
    with pytest.raises(PartError):
        ipmi_client.IpmiClient(ACCESS._replace(cipher_suite=17), Clock(30), program).ask("mc", "info")
    assert len(program.calls) == 1


def test_a_list_with_a_missing_device_is_still_a_list() -> None:
    program = Program({"fru": Result(1, "FRU Device Description : X (ID 0)\n", "Device not present")})
    assert ipmi_client.IpmiClient(ACCESS, Clock(30), program).ask("fru", "print").startswith("FRU")


def test_no_answer_at_all_ends_the_reading() -> None:
    program = Program({"mc info": CommandError("ipmitool did not answer within 10 s and was stopped.")})
    with pytest.raises(Silent, match=r"192.0.2.10: no answer through IPMI: ipmitool did not answer"):
        ipmi_client.read_texts(ACCESS, Clock(30), program, ALL, 20)
    assert len(program.calls) == 1


def test_a_command_that_fails_is_a_problem_and_the_rest_is_read() -> None:
    program = Program({"sdr": Result(1, "", "Unable to open SDR for reading\n"), "sel": CommandError("too slow")})
    texts, problems = ipmi_client.read_texts(ACCESS, Clock(30), program, ALL, 20)
    assert (texts.sensors, texts.events) == (None, None)
    assert texts.fru and texts.mc_info and texts.chassis_status and texts.lan
    assert [(one["part"], one["device"], one["message"]) for one in problems] == [
        ("thermal", "sdr elist", "Unable to open SDR for reading"),
        ("events", "sel elist last 20", "too slow"),
    ]


@pytest.mark.parametrize(
    ("parts", "commands"),
    [
        (("bmc",), ["mc info", "lan print"]),
        (("firmware",), ["mc info"]),
        (("events",), ["mc info", "sel elist last 7"]),
        (("thermal",), ["mc info", "sdr elist"]),
        (("system",), ["mc info", "fru print", "chassis status"]),
    ],
)
def test_only_what_the_parts_need_is_asked(parts: tuple[str, ...], commands: list[str]) -> None:
    program = Program()
    ipmi_client.read_texts(ipmi_client.IpmiAccess(), Clock(30), program, parts, 7)
    assert [" ".join(call[0][3:]) for call in program.calls] == commands


def test_the_time_limit_holds_for_all_commands_together() -> None:
    now = [0.0]

    def slow(argv: Sequence[str], timeout: float, env: Mapping[str, str]) -> Result:
        now[0] += timeout
        return Result(0, "x : y\n", "")

    texts, problems = ipmi_client.read_texts(ACCESS, Clock(30, lambda: now[0]), slow, ALL, 20)
    assert now[0] == 30
    assert texts.lan is not None and texts.events is None
    assert "the time limit of 30 s was reached" in problems[-1]["message"]


def test_a_missing_program_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(MissingProgram, match="install the package ipmitool"):
        ipmi_client.read_texts(ACCESS, Clock(30), Program(), ALL, 20)

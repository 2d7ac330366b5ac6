# Tests of which protocol a BMC is asked through.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import bmc_reader
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import (
    BmcError,
    MissingProgram,
    Refused,
    Silent,
)
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import PARTS, Texts
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_reader import Request
from ansible_collections.aidc.ops.tests.fakes.redfish import Bmc, FakeClient


def refuse(problem: Exception | None) -> None:
    if problem is not None:
        raise problem


class Both:
    """Stands in for both protocols; each answers or raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redfish: Exception | None = None
        self.ipmi: Exception | None = None
        self.asked: list[Any] = []
        monkeypatch.setattr(bmc_reader, "RedfishClient", self.client)
        monkeypatch.setattr(bmc_reader, "read_texts", self.texts)

    def client(self, access: Any, clock: Any) -> Any:
        self.asked.append(access)
        refuse(self.redfish)
        fake = FakeClient.of(Bmc("gpu1"))

        class Open:
            def __enter__(self) -> FakeClient:
                return fake

            def __exit__(self, *_unused: object) -> None:
                pass

        return Open()

    def texts(self, access: Any, *_unused: object) -> tuple[Texts, list[Any]]:
        self.asked.append(access)
        refuse(self.ipmi)
        return Texts(mc_info="Firmware Revision : 9.08\n"), []


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Both:
    return Both(monkeypatch)


def read(**more: Any) -> dict[str, Any]:
    return bmc_reader.read_bmc(Request(**{"parts": PARTS, "address": "192.0.2.10", "username": "a", **more}), None)  # type: ignore[arg-type]


def test_redfish_goes_first(both: Both) -> None:
    answer = read()
    assert (answer["protocol"], len(both.asked), answer["problems"]) == ("redfish", 1, [])


@pytest.mark.parametrize("why", [Silent("nobody there"), MissingProgram("the Python package sushy is missing")])
def test_ipmi_is_asked_where_there_is_no_redfish_and_that_is_said(both: Both, why: Exception) -> None:
    both.redfish = why
    answer = read()
    assert answer["protocol"] == "ipmi"
    assert str(why) in answer["problems"][0]["message"]
    assert answer["bmc"]["firmware"] == "9.08"


def test_what_was_refused_is_not_tried_another_way(both: Both) -> None:
    both.redfish = Refused("its certificate is not trusted")
    with pytest.raises(Refused):
        read()
    assert len(both.asked) == 1


@pytest.mark.parametrize("error", [Silent("nobody there"), MissingProgram("no sushy"), Refused("denied")])
def test_redfish_alone_means_redfish_alone(both: Both, error: Exception) -> None:
    both.redfish = error
    with pytest.raises(type(error)):
        read(protocol="redfish")
    assert len(both.asked) == 1


def test_ipmi_alone_means_ipmi_alone(both: Both) -> None:
    assert read(protocol="ipmi", ipmi_port=6230, ipmi_cipher_suite=3)["protocol"] == "ipmi"
    assert [(one.port, one.cipher_suite) for one in both.asked] == [(6230, 3)]


def test_without_an_address_the_machine_itself_is_asked(both: Both) -> None:
    assert read(address=None)["protocol"] == "ipmi"
    assert both.asked[0].address is None


def test_both_failures_are_told(both: Both) -> None:
    both.redfish, both.ipmi = Silent("https: nobody"), Silent("ipmi: nobody")
    with pytest.raises(Silent, match="https: nobody; ipmi: nobody"):
        read()


def test_the_child_gives_the_same_answer_and_the_same_errors(both: Both) -> None:
    request = Request(parts=PARTS, address="192.0.2.10", timeout=10)
    answer = bmc_reader.read_bmc_bounded(request, None)  # type: ignore[arg-type]
    assert answer["system"]["serial"] == "SN0001"
    both.redfish = Refused("access denied")
    with pytest.raises(BmcError, match=r"^access denied$"):
        bmc_reader.read_bmc_bounded(request, None)  # type: ignore[arg-type]


def test_an_unexpected_error_names_its_kind(both: Both) -> None:
    both.redfish = KeyError("Members")
    with pytest.raises(BmcError, match="KeyError: 'Members'"):
        bmc_reader.read_bmc_bounded(Request(parts=PARTS, address="a", timeout=10), None)  # type: ignore[arg-type]


def test_a_reading_that_never_ends_is_ended(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bmc_reader, "read_bmc", lambda *_unused: time.sleep(60))
    monkeypatch.setattr(bmc_reader, "_GRACE_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(BmcError, match=r"192\.0\.2\.10"):
        bmc_reader.read_bmc_bounded(Request(parts=PARTS, address="192.0.2.10", timeout=0.1), None)  # type: ignore[arg-type]
    assert time.monotonic() - began < 10

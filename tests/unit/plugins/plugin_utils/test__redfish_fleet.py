# Tests of asking many BMCs at the same time.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError, Silent
from ansible_collections.aidc.ops.plugins.plugin_utils import _redfish_fleet as fleet
from ansible_collections.aidc.ops.plugins.plugin_utils._redfish_fleet import Facts


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["192.0.2.0/30"], ["192.0.2.1", "192.0.2.2"]),
        (["192.0.2.8/31"], ["192.0.2.8", "192.0.2.9"]),
        (["192.0.2.7/32"], ["192.0.2.7"]),
        (["2001:db8::/126"], ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),
        (["BMC1.example", " bmc1.example "], ["bmc1.example"]),
        (["192.0.2.2", "192.0.2.0/30"], ["192.0.2.2", "192.0.2.1"]),
        (["2001:0db8::0007"], ["2001:db8::7"]),
        ([], []),
    ],
)
def test_addresses_and_ranges(entries: list[str], expected: list[str]) -> None:
    assert fleet.expand(entries, 100) == expected


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["10.0.0.0/8"], "more than the 100 of max_addresses"),
        (["2001:db8::/64"], "more than the 100 of max_addresses"),
        ([f"192.0.2.{number}" for number in range(101)], "more than 100 of them"),
        (["192.0.2.1/24"], "no range of addresses"),
        (["192.0.2.0/99"], "no range of addresses"),
        (["bmc1:443"], "no name, no IP address and no range"),
        (["https://bmc1"], "no range of addresses"),
        (["{{ 7 * 7 }}"], "no name"),
        ([""], "no name"),
        (["-v"], "no name"),
        (["x" * 300], "no name"),
    ],
)
def test_what_is_no_address_is_an_error(entries: list[str], message: str) -> None:
    with pytest.raises(AidcOpsError, match=message):
        fleet.expand(entries, 100)


def test_answers_come_in_the_order_of_the_addresses() -> None:
    def ask(address: str) -> str:
        time.sleep(0.05 if address == "a" else 0)
        return address.upper()

    assert list(fleet.ask_all(["a", "b", "c"], ask, 3, 1).items()) == [("a", "A"), ("b", "B"), ("c", "C")]


def test_no_more_than_the_limit_are_asked_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def ask(_address: str) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    assert len(fleet.ask_all([str(number) for number in range(20)], ask, 4, 5)) == 20
    assert most == 4


def test_the_dead_cost_their_time_once_and_not_one_after_the_other() -> None:
    def ask(address: str) -> str:
        if address.startswith("dead"):
            time.sleep(0.4)
            raise Silent(f"https://{address}: no answer")
        return "alive"

    addresses = [f"dead{number}" for number in range(10)] + [f"bmc{number}" for number in range(30)]
    began = time.monotonic()
    answers = fleet.ask_all(addresses, ask, 16, 5)
    assert time.monotonic() - began < 1.5
    assert [isinstance(answer, BmcError) for answer in answers.values()] == [True] * 10 + [False] * 30


def test_one_that_never_ends_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_GRACE_SECONDS", 0.1)
    release = threading.Event()

    def ask(address: str) -> str:
        if address == "stuck":
            release.wait(30)
        return "alive"

    began = time.monotonic()
    answers = fleet.ask_all(["stuck", "b", "c"], ask, 1, 0.1)
    assert time.monotonic() - began < 5
    release.set()
    assert "without answering" in str(answers["stuck"])
    assert (answers["b"], answers["c"]) == ("alive", "alive")


def test_an_unexpected_error_names_the_bmc() -> None:
    def ask(_address: str) -> str:
        raise ZeroDivisionError("x")

    answer = fleet.ask_all(["bmc1"], ask, 1, 1)["bmc1"]
    assert isinstance(answer, BmcError)
    assert str(answer) == "bmc1: ZeroDivisionError: x"


def test_progress_is_told_while_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "PROGRESS_SECONDS", 0.05)
    told: list[int] = []
    fleet.ask_all([str(number) for number in range(8)], lambda _address: time.sleep(0.05), 1, 5, told.append)
    assert told and told == sorted(told)


def facts(bmc: dict[str, Any] | None = None, **system: Any) -> Facts:
    return Facts(system, bmc or {}, [], [])


def test_variables_of_a_server() -> None:
    gpus = [
        {"model": "H100", "state": "ok"},
        {"model": "H100", "state": "critical"},
        {"model": None, "state": "absent"},
    ]
    found = fleet.host_variables("192.0.2.10", facts(node_id="dmi:SN1", serial="SN1", gpus=gpus, cpu_count=2))
    assert all(name.startswith("aidc_ops_") for name in found)
    assert (found["aidc_ops_node_id"], found["aidc_ops_gpu_count"], found["aidc_ops_gpu_model"]) == (
        "dmi:SN1",
        2,
        "H100",
    )
    assert (found["aidc_ops_bmc_address"], found["aidc_ops_cpu_count"]) == ("192.0.2.10", 2)


@pytest.mark.parametrize(
    ("gpus", "count", "model"),
    [
        (None, None, None),
        ([], 0, None),
        ([{"model": "A", "state": "ok"}, {"model": "B", "state": "ok"}], 2, None),
        ([{"model": None, "state": None}], 1, None),
    ],
)
def test_unknown_gpus_are_not_zero_gpus(gpus: Any, count: int | None, model: str | None) -> None:
    found = fleet.host_variables("a", facts(gpus=gpus))
    assert (found["aidc_ops_gpu_count"], found["aidc_ops_gpu_model"]) == (count, model)


def test_without_a_serial_number_the_mac_of_the_bmc_names_the_node() -> None:
    found = fleet.host_variables("a", facts({"mac": "aa:bb:cc:00:11:22"}))
    assert found["aidc_ops_node_id"] == "bmc:aa:bb:cc:00:11:22"
    assert fleet.host_variables("a", facts())["aidc_ops_node_id"] is None


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        (["address"], "192.0.2.10"),
        (["hostname", "address"], "gpu1"),
        (["serial"], "SN-1"),
        ([], "192.0.2.10"),
    ],
)
def test_names(preferences: list[str], expected: str) -> None:
    assert fleet.host_name("192.0.2.10", facts(hostname="gpu1", serial="SN-1"), preferences) == expected


@pytest.mark.parametrize("name", ["{{ x }}", "../etc", "all:!x", "gpu[1:9]", "", None, "-v", "a b", "x" * 300])
def test_a_name_that_no_host_can_have_is_passed_over(name: Any) -> None:
    assert fleet.host_name("2001:db8::7", facts(hostname=name), ["hostname"]) == "2001:db8::7"

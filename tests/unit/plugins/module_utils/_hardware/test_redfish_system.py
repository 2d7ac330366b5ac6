# Tests of servers and GPUs out of Redfish.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_system

SERVER = {"Id": "1", "SystemType": "Physical", "BiosVersion": "1.6.7", "ProcessorSummary": {"Count": 2}}
BOARD = {"Id": "HGX_Baseboard_0", "SystemType": "Physical"}
DPU = {"Id": "DPU", "SystemType": "DPU", "ProcessorSummary": {"Count": 1}}
VIRTUAL = {"Id": "VM1", "SystemType": "Virtual", "BiosVersion": "1"}


def cpu(name: str, state: str = "Enabled") -> dict[str, Any]:
    return {
        "Id": name,
        "ProcessorType": "CPU",
        "TotalCores": 56,
        "TotalThreads": 112,
        "Model": "X",
        "Status": {"State": state},
    }


def gpu(name: str, **more: Any) -> dict[str, Any]:
    return {"Id": name, "ProcessorType": "GPU", "Status": {"State": "Enabled", "Health": "OK"}, **more}


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        ([SERVER, BOARD], [0]),
        ([BOARD, SERVER], [1]),
        ([SERVER, DPU, VIRTUAL], [0]),
        ([BOARD], [0]),
        ([VIRTUAL], [0]),
        ([SERVER, SERVER], [0, 1]),
        ([], []),
    ],
)
def test_servers_are_told_from_boards_cards_and_virtual_machines(systems: list[Any], expected: list[int]) -> None:
    assert redfish_system.hosts(systems) == expected


def test_the_only_server_owns_the_gpus_of_the_board_but_no_foreign_cpu() -> None:
    lists = [[cpu("CPU1")], [gpu("GPU1"), cpu("ARM")], None]
    found = redfish_system.processors_of(0, [0], lists)
    assert found is not None
    assert [doc["Id"] for doc in found] == ["CPU1", "GPU1"]


def test_with_several_servers_each_has_only_its_own() -> None:
    found = redfish_system.processors_of(1, [0, 1], [[cpu("A1"), gpu("G")], [cpu("B1")]])
    assert found is not None
    assert [doc["Id"] for doc in found] == ["B1"]


def test_no_list_of_processors_is_unknown_and_an_empty_one_is_none() -> None:
    assert redfish_system.processors_of(0, [0], [None]) is None
    assert redfish_system.processors_of(0, [0], [None, [gpu("G")]]) == [gpu("G")]
    assert redfish_system.parse_system(SERVER, None)["gpus"] is None
    assert redfish_system.parse_system(SERVER, [cpu("CPU1")])["gpus"] == []


def test_absent_processors_do_not_count() -> None:
    found = redfish_system.parse_system(SERVER, [cpu("CPU1"), cpu("CPU2", "Absent")])
    assert (found["cpu_count"], found["cpu_cores"], found["cpu_threads"], found["cpu_model"]) == (1, 56, 112, "X")


def test_the_summary_is_taken_where_no_processor_is_listed() -> None:
    summary = {"Count": 2, "Model": "Y", "CoreCount": 64, "LogicalProcessorCount": 128}
    found = redfish_system.parse_system({"ProcessorSummary": summary}, None)
    assert (found["cpu_count"], found["cpu_cores"], found["cpu_threads"], found["cpu_model"]) == (2, 64, 128, "Y")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"MemorySummary": {"TotalMemorySizeMiB": 81559}}, 81559 << 20),
        ({"ProcessorMemory": [{"CapacityMiB": 40000, "MemoryType": "HBM3"}, {"CapacityMiB": 40000}]}, 80000 << 20),
        ({"ProcessorMemory": [{"CapacityMiB": 50, "MemoryType": "L2Cache"}]}, None),
        ({"ProcessorMemory": "none"}, None),
        ({}, None),
    ],
)
def test_memory_of_a_gpu(more: dict[str, Any], expected: int | None) -> None:
    assert redfish_system.parse_system(SERVER, [gpu("G", **more)])["gpus"][0]["memory_total_bytes"] == expected


def test_sixteen_gpus_one_of_them_absent() -> None:
    docs = [gpu(f"GPU{number}") for number in range(15)] + [gpu("GPU15", Status={"State": "Absent"})]
    gpus = redfish_system.parse_system(SERVER, docs)["gpus"]
    assert len(gpus) == 16
    assert [one["state"] for one in gpus].count("absent") == 1


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        ("SN0042", ("dmi:SN0042", "dmi")),
        (" SN0042 ", ("dmi:SN0042", "dmi")),
        ("To be filled by O.E.M.", (None, None)),
        ("0", (None, None)),
        ("SN\ufffd42", (None, None)),
        ("{{ 7 * 7 }}", (None, None)),
        (None, (None, None)),
        (["SN"], (None, None)),
    ],
)
def test_identity_is_the_one_that_the_operating_system_finds(serial: Any, expected: tuple[Any, Any]) -> None:
    found = redfish_system.parse_system({"SerialNumber": serial}, None)
    assert (found["node_id"], found["node_id_source"]) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("On", "on"),
        ("PoweringOff", "poweringoff"),
        ("off", "off"),
        ("Resetting?", None),
        (None, None),
        (True, None),
    ],
)
def test_power_states(value: Any, expected: str | None) -> None:
    assert redfish_system.power_state(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("4C4C4544-0046-5310-8054-D0C04F4E3139", "4c4c4544-0046-5310-8054-d0c04f4e3139"),
        ("00000000-0000-0000-0000-000000000000", None),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", None),
        ("", None),
        (7, None),
    ],
)
def test_empty_uuids_are_unknown(value: Any, expected: str | None) -> None:
    assert redfish_system.uuid(value) == expected


@pytest.mark.parametrize(
    "system",
    [
        {},
        {"ProcessorSummary": "many", "MemorySummary": [], "Status": "OK", "UUID": 5, "PowerState": {}},
        {"MemorySummary": {"TotalSystemMemoryGiB": "lots"}, "ProcessorSummary": {"Count": -2}},
    ],
)
def test_a_broken_system_is_one_of_which_nothing_is_known(system: dict[str, Any]) -> None:
    found = redfish_system.parse_system(system, [{}, {"ProcessorType": "GPU", "ProcessorMemory": [None, 5]}])
    assert tuple(found) == redfish_system.SYSTEM_KEYS
    assert {key for key, value in found.items() if value is not None} <= {"gpus"}

# Tests of which documents are read, and of what becomes of those that cannot be.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_walk
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import PartError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import PARTS, from_redfish
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_walk import read_service
from ansible_collections.aidc.ops.tests.fakes.redfish import Bmc, Doc, FakeClient

SYSTEMS = "/redfish/v1/Systems"
CHASSIS = "/redfish/v1/Chassis/1"


def read(client: FakeClient, *parts: str) -> dict[str, Any]:
    service, problems, damages = read_service(client, parts or PARTS)
    answer = from_redfish(service, "192.0.2.10", 100)
    answer["problems"] = problems + damages + answer["problems"]
    return answer


def messages(answer: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    return [(one["part"], one["device"], one["message"]) for one in answer["problems"]]


@pytest.mark.parametrize("style", ["old", "new", "both", "sensors"])
@pytest.mark.parametrize("expands", [False, True])
def test_every_way_of_describing_a_server_gives_the_same_devices(style: str, expands: bool) -> None:
    bmc = Bmc("gpu1", style=style, absent={"PSU2"}, health={"FAN1": "Warning"})
    bmc.add_event("Critical", "PSU2 was removed")
    client = FakeClient.of(bmc, expands)
    answer = read(client)
    assert answer["problems"] == []
    assert answer["system"]["serial"] == "SN0001"
    assert len(answer["system"]["gpus"]) == 8
    assert [one["state"] for one in answer["fans"]] == ["warning", "ok", "ok", "ok"]
    assert [one["celsius"] for one in answer["temperatures"][:2]] == [24.5, 51.0]
    assert len(answer["firmware"]) == 12
    assert answer["events"][0]["message"] == "PSU2 was removed"
    assert answer["bmc"]["mac"] == "02:00:00:00:00:01"
    if style == "sensors":
        assert answer["power_supplies"] is None
    else:
        assert [one["state"] for one in answer["power_supplies"]] == ["ok", "absent"]
        assert answer["power_supplies"][0]["input_watts"] == 1210.5
    assert len(client.asked) == len(set(client.asked)), "a document was read twice"
    assert len(client.asked) < (32 if expands else 72)


@pytest.mark.parametrize(
    ("parts", "read_parts"),
    [
        (("system",), {"system"}),
        (("bmc",), {"bmc"}),
        (("firmware",), {"firmware"}),
        (("chassis",), {"chassis"}),
    ],
)
def test_only_what_a_part_needs_is_read(parts: tuple[str, ...], read_parts: set[str]) -> None:
    client = FakeClient.of(Bmc("gpu1"))
    answer = read(client, *parts)
    found = {part for part in ("system", "bmc", "firmware", "events") if answer[part] is not None}
    assert found == read_parts - {"chassis"}
    assert (answer["chassis"] is not None) is ("chassis" in read_parts)
    assert not [path for path in client.asked if "Power" in path or "Thermal" in path or "Sensors" in path]


def test_a_resource_that_is_denied_is_a_problem_and_hides_nothing_else() -> None:
    client = FakeClient.of(Bmc("gpu1"))
    denied = f"{SYSTEMS}/HGX_Baseboard_0/Processors/GPU_SXM_3"
    client.failures[denied] = PartError("access denied (HTTP status 403)")
    answer = read(client)
    assert messages(answer) == [("system", denied, "access denied (HTTP status 403)")]
    assert len(answer["system"]["gpus"]) == 7
    assert answer["fans"] is not None


def test_a_part_that_cannot_be_read_is_null_and_says_why() -> None:
    client = FakeClient.of(Bmc("gpu1"))
    client.failures[SYSTEMS] = PartError("the BMC answers with HTTP status 500")
    answer = read(client, "system", "bmc")
    assert answer["system"] is None
    assert answer["bmc"] is not None
    assert messages(answer) == [("system", SYSTEMS, "the BMC answers with HTTP status 500")]


def test_the_newer_resource_is_read_where_the_old_one_is_announced_and_missing() -> None:
    client = FakeClient.of(Bmc("gpu1"))
    del client.docs[f"{CHASSIS}/Power"], client.docs[f"{CHASSIS}/Thermal"]
    answer = read(client, "power", "thermal")
    assert answer["problems"] == []
    assert len(answer["power_supplies"]) == 2
    assert len(answer["temperatures"]) == 11


def test_supplies_that_cannot_be_read_are_unknown_and_not_none() -> None:
    client = FakeClient.of(Bmc("gpu1", style="new"))
    client.failures[f"{CHASSIS}/PowerSubsystem/PowerSupplies"] = PartError("broken")
    answer = read(client, "power")
    assert answer["power_supplies"] is None
    assert messages(answer) == [("power", f"{CHASSIS}/PowerSubsystem/PowerSupplies", "broken")]


def test_missing_metrics_of_a_supply_leave_the_supply() -> None:
    client = FakeClient.of(Bmc("gpu1", style="new"))
    del client.docs[f"{CHASSIS}/PowerSubsystem/PowerSupplies/PSU1/Metrics"]
    answer = read(client, "power")
    assert [one["input_watts"] for one in answer["power_supplies"]] == [None, 1210.5]
    assert len(answer["problems"]) == 1


# Collections.


def collection(members: list[Any], **more: Any) -> Doc:
    return {"Members": members, "Members@odata.count": len(members), **more}


def with_systems(*pages: Doc) -> FakeClient:
    """A client whose systems come in these pages."""
    client = FakeClient.of(Bmc("gpu1", gpus=0))
    for number, page in enumerate(pages):
        client.docs[SYSTEMS if number == 0 else f"{SYSTEMS}?$skip={number}"] = page
    return client


def system(number: int) -> Doc:
    return {"@odata.id": f"{SYSTEMS}/{number}", "Id": str(number), "SerialNumber": f"SN{number}"}


def test_pages_are_followed_to_the_end() -> None:
    client = with_systems(
        collection([system(1)], **{"Members@odata.count": 3, "Members@odata.nextLink": f"{SYSTEMS}?$skip=1"}),
        collection([system(2)], **{"Members@odata.count": 3, "Members@odata.nextLink": f"{SYSTEMS}?$skip=2"}),
        collection([system(3)], **{"Members@odata.count": 3}),
    )
    service, problems, _damages = read_service(client, ("system",))
    assert service.systems is not None
    assert [doc["Id"] for doc in service.systems] == ["1", "2", "3"]
    assert problems == []


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([collection([system(1)], **{"Members@odata.count": 3})], "announces 3 members and gives 1"),
        (
            [collection([system(1)], **{"Members@odata.count": 2, "Members@odata.nextLink": SYSTEMS})],
            "have no end",
        ),
        (
            [
                collection([system(1)], **{"Members@odata.nextLink": f"{SYSTEMS}?$skip=1"}),
                collection([system(2)], **{"Members@odata.nextLink": f"{SYSTEMS}?$skip=1"}),
            ],
            "have no end",
        ),
        ([collection([system(1), system(1)], **{"Members@odata.count": 2})], "announces 2 members and gives 1"),
        ([{"Name": "Systems"}], "no list of members"),
        ([{"Members": "all"}], "no list of members"),
        ([collection([{"@odata.id": "https://other.example/redfish/v1/Systems/1"}])], "unusable link"),
        ([collection([{}])], "unusable link"),
        (
            [collection([system(1)], **{"Members@odata.count": 2, "Members@odata.nextLink": "https://other.example/"})],
            "announces 2 members and gives 1",
        ),
    ],
)
def test_a_collection_that_is_not_whole_is_a_problem(pages: list[Doc], expected: str) -> None:
    client = with_systems(*pages)
    _service, problems, _damages = read_service(client, ("system",))
    assert [one for one in problems if expected in one["message"]], problems
    assert not [path for path in client.asked if "other.example" in path]


def test_a_page_that_fails_leaves_what_came_before_and_says_so() -> None:
    client = with_systems(collection([system(1)], **{"Members@odata.nextLink": f"{SYSTEMS}?$skip=1"}))
    client.failures[f"{SYSTEMS}?$skip=1"] = PartError("the BMC answers with HTTP status 500")
    service, problems, _damages = read_service(client, ("system",))
    assert service.systems is not None and len(service.systems) == 1
    assert [one["device"] for one in problems] == [f"{SYSTEMS}?$skip=1"]


def test_an_endless_collection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redfish_walk, "MAX_PAGES", 5)
    pages = [
        collection([system(number)], **{"Members@odata.nextLink": f"{SYSTEMS}?$skip={number + 1}"})
        for number in range(9)
    ]
    service, problems, _damages = read_service(with_systems(*pages), ("system",))
    assert service.systems is not None and len(service.systems) == 5
    assert "have no end" in problems[0]["message"]


def test_a_huge_collection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redfish_walk, "MAX_MEMBERS", 10)
    client = with_systems(collection([system(number) for number in range(50)]))
    _service, problems, _damages = read_service(client, ("system",))
    assert "more than 10 members" in problems[0]["message"]


def test_a_service_that_cannot_expand_after_all_is_asked_plainly() -> None:
    client = FakeClient.of(Bmc("gpu1"), expands=True)
    client.failures[f"{SYSTEMS}?$expand=.($levels=1)"] = PartError("the BMC answers with HTTP status 501")
    answer = read(client, "system")
    assert answer["problems"] == []
    assert len(answer["system"]["gpus"]) == 8
    assert len([path for path in client.asked if "$expand" in path]) == 1


# A BMC that gets worse while it is asked.


def test_a_bmc_that_stops_answering_is_given_up_with_what_is_there() -> None:
    client = FakeClient.of(Bmc("gpu1"))
    board = f"{SYSTEMS}/HGX_Baseboard_0/Processors"
    for number in range(1, 9):
        client.failures[f"{board}/GPU_SXM_{number}"] = PartError("no answer within 5 s", silent=True)
    answer = read(client)
    assert len([path for path in client.asked if "GPU_SXM" in path]) == 3
    assert "stopped answering" in answer["problems"][-1]["message"]
    assert answer["system"]["serial"] == "SN0001"
    assert answer["system"]["gpus"] is None
    assert answer["fans"] is None


def test_damaged_text_is_told_apart_from_missing_parts() -> None:
    client = FakeClient.of(Bmc("gpu1"))
    client.improper = {f"{SYSTEMS}/1"}
    service, problems, damages = read_service(client, ("system",))
    assert problems == []
    assert [(one["part"], one["device"]) for one in damages] == [("system", f"{SYSTEMS}/1")]
    assert service.systems


@pytest.mark.parametrize("root", [{}, {"Systems": "x", "Managers": None, "Chassis": []}, {"Systems": {"@odata.id": 5}}])
def test_a_root_without_links_is_a_problem_for_each_part(root: Doc) -> None:
    client = FakeClient.of(Bmc("gpu1"))
    client.root = root
    answer = read(client)
    assert {part for part, _device, _message in messages(answer)} == {"system", "bmc", "chassis"}
    assert client.asked == []


def test_several_servers_behind_one_bmc_are_said() -> None:
    client = with_systems(
        collection([{**system(number), "BiosVersion": "1", "SystemType": "Physical"} for number in (1, 2)])
    )
    answer = read(client, "system")
    assert answer["system"]["serial"] == "SN1"
    assert "several servers (1, 2)" in answer["problems"][0]["message"]


def test_logs_that_are_not_about_the_hardware_are_left_out() -> None:
    client = FakeClient.of(Bmc("gpu1"))
    services = f"{SYSTEMS}/1/LogServices"
    client.docs[services] = collection([{"@odata.id": f"{services}/SEL"}, {"@odata.id": f"{services}/AuditLog"}])
    client.docs[f"{services}/AuditLog"] = {"Id": "AuditLog", "Entries": {"@odata.id": f"{services}/AuditLog/Entries"}}
    answer = read(client, "events")
    assert (answer["events"], answer["problems"]) == ([], [])
    assert f"{services}/AuditLog/Entries" not in client.asked

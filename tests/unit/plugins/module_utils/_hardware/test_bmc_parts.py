# Tests of the parts that bmc_info reports, put together from Redfish documents and from texts of ipmitool.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import bmc_parts
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import Chassis, Service, Texts

FIXTURES = Path(__file__).parents[3] / "fixtures" / "bmc"


def samples() -> dict[str, dict[str, Any]]:
    """The documents with which sushy tests itself; the package brings them."""
    spec = importlib.util.find_spec("sushy")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0], "tests", "unit", "json_samples")
    documents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    return {name: doc for name, doc in documents.items() if isinstance(doc, dict)}


SAMPLES = samples()


def test_documents_of_another_project() -> None:
    service = Service(
        systems=[SAMPLES["system"]],
        processors=[[SAMPLES["processor"], SAMPLES["processor2"]]],
        chassis=[Chassis(SAMPLES["chassis"], power=SAMPLES["power"])],
        managers=[SAMPLES["manager"]],
        interfaces=[SAMPLES["manager_ethernet_interfaces"]],
        firmware=[SAMPLES["softwareinventory"]],
        logs=[],
    )
    answer = bmc_parts.from_redfish(service, "192.0.2.10", 10)
    system = answer["system"]
    assert (system["serial"], system["node_id"], system["power_state"]) == ("437XR1138R2", "dmi:437XR1138R2", "on")
    # One of the two sockets is empty there.
    assert (system["memory_total_bytes"], system["cpu_count"]) == (96 << 30, 1)
    assert answer["bmc"]["firmware"] == SAMPLES["manager"]["FirmwareVersion"]
    assert [one["name"] for one in answer["firmware"]] == [SAMPLES["softwareinventory"]["Id"]]
    assert len(answer["power_supplies"]) == len(SAMPLES["power"]["PowerSupplies"])
    assert answer["events"] == []
    json.dumps(answer)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_any_document_in_any_place_is_survived(name: str) -> None:
    doc = SAMPLES[name]
    service = Service(
        systems=[doc],
        processors=[[doc]],
        chassis=[
            Chassis(doc, power=doc, thermal=doc),
            Chassis(doc, supplies=[doc], supply_metrics=[doc], fans=[doc], thermal_metrics=doc),
            Chassis(doc, sensors=[doc]),
        ],
        managers=[doc],
        interfaces=[doc],
        firmware=[doc],
        logs=[(doc, [doc])],
    )
    json.dumps(bmc_parts.from_redfish(service, None, 10))


def test_nothing_read_is_all_unknown() -> None:
    answer = bmc_parts.from_redfish(Service(), "192.0.2.10", 10)
    assert answer == {**dict.fromkeys(bmc_parts.RESULTS), "problems": []}
    assert bmc_parts.from_ipmi(Texts(), None, 10) == answer


def test_asked_and_none_there_is_an_empty_list() -> None:
    service = Service(chassis=[Chassis({}, power={}, thermal={})], firmware=[], logs=[])
    answer = bmc_parts.from_redfish(service, None, 10)
    assert [answer[name] for name in ("power_supplies", "fans", "temperatures", "firmware", "events")] == [[]] * 5


def test_equal_devices_of_several_chassis_are_told_apart() -> None:
    fan = {"Name": "FAN1", "Reading": 1, "ReadingUnits": "RPM"}
    chassis = [Chassis({"Id": name}, thermal={"Fans": [fan]}) for name in ("Left", "Right")]
    answer = bmc_parts.from_redfish(Service(chassis=chassis), None, 10)
    assert [one["name"] for one in answer["fans"]] == ["FAN1 (Left)", "FAN1 (Right)"]


def test_the_recorded_ipmi_answers() -> None:
    texts = Texts(
        *(
            (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")
            for name in ("mc_info", "lan_print", "fru_print", "chassis_status", "sdr_elist", "sel_elist")
        )
    )
    answer = bmc_parts.from_ipmi(texts, "192.0.2.10", 2)
    assert all(answer[name] is not None for name in bmc_parts.RESULTS)
    assert answer["system"]["node_id"] == "dmi:SN0042"
    assert answer["bmc"]["protocol"] == "ipmi"
    assert answer["firmware"] == [{"name": "BMC", "version": "9.08", "updateable": None}]
    assert [event["id"] for event in answer["events"]] == ["SEL/3", "SEL/4"]


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        (("power",), {"power_supplies"}),
        (("thermal",), {"fans", "temperatures"}),
        (("system", "bmc"), {"system", "bmc"}),
        (bmc_parts.PARTS, set(bmc_parts.RESULTS)),
    ],
)
def test_parts_that_were_not_asked_for_are_unknown(parts: tuple[str, ...], kept: set[str]) -> None:
    answer = {**dict.fromkeys(bmc_parts.RESULTS, "x"), "problems": [1]}
    found = bmc_parts.only(answer, parts)
    assert {name for name, value in found.items() if value == "x"} == kept
    assert found["problems"] == [1]

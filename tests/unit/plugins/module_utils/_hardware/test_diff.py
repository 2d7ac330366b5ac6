# Tests of the comparison of two hardware records.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import diff_rules
from ansible_collections.aidc.ops.plugins.module_utils._hardware._record_table import RECORD
from ansible_collections.aidc.ops.plugins.module_utils._hardware.diff import KINDS, diff

FIXTURE = Path(__file__).parents[3] / "fixtures" / "hardware_record" / "node.json"
Record = dict[str, Any]
Change = Callable[[Record], Any]
GPU0, GPU1 = "gpu:0000:1b:00", "gpu:0000:9b:00"


def healthy() -> Record:
    """The example record without its faults, and with the link of its network adapter only."""
    record: Record = json.loads(FIXTURE.read_text(encoding="utf-8"))
    record["filesystems"] = [each for each in record["filesystems"] if each["error"] is None]
    record["pcie_links"] = [{**record["pcie_links"][1], "width": 16}]
    return record


def after(*changes: Change) -> Record:
    record = healthy()
    for change in changes:
        change(record)
    return record


def put(path: str, value: Any) -> Change:
    """Set ``gpus.0.pcie.width`` and the like."""
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]

    def change(record: Record) -> None:
        thing: Any = record
        for key in way:
            thing = thing[key]
        thing[last] = value

    return change


def drop(part: str, at: int = 0) -> Change:
    return lambda record: record[part].pop(at)


def short(found: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, Any, Any]]:
    assert tuple(found) == KINDS
    return [(kind, one["part"], one["device"], one["field"]) for kind, ones in found.items() for one in ones]


def test_a_healthy_node_against_itself_has_no_finding() -> None:
    assert short(diff(healthy(), healthy())) == []


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ("node.bios_version", "2.4.0", ("degraded", "node", None, "bios_version")),
        ("node.serial", "SN0043", ("changed", "node", None, "serial")),
        ("node.id", "dmi:SN0043", ("changed", "node", None, "id")),
        ("node.hostname", "gpu2", ("changed", "node", None, "hostname")),
        ("os.kernel", "6.1.0-30-amd64", ("changed", "os", None, "kernel")),
        ("cpus.1.cores", 55, ("degraded", "cpus", "1", "cores")),
        ("cpus.0.model", "Another", ("changed", "cpus", "0", "model")),
        ("cpus.0.microcode", "0x2b0005c0", ("degraded", "cpus", "0", "microcode")),
        ("numa_nodes.0.distances", [10, 32], ("changed", "numa_nodes", "0", "distances")),
        ("memory.total_bytes", 2000000000000, ("degraded", "memory", None, "total_bytes")),
        ("memory.total_bytes", 3000000000000, ("changed", "memory", None, "total_bytes")),
        ("memory.dimms.0.speed_mtps", 4400, ("degraded", "memory.dimms", "A1", "speed_mtps")),
        ("memory.dimms.0.size_bytes", 34359738368, ("degraded", "memory.dimms", "A1", "size_bytes")),
        ("gpu_drivers.0.driver_version", "580.1", ("degraded", "gpu_drivers", "nvidia", "driver_version")),
        ("gpus.0.vbios_version", "96.00.89.00.02", ("degraded", "gpus", GPU0, "vbios_version")),
        ("gpus.0.memory_total_bytes", 42949672960, ("degraded", "gpus", GPU0, "memory_total_bytes")),
        ("gpus.0.power_limit_watts", 500.0, ("changed", "gpus", GPU0, "power_limit_watts")),
        ("gpus.0.ecc_mode", False, ("changed", "gpus", GPU0, "ecc_mode")),
        ("gpus.0.nvlinks_active", 0, ("degraded", "gpus", GPU0, "nvlinks_active")),
        ("gpus.0.nvlinks_active", 2, ("changed", "gpus", GPU0, "nvlinks_active")),
        ("gpus.0.nvlinks.0.version", 3, ("degraded", "gpus", GPU0, "nvlinks.0.version")),
        (
            "gpus.0.nvlinks.0.remote_pci_address",
            "0000:c6:00.0",
            ("changed", "gpus", GPU0, "nvlinks.0.remote_pci_address"),
        ),
        ("gpus.0.pcie.width", 8, ("degraded", "gpus", GPU0, "pcie.width")),
        ("gpus.0.pcie.generation", 4, ("degraded", "gpus", GPU0, "pcie.generation")),
        ("gpus.1.pcie.generation", 4, ("degraded", "gpus", GPU1, "pcie.generation")),
        ("gpus.1.mig_devices.0.profile", "2g.20gb", ("changed", "gpus", GPU1, "mig_devices")),
        ("nics.0.firmware", "0x1", ("degraded", "nics", "eno1", "firmware")),
        ("nics.0.state", "down", ("degraded", "nics", "eno1", "state")),
        ("nics.0.speed_mbps", 1000, ("degraded", "nics", "eno1", "speed_mbps")),
        ("nics.0.speed_mbps", 25000, ("changed", "nics", "eno1", "speed_mbps")),
        ("nics.0.duplex", "half", ("degraded", "nics", "eno1", "duplex")),
        ("nics.0.name", "eno2", ("changed", "nics", "eno2", "name")),
        ("infiniband_ports.0.rate_gbps", 200.0, ("degraded", "infiniband_ports", "mlx5_0/1", "rate_gbps")),
        ("infiniband_ports.0.state", "INIT", ("degraded", "infiniband_ports", "mlx5_0/1", "state")),
        ("disks.0.firmware", "1.3.0", ("degraded", "disks", "nvme0n1", "firmware")),
        ("disks.0.serial", "S0002", ("changed", "disks", "nvme0n1", "serial")),
        ("disks.0.size_bytes", 1920383410176, ("degraded", "disks", "nvme0n1", "size_bytes")),
        ("filesystems.0.options", ["ro", "relatime"], ("degraded", "filesystems", "/", "options")),
        ("filesystems.0.error", "no answer within 2 s", ("degraded", "filesystems", "/", "error")),
        ("pcie_links.0.width", 1, ("degraded", "pcie_links", "0000:18:00.0", "width")),
        ("power_supplies.0.state", "critical", ("degraded", "power_supplies", "PSU1", "state")),
        ("fans.0.state", "warning", ("degraded", "fans", "FAN1", "state")),
        ("bmc.firmware", "9.9", ("degraded", "bmc", None, "firmware")),
        ("bmc.protocol", "redfish", ("changed", "bmc", None, "protocol")),
        ("clock.source", "hpet", ("degraded", "clock", None, "source")),
        ("clock.synchronised", False, ("degraded", "clock", None, "synchronised")),
        ("topology.rack", "other", ("changed", "topology", None, "rack")),
    ],
)
def test_one_difference_is_one_finding(path: str, value: Any, finding: tuple[str, str, Any, Any]) -> None:
    assert short(diff(healthy(), after(put(path, value)))) == [finding]


@pytest.mark.parametrize(
    "change",
    [
        put("collected_at", "2027-01-01T00:00:00Z"),
        put("os.boot_identity", "00000000-0000-0000-0000-000000000000:1"),
        put("memory.total_bytes", 2164146941952 - 64 * 1024 * 1024),
        put("memory.edac.0.corrected_errors", 77),
        put("gpus.0.temperature_celsius", 91),
        put("gpus.0.power_usage_watts", 700.0),
        put("gpus.0.processes", [1, 2, 3]),
        put("gpus.0.index", 7),
        put("gpus.0.ecc.corrected_aggregate", 12),
        put("gpus.0.remapped_rows.correctable", 3),
        put("gpus.1.mig_devices.0.uuid", "MIG-other"),
        put("infiniband_ports.0.lid", 99),
        put("disks.0.wear_percent", 40),
        put("filesystems.0.available_bytes", 1),
        put("filesystems.0.options", ["relatime", "rw"]),
        put("power_supplies.0.input_watts", 1.0),
        put("fans.0.rpm", 1.0),
        put("clock.offset_seconds", 0.25),
        put("problems", [{"part": "nics", "device": None, "message": "x"}]),
    ],
)
def test_what_changes_by_itself_is_never_compared(change: Change) -> None:
    assert short(diff(healthy(), after(change))) == []


def test_every_field_that_is_compared_is_in_the_record() -> None:
    def rule(path: str) -> dict[str, Any]:
        at: dict[str, Any] = RECORD
        for key in path.split("."):
            at = at.get("items", at)["properties"][key]
        return at

    for part, fields in diff_rules.OBJECTS.items():
        for field in fields:
            assert not rule(f"{part}.{field}").get("volatile"), field
    for part, how in diff_rules.PARTS.items():
        for field in [*how.fields, *how.label, *how.about, *(key for keys in how.identity + how.place for key in keys)]:
            assert not rule(f"{part}.{field}").get("volatile"), field


@pytest.mark.parametrize(
    ("part", "device"),
    [
        ("gpus", GPU0),
        ("cpus", "0"),
        ("nvswitches", "0000:c5:00.0"),
        ("nics", "eno1"),
        ("infiniband_ports", "mlx5_0/1"),
        ("disks", "nvme0n1"),
        ("filesystems", "/"),
        ("pcie_links", "0000:18:00.0"),
        ("power_supplies", "PSU1"),
        ("fans", "FAN1"),
    ],
)
def test_missing_one_way_is_added_the_other_way(part: str, device: str) -> None:
    less = after(drop(part))
    assert short(diff(healthy(), less)) == [("missing", part, device, None)]
    assert short(diff(less, healthy())) == [("added", part, device, None)]


def test_the_message_of_a_missing_gpu_says_which_one_to_look_for() -> None:
    message = diff(healthy(), after(drop("gpus")))["missing"][0]["message"]
    assert message.startswith(f"{GPU0} is missing (NVIDIA H100 80GB HBM3, 1650000000000, GPU-")


def test_a_swapped_gpu_is_one_change_at_its_place() -> None:
    found = after(put("gpus.0.serial", "1650000000777"), put("gpus.0.uuid", "GPU-other"))
    assert short(diff(healthy(), found)) == [("changed", "gpus", GPU0, "serial")]


def test_a_swapped_gpu_without_a_serial_number_is_told_by_its_uuid() -> None:
    expected = after(put("gpus.0.serial", None))
    found = after(put("gpus.0.serial", None), put("gpus.0.uuid", "GPU-other"))
    assert short(diff(expected, found)) == [("changed", "gpus", GPU0, "uuid")]


def test_two_gpus_that_changed_places_are_recognised() -> None:
    def swap(record: Record) -> None:
        for key in ("device", "pci_bus_id"):
            one, other = record["gpus"][0][key], record["gpus"][1][key]
            record["gpus"][0][key], record["gpus"][1][key] = other, one

    assert short(diff(healthy(), after(swap))) == [
        ("changed", "gpus", GPU1, "device"),
        ("changed", "gpus", GPU0, "device"),
    ]


def test_boards_with_several_gpus_under_one_serial_number_are_not_confused() -> None:
    one = after(put("gpus.0.serial", "B1"), put("gpus.1.serial", "B1"))
    other = copy.deepcopy(one)
    other["gpus"].reverse()
    assert short(diff(one, other)) == []
    del other["gpus"][0]
    assert short(diff(one, other)) == [("missing", "gpus", GPU1, None)]


def test_disks_that_share_a_controller_are_told_apart_by_name() -> None:
    def second(record: Record) -> None:
        record["disks"].append({**record["disks"][0], "name": "nvme0n2"})

    assert short(diff(after(second), after(second, put("disks.1.size_bytes", 5)))) == [
        ("degraded", "disks", "nvme0n2", "size_bytes")
    ]
    assert short(diff(after(second), healthy())) == [("missing", "disks", "nvme0n2", None)]


def test_a_lost_gpu_is_missing_and_nothing_else_is_said_of_it() -> None:
    def lose(record: Record) -> None:
        gpu = dict.fromkeys(record["gpus"][0]) | {key: record["gpus"][0][key] for key in ("device", "pci_bus_id")}
        record["gpus"][0] = gpu | {"lost": True, "error": "GPU is lost"}

    assert short(diff(healthy(), after(lose))) == [("missing", "gpus", GPU0, "lost")]
    assert short(diff(after(lose), healthy())) == [("unknown", "gpus", GPU0, "error")]


def test_a_gpu_that_cannot_be_read_is_unknown_and_not_changed() -> None:
    found = after(put("gpus.0.error", "insufficient permissions"), put("gpus.0.memory_total_bytes", None))
    assert short(diff(healthy(), found)) == [("unknown", "gpus", GPU0, "error")]
    assert short(diff(found, found)) == [], "what nobody can read on either side is no difference"


# links


def test_a_link_below_its_own_maximum_is_degraded_though_the_baseline_says_the_same() -> None:
    narrow = after(put("pcie_links.0.width", 8))
    finding = diff(narrow, narrow)["degraded"][0]
    assert (finding["expected"], finding["found"]) == (narrow["pcie_links"][0]["max_width"], 8)
    assert "so it was in the baseline" in finding["message"]
    assert short(diff(narrow, narrow, own_maximum=False)) == []


def test_a_link_below_the_baseline_is_compared_with_the_baseline() -> None:
    def slot(width: int) -> Change:
        return lambda record: record["pcie_links"][0].update(width=width, max_width=16)

    finding = diff(after(slot(8)), after(slot(4)))["degraded"][0]
    assert (finding["expected"], finding["found"]) == (8, 4)


def test_a_link_that_became_wider_is_a_change() -> None:
    assert short(diff(after(put("pcie_links.0.width", 8)), healthy())) == [
        ("changed", "pcie_links", "0000:18:00.0", "width")
    ]


@pytest.mark.parametrize(("processes", "kind"), [([], "unknown"), (None, "unknown"), ([4242], "degraded")])
def test_a_gpu_without_work_may_slow_its_link_down(processes: Any, kind: str) -> None:
    found = after(put("gpus.0.pcie.generation", 1), put("gpus.0.processes", processes))
    assert short(diff(healthy(), found)) == [(kind, "gpus", GPU0, "pcie.generation")]


def test_a_baseline_of_a_resting_gpu_does_no_harm() -> None:
    rested = after(put("gpus.1.pcie.generation", 1))
    assert short(diff(rested, rested)) == [("unknown", "gpus", GPU1, "pcie.generation")]
    assert short(diff(rested, healthy())) == [("changed", "gpus", GPU1, "pcie.generation")]


def test_the_link_of_a_gpu_is_told_once() -> None:
    def both(record: Record) -> None:
        link = {**record["pcie_links"][0], "pci_address": "0000:1b:00.0", "class_id": "0x030200"}
        record["pcie_links"].append({**link, "width": record["gpus"][0]["pcie"]["width"]})

    found = after(put("gpus.0.pcie.width", 8), both)
    assert short(diff(after(both), found)) == [("degraded", "gpus", GPU0, "pcie.width")]
    gone = after(both, drop("gpus"))
    gone["pcie_links"].pop()
    assert short(diff(after(both), gone)) == [("missing", "gpus", GPU0, None)]


def test_a_link_that_is_down_has_no_speed_to_be_unknown() -> None:
    found = after(put("nics.0.state", "down"), put("nics.0.speed_mbps", None), put("nics.0.duplex", None))
    assert short(diff(healthy(), found)) == [("degraded", "nics", "eno1", "state")]


def test_neighbours_are_compared_by_what_they_are_and_not_by_what_they_are_called() -> None:
    neighbour = {
        "interface": "eno1",
        "chassis_id": "02:00:00:00:00:01",
        "chassis_name": "leaf1",
        "port_id": "Ethernet1/1",
        "port_description": "gpu1",
    }
    expected = after(put("topology.lldp_neighbors", [neighbour]))
    renamed = after(put("topology.lldp_neighbors", [{**neighbour, "chassis_name": "leaf-1", "port_description": "x"}]))
    moved = after(put("topology.lldp_neighbors", [{**neighbour, "port_id": "Ethernet1/2"}]))
    silent = after(put("topology.lldp_neighbors", []))
    assert short(diff(expected, renamed)) == []
    assert short(diff(expected, moved)) == [("changed", "topology.lldp_neighbors", "eno1", "port_id")]
    assert short(diff(expected, silent)) == [("missing", "topology.lldp_neighbors", "eno1", None)]


# unknown


@pytest.mark.parametrize("part", ["gpus", "nics", "disks", "power_supplies", "fans", "pcie_links", "bmc"])
def test_a_part_that_nobody_could_ask_is_unknown_and_not_missing(part: str) -> None:
    blind = after(put(part, None))
    assert short(diff(healthy(), blind)) == [("unknown", part, None, None)]
    assert short(diff(blind, healthy())) == [("unknown", part, None, None)]
    assert short(diff(blind, blind)) == []


def test_no_gpu_at_all_is_missing_and_not_unknown() -> None:
    assert [one[0] for one in short(diff(healthy(), after(put("gpus", []))))] == ["missing", "missing"]


@pytest.mark.parametrize(
    "path",
    ["node.bios_version", "gpus.0.vbios_version", "disks.0.serial", "nics.0.speed_mbps", "clock.synchronised"],
)
def test_a_field_that_nobody_could_ask_is_unknown(path: str) -> None:
    for expected, found in ((healthy(), after(put(path, None))), (after(put(path, None)), healthy())):
        findings = diff(expected, found)
        assert [(kind, field) for kind, _part, _device, field in short(findings)] == [("unknown", path.split(".")[-1])]


def test_an_empty_bay_is_no_power_supply() -> None:
    pulled = after(put("power_supplies.0.state", "absent"))
    assert short(diff(healthy(), pulled)) == [("missing", "power_supplies", "PSU1", None)]
    assert short(diff(pulled, healthy())) == [("added", "power_supplies", "PSU1", None)]
    assert short(diff(pulled, pulled)) == []


# bad input


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "record",
        {},
        {"schema_version": 1},
        pytest.param(after(put("schema_version", 2)), id="other version"),
        pytest.param(after(put("schema_version", True)), id="true is not 1"),
        pytest.param(after(put("gpus", {"0": {}})), id="gpus no list"),
        pytest.param(after(put("gpus", ["H100"])), id="gpus of texts"),
        pytest.param(after(put("gpus.0.pcie", [16])), id="pcie no object"),
        pytest.param(after(put("disks.0.serial", ["S1"])), id="serial no text"),
        pytest.param(after(put("gpus.0.nvlinks", [None])), id="nvlinks of nothing"),
    ],
)
def test_what_is_no_record_is_an_error_that_says_which(bad: Any) -> None:
    with pytest.raises(ValueError, match="the expected record"):
        diff(bad, healthy())
    with pytest.raises(ValueError, match="the found record"):
        diff(healthy(), bad)


def test_text_of_devices_stays_text() -> None:
    hostile = "{{ lookup('pipe', 'id') }}"
    finding = diff(healthy(), after(put("disks.0.serial", hostile)))["changed"][0]
    assert finding["found"] == hostile
    assert hostile in finding["message"]


def test_a_thousand_devices_take_no_quadratic_time() -> None:
    def many(record: Record) -> None:
        disk = record["disks"][0]
        record["disks"] = [{**disk, "name": f"d{n}", "serial": f"S{n}", "pci_address": None} for n in range(1000)]

    found = after(many)
    found["disks"].reverse()
    assert short(diff(after(many), found)) == []

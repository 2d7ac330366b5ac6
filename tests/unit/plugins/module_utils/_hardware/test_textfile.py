# Tests of the record as metrics: what a Prometheus parser reads back, for good, empty and hostile records.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.plugins.module_utils._hardware.record import PARTS, build
from ansible_collections.aidc.ops.plugins.module_utils._hardware.textfile import render

FIXTURES = Path(__file__).parents[3] / "fixtures" / "hardware_record"
NODE: dict[str, Any] = json.loads((FIXTURES / "node.json").read_text(encoding="utf-8"))
NOW = "2026-11-21T12:00:00Z"


def read(record: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Name without prefix and labels -> value; fails if two samples are the same."""
    found: dict[Any, float] = {}
    for family in text_string_to_metric_families(render(record)):
        assert family.type == "gauge" and family.documentation
        for sample in family.samples:
            assert sample.name.startswith("aidc_ops_hardware_")
            key = (sample.name[len("aidc_ops_hardware_") :], tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Any, family: str, **labels: str) -> float | None:
    return found.get((family, tuple(sorted(labels.items()))))


def test_what_stands_in_the_record_is_told() -> None:
    found = read(NODE)
    assert value(found, "record_timestamp_seconds") == 1795262400
    assert value(found, "memory_bytes") == 2164146941952
    assert value(found, "gpus", vendor="nvidia", model="NVIDIA H100 80GB HBM3") == 2
    assert value(found, "gpu_lost", device="gpu:0000:1b:00", index="0") == 0
    assert value(found, "devices", part="gpus") == 2
    assert value(found, "devices", part="dimms") == 1
    assert value(found, "problems", part="filesystems") == 1
    assert value(found, "problems", part="gpus") == 0
    assert value(found, "pcie_link_width", pci_address="0000:18:00.0", class_id="0x020700") == 8
    assert value(found, "pcie_link_max_width", pci_address="0000:18:00.0", class_id="0x020700") == 16
    assert value(found, "pcie_link_transfers_per_second", pci_address="0000:18:00.0", class_id="0x020700") == 32e9
    assert value(found, "nic_up", interface="eno1") == 1
    assert value(found, "infiniband_port_active", device="mlx5_0", port="1") == 1
    assert value(found, "infiniband_port_rate_bytes_per_second", device="mlx5_0", port="1") == 50e9
    assert value(found, "filesystem_readable", mount="/mnt/data") == 0
    assert value(found, "power_supply_ok", name="PSU1") == 1
    assert value(found, "power_supply_ok", name="PSU2") is None
    assert [dict(labels)["node_id"] for name, labels in found if name == "info"] == ["dmi:SN0042"]
    assert [dict(labels)["protocol"] for name, labels in found if name == "bmc_info"] == ["ipmi"]


def test_unknown_has_no_sample_and_none_there_is_zero() -> None:
    found = read(build({"gpus": [], "disks": None}, NOW))
    assert value(found, "devices", part="gpus") == 0
    assert value(found, "part_known", part="gpus") == 1
    assert value(found, "devices", part="disks") is None
    assert value(found, "part_known", part="disks") == 0
    assert value(found, "part_known", part="bmc") == 0
    assert not any(name in ("memory_bytes", "gpus", "bmc_info") for name, _labels in found)
    assert {part for part in PARTS if value(found, "problems", part=part) == 0} == set(PARTS)


def test_bridges_are_left_out() -> None:
    link = {**NODE["pcie_links"][0], "pci_address": "0000:00:01.0", "class_id": "0x060400"}
    found = read({**NODE, "pcie_links": [link]})
    assert not any(name.startswith("pcie_link") for name, _labels in found)


@pytest.mark.parametrize(
    ("state", "expected"), [("ok", 1), ("warning", 0), ("critical", 0), ("absent", None), (None, None)]
)
def test_health(state: str | None, expected: int | None) -> None:
    found = read({**NODE, "fans": [{**NODE["fans"][0], "state": state}]})
    assert value(found, "fan_ok", name="FAN1") == expected


@pytest.mark.parametrize(("lost", "expected"), [(True, 1), (False, 0), (None, None)])
def test_lost_gpu(lost: bool | None, expected: int | None) -> None:
    found = read({**NODE, "gpus": [{**NODE["gpus"][0], "lost": lost}]})
    assert value(found, "gpu_lost", device="gpu:0000:1b:00", index="0") == expected


def test_sixteen_silent_gpus_are_counted_though_nothing_tells_them_apart() -> None:
    gpu = dict.fromkeys(NODE["gpus"][0], None)
    found = read(build({"gpus": [gpu] * 16}, NOW))
    assert value(found, "gpus", vendor="", model="") == 16
    assert value(found, "devices", part="gpus") == 16
    assert not any(name == "gpu_lost" for name, _labels in found)


def test_a_lost_gpu_without_an_address_is_told_too() -> None:
    found = read(build({"gpus": [{"vendor": "nvidia", "index": 5, "lost": True}]}, NOW))
    assert value(found, "gpu_lost", device="", index="5") == 1


HOSTILE = [
    'a"} 1\naidc_ops_evil 1',
    "back\\slash\\n",
    "{{ 7 * 7 }}",
    "# HELP x y",
    "\udcff\x00",
    "é→\u2028",
    "",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_inside_its_label(text: str) -> None:
    record = copy.deepcopy(NODE)
    record["node"]["serial"] = text
    record["gpus"][0]["model"] = text
    record["filesystems"][0]["mount"] = text
    record["problems"] = [{"part": text, "device": None, "message": text}]
    built: Any = build(record, NOW)
    render(built).encode("utf-8")
    found = read(built)
    assert {name for name, _labels in found} <= {name for name, _labels in read(NODE)}
    assert [dict(labels)["serial"] for name, labels in found if name == "info"] == [built["node"]["serial"]]
    assert value(found, "problems", part=built["problems"][0]["part"]) == 1


def test_equal_devices_give_one_sample() -> None:
    record = copy.deepcopy(NODE)
    for part in ("gpus", "nics", "fans", "disks", "pcie_links", "filesystems", "infiniband_ports", "power_supplies"):
        record[part] = record[part] * 2
    assert value(read(record), "devices", part="gpus") == 4

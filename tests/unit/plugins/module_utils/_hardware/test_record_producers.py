# Tests that the readers give exactly the fields of the record, on the hardware tree of a node of the lab.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import gpu_keys, lldp, nodes
from ansible_collections.aidc.ops.plugins.module_utils._hardware._record_table import RECORD
from ansible_collections.aidc.ops.plugins.module_utils._hardware.collect import Asked, Sources, collect
from ansible_collections.aidc.ops.plugins.module_utils._hardware.record import build, check

ROOT = Path(__file__).parents[5]
STATE = """gpus=2
bus_id.0=00000000:1B:00.0
bus_id.1=00000000:9B:00.0
pci_device_id=233010DE
pci_subsystem_id=16C110DE
name=NVIDIA H100 80GB HBM3
driver_version=570.86.15
nvlink_count=18
nvlink_remote_bus_id=00000000:C5:00.0
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("node")
    (folder / "state").write_text(STATE, encoding="utf-8")
    program = ROOT / "molecule" / "shared" / "hardware_tree.py"
    options = ["--node", "gpu1", "--state", str(folder / "state"), "--root", str(folder / "root")]
    subprocess.run([sys.executable, str(program), *options], check=True, capture_output=True, timeout=60)
    return str(folder / "root")


@pytest.fixture(scope="module")
def parts(tree: str) -> dict[str, Any]:
    return nodes.read_parts(tree, 20)


def fields(part: str) -> set[str]:
    rule = RECORD["properties"][part]
    return set(rule.get("items", rule)["properties"])


@pytest.mark.parametrize("part", [part for part in nodes.PARTS if part != "filesystems"])
def test_the_node_gives_exactly_the_fields(part: str, parts: dict[str, Any]) -> None:
    found = parts[part] if isinstance(parts[part], list) else [parts[part]]
    assert found, "the tree has none, so nothing was compared"
    for element in found:
        assert set(element) == fields(part)


def test_nothing_that_the_node_gives_has_to_be_left_out(parts: dict[str, Any]) -> None:
    record: Any = build(parts, "2026-11-21T12:00:00Z")
    assert record["problems"] == parts["problems"]
    for part in nodes.PARTS:
        assert record[part] == json.loads(json.dumps(parts[part])), part


def test_the_other_readers_name_the_same_fields() -> None:
    gpu = RECORD["properties"]["gpus"]["items"]["properties"]
    assert set(gpu_keys.GPU_KEYS) == set(gpu)
    assert set(gpu_keys.PCIE_KEYS) == set(gpu["pcie"]["properties"])
    assert set(gpu_keys.ECC_KEYS) == set(gpu["ecc"]["properties"])
    neighbor = RECORD["properties"]["topology"]["properties"]["lldp_neighbors"]["items"]["properties"]
    assert set(lldp.NEIGHBOUR_KEYS) == set(neighbor)


def test_the_whole_record_of_that_node(tree: str) -> None:
    sources = Sources(topology=lambda _asked, _progress: {})
    record: Any = collect(Asked(tree, 20, lambda *_arguments: None), {}, sources=sources)
    assert check(record, exact=True) == []
    assert record["node"]["id"].startswith("dmi:SIM-")
    assert record["bmc"] is None
    # The bus has GPUs and this machine no driver: that is not "no GPU".
    assert record["gpus"] is None
    assert any("no driver answers for the GPUs on the bus" in problem["message"] for problem in record["problems"])

# What node_info says of a node of the lab: its own hardware, not that of the host.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the module node_info on the hardware tree of each GPU node."""

from __future__ import annotations

from typing import Any

import pytest
from node_helpers import NODES, container, module

ROOT = {"root": "/var/lib/gpusim/root", "timeout": 30}
SWITCHES = {"bookworm": 4, "trixie": 6}


def _gpu_links(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {link["pci_address"]: link for link in answer["pcie_links"] if link["class_id"] == "0x030200"}


@pytest.mark.parametrize("check", [False, True])
def test_hardware_of_the_node(node: Any, check: bool) -> None:
    answer = module(node.name, "node_info", ROOT, check=check)
    identity = module(node.name, "node_identity_info", {"root": ROOT["root"]})
    assert not answer["changed"]
    assert (answer["node"]["id"], answer["os"]["boot_identity"]) == (identity["node_id"], identity["boot_identity"])
    assert [cpu["socket"] for cpu in answer["cpus"]] == [0, 1]
    assert len(answer["memory"]["dimms"]) == 32
    assert len(answer["nvswitches"]) == SWITCHES[node.name]
    # What the kernel of the host says of its clock is not ours.
    assert [problem for problem in answer["problems"] if problem["part"] != "clock"] == []
    gpus = module(node.name, "gpu_info", {})["gpus"]
    assert [f"gpu:{address[:-2]}" for address in _gpu_links(answer)] == [gpu["device"] for gpu in gpus]


def test_every_node_is_another_one() -> None:
    assert len({module(name, "node_info", ROOT)["node"]["id"] for name in NODES}) == len(NODES)


def test_narrow_link_of_a_gpu() -> None:
    host = container("trixie")
    write = "/usr/local/lib/gpusim/hardware_tree.py --node trixie"
    before = _gpu_links(module("trixie", "node_info", ROOT))
    host.check_output(f"gpusim set --gpu 2 pcie_width=8 && {write}")
    now = _gpu_links(module("trixie", "node_info", ROOT))
    host.check_output(f"gpusim set --gpu 2 pcie_width=16 && {write}")
    assert [address for address in now if now[address] != before[address]] == [sorted(now)[2]]
    assert {link["width"] for link in now.values()} == {8, 16}

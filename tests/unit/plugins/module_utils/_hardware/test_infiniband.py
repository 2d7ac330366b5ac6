# Tests of reading InfiniBand and RoCE ports.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import infiniband

Lay = Callable[[Mapping[str, Any]], str]
PCI = "sys/devices/pci0000:15/0000:15:01.0/0000:18:00.0"


def adapter(ports: int = 1, **files: Any) -> dict[str, Any]:
    """An adapter on PCI; the files are those of each port."""
    texts = {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": "400 Gb/sec (4X NDR)", "link_layer": "InfiniBand"}
    texts.update({"lid": "0x12", "gids/0": "fe80:0000:0000:0000:0c42:a103:0065:4ac6"})
    rdma = f"{PCI}/infiniband/mlx5_0"
    found: dict[str, Any] = {f"{rdma}/node_guid": "0c42:a103:0065:4ac6\n", f"{rdma}/fw_ver": "28.43.1014\n"}
    found[f"{rdma}/board_id"] = "MT_0000000838\n"
    for port in range(1, ports + 1):
        found.update({f"{rdma}/ports/{port}/{name}": f"{text}\n" for name, text in {**texts, **files}.items()})
        found[f"{PCI}/net/ib{port}/dev_port"] = f"{port - 1}\n"
    found[f"{PCI}/numa_node"] = "0\n"
    found[f"{rdma}/device"] = {"link": "../../../0000:18:00.0"}
    found["sys/class/infiniband/mlx5_0"] = {"link": f"../../{rdma[4:]}"}
    found["sys/bus/pci/devices/0000:18:00.0"] = {"link": f"../../../{PCI[4:]}"}
    return found


def test_port(lay: Lay, reports: Any) -> None:
    root = lay(adapter())
    (port,) = infiniband.read_ports(root, reports)
    port.update(infiniband.ask_port(root, "mlx5_0", 1))
    assert port == {
        "device": "mlx5_0",
        "port": 1,
        "node_guid": "0c42:a103:0065:4ac6",
        "port_guid": "0c42:a103:0065:4ac6",
        "link_layer": "InfiniBand",
        "state": "ACTIVE",
        "physical_state": "LinkUp",
        "rate_gbps": 400.0,
        "lid": 18,
        "firmware": "28.43.1014",
        "board_id": "MT_0000000838",
        "pci_address": "0000:18:00.0",
        "numa_node": 0,
        "netdevs": ["ib1"],
    }


def test_recorded_adapters(recorded: Callable[[str], str], reports: Any) -> None:
    root = recorded("infiniband")
    ports = infiniband.read_ports(root, reports)
    found = [(port["device"], port["port"], infiniband.ask_port(root, port["device"], port["port"])) for port in ports]
    assert [(device, number, answer["rate_gbps"]) for device, number, answer in found] == [
        ("hfi1_0", 1, 100.0),
        ("mlx4_0", 1, 40.0),
        ("mlx4_0", 2, 40.0),
        ("mlx5_0", 1, 25.0),
    ]
    assert [port["node_guid"] for port in ports] == [None, None, None, "0a7f:bc12:45ef:d23b"]
    assert {answer["state"] for _device, _number, answer in found} == {"ACTIVE"}
    assert ports[0]["board_id"].startswith("HPE 100Gb 1-port OP101")


def test_ports_of_one_adapter_have_their_own_interfaces(lay: Lay, reports: Any) -> None:
    assert [port["netdevs"] for port in infiniband.read_ports(lay(adapter(ports=2)), reports)] == [["ib1"], ["ib2"]]


def test_ethernet_has_no_lid_and_no_port_guid(lay: Lay) -> None:
    answer = infiniband.ask_port(lay(adapter(link_layer="Ethernet", rate="100 Gb/sec (2X HDR)")), "mlx5_0", 1)
    assert (answer["rate_gbps"], answer["lid"], answer["port_guid"]) == (100.0, None, None)


def test_port_without_a_link_has_no_rate(lay: Lay) -> None:
    root = lay(adapter(state="1: DOWN", phys_state="2: Polling", rate="10 Gb/sec (4X SDR)", lid="0xffff"))
    answer = infiniband.ask_port(root, "mlx5_0", 1)
    assert (answer["state"], answer["physical_state"], answer["rate_gbps"]) == ("DOWN", "Polling", None)
    assert answer["lid"] is None


@pytest.mark.parametrize("text", ["", "400", "NDR", "{{ 1 }} Gb/sec", "-5 Gb/sec"])
def test_broken_texts_are_unknown(lay: Lay, text: str) -> None:
    files = {"rate": text, "state": text, "phys_state": text, "lid": "x", "gids/0": text}
    assert set(infiniband.ask_port(lay(adapter(**files)), "mlx5_0", 1).values()) == {None}


def test_virtual_functions_are_left_out(lay: Lay, reports: Any) -> None:
    assert infiniband.read_ports(lay({**adapter(), f"{PCI}/physfn": {"link": "../0000:18:00.7"}}), reports) == []


def test_node_without_adapters(lay: Lay, reports: Any) -> None:
    assert infiniband.read_ports(lay({"sys/class/net/x": ""}), reports) == []

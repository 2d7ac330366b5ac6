# What sits on PCI: GPUs, NVSwitches, NVMe drives and network adapters. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import NamedTuple

from hardware.files import Link, Tree
from hardware.machine import Gpu, Machine
from hardware.pci import Pci, host_bridge, pcie_switch, place_device, port

# A device that fell off the bus answers every read with ones.
GONE_WIDTH = "63"


def gpu_device(gpu: Gpu) -> Pci:
    """The GPU; one off the bus shows a link of ones, one that the driver could not start has no driver."""
    if gpu.lost:
        width, generation = (GONE_WIDTH, GONE_WIDTH), (0, 0)
    else:
        width, generation = (str(gpu.width), str(gpu.max_width)), (gpu.generation, gpu.max_generation)
    driver = None if gpu.missing else "nvidia"
    return Pci(gpu.address, "0x030200", gpu.vendor, gpu.device, driver, *width, *generation, gpu.subsystem)


def add_nvme(machine: Machine, tree: Tree, parent: str, address: str, number: int, gigabytes: int) -> None:
    """An NVMe drive with one namespace."""
    pci = Pci(address, "0x010802", "0x144d", "0xa824", "nvme", "4", "4", 4, 4)
    folder = place_device(tree, parent, pci)
    controller, name = f"{folder}/nvme/nvme{number}", f"nvme{number}n1"
    tree.update(
        {
            f"{controller}/model": f"Simulated NVMe SSD {gigabytes} GB               \n",
            f"{controller}/serial": f"SIM{machine.stable('nvme', number)[:11].upper()}      \n",
            f"{controller}/firmware_rev": "SIM10200\n",
            f"{controller}/state": "live\n",
            f"{controller}/transport": "pcie\n",
            f"{controller}/numa_node": f"{pci.numa_node}\n",
            f"{controller}/device": Link(folder),
            f"{controller}/{name}/size": f"{gigabytes * 10**9 // 512}\n",
            f"{controller}/{name}/removable": "0\n",
            f"{controller}/{name}/queue/rotational": "0\n",
            f"{controller}/{name}/device": Link(controller),
            f"sys/class/nvme/nvme{number}": Link(controller),
            f"sys/block/{name}": Link(f"{controller}/{name}"),
        }
    )


def _guid(machine: Machine, number: int) -> str:
    digits = "0c42a10300" + machine.stable("guid", number)[:6]
    return ":".join(digits[index : index + 4] for index in range(0, 16, 4))


class Fabric(NamedTuple):
    """A kind of network adapter."""

    device: str
    kind: str  # PCI class
    generation: int
    rate: str
    speed_mbps: int
    mtu: int
    link_layer: str
    firmware: str
    board_id: str


FABRICS = {
    "NDR": Fabric(
        "0x1021", "0x020700", 5, "400 Gb/sec (4X NDR)", 400000, 4092, "InfiniBand", "28.43.1014", "MT_0000000838"
    ),
    "HDR": Fabric(
        "0x101b", "0x020700", 4, "200 Gb/sec (4X HDR)", 200000, 4092, "InfiniBand", "20.43.1014", "MT_0000000223"
    ),
    "Ethernet": Fabric(
        "0x101d", "0x020000", 4, "100 Gb/sec (2X HDR)", 100000, 9000, "Ethernet", "22.43.1014", "MT_0000000359"
    ),
}


def _pairs(digits: str) -> str:
    return ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))


def add_adapter(machine: Machine, tree: Tree, parent: str, address: str, number: int, name: str, up: bool) -> None:
    """One port of a network adapter: its PCI function, its interface and its RDMA device."""
    fabric = FABRICS[name]
    ethernet = name == "Ethernet"
    pci = Pci(address, fabric.kind, "0x15b3", fabric.device, "mlx5_core", "16", "16", *(2 * (fabric.generation,)))
    folder = place_device(tree, parent, pci)
    digits = "0c42a10300" + machine.stable("guid", number)[:6]
    guid = ":".join(digits[index : index + 4] for index in range(0, 16, 4))
    if ethernet:
        interface = f"ens1f{address[-1]}np{address[-1]}"
        hardware_address = "02:" + _pairs(machine.stable("mac", number)[:10])
    else:
        domain = int(pci.domain, 16)
        interface = f"ib{f'P{domain}' if domain else ''}p{pci.bus}s0"
        hardware_address = "00:00:10:29:fe:80:00:00:00:00:00:00:" + _pairs(digits)
    net = f"{folder}/net/{interface}"
    rdma = f"{folder}/infiniband/mlx5_{number}"
    lid = 0 if ethernet or not up else 1 + int(machine.stable("lid", number)[:3], 16)
    files: Tree = {
        f"{net}/address": hardware_address,
        f"{net}/operstate": "up" if up else "down",
        f"{net}/mtu": str(fabric.mtu),
        f"{net}/speed": str(fabric.speed_mbps if up else -1),
        f"{net}/duplex": "full" if up else "unknown",
        f"{net}/dev_port": "0",
        f"{rdma}/node_guid": guid,
        f"{rdma}/fw_ver": fabric.firmware,
        f"{rdma}/board_id": fabric.board_id,
        f"{rdma}/ports/1/state": "4: ACTIVE" if up else "1: DOWN",
        f"{rdma}/ports/1/phys_state": "5: LinkUp" if up else "3: Disabled",
        f"{rdma}/ports/1/rate": fabric.rate if up else "40 Gb/sec (4X QDR)",
        f"{rdma}/ports/1/link_layer": fabric.link_layer,
        f"{rdma}/ports/1/lid": f"0x{lid:x}",
        f"{rdma}/ports/1/gids/0": f"fe80:0000:0000:0000:{guid}",
    }
    tree.update({path: f"{text}\n" for path, text in files.items()})
    tree[f"{net}/device"] = Link(folder)
    tree[f"{rdma}/device"] = Link(folder)
    tree[f"sys/class/net/{interface}"] = Link(net)
    tree[f"sys/class/infiniband/mlx5_{number}"] = Link(rdma)


def _add_gpus(machine: Machine, tree: Tree) -> int:
    """Each GPU shares a switch with a fabric adapter and a drive. Return how many adapters there are."""
    adapters = 0
    for index, gpu in enumerate(machine.gpus):
        domain, bus = gpu.address.split(":")[0], int(gpu.address.split(":")[1], 16)
        to_adapter, to_drive, to_gpu = pcie_switch(tree, domain, bus - 5, 3, gpu.max_generation)
        # Boards for single slots share one adapter among four GPUs.
        if machine.switches or gpu.slot % 4 == 0:
            fabric = "NDR" if gpu.max_generation >= 5 else "HDR"
            add_adapter(machine, tree, to_adapter, f"{domain}:{bus - 2:02x}:00.0", adapters, fabric, True)
            adapters += 1
        add_nvme(machine, tree, to_drive, f"{domain}:{bus - 1:02x}:00.0", 2 + index, 3840)
        place_device(tree, to_gpu, gpu_device(gpu))
    return adapters


def _add_switches(machine: Machine, tree: Tree) -> None:
    """The NVSwitches of each board, behind a switch of their own."""
    for domain in sorted({address.split(":")[0] for address in machine.switches}):
        here = [address for address in machine.switches if address.startswith(domain)]
        ports = pcie_switch(tree, domain, int(here[0].split(":")[1], 16) - 3, len(here), 4)
        hopper = len(here) == 4
        for address, above in zip(here, ports, strict=True):
            device = "0x22a3" if hopper else "0x1af1"
            place_device(tree, above, Pci(address, "0x068000", "0x10de", device, "nvidia-nvswitch", "2", "2", 4, 4))
            version = "96.10.6D.00.01" if hopper else "92.10.18.00.02"
            tree[f"proc/driver/nvidia-nvswitch/devices/{address}/information"] = f"BIOS Version: {version}\n"


def pci_files(machine: Machine) -> Tree:
    """All PCI devices. Every node has two ports of Ethernet, one of them without a cable, and two system drives."""
    tree: Tree = {}
    adapters = _add_gpus(machine, tree)
    _add_switches(machine, tree)
    bridge = host_bridge("0000", 0xE0)
    front = place_device(tree, bridge, port("0000:e0:01.0", 4))
    for function in range(2):
        address = f"0000:e1:00.{function}"
        add_adapter(machine, tree, front, address, adapters + function, "Ethernet", up=function == 0)
    for number in range(2):
        above = place_device(tree, bridge, port(f"0000:e0:{2 + number:02x}.0", 4))
        add_nvme(machine, tree, above, f"0000:e{2 + number}:00.0", number, 960)
    return tree


def driver_files(machine: Machine) -> Tree:
    """What the NVIDIA driver shows of the GPUs that it is bound to."""
    tree: Tree = {}
    if machine.gpus:
        tree["proc/driver/nvidia/version"] = (
            f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {machine.driver_version}  Release Build\n"
        )
    for gpu in machine.gpus:
        if gpu.missing:
            continue
        facts = {
            "Model": gpu.model,
            "IRQ": "0",
            "GPU UUID": gpu.uuid,
            "Video BIOS": gpu.vbios,
            "Bus Type": "PCIe",
            "DMA Size": "52 bits",
            "DMA Mask": "0xfffffffffffff",
            "Bus Location": gpu.address,
            "Device Minor": str(gpu.minor),
            "GPU Firmware": machine.driver_version,
            "GPU Excluded": "No",
        }
        text = "".join(f"{key + ':':<16} {value}\n" for key, value in facts.items())
        tree[f"proc/driver/nvidia/gpus/{gpu.address}/information"] = text
    return tree

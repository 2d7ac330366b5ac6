# The PCI devices of a node, and how they hang together. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import NamedTuple

from hardware.files import Link, Tree

SPEEDS = {1: "2.5", 2: "5.0", 3: "8.0", 4: "16.0", 5: "32.0", 6: "64.0"}


class Pci(NamedTuple):
    """One PCI device."""

    address: str
    kind: str  # class
    vendor: str
    device: str
    driver: str | None
    width: str
    max_width: str
    generation: int
    max_generation: int
    subsystem: tuple[str, str] = ("0x0000", "0x0000")

    @property
    def domain(self) -> str:
        return self.address.split(":")[0]

    @property
    def bus(self) -> int:
        return int(self.address.split(":")[1], 16)

    @property
    def numa_node(self) -> int:
        """Buses are counted through the first socket, then through the second."""
        return 0 if self.bus < 0x80 else 1


def _speed(generation: int) -> str:
    return f"{SPEEDS[generation]} GT/s PCIe" if generation in SPEEDS else "Unknown"


def place_device(tree: Tree, path: str, pci: Pci) -> str:
    """Put a device below its parent; return its own folder."""
    folder = f"{path}/{pci.address}"
    tree.update(
        {
            f"{folder}/class": f"{pci.kind}\n",
            f"{folder}/vendor": f"{pci.vendor}\n",
            f"{folder}/device": f"{pci.device}\n",
            f"{folder}/subsystem_vendor": f"{pci.subsystem[0]}\n",
            f"{folder}/subsystem_device": f"{pci.subsystem[1]}\n",
            f"{folder}/numa_node": f"{pci.numa_node}\n",
            f"{folder}/current_link_width": f"{pci.width}\n",
            f"{folder}/max_link_width": f"{pci.max_width}\n",
            f"{folder}/current_link_speed": f"{_speed(pci.generation)}\n",
            f"{folder}/max_link_speed": f"{_speed(pci.max_generation)}\n",
            f"sys/bus/pci/devices/{pci.address}": Link(folder),
        }
    )
    if pci.driver is not None:
        tree[f"{folder}/driver"] = Link(f"sys/bus/pci/drivers/{pci.driver}")
        tree[f"sys/bus/pci/drivers/{pci.driver}/{pci.address}"] = Link(folder)
    return folder


def host_bridge(domain: str, bus: int) -> str:
    """Folder of the part of a processor that has PCI buses below it."""
    return f"sys/devices/pci{domain}:{bus:02x}"


def port(address: str, generation: int) -> Pci:
    """A root port, or one port of a switch."""
    return Pci(address, "0x060400", "0x1000", "0xc030", "pcieport", "16", "16", generation, generation)


def pcie_switch(tree: Tree, domain: str, bus: int, ports: int, generation: int) -> list[str]:
    """A root port and a switch on three buses; return the folders of its lower ports."""
    root = place_device(tree, host_bridge(domain, bus), port(f"{domain}:{bus:02x}:01.0", generation))
    upper = place_device(tree, root, port(f"{domain}:{bus + 1:02x}:00.0", generation))
    return [
        place_device(tree, upper, port(f"{domain}:{bus + 2:02x}:{index:02x}.0", generation)) for index in range(ports)
    ]

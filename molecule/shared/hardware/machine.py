# What a node of the lab pretends to be, from its name and the state of its simulated GPUs. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple


class Gpu(NamedTuple):
    """One GPU as the simulator describes it."""

    slot: int
    address: str
    vendor: str
    device: str
    subsystem: tuple[str, str]
    model: str
    uuid: str
    vbios: str
    minor: int
    generation: int
    max_generation: int
    width: int
    max_width: int
    missing: bool
    lost: bool


class Machine(NamedTuple):
    """What the tree is made from."""

    name: str
    product: str
    cpu: str
    cores: int  # of each of the two sockets
    dimms: int
    dimm_gib: int
    gpus: list[Gpu]
    driver_version: str
    switches: list[str]  # PCI addresses of the NVSwitches

    @property
    def serial(self) -> str:
        """Serial number, the one that gpusim gives the node too."""
        return f"SIM-{hashlib.sha256(self.name.encode()).hexdigest()[:12].upper()}"

    def stable(self, *parts: object) -> str:
        """Hexadecimal digits that depend only on the node and the parts."""
        return hashlib.sha256("/".join(map(str, (self.name, *parts))).encode()).hexdigest()


def parse_state(text: str) -> dict[str, str]:
    """Entries of the simulator's state file."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def gpus_of(state: Mapping[str, str]) -> list[Gpu]:
    """The GPUs of a state, in the order of their slots."""

    def get(key: str, slot: int, default: str = "") -> str:
        return state.get(f"{key}.{slot}", state.get(key, default))

    def number(key: str, slot: int, default: int) -> int:
        # An entry may also be an injected error or N/A.
        text = get(key, slot)
        return int(text) if text.isdigit() else default

    def identity(key: str, slot: int) -> tuple[str, str]:
        # NVML's spelling: device and vendor in one number.
        both = int(get(key, slot, "0"), 16)
        return f"0x{both & 0xFFFF:04x}", f"0x{both >> 16:04x}"

    found = []
    for slot in range(int(state.get("gpus", "0"))):
        domain, bus, device = get("bus_id", slot).lower().split(":")
        vendor, product = identity("pci_device_id", slot)
        found.append(
            Gpu(
                slot,
                f"{int(domain, 16):04x}:{bus}:{device}",
                vendor,
                product,
                identity("pci_subsystem_id", slot),
                get("name", slot),
                get("uuid", slot),
                get("vbios_version", slot),
                number("minor", slot, slot),
                number("pcie_generation", slot, 5),
                number("pcie_generation_max", slot, 5),
                number("pcie_width", slot, 16),
                number("pcie_width_max", slot, 16),
                number("missing", slot, 0) != 0,
                number("lost", slot, 0) != 0,
            )
        )
    return found


def switches_of(state: Mapping[str, str]) -> list[str]:
    """PCI addresses of the NVSwitches: what the NVLinks of the GPUs end at."""
    found = set()
    for slot in range(int(state.get("gpus", "0"))):
        for address in state.get(f"nvlink_remote_bus_id.{slot}", state.get("nvlink_remote_bus_id", "")).split(","):
            domain, _colon, rest = address.lower().partition(":")
            if rest:
                found.add(f"{int(domain, 16):04x}:{rest}")
    return sorted(found)


PRODUCTS = {9: "8-GPU node SXM5", 7: "8-GPU node SXM4", 8: "8-GPU node PCIe"}  # by GPU architecture, as gpusim says


def describe(name: str, state: Mapping[str, str] | None) -> Machine:
    """What a node of this name is; without a state of GPUs it is a small server."""
    if state is None:
        return Machine(name, "Server", "Simulated CPU 16-Core Processor", 16, 16, 16, [], "", [])
    gpus = gpus_of(state)
    product = PRODUCTS.get(int(state.get("architecture", "9")), "8-GPU node")
    switches = switches_of(state)
    cpu = "Simulated CPU 56-Core Processor"
    return Machine(name, product, cpu, 56, 32, 64, gpus, state.get("driver_version", ""), switches)

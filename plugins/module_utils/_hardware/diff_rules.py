# What is compared between two hardware records, how devices are recognised, and which differences are a loss.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data only. A field that is not named here is never compared: readings (temperatures, usage, available bytes),
counters that only grow, what follows from the order of discovery (indexes), and what somebody else assigns (LIDs).
"""

from __future__ import annotations

import typing as t

# A rule says what a difference between two known values means.
Rule = t.Callable[[t.Any, t.Any], str]

CHANGED = "changed"
DEGRADED = "degraded"
SAME = "same"

# The kernel reserves some MiB more or less from version to version; the smallest memory module is more than this.
_MEMORY_TOLERANCE = 0.01


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def changed(_expected: t.Any, _found: t.Any) -> str:
    """Different is different."""
    return CHANGED


def drift(_expected: t.Any, _found: t.Any) -> str:
    """Firmware and drivers: any other version than the baseline's is a loss of uniformity, a newer one too."""
    return DEGRADED


def less(expected: t.Any, found: t.Any) -> str:
    """Less or slower is a loss, more is only a change."""
    lower = _is_number(expected) and _is_number(found) and found < expected
    return DEGRADED if lower else CHANGED


def less_size(expected: t.Any, found: t.Any) -> str:
    """As C(less), for sizes that differ a little from boot to boot."""
    if _is_number(expected) and _is_number(found) and abs(found - expected) <= expected * _MEMORY_TOLERANCE:
        return SAME
    return less(expected, found)


def no_longer(*good: t.Any) -> Rule:
    """Return a rule for states: leaving the good ones is a loss."""

    def rule(expected: t.Any, found: t.Any) -> str:
        return DEGRADED if expected in good and found not in good else CHANGED

    return rule


def _options(expected: t.Any, found: t.Any) -> str:
    if set(expected) == set(found):
        return SAME
    return DEGRADED if "rw" in expected and "ro" in found else CHANGED


Keys = t.Tuple[str, ...]


class Part(t.NamedTuple):
    """A list of devices.

    C(identity): keys that a device carries with it; C(place): keys of where it sits. Each entry may be several keys
    that count together. The first that both records have, and that only one device has, decides. C(label): what a
    device is called in messages, C(about): what is said of one that is missing or added.
    """

    identity: tuple[Keys, ...]
    place: tuple[Keys, ...]
    label: Keys
    about: Keys
    fields: t.Mapping[str, Rule]


OBJECTS: dict[str, dict[str, Rule]] = {
    "node": {
        "id": changed,
        "hostname": changed,
        "manufacturer": changed,
        "product": changed,
        "serial": changed,
        "uuid": changed,
        "board_serial": changed,
        "chassis_serial": changed,
        "bios_version": drift,
    },
    "os": {"name": changed, "version": changed, "kernel": changed, "architecture": changed},
    "memory": {"total_bytes": less_size},
    "bmc": {
        "address": changed,
        "mac": changed,
        "manufacturer": changed,
        "model": changed,
        "firmware": drift,
        "protocol": changed,
    },
    # A node whose TSC was found unstable falls back to a clock that costs a system call each time.
    "clock": {"source": no_longer("tsc"), "synchronised": no_longer(True)},
    "topology": {"site": changed, "rack": changed, "leaf": changed, "feed": changed},
}

PARTS: dict[str, Part] = {
    "cpus": Part(
        (),
        (("socket",),),
        ("socket",),
        ("model",),
        {
            "model": changed,
            "cores": less,
            "threads": less,
            "max_mhz": less,
            "microcode": drift,
            "numa_nodes": changed,
        },
    ),
    "numa_nodes": Part(
        (),
        (("id",),),
        ("id",),
        (),
        {"cpus": changed, "memory_total_bytes": less_size, "distances": changed},
    ),
    "memory.dimms": Part(
        (("serial",),),
        (("slot",),),
        ("slot", "serial"),
        ("part_number", "serial"),
        {
            "slot": changed,
            "size_bytes": less,
            "type": changed,
            "speed_mtps": less,
            "manufacturer": changed,
            "part_number": changed,
        },
    ),
    "gpu_drivers": Part(
        (), (("vendor",),), ("vendor",), ("driver_version",), {"driver_version": drift, "library_version": drift}
    ),
    "gpus": Part(
        # Some boards carry several GPUs under one serial number, so the UUID comes first.
        (("uuid",), ("serial",)),
        (("device",), ("pci_bus_id",)),
        ("device", "pci_bus_id", "uuid"),
        ("model", "serial", "uuid"),
        {
            "device": changed,
            "vendor": changed,
            "model": changed,
            "part_number": changed,
            "numa_node": changed,
            "memory_total_bytes": less,
            "power_limit_watts": changed,
            "power_limit_min_watts": changed,
            "power_limit_max_watts": changed,
            "max_graphics_clock_mhz": less,
            "persistence_mode": changed,
            "compute_capability": changed,
            "vbios_version": drift,
            "inforom_version": drift,
            "pcie.max_width": less,
            "pcie.max_generation": less,
            "ecc_mode": changed,
            "mig_mode": changed,
            "nvlinks_total": less,
            "nvlinks_active": less,
        },
    ),
    "nvswitches": Part(
        (),
        (("pci_address",),),
        ("pci_address",),
        ("device_id",),
        {"device_id": changed, "driver": changed, "firmware": drift},
    ),
    "nics": Part(
        (("mac",),),
        (("pci_address", "name"), ("pci_address",), ("name",)),
        ("name", "pci_address"),
        ("mac", "pci_address"),
        {
            "name": changed,
            "pci_address": changed,
            "numa_node": changed,
            "vendor_id": changed,
            "device_id": changed,
            "driver": changed,
            "firmware": drift,
            "state": no_longer("up"),
            "speed_mbps": less,
            "mtu": changed,
            "duplex": no_longer("full"),
        },
    ),
    "infiniband_ports": Part(
        (("port_guid",), ("node_guid", "port")),
        (("device", "port"), ("pci_address", "port")),
        ("device", "port"),
        ("port_guid",),
        {
            "device": changed,
            "pci_address": changed,
            "numa_node": changed,
            "link_layer": changed,
            "state": no_longer("ACTIVE"),
            "physical_state": no_longer("LinkUp"),
            "rate_gbps": less,
            "firmware": drift,
            "board_id": changed,
            "netdevs": changed,
        },
    ),
    "disks": Part(
        (("serial",),),
        # Names are given in the order of discovery, so they come last.
        (("pci_address", "name"), ("pci_address",), ("name",)),
        ("name", "serial"),
        ("model", "serial"),
        {
            "pci_address": changed,
            "numa_node": changed,
            "model": changed,
            "firmware": drift,
            "size_bytes": less,
            "transport": changed,
            "rotational": changed,
            "state": no_longer("live", "running"),
        },
    ),
    "filesystems": Part(
        (),
        (("mount",),),
        ("mount",),
        ("source", "type"),
        {"source": changed, "type": changed, "options": _options, "size_bytes": less_size},
    ),
    "pcie_links": Part(
        (),
        (("pci_address",),),
        ("pci_address",),
        ("class_id", "vendor_id", "device_id"),
        {
            "class_id": changed,
            "vendor_id": changed,
            "device_id": changed,
            "driver": changed,
            "numa_node": changed,
            "max_width": less,
            "max_speed_gtps": less,
        },
    ),
    "power_supplies": Part(
        (("serial",),),
        (("name",),),
        ("name", "serial"),
        ("model", "serial"),
        {
            "name": changed,
            "model": changed,
            "firmware": drift,
            "capacity_watts": less,
            "state": no_longer("ok"),
        },
    ),
    "fans": Part((), (("name",),), ("name",), (), {"state": no_longer("ok")}),
    "topology.lldp_neighbors": Part(
        (),
        (("interface", "chassis_id", "port_id"), ("interface", "chassis_id"), ("interface",)),
        ("interface",),
        ("chassis_name", "chassis_id", "port_id"),
        {"chassis_id": changed, "port_id": changed},
    ),
}

# PCI classes whose devices slow their link down while they have nothing to do (GPUs), and the bridges above them.
RESTING_CLASSES = ("0x03", "0x12", "0x0604")
# The slowest link there is, which is where they go then.
SLOWEST_GENERATION = 1
SLOWEST_GTPS = 2.5

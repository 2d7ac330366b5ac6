# Reads Redfish ComputerSystem and Processor resources.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A BMC may show several systems: the server, and boards that are none (an HGX baseboard with its GPUs, a DPU)."""

from __future__ import annotations

import typing as t

from .identity import node_identity
from .redfish_values import Doc, clean, identity, known, link, mapping, number_equal_names, objects, state, whole

SYSTEM_KEYS = (
    "id",
    "node_id",
    "node_id_source",
    "manufacturer",
    "product",
    "serial",
    "uuid",
    "part_number",
    "asset_tag",
    "hostname",
    "power_state",
    "health",
    "bios_version",
    "memory_total_bytes",
    "cpu_model",
    "cpu_count",
    "cpu_cores",
    "cpu_threads",
    "gpus",
)

_POWER_STATES = ("on", "off", "poweringon", "poweringoff", "paused")


def power_state(value: t.Any) -> str | None:
    """Return C(on), C(off), C(poweringon), C(poweringoff) or C(paused)."""
    found = (clean(value) or "").lower()
    return found if found in _POWER_STATES else None


def hosts(systems: t.Sequence[Doc]) -> list[int]:
    """Return the positions of the servers, at least one if there is any system.

    A server has a BIOS and processors. The board of an accelerator has neither; a network card or a virtual machine
    may have them, and says by its type what it is.
    """
    found = [
        position
        for position, system in enumerate(systems)
        if known(system.get("BiosVersion")) or whole(mapping(system.get("ProcessorSummary")).get("Count"))
    ]
    physical = [position for position in found if systems[position].get("SystemType") in (None, "Physical")]
    return physical or found or ([0] if systems else [])


def processors_of(
    host: int, every: t.Sequence[int], processors: t.Sequence[t.Sequence[Doc] | None]
) -> list[Doc] | None:
    """Return the processors of one of the servers C(every); C(processors) holds those of each system, None if unknown.

    What belongs to systems that are no servers, such as the GPUs of a baseboard, belongs to the only server there is.
    """
    own = processors[host]
    others: list[Doc] = []
    if len(every) == 1:
        boards = [found for position, found in enumerate(processors) if position != host and found is not None]
        # The CPU of a network card is not one of the server.
        others = [doc for found in boards for doc in found if doc.get("ProcessorType") != "CPU"]
    return others or None if own is None else list(own) + others


def uuid(value: t.Any) -> str | None:
    """Return a UUID in lower case; None for all zeros or all ones, which is what a board without one has."""
    found = (known(value) or "").lower()
    return found if len(set(found) - {"-"}) > 1 else None


def system_serial_identity(serial: str | None) -> tuple[str | None, str | None]:
    """Return (node id, its source) from the serial number of the system; (None, None) if it cannot name a node.

    The firmware hands the same number to the operating system as the DMI product serial number.
    """
    try:
        return node_identity(serial, None)
    except ValueError:
        return None, None


def parse_system(system: Doc, processors: t.Sequence[Doc] | None) -> dict[str, t.Any]:
    """Return the server; C(processors) is None if nobody could ask for them."""
    cpus = mapping(system.get("ProcessorSummary"))
    serial = known(system.get("SerialNumber"))
    node_id, source = system_serial_identity(serial)
    return {
        "id": identity(system),
        "node_id": node_id,
        "node_id_source": source,
        "manufacturer": known(system.get("Manufacturer")),
        "product": known(system.get("Model")),
        "serial": serial,
        "uuid": uuid(system.get("UUID")),
        "part_number": known(system.get("PartNumber")),
        "asset_tag": known(system.get("AssetTag")),
        "hostname": known(system.get("HostName")),
        "power_state": power_state(system.get("PowerState")),
        "health": state(system.get("Status")),
        "bios_version": known(system.get("BiosVersion")),
        "memory_total_bytes": whole(mapping(system.get("MemorySummary")).get("TotalSystemMemoryGiB"), 1 << 30),
        "cpu_model": known(cpus.get("Model")) or _cpu_model(processors),
        "cpu_count": _sockets(processors) or whole(cpus.get("Count")),
        "cpu_cores": whole(cpus.get("CoreCount")) or _sum(processors, "TotalCores"),
        "cpu_threads": whole(cpus.get("LogicalProcessorCount")) or _sum(processors, "TotalThreads"),
        "gpus": None if processors is None else _gpus(processors),
    }


def _of_type(processors: t.Sequence[Doc] | None, kind: str) -> list[Doc]:
    return [processor for processor in processors or () if processor.get("ProcessorType") == kind]


def _present(processors: t.Sequence[Doc] | None) -> list[Doc]:
    return [processor for processor in _of_type(processors, "CPU") if state(processor.get("Status")) != "absent"]


def _sockets(processors: t.Sequence[Doc] | None) -> int | None:
    """Return how many processors there are; none listed means that the BMC does not list them."""
    return len(_present(processors)) or None


def _sum(processors: t.Sequence[Doc] | None, key: str) -> int | None:
    values = [whole(processor.get(key)) for processor in _present(processors)]
    present = [value for value in values if value is not None]
    return sum(present) if present and len(present) == len(values) else None


def _cpu_model(processors: t.Sequence[Doc] | None) -> str | None:
    return next((known(processor.get("Model")) for processor in _present(processors)), None)


def _gpus(processors: t.Sequence[Doc]) -> list[dict[str, t.Any]]:
    found = _of_type(processors, "GPU")
    gpus = [
        {
            "name": identity(processor),
            "model": known(processor.get("Model")),
            "manufacturer": known(processor.get("Manufacturer")),
            "serial": known(processor.get("SerialNumber")),
            "part_number": known(processor.get("PartNumber")),
            "uuid": uuid(processor.get("UUID")),
            "firmware": known(processor.get("FirmwareVersion")),
            "memory_total_bytes": _gpu_memory(processor),
            "state": state(processor.get("Status")),
        }
        for processor in found
    ]
    return number_equal_names(gpus, [link(processor) for processor in found])


def _gpu_memory(processor: Doc) -> int | None:
    """Return the GPU's own memory in bytes: the sum in its summary, else that of its memory parts."""
    total = whole(mapping(processor.get("MemorySummary")).get("TotalMemorySizeMiB"), 1 << 20)
    if total is not None:
        return total
    # A cache is listed as memory too.
    parts = [
        whole(part.get("CapacityMiB"), 1 << 20)
        for part in objects(processor.get("ProcessorMemory"))
        if not str(part.get("MemoryType")).endswith("Cache")
    ]
    present = [part for part in parts if part is not None]
    return sum(present) if present else None

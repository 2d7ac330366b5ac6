# What hardware records say of nodes that a scheduler does not know: place, memory and limits of the GPUs, network.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Dict

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import UNKNOWN, word
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._hardware import lldp

_MIB = 1024 * 1024
PLACES = ("rack", "leaf", "feed")

Record = Mapping[str, Any]
Rows = Mapping[str, Dict[str, Any]]


def add_records(rows: Rows, records: Sequence[Record], remarks: Remarks) -> None:
    """Put into the rows of nodes, by name, what the records say.

    A record belongs to the node of its host name, or of the first part of it where no other record has that. The
    scheduler's word counts for the model and the number of GPUs, but lost GPUs are none.
    """
    by_name = _by_name(rows, records)
    for name, row in rows.items():
        record = by_name.get(name)
        if record is None:
            remarks.add("have no hardware record", "node", name)
        else:
            _add(name, row, record, remarks)
    strangers = len(records) - len({id(record) for record in by_name.values()})
    if strangers:
        remarks.say(f"{strangers} hardware records are of nodes that no scheduler has; they are not planned.")


def _by_name(rows: Rows, records: Sequence[Record]) -> dict[str, Record]:
    full = {str(_dict(record, "node").get("hostname")): record for record in records}
    short = Counter(name.partition(".")[0] for name in full)
    found = {name: record for name, record in full.items() if name in rows}
    for name, record in full.items():
        first = name.partition(".")[0]
        if first in rows and first not in found and short[first] == 1:
            found[first] = record
    return found


def _dict(thing: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = thing.get(key)
    return value if isinstance(value, dict) else {}


def _list(thing: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = thing.get(key)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _add(name: str, row: dict[str, Any], record: Record, remarks: Remarks) -> None:
    topology = _dict(record, "topology")
    places = {place: topology.get(place) for place in PLACES}
    places["leaf"] = places["leaf"] or lldp.leaf(_list(topology, "lldp_neighbors"))
    row.update({place: str(value) for place, value in places.items() if value})
    speed = _network_mbit(record)
    if speed:
        row["network_mbit"] = speed
    gpus = [gpu for gpu in _list(record, "gpus") if not gpu.get("lost")]
    if not row.get("gpus"):
        if gpus:
            remarks.add("have GPUs that their scheduler does not give to anybody", "node", name)
        return
    if not isinstance(record.get("gpus"), list):
        return
    if len(gpus) < min(row["gpus"], len(_list(record, "gpus"))):
        remarks.add("have lost GPUs, which are not planned", "node", name)
        row["gpus"] = len(gpus)
    models = {word(str(gpu["model"])) for gpu in gpus if gpu.get("model")}
    if row["gpu_model"] == UNKNOWN and len(models) == 1:
        row["gpu_model"] = models.pop()
    elif models and row["gpu_model"].partition("-")[0] not in models | {UNKNOWN}:
        remarks.add("have GPUs of another model by their record than by their scheduler", "node", name)
    memory = [gpu["memory_total_bytes"] // _MIB for gpu in gpus if gpu.get("memory_total_bytes")]
    # Parts of GPUs have a memory of their own, which only the scheduler knows.
    if memory and "gpu_memory_mib" not in row and "-" not in row["gpu_model"]:
        row["gpu_memory_mib"] = min(memory)
    if "-" not in row["gpu_model"]:
        row.update(_limits(gpus))
    if len(gpus) > 1 and not any(gpu.get("nvlinks_active") for gpu in gpus):
        remarks.add("have several GPUs without NVLink, which a problem cannot say", "node", name)


def _limits(gpus: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The range of power limits that each of these GPUs takes."""
    lowest = [float(gpu["power_limit_min_watts"]) for gpu in gpus if gpu.get("power_limit_min_watts")]
    highest = [float(gpu["power_limit_max_watts"]) for gpu in gpus if gpu.get("power_limit_max_watts")]
    found = {"gpu_limit_min_watts": max(lowest, default=0.0), "gpu_limit_max_watts": min(highest, default=0.0)}
    return {key: watts for key, watts in found.items() if watts}


def _network_mbit(record: Record) -> int:
    """What the ports that are up give together: those of RDMA adapters, or where there are none the network cards."""
    ports = [
        float(port["rate_gbps"]) * 1000
        for port in _list(record, "infiniband_ports")
        if port.get("rate_gbps") and str(port.get("state")).lower() == "active"
    ]
    cards = [
        float(card["speed_mbps"])
        for card in _list(record, "nics")
        if card.get("speed_mbps") and card.get("state") == "up"
    ]
    return int(sum(ports or cards))

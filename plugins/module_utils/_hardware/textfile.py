# The hardware record as metrics for node_exporter's textfile collector.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: a record in, text of the Prometheus exposition format out.

What nobody could tell has no sample, so that it cannot be taken for zero; C(part_known) says which parts that are.
Only links and health that belong to a device are given for each device; what node_exporter tells itself is not
repeated.
"""

from __future__ import annotations

import calendar
import time
import typing as t

from .record import PARTS

_PREFIX = "aidc_ops_hardware_"

# Family -> help. The order is that of the file.
_HELP = {
    "info": "The machine, its firmware and its operating system.",
    "record_timestamp_seconds": "When the record was collected, in seconds since 1970.",
    "part_known": "Whether this part of the record could be read (1) or nobody could tell (0).",
    "problems": "Problems while reading this part of the record.",
    "devices": "Devices of this part of the record.",
    "memory_bytes": "Main memory.",
    "gpus": "GPUs of this model.",
    "gpu_info": "A GPU and its firmware.",
    "gpu_lost": "Whether the GPU no longer answers.",
    "pcie_link_width": "Lanes in use.",
    "pcie_link_max_width": "Lanes that the device could use.",
    "pcie_link_transfers_per_second": "Speed of each lane in use.",
    "pcie_link_max_transfers_per_second": "Highest speed of each lane of the device.",
    "nic_up": "Whether the link of the network interface is up.",
    "infiniband_port_active": "Whether the port of the RDMA adapter is active.",
    "infiniband_port_rate_bytes_per_second": "Speed of the port of the RDMA adapter.",
    "filesystem_readable": "Whether the filesystem answered.",
    "power_supply_ok": "Whether the power supply is healthy; empty bays are left out.",
    "fan_ok": "Whether the fan is healthy; empty places are left out.",
    "bmc_info": "The board management controller.",
}
# PCI classes (upper byte) of bridges; their links show up with the devices below them.
_BRIDGE = "0x06"

_Samples = t.Dict[str, t.Dict[t.Tuple[t.Tuple[str, str], ...], float]]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _labels(**labels: t.Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, "" if value is None else str(value)) for name, value in labels.items())


def _put(samples: _Samples, family: str, value: t.Any, **labels: t.Any) -> None:
    """Add a sample; none for an unknown value. Of two with equal labels the first stays: a file with both is void."""
    if value is not None:
        samples.setdefault(family, {}).setdefault(_labels(**labels), value)


def _count(samples: _Samples, family: str, **labels: t.Any) -> None:
    counts = samples.setdefault(family, {})
    key = _labels(**labels)
    counts[key] = counts.get(key, 0) + 1


def _scaled(value: t.Any, factor: float) -> float | None:
    return None if value is None else value * factor


def _is(value: t.Any, wanted: str) -> int | None:
    return None if value is None else int(value == wanted)


def _about_record(samples: _Samples, record: t.Mapping[str, t.Any]) -> None:
    node, system = record["node"], record["os"]
    _put(
        samples,
        "info",
        1,
        node_id=node["id"],
        manufacturer=node["manufacturer"],
        product=node["product"],
        serial=node["serial"],
        bios_version=node["bios_version"],
        os=" ".join(word for word in (system["name"], system["version"]) if word),
        kernel=system["kernel"],
        architecture=system["architecture"],
    )
    collected = calendar.timegm(time.strptime(record["collected_at"], "%Y-%m-%dT%H:%M:%SZ"))
    _put(samples, "record_timestamp_seconds", collected)
    _put(samples, "memory_bytes", record["memory"]["total_bytes"])
    for part in PARTS:
        _put(samples, "problems", 0, part=part)
    for part, content in [*((part, record[part]) for part in PARTS), ("dimms", record["memory"]["dimms"])]:
        if content is None or part == "bmc":
            _put(samples, "part_known", int(content is not None), part=part)
        elif isinstance(content, (list, tuple)):
            _put(samples, "part_known", 1, part=part)
            _put(samples, "devices", len(content), part=part)
    for problem in record["problems"]:
        _count(samples, "problems", part=problem["part"])


def _about_gpus(samples: _Samples, gpus: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    for gpu in gpus:
        _count(samples, "gpus", vendor=gpu["vendor"], model=gpu["model"])
        # One that was lost before anybody asked has no address.
        which = {"device": gpu["device"], "index": gpu["index"]}
        _put(
            samples,
            "gpu_info",
            1,
            **which,
            vendor=gpu["vendor"],
            model=gpu["model"],
            uuid=gpu["uuid"],
            serial=gpu["serial"],
            vbios_version=gpu["vbios_version"],
        )
        _put(samples, "gpu_lost", _scaled(gpu["lost"], 1), **which)


def _about_links(samples: _Samples, record: t.Mapping[str, t.Any]) -> None:
    for link in record["pcie_links"] or ():
        if not (link["class_id"] or "").startswith(_BRIDGE):
            labels = {"pci_address": link["pci_address"], "class_id": link["class_id"]}
            _put(samples, "pcie_link_width", link["width"], **labels)
            _put(samples, "pcie_link_max_width", link["max_width"], **labels)
            _put(samples, "pcie_link_transfers_per_second", _scaled(link["speed_gtps"], 1e9), **labels)
            _put(samples, "pcie_link_max_transfers_per_second", _scaled(link["max_speed_gtps"], 1e9), **labels)
    for nic in record["nics"] or ():
        _put(samples, "nic_up", _is(nic["state"], "up"), interface=nic["name"])
    for port in record["infiniband_ports"] or ():
        labels = {"device": port["device"], "port": port["port"]}
        _put(samples, "infiniband_port_active", _is(port["state"], "ACTIVE"), **labels)
        _put(samples, "infiniband_port_rate_bytes_per_second", _scaled(port["rate_gbps"], 1e9 / 8), **labels)


def _about_health(samples: _Samples, record: t.Mapping[str, t.Any]) -> None:
    for filesystem in record["filesystems"] or ():
        _put(samples, "filesystem_readable", int(filesystem["error"] is None), mount=filesystem["mount"])
    for family, part in (("power_supply_ok", "power_supplies"), ("fan_ok", "fans")):
        for device in record[part] or ():
            if device["state"] != "absent":
                _put(samples, family, _is(device["state"], "ok"), name=device["name"])
    if record["bmc"] is not None:
        fields = ("address", "manufacturer", "model", "firmware", "protocol")
        _put(samples, "bmc_info", 1, **{field: record["bmc"][field] for field in fields})


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def render(record: t.Mapping[str, t.Any]) -> str:
    """Return the metrics of a good record as one text."""
    samples: _Samples = {}
    _about_record(samples, record)
    _about_gpus(samples, record["gpus"] or ())
    _about_links(samples, record)
    _about_health(samples, record)
    lines = []
    for family, text in _HELP.items():
        if family in samples:
            lines += [f"# HELP {_PREFIX}{family} {text}", f"# TYPE {_PREFIX}{family} gauge"]
            for labels, value in samples[family].items():
                inner = ",".join(f'{name}="{_escaped(content)}"' for name, content in labels)
                lines.append(f"{_PREFIX}{family}{'{' + inner + '}' if inner else ''} {_number(value)}")
    return "\n".join(lines) + "\n"


def steady(text: str) -> str:
    """Return the metrics without the time, to tell whether anything else differs."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{_PREFIX}record_timestamp"))

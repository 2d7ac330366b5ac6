# Writes Slurm's node and GRES lines from discovered hardware.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: records in, lines for C(slurm.conf) and C(gres.conf) out.

A record is C({"node": str, "address": str, "cpus": int, "memory_mib": int, "gpus": [GPUs of gpu_info]}), which
C(slurm_record) makes of a hardware record. What cannot be written correctly is an error and never a shorter line: a
missing GPU would silently shrink the cluster.
"""

from __future__ import annotations

import re
import typing as t

_NODE = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")
_ADDRESS = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?\Z")
_KEY = re.compile(r"^[A-Za-z]+\Z")
_VALUE = re.compile(r"^[^\s#\"\\]+\Z")
# What stays the same from run to run of a GPU.
_GPU_KEYS = ("index", "device", "model", "serial", "uuid", "minor_number")
_MIB = 1024 * 1024
_VENDOR_WORDS = frozenset(("nvidia", "tesla", "quadro", "geforce"))


def short_model(model: str) -> str:
    """Return the type name of a GPU for Slurm: C(NVIDIA H100 80GB HBM3) becomes C(h100).

    Raise ValueError if nothing is left.
    """
    words = [word for word in re.findall(r"[a-z0-9]+", model.lower()) if word not in _VENDOR_WORDS]
    if not words:
        raise ValueError(f"no type name can be made from the GPU model {model!r}")
    # "RTX 6000 Ada" and "TITAN V" are named by two words.
    return "".join(words[:2]) if words[0].isalpha() else words[0]


def _ranges(numbers: t.Sequence[int]) -> str:
    """Return C(0-3,5) for [0, 1, 2, 3, 5]."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _device_files(minors: t.Sequence[int]) -> str:
    return f"/dev/nvidia{minors[0]}" if len(minors) == 1 else f"/dev/nvidia[{_ranges(minors)}]"


def _whole(record: t.Mapping[str, t.Any], key: str) -> int:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("node {}: {} must be a whole number above 0, not {!r}".format(record["node"], key, value))
    return value


def _checked(records: t.Sequence[t.Mapping[str, t.Any]]) -> list[t.Mapping[str, t.Any]]:
    """Return the records sorted by node after checking what both files need."""
    if isinstance(records, (str, bytes, t.Mapping)) or not isinstance(records, t.Sequence):
        raise ValueError("the records must be a list, one for each node")
    seen: set[str] = set()
    for record in records:
        node = record.get("node") if isinstance(record, t.Mapping) else None
        if not isinstance(node, str) or not _NODE.match(node):
            raise ValueError(f"a record without a proper node name: {node!r}")
        if node in seen:
            raise ValueError(f"node {node} appears twice")
        if not isinstance(record.get("gpus"), t.Sequence):
            raise ValueError(f"node {node}: 'gpus' must be a list (empty for a node without GPUs)")
        seen.add(node)
    return sorted(records, key=lambda record: str(record["node"]))


class _Gres(t.NamedTuple):
    """What one type is of one node: minor numbers of whole GPUs, and the files of each MIG instance."""

    minors: list[int]
    instances: list[str]


def _gpus_by_type(record: t.Mapping[str, t.Any]) -> dict[str, _Gres]:
    """Return type name -> GPUs of one node; raise ValueError if one does not tell what its line needs."""
    types: dict[str, _Gres] = {}
    seen: set[int] = set()
    for gpu in record["gpus"]:
        model, minor, name = gpu.get("model"), gpu.get("minor_number"), gpu.get("device") or gpu.get("index")
        if not model or not isinstance(minor, int):
            raise ValueError(
                "node {}: GPU {} does not tell its model and minor number ({}); "
                "repair it, or take the node out of the records".format(
                    record["node"], name, gpu.get("error") or "unknown"
                )
            )
        if minor in seen:
            raise ValueError(f"node {record['node']}: two GPUs claim /dev/nvidia{minor}")
        seen.add(minor)
        kind = short_model(model)
        if not gpu.get("mig_mode"):
            types.setdefault(kind, _Gres([], [])).minors.append(minor)
            continue
        for profile, files in _instances(gpu, "node {}: GPU {}".format(record["node"], name)):
            types.setdefault(f"{kind}_{profile}", _Gres([], [])).instances.append(f"/dev/nvidia{minor},{files}")
    return types


def _instances(gpu: t.Mapping[str, t.Any], where: str) -> t.Iterator[tuple[str, str]]:
    """Yield profile and files of each MIG instance of a GPU; raise ValueError if it has none or does not tell them."""
    if not gpu.get("mig_devices"):
        raise ValueError(f"{where} is in MIG mode and has no instance; make some, or switch the mode off")
    for device in gpu["mig_devices"]:
        profile, minors = device.get("profile"), device.get("device_minors")
        if not profile or not minors or not _VALUE.match(profile):
            raise ValueError(
                f"{where} does not tell profile and files of its MIG instances (/proc/driver/nvidia-caps/mig-minors)"
            )
        yield profile, ",".join(f"/dev/nvidia-caps/nvidia-cap{minor}" for minor in minors)


def _overrides(node: str, overrides: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, str | None]:
    result: dict[str, str | None] = {}
    for key, value in (overrides.get(node) or {}).items():
        text = None if value is None else str(value)
        if not _KEY.match(key) or key.lower() == "nodename" or (text is not None and not _VALUE.match(text)):
            raise ValueError(f"node {node}: not a Slurm option that can be overridden: {key}={text}")
        result[key] = text
    return result


def _topology(cpus: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, int]:
    """Return the topology as Slurm names it; nothing if the sockets are not alike, which Slurm cannot say."""
    shapes = {(cpu["cores"], cpu["threads"]) for cpu in cpus}
    if len(shapes) != 1:
        return {}
    cores, threads = shapes.pop()
    if threads % cores:
        return {}
    return {"SocketsPerBoard": len(cpus), "CoresPerSocket": cores, "ThreadsPerCore": threads // cores}


def _divided(gpu: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What Slurm's lines need of a GPU in MIG mode beside the rest; nothing of others."""
    if not gpu.get("mig_mode"):
        return {}
    devices = [
        {key: device.get(key) for key in ("profile", "device_minors")} for device in gpu.get("mig_devices") or ()
    ]
    return {"mig_mode": True, "mig_devices": devices}


def slurm_record(hardware: t.Mapping[str, t.Any], node: str, address: str) -> dict[str, t.Any]:
    """Return what Slurm's lines need of a hardware record, with the processors' C(topology).

    Only what stays the same from run to run is in it. Memory is in whole GiB: a new kernel takes some MiB more or less,
    and Slurm refuses a node that has less memory than its line says. Of the GPUs those are left out that cannot tell
    their model and device file; how many there should be is for the caller to know.
    """
    cpus, memory = hardware.get("cpus"), (hardware.get("memory") or {}).get("total_bytes")
    if not cpus or not all(cpu.get("cores") and cpu.get("threads") for cpu in cpus):
        raise ValueError(f"node {node}: the hardware record does not tell the processors")
    if not memory:
        raise ValueError(f"node {node}: the hardware record does not tell the memory")
    mib = memory // _MIB
    return {
        "node": node,
        "address": address,
        "cpus": sum(cpu["threads"] for cpu in cpus),
        "memory_mib": mib // 1024 * 1024 or mib,
        "topology": _topology(cpus),
        "gpus": [
            {**{key: gpu.get(key) for key in _GPU_KEYS}, **_divided(gpu)}
            for gpu in hardware.get("gpus") or ()
            if not gpu.get("lost") and gpu.get("model") and isinstance(gpu.get("minor_number"), int)
        ],
    }


def slurm_node_lines(
    records: t.Sequence[t.Mapping[str, t.Any]], overrides: t.Mapping[str, t.Mapping[str, t.Any]] | None = None
) -> list[str]:
    """Return one C(NodeName=) line for each node, sorted by name.

    C(overrides) is node name -> option -> value, added to or replacing what the record says; None leaves the option
    out.
    """
    overrides = overrides or {}
    checked = _checked(records)
    strangers = sorted(set(overrides) - {record["node"] for record in checked})
    if strangers:
        raise ValueError("overrides for nodes without a record: {}".format(", ".join(strangers)))
    lines = []
    for record in checked:
        address = record.get("address")
        if not isinstance(address, str) or not _ADDRESS.match(address):
            raise ValueError("node {}: not an address: {!r}".format(record["node"], address))
        options: dict[str, str | None] = {
            "NodeAddr": address,
            "CPUs": str(_whole(record, "cpus")),
            "RealMemory": str(_whole(record, "memory_mib")),
        }
        counts = {name: len(own.minors) + len(own.instances) for name, own in _gpus_by_type(record).items()}
        gres = ",".join(f"gpu:{name}:{count}" for name, count in sorted(counts.items()))
        if gres:
            options["Gres"] = gres
        # A node that is new to Slurm starts in the state in which it registers.
        options["State"] = "UNKNOWN"
        options.update(_overrides(record["node"], overrides))
        words = [f"{key}={value}" for key, value in options.items() if value is not None]
        lines.append(" ".join(["NodeName={}".format(record["node"])] + words))
    return lines


def slurm_gres_lines(records: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Return the C(gres.conf) lines, sorted: one for each node and GPU type, and one for each MIG instance.

    Instances are written as C(man gres.conf) has it for MIG: the file of the GPU, and those of its instances.
    """
    lines = []
    for record in _checked(records):
        for name, own in sorted(_gpus_by_type(record).items()):
            files = [f"MultipleFiles={files}" for files in own.instances]
            files += [f"File={_device_files(own.minors)}"] if own.minors else []
            lines += ["NodeName={} Name=gpu Type={} {}".format(record["node"], name, one) for one in files]
    return lines

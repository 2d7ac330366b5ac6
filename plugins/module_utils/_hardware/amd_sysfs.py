# What the kernel says about AMD GPUs: which there are, and what the amdgpu driver tells without any library.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(/sys/bus/pci) names the GPUs, C(/sys/class/kfd) those that the compute driver took.

So nothing else is asked on a node without AMD GPUs, and what the driver publishes here needs no ROCm.
"""

from __future__ import annotations

import os
import re
import typing as t

from .gpu_keys import ECC_KEYS, Gpu, empty_gpu
from .pci import device_from_address, nvml_address_from_device
from .sysfs import below, link_name, names, read_lines, read_number, read_text

_VENDOR = "0x1002"
DRIVER = "amdgpu"
_MAX_PROPERTIES = 65536
_GFX = re.compile(r"gfx[0-9a-f]{3,5}\Z")
_UNIQUE_ID = re.compile(r"(0x)?([0-9a-f]{1,16})\Z", re.IGNORECASE)
_SPEED = re.compile(r"([0-9]+(?:\.[0-9]+)?)")
# Speed of a lane in GT/s -> PCIe generation.
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}


class AmdGpu(t.NamedTuple):
    """A GPU on the bus: its address, the driver that has it (None: none), and what the kernel tells of it."""

    address: str
    driver: str | None
    gpu: Gpu


def pcie_generation(gigatransfers: float | None) -> int | None:
    """Return the PCIe generation of a speed in GT/s."""
    return None if gigatransfers is None else _GENERATIONS.get(gigatransfers)


def gpu_uuid(unique_id: str | None) -> str | None:
    """Return the UUID that ROCm gives a GPU, from the unique number of its chip in any spelling; None if it has none.

    The amdsmi library, rocm-smi and the kernel all know the number, while each has a UUID of its own making.
    """
    match = _UNIQUE_ID.match(unique_id or "")
    return f"GPU-{int(match.group(2), 16):016x}" if match and int(match.group(2), 16) else None


def graphics_version(name: str | None) -> str | None:
    """Return C(gfx942), None for what is no such name."""
    return name if name and _GFX.match(name) else None


def _generation_in(path: str) -> int | None:
    match = _SPEED.match(read_text(path) or "")
    return pcie_generation(float(match.group(1))) if match else None


def _ecc(folder: str) -> dict[str, t.Any] | None:
    """Return the memory errors since the driver was loaded, summed up over the blocks that count them."""
    totals = {"ce": 0, "ue": 0}
    seen = False
    for name in names(os.path.join(folder, "ras")):
        if not name.endswith("_err_count"):
            continue
        for line in read_lines(os.path.join(folder, "ras", name), _MAX_PROPERTIES) or []:
            kind, colon, count = line.partition(":")
            if colon and kind.strip() in totals and count.strip().isdigit():
                totals[kind.strip()] += int(count)
                seen = True
    if not seen:
        return None
    return {**dict.fromkeys(ECC_KEYS), "corrected_volatile": totals["ce"], "uncorrected_volatile": totals["ue"]}


def _facts(folder: str, address: str) -> Gpu:
    gpu = empty_gpu("amd", 0)
    device = device_from_address(address)
    ecc = _ecc(folder)
    gpu.update(
        device=device,
        pci_bus_id=nvml_address_from_device(device),
        uuid=gpu_uuid(read_text(os.path.join(folder, "unique_id"))),
        serial=read_text(os.path.join(folder, "serial_number")),
        part_number=read_text(os.path.join(folder, "product_number")),
        model=read_text(os.path.join(folder, "product_name")),
        numa_node=read_number(os.path.join(folder, "numa_node")),
        memory_total_bytes=read_number(os.path.join(folder, "mem_info_vram_total")),
        vbios_version=read_text(os.path.join(folder, "vbios_version")),
        pcie={
            "width": read_number(os.path.join(folder, "current_link_width")) or None,
            "max_width": read_number(os.path.join(folder, "max_link_width")) or None,
            "generation": _generation_in(os.path.join(folder, "current_link_speed")),
            "max_generation": _generation_in(os.path.join(folder, "max_link_speed")),
        },
        ecc=ecc,
        ecc_uncorrected_volatile=None if ecc is None else ecc["uncorrected_volatile"],
    )
    return gpu


def _counts(class_id: str, driver: str | None, folder: str) -> bool:
    """Tell whether a device of AMD's graphics division is a GPU that this node computes with."""
    if class_id[:4] not in ("0x03", "0x12"):
        return False  # a bridge, or the sound of a graphics card
    if driver == DRIVER:
        return True
    # Not ours: one that was given to a virtual machine (vfio-pci and others), a virtual function that nobody uses, and
    # a graphics card without a driver, which is the console of many an old server.
    given_away = driver is not None or os.path.lexists(os.path.join(folder, "physfn"))
    return not given_away and class_id[:6] != "0x0300"


def _graphics_versions(root: str) -> dict[str, str]:
    """Return device -> C(gfx942) of what the compute driver took; only its CPUs have no GPU identifier."""
    found = {}
    base = below(root, "sys/class/kfd/kfd/topology/nodes")
    for node in names(base):
        if not read_number(os.path.join(base, node, "gpu_id")):
            continue
        lines = read_lines(os.path.join(base, node, "properties"), _MAX_PROPERTIES) or []
        facts = {key: int(value) for key, _blank, value in (line.partition(" ") for line in lines) if value.isdigit()}
        location = facts.get("location_id", 0)
        device = "gpu:{:04x}:{:02x}:{:02x}".format(facts.get("domain", 0), location >> 8 & 0xFF, location >> 3 & 0x1F)
        version = facts.get("gfx_target_version", 0)
        name = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
        found[device] = graphics_version(name if version else None) or ""
    return found


def find_gpus(root: str) -> list[AmdGpu]:
    """Return the AMD GPUs of the node in the order of their addresses."""
    base = below(root, "sys/bus/pci/devices")
    versions = _graphics_versions(root)
    found: list[AmdGpu] = []
    for address in names(base):
        folder = os.path.join(base, address)
        if read_text(os.path.join(folder, "vendor")) != _VENDOR:
            continue
        driver = link_name(os.path.join(folder, "driver"))
        if not _counts(read_text(os.path.join(folder, "class")) or "", driver, folder):
            continue
        gpu = _facts(folder, address)
        gpu.update(index=len(found), compute_capability=versions.pop(gpu["device"], "") or None)
        found.append(AmdGpu(address, driver, gpu))
    # What the compute driver took is there, even where the tree of PCI devices is not.
    for device, version in sorted(versions.items()):
        gpu = empty_gpu("amd", len(found))
        gpu.update(device=device, pci_bus_id=nvml_address_from_device(device), compute_capability=version or None)
        found.append(AmdGpu(device[4:] + ".0", DRIVER, gpu))
    return found


def driver_version(root: str) -> str | None:
    """Return the version of the amdgpu driver; one that came with the kernel has none of its own."""
    return read_text(below(root, "sys/module", DRIVER, "version"))

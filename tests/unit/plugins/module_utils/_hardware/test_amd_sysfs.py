# Tests of what the kernel tells about AMD GPUs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import amd_sysfs

MI300X = {"vendor": "0x1002\n", "class": "0x120000\n"}


def device(root: Path, address: str, driver: str | None = "amdgpu", **files: str | bytes) -> Path:
    folder = root / "sys/bus/pci/devices" / address
    (folder / "ras").mkdir(parents=True)
    for name, text in {**MI300X, **files}.items():
        path = folder / name.replace("__", "/")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if driver is not None:
        (folder / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")
    return folder


def kfd_node(root: Path, number: int, gpu_id: str, properties: str) -> None:
    folder = root / "sys/class/kfd/kfd/topology/nodes" / str(number)
    folder.mkdir(parents=True)
    (folder / "gpu_id").write_text(gpu_id)
    (folder / "properties").write_text(properties)


def test_everything_that_the_driver_publishes(tmp_path: Path) -> None:
    device(
        tmp_path, "0000:05:00.0",
        unique_id="af54e92b0a5d57c8\n", serial_number="692347006052\n", product_name="AMD Instinct MI300X OAM\n",
        product_number="102-G30211-0C\n", numa_node="1\n", mem_info_vram_total="206141652992\n",
        vbios_version="113-M3000100-102\n", current_link_width="8\n", max_link_width="16\n",
        current_link_speed="16.0 GT/s PCIe\n", max_link_speed="32.0 GT/s PCIe\n",
        ras__umc_err_count="ue: 2\nce: 30\nde: 7\n", ras__gfx_err_count="ue: 0\nce: 1\n",
        ras__features="feature mask: 0x3fff\n",
    )  # fmt: skip
    kfd_node(tmp_path, 0, "0\n", "cpu_cores_count 96\nlocation_id 0\n")
    kfd_node(tmp_path, 2, "63274\n", "gfx_target_version 90402\nlocation_id 1280\ndomain 0\n")
    (found,) = amd_sysfs.find_gpus(str(tmp_path))
    assert (found.address, found.driver) == ("0000:05:00.0", "amdgpu")
    expected = {
        "vendor": "amd", "index": 0, "uuid": "GPU-af54e92b0a5d57c8", "serial": "692347006052",
        "model": "AMD Instinct MI300X OAM", "part_number": "102-G30211-0C", "numa_node": 1,
        "memory_total_bytes": 206141652992, "vbios_version": "113-M3000100-102", "compute_capability": "gfx942",
        "pcie": {"width": 8, "max_width": 16, "generation": 4, "max_generation": 5},
        "device": "gpu:0000:05:00", "pci_bus_id": "00000000:05:00.0", "ecc_uncorrected_volatile": 2, "lost": False,
        "ecc": {"mode": None, "mode_pending": None, "corrected_aggregate": None, "uncorrected_aggregate": None,
                "corrected_volatile": 31, "uncorrected_volatile": 2},
    }  # fmt: skip
    assert {key: value for key, value in found.gpu.items() if value is not None} == expected


@pytest.mark.parametrize(
    ("files", "driver", "there"),
    [
        ({}, "amdgpu", True),
        ({}, None, True),  # the driver did not take it, or is not loaded
        ({}, "vfio-pci", False),
        ({}, "gim", False),
        ({"class": "0x038000\n"}, None, True),  # an MI250
        ({"class": "0x030000\n"}, "amdgpu", True),
        ({"class": "0x030000\n"}, None, False),  # the console of an old server
        ({"class": "0x040300\n"}, "snd_hda_intel", False),
        ({"class": "0x060400\n"}, "pcieport", False),
        ({"vendor": "0x10de\n"}, "nvidia", False),
        ({"vendor": "0x1022\n"}, None, False),
        ({"vendor": "", "class": ""}, None, False),
        ({"vendor": b"\xff\xfe", "class": b"\xff"}, None, False),
    ],
)
def test_what_counts_as_a_gpu(tmp_path: Path, files: dict[str, str], driver: str | None, there: bool) -> None:
    device(tmp_path, "0000:c1:00.0", driver, **files)
    assert [found.address for found in amd_sysfs.find_gpus(str(tmp_path))] == (["0000:c1:00.0"] if there else [])


def test_an_unused_virtual_function_is_no_gpu(tmp_path: Path) -> None:
    (device(tmp_path, "0000:c1:02.0", None) / "physfn").symlink_to("../0000:c1:00.0")
    assert amd_sysfs.find_gpus(str(tmp_path)) == []


def test_a_node_without_any_tree() -> None:
    assert amd_sysfs.find_gpus("/nonexistent") == []


def test_gpus_that_only_the_compute_driver_shows(tmp_path: Path) -> None:
    """Where the tree of PCI devices is not to be seen, as in some containers."""
    kfd_node(tmp_path, 0, "0\n", "cpu_cores_count 1\n")
    kfd_node(tmp_path, 1, "5\n", "domain 1\nlocation_id 49408\ngfx_target_version 90010\n")
    kfd_node(tmp_path, 2, "6\n", "rubbish\nlocation_id x\n")
    kfd_node(tmp_path, 3, "7\n", "domain 1\nlocation_id 49409\ngfx_target_version 90010\n")  # a partition of 1
    found = amd_sysfs.find_gpus(str(tmp_path))
    assert [(each.gpu["device"], each.gpu["compute_capability"]) for each in found] == [
        ("gpu:0000:00:00", None),
        ("gpu:0001:c1:00", "gfx90a"),
    ]


def test_a_gpu_that_says_nothing_is_there(tmp_path: Path) -> None:
    device(
        tmp_path, "0000:05:00.0", numa_node="-1\n", unique_id=b"\xff\xff", serial_number="", mem_info_vram_total="x\n",
        current_link_width="0\n", current_link_speed="Unknown\n", max_link_speed="99.0 GT/s PCIe\n",
        ras__umc_err_count=b"\xffue: -1\nce: many\n",
    )  # fmt: skip
    (found,) = amd_sysfs.find_gpus(str(tmp_path))
    known = {key for key, value in found.gpu.items() if value is not None}
    assert known == {"vendor", "index", "device", "pci_bus_id", "pcie", "lost"}
    assert set(found.gpu["pcie"].values()) == {None}


@pytest.mark.parametrize(
    ("text", "uuid"),
    [
        ("af54e92b0a5d57c8", "GPU-af54e92b0a5d57c8"),
        ("0xAF54E92B0A5D57C8", "GPU-af54e92b0a5d57c8"),
        ("0x4edfb117a17a07d", "GPU-04edfb117a17a07d"),
        ("0x0", None),
        ("N/A", None),
        ("", None),
        (None, None),
        ("0" * 17, None),
        ("{{ 7 * 7 }}", None),
    ],
)
def test_one_uuid_from_every_spelling(text: str | None, uuid: str | None) -> None:
    assert amd_sysfs.gpu_uuid(text) == uuid


def test_version_of_the_driver(tmp_path: Path) -> None:
    assert amd_sysfs.driver_version(str(tmp_path)) is None
    (tmp_path / "sys/module/amdgpu").mkdir(parents=True)
    (tmp_path / "sys/module/amdgpu/version").write_text("6.12.12\n")
    assert amd_sysfs.driver_version(str(tmp_path)) == "6.12.12"

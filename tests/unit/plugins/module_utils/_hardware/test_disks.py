# Tests of reading disks.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import disks

Lay = Callable[[Mapping[str, Any]], str]


def scsi(path: str, name: str = "sda", **files: Any) -> dict[str, Any]:
    """A disk at a path below /sys/devices; the files are those of its device."""
    device = f"sys/devices/{path}"
    found: dict[str, Any] = {f"{device}/block/{name}/size": "1875385008\n", f"{device}/block/{name}/removable": "0\n"}
    texts = {"vendor": "SEAGATE", "model": "XS960SE70124    ", "rev": "0003", "state": "running", "type": "0"}
    found.update({f"{device}/{key}": value for key, value in {**texts, **files}.items()})
    found[f"{device}/block/{name}/device"] = {"link": f"../../../{path.rpartition('/')[2]}"}
    found[f"sys/block/{name}"] = {"link": f"../devices/{path}/block/{name}"}
    return found


SAS = "pci0000:17/0000:17:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0"


def test_recorded_nvme_drive(recorded: Callable[[str], str], reports: Any) -> None:
    assert disks.read_disks(recorded("rack_server"), reports) == [
        {
            "name": "nvme0n1",
            "model": "Samsung SSD 970 PRO 512GB",
            "serial": "S000XX0X000000X",
            "firmware": "1B2QEXP7",
            "size_bytes": 512110190592,
            "transport": "nvme",
            "rotational": False,
            "pci_address": "0000:01:00.0",
            "numa_node": None,
            "wear_percent": None,
            "state": "live",
        }
    ]


def test_recorded_virtual_disk_and_none_of_memory(recorded: Callable[[str], str], reports: Any) -> None:
    (disk,) = disks.read_disks(recorded("virtual_machine"), reports)
    assert (disk["name"], disk["transport"], disk["serial"]) == ("vda", "virtio", "disk0")
    assert (disk["pci_address"], disk["rotational"], disk["state"]) == ("0000:00:02.0", True, None)


def test_nvme_with_multipath_belongs_to_a_subsystem(lay: Lay, reports: Any) -> None:
    controller = "sys/devices/pci0000:15/0000:15:01.0/0000:1a:00.0/nvme/nvme3"
    subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys3"
    files: dict[str, Any] = {f"{controller}/model": "KCD8XPUG3T84\n", f"{controller}/transport": "pcie\n"}
    files.update({f"{controller}/state": "resetting\n", f"{controller}/serial": b"\xff\xff\xff\xff"})
    files[f"{subsystem}/nvme3n1/size"] = "7501476528\n"
    files[f"{subsystem}/nvme3n1/device"] = {"link": "../../nvme-subsys3"}
    files[f"{subsystem}/nvme3"] = {"link": f"../../../{controller[len('sys/devices/') :]}"}
    files[f"{subsystem}/nvme3c3n1/size"] = "7501476528\n"
    files[f"{subsystem}/nvme3c3n1/hidden"] = "1\n"
    files[f"{subsystem}/nvme3c3n1/device"] = {"link": "../../nvme-subsys3"}
    for name in ("nvme3n1", "nvme3c3n1"):
        files[f"sys/block/{name}"] = {"link": f"../{subsystem[4:]}/{name}"}
    (disk,) = disks.read_disks(lay(files), reports)
    assert (disk["name"], disk["model"], disk["serial"]) == ("nvme3n1", "KCD8XPUG3T84", None)
    assert (disk["pci_address"], disk["state"]) == ("0000:1a:00.0", "resetting")


def test_nvme_over_the_network(lay: Lay, reports: Any) -> None:
    controller = "sys/devices/virtual/nvme-fabrics/ctl/nvme5"
    files: dict[str, Any] = {f"{controller}/transport": "tcp\n", f"{controller}/nvme5n1/size": "8\n"}
    files[f"{controller}/nvme5n1/device"] = {"link": "../../nvme5"}
    files["sys/block/nvme5n1"] = {"link": f"../{controller[4:]}/nvme5n1"}
    (disk,) = disks.read_disks(lay(files), reports)
    assert (disk["transport"], disk["pci_address"]) == ("nvme-tcp", None)


@pytest.mark.parametrize(
    ("path", "vendor", "transport"),
    [
        (SAS, "SEAGATE", "sas"),
        (SAS, "ATA     ", "sata"),
        ("pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0", "ATA", "sata"),
        ("pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/host4/target4:0:0/4:0:0:0", "Generic", "usb"),
        ("platform/host2/session1/target2:0:0/2:0:0:1", "LIO-ORG", "iscsi"),
        ("pci0000:3a/0000:3a:00.0/host1/rport-1:0-2/target1:0:0/1:0:0:5", "PURE", "fc"),
        ("pci0000:00/0000:00:10.0/host6/target6:0:0/6:0:0:0", "VMware", "scsi"),
    ],
)
def test_transport(lay: Lay, reports: Any, path: str, vendor: str, transport: str) -> None:
    (disk,) = disks.read_disks(lay(scsi(path, vendor=vendor)), reports)
    assert disk["transport"] == transport


def test_sas_disk(lay: Lay, reports: Any) -> None:
    files = scsi(SAS, vpd_pg80=b"\0\x80\0\x0aZXA0B1C2  ")
    files["sys/bus/pci/devices/0000:17:00.0/numa_node"] = "1\n"
    (disk,) = disks.read_disks(lay(files), reports)
    assert (disk["model"], disk["serial"], disk["firmware"]) == ("XS960SE70124", "ZXA0B1C2", "0003")
    assert (disk["pci_address"], disk["numa_node"], disk["state"]) == ("0000:17:00.0", 1, "running")
    assert disk["size_bytes"] == 960197124096


@pytest.mark.parametrize("page", [b"", b"\0\x80", b"\0\x80\0\4", b"\0\x80\0\4\xff\xff\xff\xff", b"\0\x80\0\4    "])
def test_serial_that_is_none_is_unknown(lay: Lay, reports: Any, page: bytes) -> None:
    assert disks.read_disks(lay(scsi(SAS, vpd_pg80=page)), reports)[0]["serial"] is None


def test_optical_drives_and_empty_slots_are_no_disks(lay: Lay, reports: Any) -> None:
    path = "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/host4/target4:0:0/4:0:0:"
    files = {**scsi(path + "0", name="sr0", type="5"), **scsi(path + "1", name="sdb")}
    files.update({f"sys/devices/{path}1/block/sdb/{key}": value for key, value in (("removable", "1"), ("size", "0"))})
    assert disks.read_disks(lay(files), reports) == []


def test_broken_files_are_unknown(lay: Lay, reports: Any) -> None:
    files = scsi(SAS, model=b"\xff\xff", rev="", state="")
    files[f"sys/devices/{SAS}/block/sda/size"] = "many\n"
    files[f"sys/devices/{SAS}/block/sda/queue/rotational"] = "?\n"
    (disk,) = disks.read_disks(lay(files), reports)
    assert [disk[key] for key in ("model", "firmware", "state", "size_bytes", "rotational")] == [None] * 5


def test_many_disks_come_in_natural_order(lay: Lay, reports: Any) -> None:
    files: dict[str, Any] = {}
    for number in range(12):
        files.update(scsi(f"pci0000:17/0000:17:00.0/host0/target0:0:{number}/0:0:{number}:0", name=f"sd{number}"))
    assert [disk["name"] for disk in disks.read_disks(lay(files), reports)] == [f"sd{number}" for number in range(12)]

# Tests of reading PCIe links.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import pcie
from ansible_collections.aidc.ops.plugins.module_utils._hardware.sysfs import Unreadable

Lay = Callable[[Mapping[str, Any]], str]
BUS = "sys/bus/pci/devices"


def device(path: str, kind: str = "0x030200", **files: str) -> dict[str, Any]:
    """Files of a device at a path below /sys/devices."""
    address = path.rpartition("/")[2]
    texts = {"class": kind, "vendor": "0x10de", "device": "0x2330", "numa_node": "1", "current_link_width": "16"}
    texts.update({"max_link_width": "16", "current_link_speed": "32.0 GT/s PCIe", "max_link_speed": "32.0 GT/s PCIe"})
    found: dict[str, Any] = {f"sys/devices/{path}/{name}": f"{text}\n" for name, text in {**texts, **files}.items()}
    found[f"{BUS}/{address}"] = {"link": f"../../../devices/{path}"}
    return found


def links(root: str, reports: Any) -> dict[str, dict[str, Any]]:
    return {link["pci_address"]: link for link in pcie.read_pcie_links(root, reports)}


def test_recorded_drive_on_a_wider_port(recorded: Callable[[str], str], reports: Any) -> None:
    assert pcie.read_pcie_links(recorded("rack_server"), reports) == [
        {
            "pci_address": "0000:01:00.0",
            "class_id": "0x010802",
            "vendor_id": "0x144d",
            "device_id": "0xa808",
            "driver": "nvme",
            "numa_node": None,
            "width": 4,
            "max_width": 4,
            "speed_gtps": 8.0,
            "max_speed_gtps": 8.0,
        }
    ]


def test_each_link_is_reported_once_by_its_lower_end(lay: Lay, reports: Any) -> None:
    """Root port, switch (one port up, one down), GPU: two links."""
    path, files = "pci0000:15", {}
    for address in ("0000:15:01.0", "0000:16:00.0", "0000:17:00.0"):
        path += f"/{address}"
        files.update(device(path, kind="0x060400", current_link_width="8"))
    files.update(device(f"{path}/0000:1b:00.0"))
    found = links(lay(files), reports)
    assert sorted(found) == ["0000:16:00.0", "0000:1b:00.0"]
    assert (found["0000:16:00.0"]["width"], found["0000:1b:00.0"]["width"]) == (8, 16)


def test_a_domain_below_a_device_counts_anew(lay: Lay, reports: Any) -> None:
    """As Intel's VMD makes it for NVMe drives."""
    inner = "pci0000:5d/0000:5d:05.5/pci10000:00/10000:00:02.0"
    files = {**device(inner, kind="0x060400"), **device(f"{inner}/10000:01:00.0", kind="0x010802")}
    assert list(links(lay(files), reports)) == ["10000:01:00.0"]


def test_passed_through_gpu_of_a_virtual_machine(lay: Lay, reports: Any) -> None:
    assert list(links(lay(device("pci0000:00/0000:00:05.0")), reports)) == ["0000:00:05.0"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"current_link_width": "63", "max_link_width": "63"}, (None, None)),
        ({"current_link_width": "0"}, (None, 16)),
        ({"current_link_width": ""}, (None, 16)),
        ({"max_link_width": "{{ x }}"}, (16, None)),
        ({"current_link_width": "1", "max_link_width": "16"}, (1, 16)),
    ],
)
def test_width_that_is_none_is_unknown(lay: Lay, reports: Any, files: dict[str, str], expected: Any) -> None:
    (link,) = links(lay(device("pci0000:00/0000:00:05.0", **files)), reports).values()
    assert (link["width"], link["max_width"]) == expected


@pytest.mark.parametrize("width", ["0", "255", ""])
def test_device_inside_the_processor_has_no_link(lay: Lay, reports: Any, width: str) -> None:
    assert links(lay(device("pci0000:00/0000:00:05.0", max_link_width=width)), reports) == {}


def test_virtual_functions_have_no_link_of_their_own(lay: Lay, reports: Any) -> None:
    files = device("pci0000:00/0000:00:05.1")
    files["sys/devices/pci0000:00/0000:00:05.1/physfn"] = {"link": "../0000:00:05.0"}
    assert links(lay(files), reports) == {}


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        ("2.5 GT/s PCIe", 2.5),
        ("8 GT/s", 8.0),
        ("64.0 GT/s PCIe", 64.0),
        ("Unknown", None),
        ("Unknown speed", None),
        ("", None),
        (None, None),
        ("fast GT/s", None),
        ("1.2.3 GT/s", None),
    ],
)
def test_speed(text: str | None, speed: float | None) -> None:
    assert pcie.parse_speed(text) == speed


def test_broken_ids_are_unknown(lay: Lay, reports: Any) -> None:
    files = device("pci0000:00/0000:00:05.0", kind="GPU", vendor="{{ 1 }}", device="", numa_node="-1")
    (link,) = links(lay(files), reports).values()
    assert [link[key] for key in ("class_id", "vendor_id", "device_id", "numa_node", "driver")] == [None] * 5


def test_addresses_are_hexadecimal_numbers_in_order(lay: Lay, reports: Any) -> None:
    wanted = ["0000:1b:00.0", "0000:43:00.0", "0000:9d:00.0", "0000:c3:00.0", "0001:07:00.0"]
    files: dict[str, Any] = {}
    for address in reversed(wanted):
        files.update(device(f"pci{address[:7]}/{address}"))
    assert list(links(lay(files), reports)) == wanted


def test_what_is_no_address_is_no_device(lay: Lay, reports: Any) -> None:
    assert links(lay({f"{BUS}/x/max_link_width": "16", f"{BUS}/0000:00:05.9/max_link_width": "16"}), reports) == {}


def test_machine_without_pci(lay: Lay, reports: Any) -> None:
    root = lay({"sys/bus/cpu/x": ""})
    assert links(root, reports) == {}
    with pytest.raises(Unreadable):
        pcie.read_pcie_links(f"{root}/sys", reports)


@pytest.mark.slow
def test_huge_tree(lay: Lay, reports: Any) -> None:
    files: dict[str, Any] = {}
    for bus in range(125):
        for slot in range(16):
            files[f"{BUS}/0000:{bus:02x}:{slot:02x}.0/max_link_width"] = "16\n"
    found = links(lay(files), reports)
    assert len(found) == 2000
    assert next(iter(found)) == "0000:00:00.0"

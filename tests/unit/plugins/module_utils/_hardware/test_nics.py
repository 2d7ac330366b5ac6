# Tests of reading network interfaces.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import nics

Lay = Callable[[Mapping[str, Any]], str]
PCI = "sys/devices/pci0000:e0/0000:e0:01.0/0000:e1:00.0"


def adapter(name: str = "ens1f0np0", **files: Any) -> dict[str, Any]:
    """An adapter on PCI with one interface."""
    texts = {"address": "0c:42:a1:00:00:01", "operstate": "up", "mtu": "9000", "speed": "100000", "duplex": "full"}
    net = f"{PCI}/net/{name}"
    found: dict[str, Any] = {
        f"{net}/{key}": text if isinstance(text, bytes) else f"{text}\n" for key, text in {**texts, **files}.items()
    }
    found.update({f"{PCI}/vendor": "0x15b3\n", f"{PCI}/device": "0x101d\n", f"{PCI}/numa_node": "1\n"})
    found[f"{net}/device"] = {"link": "../../../0000:e1:00.0"}
    found[f"{PCI}/driver"] = {"link": "../../../../bus/pci/drivers/mlx5_core"}
    found["sys/bus/pci/devices/0000:e1:00.0"] = {"link": "../../../devices/pci0000:e0/0000:e0:01.0/0000:e1:00.0"}
    found[f"sys/class/net/{name}"] = {"link": f"../../{net[4:]}"}
    return found


def test_adapter(lay: Lay, reports: Any) -> None:
    root = lay(adapter())
    (nic,) = nics.read_nics(root, reports)
    nic.update(nics.ask_nic(root, "ens1f0np0"))
    assert nic == {
        "name": "ens1f0np0",
        "mac": "0c:42:a1:00:00:01",
        "pci_address": "0000:e1:00.0",
        "numa_node": 1,
        "vendor_id": "0x15b3",
        "device_id": "0x101d",
        "driver": "mlx5_core",
        "firmware": None,
        "state": "up",
        "speed_mbps": 100000,
        "mtu": 9000,
        "duplex": "full",
    }


def test_recorded_virtual_machine(recorded: Callable[[str], str], reports: Any) -> None:
    root = recorded("virtual_machine")
    (nic,) = nics.read_nics(root, reports)
    assert (nic["name"], nic["pci_address"], nic["driver"]) == ("eth0", "0000:00:03.0", "virtio_net")
    assert (nic["vendor_id"], nic["device_id"], nic["numa_node"]) == ("0x1af4", "0x1041", None)
    assert nics.ask_nic(root, "eth0") == {"speed_mbps": None, "duplex": None, "firmware": None}


@pytest.mark.parametrize("speed", ["-1", "0", "65535", "4294967295", "", "{{ x }}"])
def test_speed_that_is_none_is_unknown(lay: Lay, speed: str) -> None:
    assert nics.ask_nic(lay(adapter(speed=speed, duplex="unknown")), "ens1f0np0")["speed_mbps"] is None


def test_interface_in_a_bond_shows_its_own_address(lay: Lay, reports: Any) -> None:
    files = adapter()
    files[f"{PCI}/net/ens1f0np0/bonding_slave/perm_hwaddr"] = "0c:42:a1:00:00:99\n"
    assert nics.read_nics(lay(files), reports)[0]["mac"] == "0c:42:a1:00:00:99"


def test_virtual_functions_are_left_out(lay: Lay, reports: Any) -> None:
    assert nics.read_nics(lay({**adapter(), f"{PCI}/physfn": {"link": "../0000:e1:00.7"}}), reports) == []


def test_interface_on_usb_has_no_pci_device_of_its_own(lay: Lay, reports: Any) -> None:
    """As the one that a BMC shows its host: the PCI device is only the USB controller."""
    usb = "sys/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0"
    files: dict[str, Any] = {f"{usb}/net/usb0/address": "02:00:00:00:00:02\n"}
    files[f"{usb}/net/usb0/device"] = {"link": "../../../1-3:1.0"}
    files["sys/class/net/usb0"] = {"link": f"../../{usb[4:]}/net/usb0"}
    (nic,) = nics.read_nics(lay(files), reports)
    assert (nic["name"], nic["pci_address"], nic["vendor_id"]) == ("usb0", None, None)


def test_broken_files_are_unknown(lay: Lay, reports: Any) -> None:
    root = lay(adapter(mtu="big", operstate=b"\xff\xfe", address="", speed="1e9"))
    (nic,) = nics.read_nics(root, reports)
    assert (nic["mtu"], nic["state"], nic["mac"]) == (None, "\ufffd\ufffd", None)


def test_no_network_at_all(lay: Lay, reports: Any) -> None:
    assert nics.read_nics(lay({"sys/class/tty/x": ""}), reports) == []


def answering(firmware: bytes) -> Callable[[Any, int, bytes], int]:
    """A kernel that answers the request for driver information."""

    def ioctl(asked: Any, number: int, request: bytes) -> int:
        assert (number, len(request)) == (0x8946, 40)
        name, address = struct.unpack("16sP", request[:24])
        assert name.rstrip(b"\0") == b"ens1f0np0"
        (command,) = struct.unpack("=I", ctypes.string_at(address, 4))
        assert command == 3
        ctypes.memmove(address + 68, firmware.ljust(32, b"\0"), 32)
        return 0

    return ioctl


@pytest.mark.parametrize(
    ("answer", "firmware"),
    [
        (b"22.43.1014 (MT_0000000359)", "22.43.1014 (MT_0000000359)"),
        (b"N/A", None),
        (b"", None),
        (b"5.0\0rubbish", "5.0"),
        (b"x" * 32, "x" * 32),
    ],
)
def test_firmware(monkeypatch: pytest.MonkeyPatch, answer: bytes, firmware: str | None) -> None:
    monkeypatch.setattr(nics.fcntl, "ioctl", answering(answer))
    assert nics.firmware_version("ens1f0np0") == firmware


def test_driver_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> int:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(nics.fcntl, "ioctl", refuse)
    assert nics.firmware_version("eth0") is None


def test_only_adapters_of_the_running_system_are_asked(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nics, "firmware_version", lambda name: f"firmware of {name}")
    assert nics.ask_nic(lay(adapter()), "ens1f0np0")["firmware"] is None
    assert nics.ask_nic("/", "nosuch0")["firmware"] == "firmware of nosuch0"


def test_the_loopback_of_this_machine_answers_or_not_but_ends() -> None:
    assert nics.firmware_version("lo") is None

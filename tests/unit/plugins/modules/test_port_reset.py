# Tests of the module port_reset, on a made-up sysfs tree that a stand-in for ip changes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._repair import net_ports
from ansible_collections.aidc.ops.plugins.modules import port_reset

Call = Callable[..., dict[str, Any]]

IP = """#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
  "link set dev "*" down")
    echo 0x1002 > {net}/$4/flags; echo 0 > {net}/$4/carrier; : > {folder}/address.$4; : > {folder}/route.$4 ;;
  "link set dev "*" up") echo 0x1003 > {net}/$4/flags; echo $(cat {folder}/cable) > {net}/$4/carrier ;;
  "-o -4 route show default") cat {folder}/default ;;
  "-o addr show") cat {folder}/addresses ;;
  "-o addr show dev "*) cat {folder}/address.$5 ;;
  "-o -4 route show table all dev "*) cat {folder}/route.$8 ;;
  "addr replace "*) echo "1: $5 inet6 $3 scope global" >> {folder}/address.$5 ;;
  "-4 route replace 10.1.0.0/16 via 10.0.0.1 metric 100 dev "*)
    echo "$4 $5 $6 $7 $8" >> {folder}/route.$9 ;;
esac
"""
OTHER = '#!/bin/sh\necho "$(basename $0) $*" >> {folder}/calls\n. {folder}/then\n'


class Net:
    """Two functions of one adapter with an Ethernet port each, one InfiniBand adapter, and a bond on eth1."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.net = self.root / "sys" / "class" / "net"
        self.rdma = self.root / "sys" / "class" / "infiniband"
        (folder / "cable").write_text("1")
        (folder / "default").write_text("default via 192.0.2.1 dev eno1 proto static \n")
        (folder / "addresses").write_text("2: eno1    inet 192.0.2.9/24 scope global eno1\\n3: eth0 inet 10.0.0.9/16\n")
        (folder / "then").write_text("exit 0\n")
        for name, pci in (("eth0", "0000:5c:00.0"), ("eth1", "0000:5c:00.1"), ("eno1", "0000:01:00.0")):
            self.interface(name, pci)
        self.interface("bond0", None)
        (self.net / "eth1" / "upper_bond0").symlink_to(self.net / "bond0")
        self.port("mlx5_0", "0000:5c:00.0", "Ethernet", ["eth0"])
        self.port("mlx5_4", "0000:81:00.0", "InfiniBand", [])
        programs = folder / "bin"
        programs.mkdir()
        for name, text in (("ip", IP), ("devlink", OTHER), ("mlxfwreset", OTHER), ("mlxlink", OTHER)):
            (programs / name).write_text(text.format(folder=folder, net=self.net))
            (programs / name).chmod(0o755)

    def function(self, pci: str) -> Path:
        place = self.root / "sys" / "devices" / pci
        place.mkdir(parents=True, exist_ok=True)
        return place

    def interface(self, name: str, pci: str | None) -> None:
        place = self.net / name
        place.mkdir(parents=True)
        for key, value in (("flags", "0x1003"), ("carrier", "1"), ("dev_port", "0")):
            (place / key).write_text(value)
        (self.folder / f"address.{name}").write_text("")
        (self.folder / f"route.{name}").write_text("")
        if pci is not None:
            (place / "device").symlink_to(self.function(pci))
            (self.function(pci) / "net" / name).mkdir(parents=True)

    def port(self, name: str, pci: str, layer: str, interfaces: list[str]) -> None:
        place = self.rdma / name / "ports" / "1"
        place.mkdir(parents=True)
        (place / "link_layer").write_text(layer)
        (place / "state").write_text("4: ACTIVE")
        (self.rdma / name / "device").symlink_to(self.function(pci))
        for interface in interfaces:
            (self.net / interface / "device" / "infiniband" / name).mkdir(parents=True)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if "show" not in line]


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Net:
    found = Net(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(port_reset, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(port_reset, "connection_addresses", list)
    return found


@pytest.fixture
def reset(call: Call, net: Net) -> Call:
    def run(device: str = "eth0", check: bool = False, **more: Any) -> dict[str, Any]:
        given = {
            "device": device,
            "token": "aidc.ops:17:port_reset:1",
            "root": str(net.root),
            "state_dir": str(net.folder / "attempts"),
            "down_seconds": 0,
            "wait_seconds": 1,
        }
        return call(port_reset.main, check=check, config=None, **{**given, **more})

    return run


@pytest.mark.parametrize("device", ["eth0", "mlx5_0"])
def test_check_run_run_check(reset: Call, net: Net, device: str) -> None:
    check = reset(device, check=True)
    assert (check["changed"], check["interfaces"], net.calls()) == (True, ["eth0"], [])
    assert check["commands"][0].endswith("/ip link set dev eth0 down")
    assert not (net.folder / "attempts").exists()
    first = reset(device)
    assert (first["changed"], first["reset"], first["linked"], first["restored"]) == (True, True, True, [])
    for mode in (False, True):
        again = reset(device, check=mode)
        assert (again["changed"], again["reset"]) == (False, True)
    assert net.calls() == ["link set dev eth0 down", "link set dev eth0 up"]


def test_addresses_and_routes_come_back(reset: Call, net: Net) -> None:
    (net.folder / "address.eth0").write_text(
        "3: eth0    inet6 fd00::9/64 scope global \\ valid_lft forever\n"
        "3: eth0    inet6 fd01::9/64 scope global dynamic mngtmpaddr\n"
        "3: eth0    inet6 fe80::1/64 scope link \\ valid_lft forever\n"
    )
    (net.folder / "route.eth0").write_text(
        "10.0.0.0/16 proto kernel scope link src 10.0.0.9 linkdown \n"
        "10.1.0.0/16 via 10.0.0.1 metric 100 \n"
        "local 10.0.0.9 table local proto kernel scope host src 10.0.0.9 \n"
    )
    answer = reset()
    assert answer["restored"] == ["fd00::9/64 on eth0", "10.1.0.0/16 via 10.0.0.1 metric 100 on eth0"]


def test_a_link_that_does_not_come_back_is_told(reset: Call, net: Net) -> None:
    (net.folder / "cable").write_text("0")
    answer = reset()
    assert answer["failed"] and answer["linked"] is False and "link was not there" in answer["msg"]
    assert reset()["failed"]
    assert net.calls() == ["link set dev eth0 down", "link set dev eth0 up"]


def test_an_attempt_that_died_is_brought_up_only(reset: Call, net: Net) -> None:
    marker = net.folder / "attempts" / "port_reset.aidc.ops:17:port_reset:1.json"
    marker.parent.mkdir()
    marker.write_text(
        '{"started_at": 1, "interfaces": ["eth0"], "remembered": {"eth0": {"addresses": [], "routes": {}}}}'
    )
    (net.net / "eth0" / "flags").write_text("0x1002")
    (net.net / "eth0" / "carrier").write_text("0")
    answer = reset()
    assert (answer["changed"], answer["linked"]) == (True, True)
    assert net.calls() == ["link set dev eth0 up"]


@pytest.mark.parametrize(
    ("device", "more", "protected"),
    [
        ("eno1", {}, ["eno1"]),
        ("eth0", {"connection_addresses": ["10.0.0.9"]}, ["eth0"]),
        ("mlx5_0", {"connection_addresses": ["192.0.2.7", "10.0.0.9"]}, ["eth0"]),
    ],
)
def test_the_way_to_the_node_is_left_alone(
    reset: Call, net: Net, device: str, more: dict[str, Any], protected: list[str]
) -> None:
    (net.folder / "addresses").write_text("2: eno1    inet 192.0.2.9/24\n3: eth0    inet 10.0.0.9/16\n")
    for mode in (True, False):
        answer = reset(device, check=mode, **more)
        assert answer["failed"] and answer["protected"] == protected
    assert net.calls() == [] and not (net.folder / "attempts").exists()
    assert reset(device, allow_management=True, **more)["changed"]


def test_what_stands_on_the_port_counts(reset: Call, net: Net) -> None:
    (net.folder / "default").write_text("default via 192.0.2.1 dev bond0 \n")
    assert reset("eth1")["protected"] == ["bond0"]
    # A restart of the firmware takes the other function of the adapter along; a reload of the driver does not.
    assert reset("eth0", method="mlxfwreset")["protected"] == ["bond0"]
    assert reset("eth0", method="devlink")["changed"]


def test_the_address_of_the_connection_is_found(reset: Call, net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    (net.folder / "addresses").write_text("3: eth0    inet 10.0.0.9/16\n")
    monkeypatch.setattr(port_reset, "connection_addresses", lambda: ["10.0.0.9"])
    assert reset()["protected"] == ["eth0"]


def test_the_connection_is_found_behind_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    for pid, parent, environment in (
        (30, 20, b"A=1\0"),
        (20, 10, b"SSH_CONNECTION=192.0.2.1 5 10.0.0.9 22\0"),
        (10, 1, b""),
    ):
        folder = tmp_path / "proc" / str(pid)
        folder.mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} (a) b) S {parent} 1")
        (folder / "environ").write_bytes(environment)
    assert net_ports.connection_addresses(str(tmp_path), 30) == ["10.0.0.9"]
    assert net_ports.connection_addresses(str(tmp_path), 77) == []
    monkeypatch.setenv("SSH_CONNECTION", "fe80::1%eth0 5 fe80::2%eth0 22")
    assert net_ports.connection_addresses(str(tmp_path), 77) == ["fe80::2"]


@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("devlink", "devlink dev reload pci/0000:5c:00.0"),
        ("mlxfwreset", "mlxfwreset -d 0000:5c:00.0 --yes reset"),
    ],
)
def test_other_methods(reset: Call, net: Net, method: str, command: str) -> None:
    assert reset(check=True, method=method)["changed"] and net.calls() == []
    answer = reset("mlx5_0", method=method)
    assert answer["reset"] and net.calls()[0] == command
    # What the driver had up is up again.
    assert "link set dev eth0 up" in net.calls()


def test_an_infiniband_port_without_an_interface(reset: Call, net: Net) -> None:
    answer = reset("mlx5_4")
    assert answer["reset"] and net.calls() == ["mlxlink -d mlx5_4 -p 1 --port_state TG"]
    (net.rdma / "mlx5_4" / "ports" / "1" / "state").write_text("1: DOWN")
    assert "link was not there" in reset("mlx5_4", token="aidc.ops:17:port_reset:2")["msg"]


def test_a_failed_command_is_told_and_the_port_brought_up(reset: Call, net: Net) -> None:
    (net.folder / "then").write_text("echo 'devlink answers: Operation not supported' >&2; exit 1\n")
    answer = reset(method="devlink")
    assert answer["failed"] and "Operation not supported" in answer["msg"]
    assert net.calls()[-1] == "link set dev eth0 up"


def test_what_is_down_on_purpose_stays_down(reset: Call, net: Net) -> None:
    (net.net / "eth0" / "flags").write_text("0x1002")
    assert "on purpose" in reset()["msg"]
    assert net.calls() == []


@pytest.mark.parametrize(
    ("device", "more", "text"),
    [
        ("eth9", {}, "neither an interface"),
        ("bond0", {"method": "devlink"}, "no PCI device"),
        ("../net/eth0", {}, "not the name"),
        ("-d", {}, "not the name"),
        ("eth0", {"wait_seconds": 0}, "wait_seconds must be"),
        ("eth0", {"token": "a/b"}, "the token may hold"),
    ],
)
def test_what_cannot_be_meant(reset: Call, net: Net, device: str, more: dict[str, Any], text: str) -> None:
    assert text in reset(device, **more)["msg"]
    assert net.calls() == []


def test_this_machine_can_be_read() -> None:
    ports = net_ports.Ports()
    assert ports.is_interface("lo") and ports.standing_on("lo") == {"lo"}
    assert net_ports.Ports().pci_of("net", "lo") is None
    assert os.path.isdir("/sys/class/net")

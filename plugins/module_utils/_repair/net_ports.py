# Reads what a network port is: its interfaces, its PCI function, what stands on it, whether its link is there.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From sysfs below a root directory; a file that is not there is an unknown."""

from __future__ import annotations

import os
import re
import typing as t

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}\Z")
"""Of an interface or an RDMA device. It becomes an argument and a part of a path."""

_PCI = re.compile(r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\Z")
_UP = 1


class Ports(t.NamedTuple):
    """The sysfs tree of a node."""

    root: str = "/"

    def _path(self, *parts: str) -> str:
        return os.path.join(self.root, "sys/class", *parts)

    def _read(self, *parts: str) -> str | None:
        try:
            with open(self._path(*parts), encoding="ascii", errors="replace") as handle:
                return handle.read().strip()
        except (OSError, ValueError):
            # A port that is down answers "Invalid argument" where it is asked for its carrier.
            return None

    def _list(self, *parts: str) -> list[str]:
        try:
            return sorted(os.listdir(self._path(*parts)))
        except OSError:
            return []

    def is_interface(self, name: str) -> bool:
        return os.path.isdir(self._path("net", name))

    def is_rdma(self, name: str) -> bool:
        return os.path.isdir(self._path("infiniband", name))

    def interfaces_of(self, rdma: str, port: int) -> list[str]:
        """Return the network interfaces of one port of an RDMA device; an InfiniBand port need not have any."""
        found = []
        for name in self._list("infiniband", rdma, "device", "net"):
            number = self._read("net", name, "dev_port") or "0"
            if number == str(port - 1):
                found.append(name)
        return found

    def rdma_of(self, interface: str) -> list[str]:
        return self._list("net", interface, "device", "infiniband")

    def pci_of(self, kind: str, name: str) -> str | None:
        """Return the PCI address of an interface (C(net)) or an RDMA device (C(infiniband)), None if it has none."""
        address = os.path.basename(os.path.realpath(self._path(kind, name, "device")))
        return address if _PCI.match(address) else None

    def of_adapter(self, pci: str) -> list[str]:
        """Return the interfaces of all functions of an adapter: what a reset of the adapter takes away."""
        slot = pci.rpartition(".")[0]
        found = []
        for name in self._list("net"):
            other = self.pci_of("net", name)
            if other is not None and other.rpartition(".")[0] == slot:
                found.append(name)
        return found

    def standing_on(self, interface: str) -> set[str]:
        """Return the interface and all that are built on it: bonds, bridges, VLANs."""
        found: set[str] = set()
        waiting = [interface]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [entry[6:] for entry in self._list("net", name) if entry.startswith("upper_")]
        return found

    def is_up(self, interface: str) -> bool:
        """Whether somebody wants the interface to be up."""
        try:
            return bool(int(self._read("net", interface, "flags") or "0", 16) & _UP)
        except ValueError:
            return False

    def linked(self, interface: str) -> bool:
        """Whether the interface has its link."""
        return self._read("net", interface, "carrier") == "1"

    def rdma_linked(self, rdma: str, port: int) -> bool | None:
        """Whether an InfiniBand port is active; None for Ethernet, and where that is not known."""
        if self._read("infiniband", rdma, "ports", str(port), "link_layer") != "InfiniBand":
            return None
        return (self._read("infiniband", rdma, "ports", str(port), "state") or "").startswith("4")


def default_interfaces(text: str) -> list[str]:
    """Return the interfaces of the default routes, from C(ip -o route show default)."""
    return re.findall(r"\bdev (\S+)", text)


def interfaces_with(text: str, addresses: t.Collection[str]) -> list[str]:
    """Return the interfaces that have one of the addresses, from C(ip -o addr show)."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[2] in ("inet", "inet6") and words[3].partition("/")[0] in addresses:
            found.append(words[1].partition("@")[0])
    return found


def own_routes(text: str) -> list[list[str]]:
    """Return the routes that the kernel does not make by itself, as words for C(ip route replace)."""
    found = []
    for line in text.splitlines():
        words = [word for word in line.split() if word not in ("linkdown", "dead", "onlink")]
        special = ("local", "broadcast", "multicast", "anycast", "unreachable")
        made = any(pair in line for pair in ("proto kernel", "proto ra", "table local")) or "nexthop" in words
        if words and words[0] not in special and not made:
            found.append(words)
    return found


def own_addresses(text: str) -> list[str]:
    """Return the lasting addresses that the kernel does not make by itself, from C(ip -o addr show dev X)."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[2] in ("inet", "inet6") and "dynamic" not in words and "link" not in words:
            found.append(words[3])
    return found


def connection_addresses(root: str = "/", pid: int | None = None) -> list[str]:
    """Return the addresses of this node through which somebody is logged in to run us, as far as sshd told.

    C(sudo) takes the variable away, so the processes above us are looked at, too.
    """
    found = []
    value = os.environ.get("SSH_CONNECTION", "")
    pid = os.getppid() if pid is None else pid
    for _level in range(32):
        words = value.split()
        if len(words) == 4:
            found.append(words[2].partition("%")[0])
        if pid <= 1:
            break
        value = _environment(root, pid).get("SSH_CONNECTION", "")
        pid = _parent(root, pid)
    return list(dict.fromkeys(found))


def _environment(root: str, pid: int) -> dict[str, str]:
    try:
        with open(os.path.join(root, "proc", str(pid), "environ"), "rb") as handle:
            pairs = handle.read(1 << 20).decode("utf-8", "replace").split("\0")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _parent(root: str, pid: int) -> int:
    try:
        with open(os.path.join(root, "proc", str(pid), "stat"), encoding="utf-8", errors="replace") as handle:
            # The name in brackets may hold anything.
            return int(handle.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0

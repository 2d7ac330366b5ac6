# What a scenario's containers shall be: the platforms of molecule.yml, read and checked.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure data: no container, no file and no clock is touched here.

Keys of a platform (all but name are optional) are listed in README.md of this folder.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Network address .1 is the bridge; the first ten addresses stay free for a person's own containers.
FIRST_HOST = 11
NAME = re.compile(r"^[a-z][a-z0-9-]{0,30}$")
MODEL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,60}$")
SIZE = re.compile(r"^[1-9][0-9]*[MG]$")
KEYS = {
    "name",
    "groups",
    "suite",
    "gpus",
    "gpu_model",
    "disks",
    "privileged",
    "capabilities",
    "volumes",
    "controller",
}


class SpecError(ValueError):
    """A platform is wrong; the message names it and says what is."""


@dataclass(frozen=True)
class Disk:
    """A loop device on the host that the node sees as /dev/<name>."""

    name: str
    size: str


@dataclass(frozen=True)
class Node:
    """One container to be."""

    name: str
    suite: str
    gpus: int
    gpu_model: str
    disks: tuple[Disk, ...]
    privileged: bool
    capabilities: tuple[str, ...]
    volumes: tuple[str, ...]
    controller: bool


def _node(platform: Mapping[str, Any]) -> Node:
    name = str(platform.get("name", ""))
    if not NAME.match(name):
        raise SpecError(f"platform name {name!r} is not lower-case letters, digits and hyphens")
    unknown = set(platform) - KEYS
    if unknown:
        raise SpecError(
            f"platform {name}: unknown key {', '.join(sorted(unknown))}; known are {', '.join(sorted(KEYS))}"
        )
    disks = tuple(Disk(str(d["name"]), str(d["size"])) for d in platform.get("disks", ()))
    for disk in disks:
        if not NAME.match(disk.name) or not SIZE.match(disk.size):
            raise SpecError(
                f"platform {name}: disk {disk.name!r} with size {disk.size!r}; use a plain name and a size like 2G"
            )
    privileged = bool(platform.get("privileged", False))
    if disks and privileged:
        raise SpecError(
            f"platform {name}: a privileged container sees all devices and no chosen ones; drop privileged or disks"
        )
    gpus = int(platform.get("gpus", 0))
    model = str(platform.get("gpu_model", ""))
    if not 0 <= gpus <= 16 or (gpus and not MODEL.match(model)):
        raise SpecError(f"platform {name}: gpus must be 0 to 16, and gpu_model be given with them")
    return Node(
        name,
        str(platform.get("suite", "bookworm")),
        gpus,
        model,
        disks,
        privileged,
        tuple(platform.get("capabilities", ())),
        tuple(platform.get("volumes", ())),
        bool(platform.get("controller", False)),
    )


def nodes(platforms: Iterable[Mapping[str, Any]]) -> list[Node]:
    """Return the nodes in their order; raise SpecError at the first thing that is wrong."""
    result = [_node(platform) for platform in platforms]
    names = [node.name for node in result]
    if not result:
        raise SpecError("the scenario has no platforms")
    if len(set(names)) != len(names):
        raise SpecError("two platforms have the same name")
    if sum(node.controller for node in result) > 1:
        raise SpecError("more than one platform is the controller")
    return result


def addresses(items: Iterable[Node], subnet: str) -> dict[str, str]:
    """Return node name to address: fixed by the order, so that a node keeps its address over a re-creation."""
    hosts = ipaddress.ip_network(subnet)
    return {node.name: str(hosts[FIRST_HOST + index]) for index, node in enumerate(items)}

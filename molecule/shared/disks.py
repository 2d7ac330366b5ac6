# Loop devices on the host that stand in for the drives of a node.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drive is a sparse file under the cache folder; its name says the scenario, the node and the drive, so that nothing
else is ever detached."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from host import Host, HostError
from spec import Disk, Node


def _size_bytes(size: str) -> int:
    return int(size[:-1]) * {"M": 1 << 20, "G": 1 << 30}[size[-1]]


def _file(folder: Path, node: str, disk: Disk) -> Path:
    return folder / f"{node}-{disk.name}.img"


def attached(host: Host, path: Path) -> str | None:
    """Return the loop device of a file, None if it has none."""
    line = host.run("losetup", "--associated", str(path), "--noheadings", "--output", "NAME").strip()
    return line.split()[0] if line else None


def check_rights(nodes: Iterable[Node], uid: int) -> None:
    """Raise HostError if a node has drives that this user could not attach."""
    named = [node.name for node in nodes if node.disks]
    if named and uid != 0:
        raise HostError(
            f"the drives of {', '.join(named)} are loop devices of this machine, and only root can attach those: "
            "run the same command as root, for example with sudo"
        )


def attach(host: Host, folder: Path, node: Node) -> dict[str, str]:
    """Make and attach the drives of a node that are not yet there; return drive name to loop device."""
    devices = {}
    for disk in node.disks:
        path = _file(folder, node.name, disk)
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with open(path, "wb") as image:
                os.truncate(image.fileno(), _size_bytes(disk.size))
        devices[disk.name] = attached(host, path) or host.run("losetup", "--find", "--show", str(path)).strip()
    return devices


def detach_all(host: Host, folder: Path) -> list[str]:
    """Detach and delete every drive of a scenario; return the names of the files. Their nodes must be gone."""
    gone = []
    for path in sorted(folder.glob("*.img")):
        device = attached(host, path)
        if device:
            host.run("losetup", "--detach", device)
        path.unlink()
        gone.append(path.name)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return gone

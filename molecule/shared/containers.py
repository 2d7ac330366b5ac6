# Names of a scenario's containers, and the commands that create them. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from spec import Node

DIGEST_LABEL = "aidc.ops.node"
SCENARIO_LABEL = "aidc.ops.scenario"
WHEELS_IN_NODE = "/srv/wheels"


def container(scenario: str, node: str) -> str:
    """Return the name of a node's container."""
    return f"aidc-{scenario}-{node}"


def network(scenario: str) -> str:
    """Return the name of a scenario's network."""
    return f"aidc-{scenario}"


def mac_address(address: str) -> str:
    """Return a hardware address that follows from the IPv4 address: a node that is made anew is found at once."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def options(scenario: str, node: Node, hosts: Mapping[str, str], wheels: Path) -> list[str]:
    """Return the podman options of one node that need a new container when they change; hosts is name to address."""
    result = [f"--name={container(scenario, node.name)}", f"--hostname={node.name}"]
    # A reboot from inside ends the container; the engine starts it again, as a BMC would.
    result += ["--systemd=always", "--restart=always", "--stop-timeout=5"]
    address = hosts[node.name]
    result += [f"--network={network(scenario)}", f"--ip={address}", f"--mac-address={mac_address(address)}"]
    for name, other in hosts.items():
        if name != node.name:
            # By both names, since Ansible's connection knows a node by its container.
            result += [f"--add-host={name}:{other}", f"--add-host={container(scenario, name)}:{other}"]
    # Slurm gives jobs only character devices; what is behind does not matter, the simulator sits in the library.
    result += [f"--device=/dev/null:/dev/nvidia{index}" for index in range(node.gpus)]
    if node.privileged:
        result.append("--privileged")
    if node.capabilities:
        result += [f"--cap-add={capability}" for capability in node.capabilities]
        # Some hosts' default profile forbids mounts whatever the capabilities are.
        result.append("--security-opt=apparmor=unconfined")
    return [*result, f"--volume={wheels}:{WHEELS_IN_NODE}:ro", *(f"--volume={volume}" for volume in node.volumes)]


def digest(chosen: list[str], node: Node, image_id: str) -> str:
    """Hash of all that needs a new container when it changes. The number of a loop device does not."""
    disks = [f"{disk.name}={disk.size}" for disk in node.disks]
    return hashlib.sha256(json.dumps([chosen, disks, node.gpu_model, image_id]).encode()).hexdigest()[:16]

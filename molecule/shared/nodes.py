#!/usr/bin/env python3
# Brings the containers of one scenario up and takes them down again.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, keep or replace the nodes of a scenario so that they are what its platforms say.

    nodes.py up SCENARIO < platforms.json      containers, network, drives, SSH; prints what is there as JSON
    nodes.py down SCENARIO                     removes all of it, and nothing of any other scenario

Both may be repeated, and interrupted at any point. A container whose platform or image changed is made anew.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import access
import disks
import engine
import simulator
import spec
import subnet
from containers import DIGEST_LABEL, SCENARIO_LABEL, WHEELS_IN_NODE, container, digest, network, options
from host import Host, HostError
from lock import locked

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("AIDC_OPS_LAB_CACHE", HERE.parent.parent / ".cache"))
BOOT_DEADLINE = 60.0
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_CONF = f"[global]\nno-index = true\nfind-links = {WHEELS_IN_NODE}\ndisable-pip-version-check = true\n"
# Prints the host key, and the stamp of the simulator if there is one; fails until the node can be logged in to.
READY_SCRIPT = (
    "systemctl is-active --quiet ssh.service && cat /etc/ssh/ssh_host_ed25519_key.pub && "
    f"{{ cat {simulator.STAMP} 2>/dev/null || true; }}"
)


class Nodes:
    """The containers of one scenario."""

    def __init__(self, scenario: str, host: Host, cache: Path = CACHE, env: Mapping[str, str] = os.environ) -> None:
        self.scenario = scenario
        self.host = host
        self.cache = cache
        self.env = env
        self.image = env.get("AIDC_OPS_LAB_IMAGE") or "localhost/aidc-node"

    def execute(self, node: str, *command: str, stdin: str | None = None) -> str:
        """Return what a command on a node prints; HostError if it fails."""
        flag = ("-i",) if stdin is not None else ()
        return self.host.run("podman", "exec", *flag, container(self.scenario, node), *command, stdin=stdin)

    # network

    def _subnet(self) -> str:
        """Return the subnet of the scenario's network, which is made if it is not there."""
        name = network(self.scenario)
        # Two scenarios that look for a free range at the same time would find the same one.
        with locked(self.cache, "network"):
            if not self.host.ok("podman", "network", "exists", name):
                wanted = self.env.get("AIDC_OPS_LAB_SUBNET") or subnet.choose(self._used_ranges())
                self.host.run("podman", "network", "create", "--subnet", wanted, name)
        found = json.loads(self.host.run("podman", "network", "inspect", name))
        return str(found[0]["subnets"][0]["subnet"])

    def _used_ranges(self) -> list[str]:
        used = subnet.used_by_routes(json.loads(self.host.run("ip", "-j", "route", "show", "table", "all") or "[]"))
        names = self.host.run("podman", "network", "ls", "--quiet").split()
        for item in json.loads(self.host.run("podman", "network", "inspect", *names)) if names else []:
            used += [entry["subnet"] for entry in item.get("subnets") or ()]
        return used

    # containers

    def _existing(self) -> dict[str, tuple[str, str, str]]:
        """Return container name to (state, digest, address) of all containers of the scenario."""
        label = f"label={SCENARIO_LABEL}={self.scenario}"
        names = self.host.run("podman", "ps", "--all", "--format", "{{.Names}}", "--filter", label).split()
        if not names:
            return {}
        found = {}
        for item in json.loads(self.host.run("podman", "container", "inspect", *names)):
            networks = item["NetworkSettings"]["Networks"] or {}
            address = networks.get(network(self.scenario), {}).get("IPAddress", "")
            found[item["Name"]] = (item["State"]["Status"], item["Config"]["Labels"].get(DIGEST_LABEL, ""), address)
        return found

    def addresses(self) -> dict[str, str]:
        """Return node name to address of the nodes that run."""
        prefix = container(self.scenario, "")
        existing = self._existing()
        return {name.removeprefix(prefix): item[2] for name, item in existing.items() if item[0] == "running"}

    def _up_one(
        self, node: spec.Node, image_id: str, hosts: Mapping[str, str], found: tuple[str, str, str] | None
    ) -> str:
        """Make one node what it should be; return kept, started or created."""
        name = container(self.scenario, node.name)
        wheels = self.cache / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        chosen = options(self.scenario, node, hosts, wheels)
        digest_now = digest(chosen, node, image_id)
        if found is not None:
            state, digest_then, _address = found
            if digest_now == digest_then and state == "running":
                return "kept"
            if digest_now == digest_then and state in ("exited", "stopped"):
                self.host.run("podman", "start", name)
                return "started"
            self.host.run("podman", "rm", "--force", "--volumes", "--time", "3", name)
        drives = disks.attach(self.host, self.cache / "disks" / self.scenario, node)
        chosen += [f"--device={device}:/dev/{drive}" for drive, device in drives.items()]
        chosen += [f"--label={DIGEST_LABEL}={digest_now}", f"--label={SCENARIO_LABEL}={self.scenario}"]
        self.host.run("podman", "create", *chosen, f"{self.image}:{node.suite}")
        # What depends on the host: its certificate authorities, and where pip finds packages.
        if CERTIFICATES.is_file():
            self.host.run("podman", "cp", str(CERTIFICATES), f"{name}:{CERTIFICATES}")
        self.host.run("podman", "cp", str(self._pip_conf()), f"{name}:/etc/pip.conf")
        self.host.run("podman", "start", name)
        return "created"

    def _pip_conf(self) -> Path:
        """The file, written once: nodes are made side by side, and what changes while it is copied cannot be."""
        conf = self.cache / "pip.conf"
        with locked(self.cache, "pip"):
            if not conf.is_file() or conf.read_text() != PIP_CONF:
                conf.write_text(PIP_CONF)
        return conf

    def _ready(self, node: str) -> tuple[str, str]:
        """Wait until a node answers; return its SSH host key and the stamp of its simulator ('' without one)."""
        deadline = time.monotonic() + BOOT_DEADLINE
        while True:
            try:
                key, _newline, stamp = self.execute(node, "sh", "-c", READY_SCRIPT).partition("\n")
                return key, stamp.strip()
            except HostError as error:
                if time.monotonic() > deadline:
                    raise HostError(
                        f"{node} did not boot in {BOOT_DEADLINE:.0f} s; look with "
                        f"podman exec {container(self.scenario, node)} journalctl -b ({error})"
                    ) from None
            time.sleep(0.3)

    def up(self, platforms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Bring the scenario up; return {changed, nodes: {name: {container, address, state}}}."""
        items = spec.nodes(platforms)
        disks.check_rights(items, os.getuid())
        hosts = spec.addresses(items, self._subnet())
        existing = self._existing()
        surplus = sorted(set(existing) - {container(self.scenario, node.name) for node in items})
        if surplus:
            self.host.run("podman", "rm", "--force", "--volumes", "--time", "3", *surplus)
        image_ids = {suite: self._image_id(suite) for suite in {node.suite for node in items}}
        # Two scenarios that start at the same time would both make the key.
        with locked(self.cache, "ssh"):
            public = access.own_key(self.host, self.cache)

        def bring_up(node: spec.Node) -> tuple[str, str, bool]:
            found = existing.get(container(self.scenario, node.name))
            state = self._up_one(node, image_ids[node.suite], hosts, found)
            key, stamp = self._ready(node.name)
            access.admit(self.execute, node.name, public)
            tree = self.cache / "gpusim" / "root"
            return state, key, simulator.place(self.host, container(self.scenario, node.name), node, tree, stamp)

        # The engine locks itself; two at a time hide most of its waiting without a load that slows everything down.
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = dict(zip(hosts, pool.map(bring_up, items), strict=True))
        changed = bool(surplus) or any(state != "kept" or placed for state, _key, placed in results.values())
        for node in items:
            if node.controller:
                keys = {name: key for name, (_state, key, _placed) in results.items()}
                changed = access.connect(self.execute, node.name, keys, hosts) or changed
        return {
            "changed": changed,
            "nodes": {
                name: {"container": container(self.scenario, name), "address": hosts[name], "state": state}
                for name, (state, _key, _placed) in results.items()
            },
        }

    def _image_id(self, suite: str) -> str:
        return self.host.run("podman", "image", "inspect", "--format", "{{.Id}}", f"{self.image}:{suite}").strip()

    def down(self) -> dict[str, Any]:
        """Remove containers, volumes, network and drives of the scenario; return what went."""
        names = sorted(self._existing())
        remove = ("podman", "rm", "--force", "--volumes", "--time", "3")
        if names:
            try:
                self.host.run(*remove, *names)
            except HostError:
                # podman fails on a container that ends by itself at this moment, and takes it the next time.
                self.host.run(*remove, *sorted(self._existing()))
        drives = disks.detach_all(self.host, self.cache / "disks" / self.scenario)
        had_network = self.host.ok("podman", "network", "exists", network(self.scenario))
        if had_network:
            self.host.run("podman", "network", "rm", network(self.scenario))
        return {"changed": bool(names or drives or had_network), "containers": names, "drives": drives}


def main(argv: list[str] | None = None) -> int:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(description="Bring the containers of a scenario up or down.")
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("scenario", type=str)
    options = parser.parse_args(argv)
    try:
        engine.ensure(CACHE / "containers.conf")
        fleet = Nodes(options.scenario, Host())
        result = fleet.up(json.load(sys.stdin)) if options.action == "up" else fleet.down()
    except (HostError, engine.EngineError, spec.SpecError, subnet.SubnetError) as error:
        print(f"nodes.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

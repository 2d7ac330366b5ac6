#!/usr/bin/env python3
# Builds the GPU simulator, and puts it and the hardware tree into nodes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile gpusim/ inside the image of the oldest release, whose C library every other one can replace.

The result is .cache/gpusim/root, a tree as it shall lie on a node; it is made anew only when a source changed. Every
node, with GPUs or without, gets the program that makes its hardware tree (hardware_tree.py) as well.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import engine
from host import Host, HostError
from lock import locked
from spec import Node

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("AIDC_OPS_LAB_CACHE", HERE.parent.parent / ".cache"))
SOURCE = HERE / "gpusim"
HARDWARE = (HERE / "hardware_tree.py", HERE / "hardware")
# On a node: which build of the simulator and of the hardware tree it has.
STAMP = "/var/lib/gpusim/.build"
STATE = "/var/lib/gpusim/state"
PROGRAMS = "/usr/local/lib/gpusim"
# A boot changes the state of the GPUs, and the hardware tree follows.
DROP_IN = "/etc/systemd/system/gpusim-boot.service.d/hardware.conf"


def tree_digest(root: Path) -> str:
    """Hash of names, modes and contents below a folder."""
    return _digest(root, sorted(root.rglob("*")))


def _digest(root: Path, paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        if "__pycache__" in path.parts:
            continue
        total.update(f"{path.relative_to(root)}\0{path.lstat().st_mode}\0".encode())
        if path.is_symlink():
            total.update(os.readlink(path).encode())
        elif path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def wanted_stamp(node: Node, tree: Path) -> str:
    """What the stamp of a node says when it has all that it shall have."""
    program, package = HARDWARE
    hardware = _digest(HERE, [program, *sorted(package.rglob("*"))])
    return f"{tree_digest(tree)}-{hardware}" if node.gpus else hardware


def build(host: Host, image: str, source: Path = SOURCE, cache: Path = CACHE) -> bool:
    """Bring the tree up to date; return whether it was built. Raise HostError with the compiler's words."""
    with locked(cache, "gpusim"):
        return _build(host, image, source, cache / "gpusim")


def _build(host: Host, image: str, source: Path, target: Path) -> bool:
    stamp = target / "stamp"
    digest = tree_digest(source)
    if stamp.is_file() and stamp.read_text() == digest:
        return False
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    volumes = [f"--volume={source}:/source:ro", f"--volume={target}:/target"]
    make = ["make", "--silent", "-C", "/source", "install", "BUILD=/tmp/build", "DESTDIR=/target/root"]
    host.run("podman", "run", "--rm", "--network=none", "--systemd=false", *volumes, image, *make)
    stamp.write_text(digest)
    return True


def place(host: Host, container: str, node: Node, tree: Path, stamp: str) -> bool:
    """Put the programs into a node whose stamp differs, and make its GPUs and its hardware tree; say whether it did."""
    wanted = wanted_stamp(node, tree)
    if stamp == wanted:
        return False
    write = f"{PROGRAMS}/{HARDWARE[0].name} --node {node.name}"
    steps = [write]
    if node.gpus:
        host.run("podman", "cp", f"{tree}/.", f"{container}:/")
        init = f"gpusim init --model '{node.gpu_model}' --gpus {node.gpus} --node {node.name}"
        unit = f"mkdir -p {os.path.dirname(DROP_IN)} && printf '[Service]\\nExecStartPost={write}\\n' >{DROP_IN}"
        steps = ["ldconfig", f"{{ test -e {STATE} || {init}; }}", unit, write]
    host.run("podman", "exec", container, "mkdir", "-p", PROGRAMS)
    for source in HARDWARE:
        host.run("podman", "cp", str(source), f"{container}:{PROGRAMS}/")
    steps += [f"mkdir -p {os.path.dirname(STAMP)}", f"echo {wanted} >{STAMP}"]
    host.run("podman", "exec", container, "sh", "-c", " && ".join(steps))
    return True


def main(argv: list[str] | None = None) -> int:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(description="Build the GPU simulator for the nodes.")
    parser.add_argument("suite", nargs="?", default="bookworm", help="release whose image has the compiler")
    suite = parser.parse_args(argv).suite
    image = os.environ.get("AIDC_OPS_LAB_IMAGE") or "localhost/aidc-node"
    try:
        engine.ensure(CACHE / "containers.conf")
        print("built" if build(Host(), f"{image}:{suite}") else "unchanged")
    except (HostError, engine.EngineError) as error:
        print(f"simulator.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

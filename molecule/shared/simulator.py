#!/usr/bin/env python3
# Builds the GPU simulator, and puts it into nodes with GPUs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile gpusim/ inside the image of the oldest release, whose C library every other one can replace.

The result is .cache/gpusim/root, a tree as it shall lie on a node; it is made anew only when a source changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path

import engine
from host import Host, HostError
from lock import locked
from spec import Node

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("AIDC_OPS_LAB_CACHE", HERE.parent.parent / ".cache"))
SOURCE = HERE / "gpusim"
# On a node: which build of the simulator it has.
STAMP = "/var/lib/gpusim/.build"
STATE = "/var/lib/gpusim/state"


def tree_digest(root: Path) -> str:
    """Hash of names, modes and contents below a folder."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        total.update(f"{path.relative_to(root)}\0{path.lstat().st_mode}\0".encode())
        if path.is_symlink():
            total.update(os.readlink(path).encode())
        elif path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


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
    """Put the tree into a node whose stamp differs, and make its GPUs at the first time; return whether it was put."""
    if not node.gpus:
        return False
    digest = tree_digest(tree)
    if stamp == digest:
        return False
    host.run("podman", "cp", f"{tree}/.", f"{container}:/")
    make = f"test -e {STATE} || gpusim init --model '{node.gpu_model}' --gpus {node.gpus} --node {node.name}"
    host.run("podman", "exec", container, "sh", "-c", f"ldconfig && {{ {make}; }} && echo {digest} >{STAMP}")
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

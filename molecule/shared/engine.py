#!/usr/bin/env python3
# Finds out how podman has to be called on this machine, and writes that as a containers.conf.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detect what the container engine needs and write it to a file for CONTAINERS_CONF.

Nodes run systemd as PID 1, so what matters is how cgroups are mounted:

* cgroup v2 alone: the engine's own choice of runtime is right.
* cgroup v1, or v1 with v2 at its side ("hybrid"): crun refuses to start systemd there, runc does not.

A limit that the engine would set above the hard limit of the calling process makes every start fail, so containers take
the host's limits. podman reads only this one file when CONTAINERS_CONF is set.

Run as a program it writes the file (first argument, default .cache/containers.conf) only if its content changes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

V2_MARKER = "cgroup.controllers"
DEFAULT_CONF = Path(".cache/containers.conf")


class EngineError(Exception):
    """The machine cannot run the lab; the message says what to install or change."""


@dataclass(frozen=True)
class Machine:
    """What was found: cgroups is 'v2', 'hybrid' or 'v1'; runtimes are the installed OCI runtimes."""

    cgroups: str
    rootless: bool
    runtimes: tuple[str, ...]


def detect(
    cgroup_root: Path = Path("/sys/fs/cgroup"),
    uid: int | None = None,
    which: Callable[[str], str | None] = shutil.which,
) -> Machine:
    """Look at the machine; raise EngineError if there is no podman."""
    if which("podman") is None:
        raise EngineError("podman is not installed (Debian, Ubuntu: apt-get install podman)")
    if (cgroup_root / V2_MARKER).exists():
        cgroups = "v2"
    elif (cgroup_root / "unified" / V2_MARKER).exists():
        cgroups = "hybrid"
    else:
        cgroups = "v1"
    # runc is often in /usr/sbin, which the PATH of a plain user lacks.
    runtimes = tuple(name for name in ("crun", "runc") if which(name) or Path("/usr/sbin", name).exists())
    return Machine(cgroups, (os.getuid() if uid is None else uid) != 0, runtimes)


def settings(machine: Machine) -> str:
    """Return the text of containers.conf for this machine; raise EngineError if no runtime fits."""
    lines = [
        "# Made by molecule/shared/engine.py for this machine; do not edit.",
        "[containers]",
        "default_ulimits = []",
        # A node's names come from the scenario, not from the host's own file.
        'base_hosts_file = "none"',
    ]
    if machine.cgroups == "v2":
        return "\n".join(lines) + "\n"
    if machine.rootless:
        raise EngineError(
            f"rootless containers with systemd need cgroup v2, this machine has {machine.cgroups}: run as root"
        )
    if "runc" not in machine.runtimes:
        raise EngineError(
            f"with cgroup {machine.cgroups} systemd containers need runc (Debian, Ubuntu: apt-get install runc)"
        )
    lines += ["[engine]", 'runtime = "runc"']
    if not Path("/run/systemd/system").exists():
        # Without systemd on the host nobody answers on its bus: manage cgroups by files.
        lines.append('cgroup_manager = "cgroupfs"')
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> bool:
    """Write text to path if it differs; return whether it was written."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return True


def ensure(path: Path) -> None:
    """Make this process and its children use the file at `path`, unless a person named another; EngineError."""
    if not os.environ.get("CONTAINERS_CONF") or Path(os.environ["CONTAINERS_CONF"]) == path:
        write(path, settings(detect()))
        os.environ["CONTAINERS_CONF"] = str(path)


def main(argv: list[str] | None = None) -> int:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(description="Write the containers.conf that this machine needs.")
    parser.add_argument("path", nargs="?", type=Path, default=DEFAULT_CONF)
    path = parser.parse_args(argv).path
    try:
        changed = write(path, settings(detect()))
    except EngineError as error:
        print(f"engine.py: {error}", file=sys.stderr)
        return 1
    print("changed" if changed else "unchanged")
    return 0


if __name__ == "__main__":
    sys.exit(main())

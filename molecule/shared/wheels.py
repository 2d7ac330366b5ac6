#!/usr/bin/env python3
# Collects the Python packages of the nodes once, so that no node needs a package index.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download wheels.txt for the Python of the controller's image into .cache/wheels, if it changed since the last time.

pip on this machine does it, with the index, proxy and certificates that it is configured for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from host import Host, HostError
from lock import locked

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("AIDC_OPS_LAB_CACHE", HERE.parent.parent / ".cache"))
REQUIREMENTS = (HERE / "wheels.txt", HERE.parent.parent / "requirements.txt")
# Debian 12's Python; packages without compiled parts serve every other release as well.
PYTHON = "3.11"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def collect(host: Host, cache: Path = CACHE) -> bool:
    """Bring .cache/wheels up to date; return whether anything was downloaded. Raise HostError with pip's words."""
    with locked(cache, "wheels"):
        return _collect(host, cache)


def _collect(host: Host, cache: Path) -> bool:
    target = cache / "wheels"
    stamp = cache / "wheels.stamp"
    digest = hashlib.sha256("\0".join([PYTHON, *(path.read_text() for path in REQUIREMENTS)]).encode()).hexdigest()[:16]
    if stamp.is_file() and stamp.read_text() == digest:
        return False
    fresh = cache / "wheels.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    host.run(
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--dest",
        str(fresh),
        "--only-binary=:all:",
        "--python-version",
        PYTHON,
        "--implementation",
        "cp",
        *(word for name in PLATFORMS for word in ("--platform", name)),
        "--requirement",
        str(REQUIREMENTS[0]),
        timeout=900,
    )
    # Nodes have the folder mounted: keep it, and replace what is inside.
    target.mkdir(exist_ok=True)
    for path in target.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in fresh.iterdir():
        path.rename(target / path.name)
    fresh.rmdir()
    stamp.write_text(digest)
    return True


def main() -> int:
    """Entry point of the program."""
    try:
        print("changed" if collect(Host()) else "unchanged")
    except HostError as error:
        print(f"wheels.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

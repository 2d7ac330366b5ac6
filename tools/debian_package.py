# Programs of Debian packages for tests, with nothing installed on the machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages are downloaded and unpacked below .cache/packages: installing them would start their services on the machine
of whoever runs the tests.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "packages"
MIRROR = os.environ.get("AIDC_OPS_LAB_MIRROR", "http://deb.debian.org/debian")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class PackageError(Exception):
    """A package cannot be had; the message says why."""


def unpacked(*packages: str) -> Path:
    """A folder with the files of these packages, without those of the packages they need."""
    return _cached(CACHE / "+".join(sorted(packages)), [], packages)


def unpacked_of(release: str, *packages: str) -> Path:
    """The same of another release of Debian than that of the machine, such as C(trixie)."""
    lists = CACHE / f"apt-{release}"
    (lists / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (lists / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (lists / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {release} main\n", encoding="utf-8")
    options = {
        "Dir::Etc::sourcelist": lists / "sources.list", "Dir::Etc::sourceparts": "-", "Dir::Cache": lists,
        "Dir::State::lists": lists / "lists", "Dir::State::status": "/dev/null",
    }  # fmt: skip
    chosen = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return _cached(CACHE / release / "+".join(sorted(packages)), chosen, packages)


def _cached(folder: Path, options: list[str], packages: tuple[str, ...]) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _unpack(packages, folder, options)
    return folder


def library_path(folder: Path) -> str:
    """What LD_LIBRARY_PATH has to be for programs in the folder that need libraries in it."""
    return os.pathsep.join(sorted({str(path.parent) for path in folder.rglob("*.so.*")}))


def _unpack(packages: tuple[str, ...], target: Path, options: list[str]) -> None:
    """Download and unpack; the folder gets its name when it is whole."""
    unfinished = CACHE / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    download = ["apt-get", *options, "download", *packages]
    done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
    if done.returncode and (options or os.geteuid() == 0):
        # A machine that never asked for its package lists.
        subprocess.run(["apt-get", *options, "update", "--quiet"], capture_output=True, check=False)
        done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
    found = sorted(unfinished.glob("*.deb"))
    if done.returncode or len(found) != len(packages):
        raise PackageError(f"the packages {', '.join(packages)} cannot be downloaded: {done.stderr.strip()}")
    for package in found:
        subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=unfinished, check=True)
        package.unlink()
    unfinished.rename(target)
